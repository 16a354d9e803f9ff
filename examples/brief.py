"""A curator: keeps rationales up to a number of words.

curators: [correct, {use: brief, words: 30}]
"""

from rtbench.api import Curator, Record, convert, hookimpl


class Options(Record, frozen=True):
    """Options that a matrix may set."""

    words: int = 50


class Brief(Curator):
    name = "brief"
    version = 1  # raise it when the same rationales give another selection

    def __init__(self, options):
        self.words = convert(options, Options, where="curator brief").words

    def keep(self, candidates, context):
        return [one for one in candidates if len((one.example.rationale or "").split()) <= self.words]


@hookimpl
def rtbench_register_curators(register):
    register("brief", Brief, summary="keeps rationales up to a number of words")

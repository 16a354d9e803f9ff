"""A set of claims: does each doubling of the rationales help?

rtbench claims --plugin examples/more_is_better.py --set more-is-better
"""

from rtbench.api import CellComparison, Claim, ClaimSet, UntestedError, hookimpl, match_cells


class Doubling(Claim):
    """Compares the students of one degree with those of half the degree, whatever their answers."""

    def __init__(self, degree):
        self.degree = degree
        self.name = f"double-{degree}"
        self.sentence = f"{degree} rationales per question beat {degree // 2}"

    def compare(self, view):
        cells = view.trained("fine-tune-cot")
        many, few = ([cell for cell in cells if cell.degree == degree] for degree in (self.degree, self.degree // 2))
        pairs = match_cells(many, few, ("teacher", "student", "variant", "seed"))
        if not pairs:
            raise UntestedError("no student has both degrees")
        return CellComparison(pairs)


def claims():
    return ClaimSet("more-is-better", "Is more better?", [Doubling(degree) for degree in (2, 4, 8)])


@hookimpl
def rtbench_register_claims(register):
    register("more-is-better", claims, summary="each doubling of the rationales")

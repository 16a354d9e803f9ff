"""A model as a judge of rationales; it uses the same engine, ledger and budget as any teacher."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rtbench.api import (
    BadInputError,
    Candidate,
    Completion,
    CurationContext,
    Curator,
    ModelServices,
    Positive,
    Record,
    Sampling,
    StepFailedError,
    Teacher,
    answered,
    convert,
    make_request,
    spending_of,
    summed,
)

PROMPT = """Question:
{question}

A solution:
{rationale}

The right answer is {answer}.

Is every step of the solution right, does it use nothing that the question does not say or that is not commonly known, and does \
it lead to the answer? Think about it briefly, then end with one word: GOOD or BAD."""
_VERDICT = re.compile(r"(?:^|[^\w])(?P<not>(?i:not\W+(?:an?\W+)?))?(?P<word>GOOD|BAD)\W*$")
"""The verdict at the end of the text; ``not GOOD`` and ``NOT A GOOD`` count as neither."""


class JudgeOptions(Record, frozen=True):
    """Options of ``judge``."""

    model: dict[str, Any]
    """The judge's model, written like a teacher in a matrix: ``use``, and the options of its factory."""
    prompt: str = PROMPT
    """Prompt with ``{question}``, ``{rationale}`` and ``{answer}``. It must ask for an answer that ends with GOOD or
    BAD."""
    max_new_tokens: Positive = 256


class Judge(Curator):
    """Keeps rationales that the judge calls GOOD. Those that it calls neither GOOD nor BAD are dropped and counted."""

    name = "judge"
    version = 3
    asks_as = "judge"

    def __init__(self, options: JudgeOptions) -> None:
        model = dict(options.model)
        self._use = model.pop("use", None)
        self._name = model.pop("name", None) or f"judge {model.get('model', '')}".strip()
        self._model = model
        self._options = options
        self.asks_tokens = options.max_new_tokens
        if not isinstance(self._use, str) or not isinstance(self._name, str):
            raise BadInputError(
                "`model` needs `use`", where="curator judge", next_step="Example: {use: openai, model: …}."
            )
        for field in ("{question}", "{rationale}"):
            if field not in options.prompt:
                raise BadInputError(f"`prompt` lacks {field}", where="curator judge")

    def asks(self, services: ModelServices) -> Teacher:
        return services.teacher(self._use, self._name, self._model)

    def keep(self, candidates: Sequence[Candidate], context: CurationContext) -> Sequence[Candidate]:
        if not candidates:
            return candidates
        assert context.services is not None, "a judge needs a session"
        teacher = self.asks(context.services)
        member = teacher.members()[0]
        sampling = Sampling(max_new_tokens=self._options.max_new_tokens)
        requests = [
            make_request(
                member.fingerprint,
                context.dataset,
                candidate.example.sample_index,
                candidate.example.completion_index,
                self._filled(candidate),
                sampling,
            )
            for candidate in candidates
        ]
        partition = context.services.ledger.partition(member.fingerprint, context.dataset, self.asks_as)
        answers = answered(lambda: teacher.open(member), partition, list({r.key: r for r in requests}.values()))
        left = [request for request in requests if request.key not in answers]
        if left and not (answers and teacher.leaves_out):
            raise StepFailedError(
                f"the judge {self._name!r} did not answer for {len(left)} of {len(requests)} rationales",
                next_step="Its other answers are stored; run again to ask for the rest.",
            )
        spent = spending_of([c.usage for c in answers.values()], teacher.price)
        before = context.judged.get(self._name)
        context.judged[self._name] = spent if before is None else summed([before, spent])
        if left:
            context.notes.append(
                f"the judge {self._name!r} refused {len(left)} of {len(requests)} rationales, which were dropped"
            )
        verdicts = [_verdict(answers[request.key]) if request.key in answers else None for request in requests]
        if undecided := verdicts.count(None) - len(left):
            context.notes.append(
                f"the judge {self._name!r} gave no verdict on {undecided} of {len(verdicts)} rationales, "
                "which were dropped; a larger `max_new_tokens` may help"
            )
        return [candidate for candidate, verdict in zip(candidates, verdicts, strict=True) if verdict == "GOOD"]

    def _filled(self, candidate: Candidate) -> str:
        """Return the prompt for a candidate.

        All fields are filled in at once: a rationale is untrusted text and may contain the names of fields.
        """
        example = candidate.example
        values = {"question": example.question, "rationale": example.rationale or "", "answer": example.answer}
        return re.sub(r"\{(question|rationale|answer)\}", lambda match: values[match[1]], self._options.prompt)


def _verdict(completion: Completion) -> str | None:
    """Return the verdict at the end of the judge's text; None where it ends with neither word, or was cut."""
    match = None if completion.finish_reason == "length" else _VERDICT.search(completion.text)
    return None if match is None or match["not"] else match["word"]


def judge(options: dict[str, Any]) -> Curator:
    """Create the curator ``judge``."""
    return Judge(convert(options, JudgeOptions, where="curator judge"))

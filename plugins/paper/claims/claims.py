"""The paper's six claims, each with its comparison and the paper's own figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rtbench_plugins.paper.claims.comparisons import (
    beats_teacher,
    better_teacher,
    fine_tune_cot,
    higher_degree,
    larger_student,
    more_questions,
)
from rtbench_plugins.paper.claims.figures import Paper

from rtbench.api import CellComparison, Claim, ClaimResult, ClaimSet, Reported, View

SENTENCES: dict[str, tuple[str, Callable[[View], CellComparison]]] = {
    "C1": ("rationales beat answers", fine_tune_cot),
    "C2": ("several rationales per question beat one", higher_degree),
    "C3": ("larger students are more accurate", larger_student),
    "C4": ("better teachers make more accurate students", better_teacher),
    "C5": ("more training questions make more accurate students", more_questions),
    "C6": ("some student beats its imperfect teacher", beats_teacher),
}
"""The claims. In C1, "rationales" are students trained by fine-tune-cot and "answers" students trained by fine-tune."""
NO_LEAD = "rationales have no lead of 5 points over answers"


class PaperClaim(Claim):
    """A claim of the paper.

    Args:
        name: C1 to C6.
        figures: the paper's.
        no_lead: ``C1 opposite``, which takes the place of C1 on the tasks where the paper's own figures show no lead.
    """

    def __init__(self, name: str, figures: Paper, *, no_lead: bool = False) -> None:
        self.key = name
        self.figures = figures
        self.no_lead = no_lead
        self.name = f"{name} opposite" if no_lead else name
        sentence, self._compare = SENTENCES[name]
        self.sentence = NO_LEAD if no_lead else sentence

    def compare(self, view: View) -> CellComparison:
        return self._compare(view)

    def on(self, task: str) -> PaperClaim:
        if self.key == "C1" and self.figures.expects_opposite(task):
            return PaperClaim("C1", self.figures, no_lead=True)
        return self

    def expected(self, task: str) -> str:
        return self.figures.expectation(self.key, task)

    def reported(self, task: str) -> Reported | None:
        return self.figures.reported(self.key, task)


class PaperClaims(ClaimSet):
    """The paper's claims."""

    def legend(self, results: Sequence[ClaimResult]) -> list[str]:
        names = {result.claim for result in results}
        lines = []
        if names & {"C1", "C1 opposite"}:
            lines.append(
                "C1: rationales are students trained by fine-tune-cot, answers are students trained by fine-tune."
            )
        if "C1 opposite" in names:
            lines.append(
                "C1 opposite, on tasks where the paper found no lead: fine-tune-cot has no lead of 5 points over fine-tune."
            )
        if "C6" in names:
            lines.append(
                "C6: compares the best of all students; interval and p value are Bonferroni-adjusted for their number."
            )
        return lines


def paper_claims() -> ClaimSet:
    """Return the paper's claims."""
    figures = Paper()
    claims = [PaperClaim(name, figures) for name in SENTENCES]
    source = "Ho, Schmid and Yun 2023, arXiv 2212.10071"
    return PaperClaims("paper", "The paper's claims", claims, source=source)

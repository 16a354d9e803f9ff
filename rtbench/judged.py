"""A cell's answers, each with its question, text and verdict: what is shown, compared and looked into."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rtbench.errors import BadInputError, UnknownNameError
from rtbench.files import read_jsonl
from rtbench.records import Completion, Record, Sample, Score
from rtbench.specs import ScoreSpec
from rtbench.steps.complete import completions_of

if TYPE_CHECKING:
    from rtbench.runs import CellRecord
    from rtbench.session import Session


class Judged(Record, frozen=True):
    """One answer."""

    sample: Sample
    completion: Completion
    score: Score
    answer_prefix: str | None
    """What stands before the answer in the prompt's format."""

    @property
    def rationale(self) -> str:
        """What was written before the answer: the first stage's text, or what stands before the prefix."""
        if self.completion.reasoning is not None:
            return self.completion.reasoning
        before, found, _ = self.completion.text.rpartition(self.answer_prefix) if self.answer_prefix else ("", "", "")
        return before if found else self.completion.text


def judged(session: Session, cell: CellRecord, extractor: str | None = None) -> list[Judged]:
    """The answers of a cell that has been scored, in the order of its questions.

    Args:
        session: where.
        cell: of a run.
        extractor: whose verdicts; None: the one that the leaderboard shows.

    Raises:
        BadInputError: the cell has no scores, or its task is not known here.
        UnknownNameError: it was not scored with that extractor.
    """
    key = check_scored(session, cell)
    folder = session.store.path("score", key)
    known = sorted(path.stem.removeprefix("scores-") for path in folder.glob("scores-*.jsonl"))
    name = extractor or cell.extractor
    if name not in known:
        raise UnknownNameError.of("extractor", name, known, where=f"cell {cell.name}")
    meta = session.store.meta("score", key)
    prefix = msgspec.convert(meta.spec, ScoreSpec).answer_prefix
    epoch = meta.result.get("epoch", 1) if len(cell.completions) > 1 else 1
    completions = {
        (c.sample_index, c.completion_index): c for c in completions_of(session, cell.completions[epoch - 1])
    }
    samples = session.task_data(cell.task, cell.variant).samples
    return [
        Judged(
            sample=samples[score.sample_index],
            completion=completions[score.sample_index, score.completion_index],
            score=score,
            answer_prefix=prefix,
        )
        for score in read_jsonl(folder / f"scores-{name}.jsonl", Score)
    ]


def check_scored(session: Session, cell: CellRecord) -> str:
    """Key of a cell's score step.

    Raises:
        BadInputError: it has none, or its task or questions are not those of then.
    """
    if cell.score is None or not session.store.has("score", cell.score):
        raise BadInputError(cell.reason or "not run yet", where=f"cell {cell.name}", next_step="`rtbench run` first.")
    check_task(session, cell)
    now = session.task(cell.task).dataset_id(cell.variant)
    if now != cell.dataset:
        raise BadInputError(
            f"it was asked questions of {cell.dataset}, and {cell.task} now has {now}",
            where=f"cell {cell.name}",
            next_step="Run it again.",
        )
    return cell.score


def check_task(session: Session, cell: CellRecord) -> None:
    """Raises BadInputError where the cell's task is not known; a task of a file is known to the commands that are given it."""
    if cell.task not in session.plugins.registries["tasks"]:
        raise BadInputError(
            f"its task {cell.task!r} is not known here",
            where=f"cell {cell.name}",
            next_step="If it came from a file, give that again: --task FILE.yaml.",
        )

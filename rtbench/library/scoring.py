"""Score texts with a task's extractor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rtbench.errors import BadInputError
from rtbench.recordings.read import without_thinking
from rtbench.recordings.scoring import score_recording
from rtbench.schema.recordings import RecordedEntry, Recording

if TYPE_CHECKING:
    import pandas as pd

    from rtbench.session import Session


def scored_texts(
    session: Session,
    texts: list[str],
    *,
    task: str,
    questions: list[str] | None,
    answers: list[str] | None,
    extractor: str | None,
    variant: str | None,
    answer_prefix: str | None,
) -> pd.DataFrame:
    """Return one row per text, as :func:`rtbench.score` describes."""
    import pandas as pd

    for name, values in (("questions", questions), ("answers", answers)):
        if values is not None and len(values) != len(texts):
            raise BadInputError(f"{len(texts)} texts, but {len(values)} {name}", where="rtbench.score")
    if questions is None and answers is None:
        raise BadInputError(
            "neither questions nor answers", where="rtbench.score", next_step="Give the gold answers, or the questions."
        )
    entries = [
        without_thinking(
            RecordedEntry(
                place=f"texts[{i}]",
                completion_index=i,  # one question may have several texts
                text=text,
                question=questions[i] if questions is not None else None,
                answer=str(answers[i]) if answers is not None else None,
            )
        )
        for i, text in enumerate(texts)
    ]
    scored_task = session.task(task)
    recording = Recording(Path("rtbench.score"), "", "", task, answer_prefix, tuple(entries))
    found = score_recording(
        recording, scored_task, extractor or scored_task.info.shown_extractor, session.files, variant=variant
    )
    samples = session.task_data(task, variant or scored_task.info.variants[0]).samples if answers is None else {}
    golds = (
        dict(enumerate(answers))
        if answers is not None
        else {
            score.completion_index: samples[score.sample_index].answer
            for score in found.scores
            if score.sample_index in samples
        }
    )
    scores = {score.completion_index: score for score in found.scores}
    reasons = {one.where.rpartition(", ")[2]: one.reason for one in found.unmatched}
    rows = [
        {
            "text": text,
            "extracted": score.extracted if (score := scores.get(i)) else None,
            "gold": golds.get(i),
            "correct": score.correct if score else None,
            "contains_answer": score.contains_answer if score else None,
            "correct_format": score.correct_format if score else None,
            "complete": score.complete if score else None,
            "reason": reasons.get(f"texts[{i}]"),
        }
        for i, text in enumerate(texts)
    ]
    frame = pd.DataFrame(rows, columns=["text", *list(rows[0])[1:]] if rows else None)
    frame.attrs |= {"extractor": found.summary.extractor, "version": found.summary.version}
    return frame

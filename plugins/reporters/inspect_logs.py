"""Reporter ``inspect``: writes a run as ``.eval`` logs of inspect_ai, for ``inspect view``. Needs the extra ``inspect``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import msgspec
from rtbench_plugins.reporters.harnesses import standard_error, task_name

from rtbench.api import (
    Completion,
    FinishReason,
    FolderReporter,
    MissingExtraError,
    ScoredAnswer,
    answers_by_extractor,
    content_key,
    file_name,
    hookimpl,
    scored_by,
    scored_cells,
)

if TYPE_CHECKING:
    from pathlib import Path

    from inspect_ai.log import EvalLog, EvalSample, EvalScore
    from inspect_ai.model import ChatMessage

    from rtbench.api import CellRecord, Leaderboard, Register, RunRecord, Services

_ENDED: dict[FinishReason | None, Literal["stop", "max_tokens", "unknown"]] = {
    "stop": "stop", "length": "max_tokens", None: "unknown",
}  # fmt: skip


class InspectReporter(FolderReporter):
    """Reporter that writes ``DIR/CELL.eval`` for each scored cell. Each extractor is a scorer; the leaderboard's is first."""

    name = "inspect"

    def write(self, leaderboard: Leaderboard, run: RunRecord, services: Services, folder: Path) -> None:
        """Write a log for each cell that has a score.

        Raises:
            MissingExtraError: inspect_ai is not installed.
        """
        try:
            from inspect_ai.log import write_eval_log
        except ImportError:
            raise MissingExtraError.of("inspect_ai", "inspect") from None
        cells = scored_cells(services, run)
        folder.mkdir(parents=True, exist_ok=True)
        for cell in cells:
            log = _log(services, cell, run, leaderboard.version)
            write_eval_log(log, str(folder / f"{file_name(cell.name)}.eval"), format="eval")


def _log(services: Services, cell: CellRecord, run: RunRecord, version: str) -> EvalLog:
    """Return the log of a cell.

    Where several completions of a question vote, each completion is a sample (an epoch) with scores of its own, and the
    results are those of the answers chosen by the vote.
    """
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalResults, EvalSpec

    model = cell.student or cell.teacher or "rtbench"
    names = scored_by(services, cell)
    chosen, votes = answers_by_extractor(services, cell, names), answers_by_extractor(services, cell, names, votes=True)
    several = any(votes.values())
    samples = _samples(votes if several else chosen, model)
    questions = sorted({int(sample.id) for sample in samples})
    facts = ("method", "teacher", "degree", "fraction", "seed", "variant", "split", "fold")
    stated = {fact: getattr(cell, fact) for fact in facts}
    spec = EvalSpec(
        eval_id=content_key(run.name, cell.name, cell.score),
        run_id=run.name,
        created=datetime.now(UTC).isoformat(),
        task=task_name(cell.task),
        task_id=cell.task,
        task_args={fact: value for fact, value in stated.items() if value is not None},
        dataset=EvalDataset(name=cell.dataset, samples=len(questions), sample_ids=questions),
        model=f"rtbench/{model}",
        config=EvalConfig(
            epochs=max((sample.epoch for sample in samples), default=1),
            epochs_reducer=["majority" if several else "mean"],
            limit=cell.limit,
        ),
        packages={"rtbench": version},
        metadata={"rtbench": msgspec.to_builtins(cell), "matrix": run.matrix},
    )
    results = EvalResults(
        total_samples=len(samples),
        completed_samples=len(samples),
        scores=[_score(name, answers, "majority" if several else "mean") for name, answers in chosen.items()],
    )
    return EvalLog(status="success", eval=spec, results=results, samples=samples)


def _score(name: str, answers: Sequence[ScoredAnswer], reducer: str) -> EvalScore:
    """Return the accuracy over questions and its standard error as inspect defines it; no metrics without answers."""
    from inspect_ai.log import EvalMetric, EvalScore

    n, metrics = len(answers), {}
    if n:
        accuracy = sum(answer.score.correct for answer in answers) / n
        metrics = {"accuracy": accuracy, "stderr": standard_error(accuracy, n) or 0.0}
    return EvalScore(
        name=name, scorer=name, reducer=reducer, scored_samples=n, unscored_samples=0,
        metrics={key: EvalMetric(name=key, value=value) for key, value in metrics.items()},
    )  # fmt: skip


def _samples(by_extractor: dict[str, list[ScoredAnswer]], model: str) -> list[EvalSample]:
    """Return a sample per completion, with every extractor's score."""
    rows = zip(*by_extractor.values(), strict=True)
    return [_sample(dict(zip(by_extractor, row, strict=True)), model) for row in rows]


def _sample(verdicts: dict[str, ScoredAnswer], model: str) -> EvalSample:
    from inspect_ai.log import EvalSample
    from inspect_ai.model import ModelOutput, ModelUsage
    from inspect_ai.scorer import Score

    first = next(iter(verdicts.values()))
    sample, completion = first.sample, first.completion
    output = ModelOutput.from_content(model, completion.text, stop_reason=_ENDED[completion.finish_reason])
    if completion.usage is not None:
        prompt, written = completion.usage.prompt_tokens, completion.usage.completion_tokens
        output.usage = ModelUsage(input_tokens=prompt, output_tokens=written, total_tokens=prompt + written)
    metadata = {} if completion.reasoning is None else {"rationale": completion.reasoning}
    return EvalSample(
        id=sample.index,
        epoch=completion.completion_index + 1,
        input=sample.question,
        choices=list(sample.choices) or None,
        target=sample.answer,
        messages=_messages(sample.question, completion),
        output=output,
        scores={
            name: Score(value="C" if answer.score.correct else "I", answer=answer.score.extracted)
            for name, answer in verdicts.items()
        },
        metadata=metadata,
    )


def _messages(question: str, completion: Completion) -> list[ChatMessage]:
    """Return the messages of a conversation. Where a recording lacks the first prompt, the question is used for it."""
    from inspect_ai.model import ChatMessageAssistant, ChatMessageUser

    messages: list[ChatMessage] = []
    if question.strip() not in completion.prompt:
        messages.append(ChatMessageUser(content=question))
        if completion.reasoning is not None:
            messages.append(ChatMessageAssistant(content=completion.reasoning, source="generate"))
    if completion.prompt:
        messages.append(ChatMessageUser(content=completion.prompt))
    return [*messages, ChatMessageAssistant(content=completion.text, source="generate")]


@hookimpl
def rtbench_register_reporters(register: Register) -> None:
    register("inspect", "rtbench_plugins.reporters.inspect_logs:InspectReporter", summary="logs of inspect_ai (.eval)")

"""Evaluation results of a pushed student: files of ``.eval_results`` and the ``model-index`` of its card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtbench.api import ScoreResult, in_percent, read_yaml, write_atomic

if TYPE_CHECKING:
    from rtbench.api import CellRecord, RunRecord, ScoreSummary, Services

_DATASETS = Path(__file__).with_name("datasets.yaml")


def dataset_of(cell: CellRecord) -> str | None:
    """Return the hub's data set with a cell's questions; None for questions of twins and tasks that the hub does not have."""
    datasets: dict[str, str] = read_yaml(_DATASETS)
    return datasets.get(cell.task) if cell.source == "upstream" else None


def write_results(services: Services, run: RunRecord, cell: CellRecord, folder: Path) -> None:
    """Write ``.eval_results/rtbench-TASK.yaml``, where the cell is scored on the test fold of a data set of the hub."""
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    dataset = dataset_of(cell)
    summary = _shown(services, cell)
    if dataset is None or summary is None or cell.fold != "test":
        return
    entry = EvalResultEntry(
        dataset_id=dataset,
        task_id=cell.task,
        value=float(in_percent(summary.accuracy)),
        date=run.made or None,
        notes=_notes(cell, summary),
    )
    content = yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False, allow_unicode=True)
    path = folder / ".eval_results" / f"rtbench-{cell.task}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, content.encode())


def model_index(services: Services, cell: CellRecord, name: str) -> list[dict[str, Any]]:
    """Return the ``model-index`` of a card: one result per extractor; empty where the cell has no score."""
    from huggingface_hub.repocard_data import EvalResult, eval_results_to_model_index

    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=dataset_of(cell) or f"rtbench/{cell.task}",
            dataset_name=f"{cell.task} ({cell.source} data, {cell.variant})",
            dataset_config=cell.split,
            dataset_split=cell.fold,
            metric_type="accuracy",
            metric_name=f"accuracy in percent ({summary.extractor} v{summary.version}, n = {summary.n})",
            metric_value=float(in_percent(summary.accuracy)),
        )
        for summary in _summaries(services, cell)
    ]
    return eval_results_to_model_index(name, results) if results else []


def _summaries(services: Services, cell: CellRecord) -> list[ScoreSummary]:
    if cell.score is None or not services.store.scored(cell):
        return []
    found = list(services.store.result(ScoreResult, cell.score).summaries)
    return sorted(found, key=lambda summary: summary.extractor != cell.extractor)


def _shown(services: Services, cell: CellRecord) -> ScoreSummary | None:
    return next(iter(_summaries(services, cell)), None)


def _notes(cell: CellRecord, summary: ScoreSummary) -> str:
    """Return in words how the number came about: rtbench's own fold, number of questions, extractor, seed."""
    limit = "" if cell.limit is None else f", the first {cell.limit} questions"
    return (
        f"rtbench: {cell.method}, {cell.fold} fold of the split {cell.split} ({summary.n} questions{limit}), "
        f"extractor {summary.extractor} v{summary.version}, seed {cell.seed}"
    )

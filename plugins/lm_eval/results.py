"""Reporter ``lm-eval``: writes a run in the form of lm-eval's results and samples files.

The files are those of ``lm_eval --output_path --log_samples``, so that programs which read lm-eval's files can read
ours. Each pair of student and method is a model, and each extractor a filter.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rtbench_plugins.lm_eval.export import doc_of
from rtbench_plugins.reporters.harnesses import standard_error, task_name

from rtbench.api import (
    FolderReporter,
    Leaderboard,
    ScoredAnswer,
    answers_by_extractor,
    asked_as,
    scored_by,
    scored_cells,
    shots,
    write_json,
    write_jsonl,
)

if TYPE_CHECKING:
    from rtbench.api import CellRecord, RunRecord, Services

_UNSAFE = re.compile(r"[\"<>:/|\\?*\[\]]+")
"""Characters that ``sanitize_model_name`` in lm_eval/utils.py replaces."""


class LmEvalReporter(FolderReporter):
    """Writer of ``DIR/MODEL/results_DATE.json`` and ``samples_TASK_DATE.jsonl``."""

    name = "lm-eval"

    def write(self, leaderboard: Leaderboard, run: RunRecord, services: Services, folder: Path) -> None:
        """Add files for each model; cells without a score are left out."""
        models: dict[str, list[CellRecord]] = {}
        for cell in scored_cells(services, run):
            models.setdefault(cell.name.partition("/")[2], []).append(cell)
        date = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
        for model, cells in models.items():
            place = folder / _UNSAFE.sub("__", model)
            results: dict[str, Any] = {}
            for cell in cells:
                by_extractor = answers_by_extractor(services, cell, scored_by(services, cell))
                task = task_name(cell.task)
                results[task] = _metrics(task, by_extractor)
                lines = [
                    _sample(at, answer, name)
                    for name, answers in by_extractor.items()
                    for at, answer in enumerate(answers)
                ]
                write_jsonl(place / f"samples_{task}_{date}.jsonl", lines)
            few = {task_name(cell.task): shots(asked_as(services, cell).demonstrations) for cell in cells}
            whole = _whole(results, cells, few, model, run, leaderboard.version)
            write_json(place / f"results_{date}.json", whole)


def _metrics(task: str, by_extractor: dict[str, list[ScoredAnswer]]) -> dict[str, Any]:
    metrics: dict[str, Any] = {"alias": task, "sample_len": max(map(len, by_extractor.values()), default=0)}
    for name, answers in by_extractor.items():
        n = len(answers)
        accuracy = sum(answer.score.correct for answer in answers) / n if n else 0.0
        metrics[f"exact_match,{name}"] = accuracy
        error = standard_error(accuracy, n)
        metrics[f"exact_match_stderr,{name}"] = "N/A" if error is None else error
    return metrics


def _sample(at: int, answer: ScoredAnswer, extractor: str) -> dict[str, Any]:
    doc = msgspec.to_builtins(doc_of(answer.sample, answer.answer_prefix))
    prompt, gold = answer.completion.prompt, answer.sample.answer
    return {
        "doc_id": at,
        "doc": doc,
        "target": gold,
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {}}},
        "resps": [[answer.completion.text]],
        "filtered_resps": ["[invalid]" if answer.score.extracted is None else answer.score.extracted],
        "filter": extractor,
        "metrics": ["exact_match"],
        "doc_hash": _hash(json.dumps(doc, indent=2, ensure_ascii=False)),
        "prompt_hash": _hash(prompt),
        "target_hash": _hash(gold),
        "exact_match": float(answer.score.correct),
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _whole(
    results: dict[str, Any], cells: list[CellRecord], few: dict[str, int], model: str, run: RunRecord, version: str
) -> dict[str, Any]:
    sizes = {
        task: {"original": metrics["sample_len"], "effective": metrics["sample_len"]}
        for task, metrics in results.items()
    }
    configs = {
        task: {
            "task": task,
            "output_type": "generate_until",
            "num_fewshot": few[task],
            "metadata": {
                "rtbench": {"cell": cell.name, "run": run.name, "matrix": run.matrix, "variant": cell.variant}
            },
        }
        for task, cell in zip(results, cells, strict=True)
    }
    return {
        "results": results,
        "group_subtasks": {task: [] for task in results},
        "configs": configs,
        "versions": dict.fromkeys(results, 1),
        "n-shot": few,
        "higher_is_better": {task: {"exact_match": True} for task in results},
        "n-samples": sizes,
        "config": {"model": "rtbench", "model_args": model, "limit": cells[0].limit},
        "model_source": "rtbench",
        "model_name": model,
        "model_name_sanitized": _UNSAFE.sub("__", model),
        "rtbench_version": version,
    }

"""Reporter ``every-eval-ever``: a run as records of Every Eval Ever, the shared format of evaluation results.

Each scored cell has an aggregate record and a file with its samples, at the paths that the format's validator demands.

Source: schemas ``eval.schema.json`` and ``instance_level_eval.schema.json``, version 0.3.0, of evaleval/every_eval_ever.
"""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
from rtbench_plugins.reporters.harnesses import task_name

from rtbench.api import (
    CONFIDENCE,
    FolderReporter,
    Scored,
    ScoredAnswer,
    ScoreResult,
    answers_by_extractor,
    asked_as,
    content_key,
    file_digest,
    hookimpl,
    precision_of,
    scored_cells,
    write_json,
    write_jsonl,
)

if TYPE_CHECKING:
    from pathlib import Path

    from rtbench.api import CellRecord, Leaderboard, Register, RunRecord, ScoreSummary, Services

SCHEMA = "0.3.0"
COLLECTION = DEVELOPER = "rtbench"
_FACTS = ("method", "teacher", "degree", "fraction", "seed", "selection", "source", "variant", "split", "fold", "limit")
"""Fields of a cell that distinguish its record."""


class EveryEvalEverReporter(FolderReporter):
    """Writer of ``DIR/data/rtbench/rtbench/MODEL/UUID.json`` and ``UUID_samples.jsonl``, one pair for each scored cell."""

    name = "every-eval-ever"

    def write(self, leaderboard: Leaderboard, run: RunRecord, services: Services, folder: Path) -> None:
        """Write the records; cells without a score are left out."""
        now = str(int(time.time()))
        for cell in scored_cells(services, run):
            _write(services, cell, run, leaderboard.version, now, folder)


def _write(services: Services, cell: CellRecord, run: RunRecord, version: str, now: str, folder: Path) -> None:
    assert cell.score is not None
    model = cell.student or cell.teacher or "model"
    model_id = f"{DEVELOPER}/{_portable(model)}"
    evaluation_id = f"{task_name(cell.task)}/{model_id}/{content_key(cell.name, cell.score)[:16]}"
    place = f"data/{COLLECTION}/{DEVELOPER}/{_portable(model)}/{_uuid(evaluation_id)}"
    prompt = asked_as(services, cell)
    summaries = services.store.result(ScoreResult, cell.score).summaries
    answers = answers_by_extractor(services, cell, [cell.extractor])[cell.extractor]
    shown = f"{cell.task}/{cell.extractor}"
    lines = [_sample(answer, evaluation_id, model_id, cell.extractor, shown) for answer in answers]
    samples = folder / f"{place}_samples.jsonl"
    write_jsonl(samples, lines)
    facts = {name: str(value) for name in _FACTS if (value := getattr(cell, name)) is not None}
    training = {} if cell.recipe is None else {"recipe": msgspec.json.encode(cell.recipe).decode()}
    record = {
        "schema_version": SCHEMA,
        "evaluation_id": evaluation_id,
        "evaluation_timestamp": run.made,
        "retrieved_timestamp": now,
        "source_metadata": {
            "source_name": "rtbench",
            "source_type": "evaluation_run",
            "source_organization_name": "unknown",
            "evaluator_relationship": "first_party" if cell.recipe is not None else "third_party",
            "additional_details": {"run": run.name, "matrix": run.matrix, "cell": cell.name},
        },
        "eval_library": {"name": "rtbench", "version": version},
        "model_info": {
            "name": model,
            "id": model_id,
            "developer": DEVELOPER,
            "inference_platform": "unknown" if cell.student is None else "local",
            "additional_details": {
                "deployment_type": "unknown" if cell.student is None else "self_deployed",
                "model_availability": "unknown",
                **facts,
                **training,
            },
        },
        "evaluation_results": [
            _result(services, cell, summary, {"temperature": prompt.sampling.temperature, "top_p": prompt.sampling.top_p}
                    | {"max_tokens": prompt.sampling.max_new_tokens, "prompt_template": prompt.format.template(prompt.family).input})
            for summary in summaries
        ],
        "detailed_evaluation_results": {
            "format": "jsonl",
            "file_path": f"{place}_samples.jsonl",
            "hash_algorithm": "sha256",
            "checksum": file_digest(samples),
            "total_rows": len(lines),
        },
    }  # fmt: skip
    write_json(folder / f"{place}.json", record)


def _result(services: Services, cell: CellRecord, summary: ScoreSummary, generation: dict[str, Any]) -> dict[str, Any]:
    """Return the result of one extractor, with the interval that leaderboards show."""
    assert cell.score is not None
    uncertainty: dict[str, Any] = {"num_samples": summary.n}
    if summary.n:
        interval = precision_of([Scored(cell.score, summary)], services.store).interval
        uncertainty["confidence_interval"] = {
            "lower": interval.low, "upper": interval.high, "confidence_level": CONFIDENCE, "method": interval.method,
        }  # fmt: skip
    return {
        "evaluation_result_id": f"{cell.task}/{summary.extractor}",
        "evaluation_name": cell.task,
        "source_data": _source(services, cell),
        "metric_config": {
            "evaluation_description": f"Accuracy; answers are read by the extractor {summary.extractor} v{summary.version}.",
            "metric_id": "accuracy",
            "metric_name": f"Accuracy ({summary.extractor})",
            "metric_kind": "accuracy",
            "metric_unit": "proportion",
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0.0,
            "max_score": 1.0,
        },
        "score_details": {
            "score": summary.accuracy,
            "details": {"correct": str(summary.correct), "missing": str(summary.missing)},
            "uncertainty": uncertainty,
        },
        "generation_config": {"generation_args": generation},
    }


def _source(services: Services, cell: CellRecord) -> dict[str, Any]:
    """Return the origin of the questions: the addresses of published files, or else a name."""
    details = {"split": cell.split, "fold": cell.fold, "variant": cell.variant}
    pins = services.task(cell.task).pins if cell.source == "upstream" else ()
    if pins:
        urls = [pin.url for pin in pins]
        return {"dataset_name": cell.dataset, "source_type": "url", "url": urls, "additional_details": details}
    return {"dataset_name": cell.dataset, "source_type": "other", "additional_details": details}


def _sample(answer: ScoredAnswer, evaluation_id: str, model_id: str, extractor: str, result: str) -> dict[str, Any]:
    sample, completion, score = answer.sample, answer.completion, answer.score
    usage = completion.usage
    reasoning = [text for text in (completion.thinking, completion.reasoning) if text]
    tokens = None if usage is None else {
        "input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }  # fmt: skip
    return {
        "schema_version": SCHEMA,
        "evaluation_id": evaluation_id,
        "model_id": model_id,
        "evaluation_name": result.partition("/")[0],
        "evaluation_result_id": result,
        "sample_id": f"{sample.index}" if not completion.completion_index else f"{sample.index}-{completion.completion_index}",
        "sample_hash": hashlib.sha256(f"{sample.question}{sample.answer}".encode()).hexdigest(),
        "interaction_type": "single_turn",
        "input": {
            "raw": sample.question,
            "formatted": completion.prompt,
            "reference": [sample.answer],
            "choices": list(sample.choices) or None,
        },
        "output": {"raw": [completion.text], "reasoning_trace": reasoning or None},
        "messages": None,
        "answer_attribution": [] if score.extracted is None else [{
            "turn_idx": 0, "source": "output.raw", "extracted_value": score.extracted,
            "extraction_method": f"rtbench {extractor}", "is_terminal": True,
        }],
        "evaluation": {"score": float(score.correct), "is_correct": score.correct},
        "token_usage": tokens,
    }  # fmt: skip


def _portable(name: str) -> str:
    """Return a name as a component of a path that the validator accepts."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-_") or "model"


def _uuid(evaluation_id: str) -> uuid.UUID:
    """Return a UUID (version 4 by its form) that is the same whenever the same cell is written."""
    return uuid.UUID(bytes=hashlib.sha256(evaluation_id.encode()).digest()[:16], version=4)


@hookimpl
def rtbench_register_reporters(register: Register) -> None:
    register(
        "every-eval-ever", "rtbench_plugins.reporters.every_eval_ever:EveryEvalEverReporter",
        summary="records of Every Eval Ever",
    )  # fmt: skip

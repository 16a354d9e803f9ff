"""Export of tasks for lm-eval: its configs, and JSON Lines files with exactly our records and folds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any

from rtbench_plugins.methods.formats import ZERO_SHOT
from rtbench_plugins.reporters.harnesses import task_name

from rtbench.api import (
    BadInputError,
    CompleteSpec,
    DataFiles,
    Family,
    PluginError,
    PromptFormat,
    Record,
    Sample,
    Task,
    Template,
    UnknownNameError,
    asked_as,
    check_scored,
    demonstrations_text,
    questions_of,
    write_atomic,
    write_jsonl,
)
from rtbench.scoring.extraction import FILTER, FilterExtractor

if TYPE_CHECKING:
    from rtbench.api import CellRecord, Services

# lm-eval imports these functions by name, which registers our filter.
_FUNCTIONS = "process_docs: !function rtbench.scoring.filters.keep_docs\nprocess_results: !function rtbench.scoring.filters.verdict\n"


class ExportedDoc(Record, frozen=True):
    """One line of an exported data file."""

    sample_index: int
    question: str
    answer: str
    choices: tuple[str, ...]
    rationale: str | None
    answer_prefix: str | None
    """Text before the answer in the format's completions, so that samples are read as they were asked for."""


def export_tasks(
    tasks: Sequence[Task],
    directory: Path,
    variant: str,
    split: str,
    files: DataFiles,
    *,
    formats: Sequence[PromptFormat] = (ZERO_SHOT,),
    family: Family = "decoder",
    max_new_tokens: int = 1024,
) -> list[Path]:
    """Write ``rtbench_<task>.yaml`` and the JSON Lines files that it reads, for each task.

    Run them with ``lm_eval run --include_path DIRECTORY --tasks rtbench_<task>``. The configs name the data files by
    absolute path, so write them where they will be used.

    Args:
        tasks: tasks to export.
        directory: folder to write to; it is created if needed, and files of the same name are replaced.
        variant: data variant.
        split: split whose folds become lm-eval's training and test split.
        files: data files of the tasks.
        formats: prompt formats; the first gives ``rtbench_<task>``, others ``rtbench_<task>__<format>``.
        family: model family, which selects a format's template.
        max_new_tokens: maximum number of generated tokens.

    Returns:
        Paths of the configs, in order.

    Raises:
        MissingDataError, BadInputError: the data cannot be loaded, or the test fold has no text.
        UnknownNameError: there is no such variant or split.
    """
    configs: list[Path] = []
    for task in tasks:
        data = _folds_of(task, variant, split, files)
        for i, prompt_format in enumerate(formats):
            name = task_name(task.info.name) + (f"__{prompt_format.name.replace('-', '_')}" if i else "")
            folds = _write_folds(data, directory.resolve() / name, prompt_format.answer_prefix)
            shown = (
                demonstrations_text(prompt_format, task.demonstrations(files)) if prompt_format.demonstrations else ""
            )
            template = prompt_format.template(family)
            config = _config(name, task, folds, template, shown, prompt_format.answer_prefix)
            config["generation_kwargs"] |= {"until": list(template.stop), "max_gen_toks": max_new_tokens}
            config["metadata"]["rtbench_export"] = {"task": task.info.name, "variant": variant, "split": split}
            path = directory / f"{name}.yaml"
            write_atomic(path, _as_yaml(config))
            configs.append(path)
    return configs


def export_cell(services: Services, cell: CellRecord, directory: Path) -> Path:
    """Write the questions and prompts of one cell for lm-eval, as its student received them.

    Returns:
        Path of the config, as written by :func:`export_tasks`; another config of that task in the folder is replaced.

    Raises:
        BadInputError: the cell is not scored, its questions have changed since, or lm-eval cannot ask them in the same
            way.
    """
    check_scored(services, cell)
    spec = asked_as(services, cell)
    if (why := _cannot_be_asked(spec)) is not None:
        raise BadInputError(why, where=f"cell {cell.name}")
    data = services.task_data(cell.task, cell.variant)
    name = task_name(cell.task)
    path = directory.resolve() / name / "test.jsonl"
    _write_docs(questions_of(data, spec.task.split, spec.questions), path, spec.format.answer_prefix)
    template = spec.format.template(spec.family)
    task = services.task(cell.task)
    config = _config(name, task, {"test": path}, template, spec.demonstrations, spec.format.answer_prefix)
    until, longest = list(spec.sampling.stop), spec.sampling.max_new_tokens
    config["generation_kwargs"] = {"until": until, "max_gen_toks": longest, "do_sample": False}
    config["metadata"]["rtbench_export"] = {"cell": cell.name, "variant": cell.variant, "split": cell.split}
    config_path = directory / f"{name}.yaml"
    write_atomic(config_path, _as_yaml(config))
    return config_path


def _cannot_be_asked(spec: CompleteSpec) -> str | None:
    """Return the reason why an lm-eval task cannot ask in the same way as a step; None where it can."""
    if spec.recorded is not None:
        return "its answers are recordings, whose prompts were not kept"
    if spec.stage != "input":
        return "it asks in two stages, but an lm-eval task has only one"
    if spec.n != 1:
        return f"it asks each question {spec.n} times, but an lm-eval task asks once"
    if spec.sampling.temperature > 0:
        return "its texts are sampled, and lm-eval would sample others"
    return None


def _folds_of(task: Task, variant: str, split: str, files: DataFiles) -> dict[str, Sequence[Sample]]:
    """Return the samples of the training and test fold."""
    data = task.load(files, variant)
    if split not in data.splits:
        raise UnknownNameError.of(f"split of task {task.info.name}", split, data.splits)
    folds = {"train": data.fold(split, "train"), "test": data.fold(split, "test")}
    if not folds["test"]:
        raise BadInputError(f"no sample of {task.info.name}'s test fold is available", next_step=data.missing)
    return {fold: samples for fold, samples in folds.items() if samples}


def _write_folds(folds: dict[str, Sequence[Sample]], directory: Path, answer_prefix: str | None) -> dict[str, Path]:
    """Write a data file for each fold, and return their paths."""
    out = {fold: directory / f"{fold}.jsonl" for fold in folds}
    for fold, path in out.items():
        _write_docs(folds[fold], path, answer_prefix)
    return out


def _write_docs(samples: Sequence[Sample], path: Path, answer_prefix: str | None) -> None:
    write_jsonl(path, (doc_of(sample, answer_prefix) for sample in samples))


def doc_of(sample: Sample, answer_prefix: str | None) -> ExportedDoc:
    """Return a sample in the form of exported tasks."""
    return ExportedDoc(
        sample_index=sample.index,
        question=sample.question.strip(),
        answer=sample.answer,
        choices=sample.choices,
        rationale=sample.rationale,
        answer_prefix=answer_prefix,
    )


def _config(
    name: str, task: Task, folds: dict[str, Path], template: Template, demonstrations: str, answer_prefix: str | None
) -> dict[str, Any]:
    config: dict[str, Any] = {
        "task": name,
        "tag": "rtbench",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {fold: str(path) for fold, path in folds.items()}},
    }
    if "train" in folds:
        config["training_split"] = "train"
    config |= {
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": jinja(template.input, {"demonstrations": demonstrations, "trigger": task.info.answer_trigger}),
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"do_sample": False},
        "filter_list": _filters(task, answer_prefix),
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": 1},
    }
    return config


def _filters(task: Task, answer_prefix: str | None) -> list[dict[str, Any]]:
    """Return the task's extractors that are filter pipelines; lm-eval cannot run other extractors of Python tasks."""
    out: list[dict[str, Any]] = []
    for name in task.info.extractors:
        extractor = task.extractor(name)
        if not isinstance(extractor, FilterExtractor):
            continue
        steps: list[dict[str, Any]] = []
        for step in extractor.steps:
            arguments = dict(step.arguments)
            if step.function == FILTER and answer_prefix is not None:
                arguments["answer_prefix"] = answer_prefix
            steps.append({"function": step.function, **arguments})
        out.append({"name": name, "filter": steps})
    if not out:
        raise PluginError(
            f"no extractor of task {task.info.name} is a filter pipeline, so lm-eval cannot score it",
            next_step="Leave the task out of the export.",
        )
    return out


def jinja(template: str, fixed: dict[str, str]) -> str:
    """Return a prompt template as Jinja: ``{question}`` becomes ``{{question}}``, and other text is escaped.

    Args:
        template: a text of :class:`~rtbench.schema.prompts.Template`.
        fixed: values of the fields that are the same for every question.

    Raises:
        PluginError: the template has another field.
    """
    parts: list[str] = []
    for literal, field, _, _ in Formatter().parse(template):
        parts.append(_literal(literal))
        if field == "question":
            parts.append("{{question}}")
        elif field is not None:
            if field not in fixed:
                raise PluginError(f"the template {template!r} names the field {field!r}, which lm-eval cannot fill")
            parts.append(_literal(fixed[field]))
    return "".join(parts)


def _literal(text: str) -> str:
    return "{% raw %}" + text + "{% endraw %}" if any(mark in text for mark in ("{{", "{%", "{#")) else text


def _as_yaml(config: dict[str, Any]) -> bytes:
    import yaml

    dumped: str = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=120)
    return ("# Written by `rtbench tasks export`; do not edit.\n" + dumped + _FUNCTIONS).encode()

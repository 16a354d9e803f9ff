"""The schema of a task's YAML: an lm-eval task config with our settings under ``metadata.rtbench``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from rtbench_plugins.yaml_tasks.lm_eval_task import read_config

from rtbench.api import (
    BadInputError,
    Fold,
    NotNegative,
    PinnedFile,
    Positive,
    Record,
    UnknownNameError,
    check_label,
    convert,
    inside,
)
from rtbench.scoring.answer_rule import AnswerType
from rtbench.scoring.extraction import FilterStep, answer_rule
from rtbench.scoring.patterns import UserPattern
from rtbench.twins import setting_of

if TYPE_CHECKING:
    from rtbench_plugins.yaml_tasks.hub import HubData

# Fields of lm_eval.config.task.TaskConfig (0.4.13), listed here because importing it takes a tenth of a second.
LM_EVAL_KEYS = frozenset(
    {
        "task",
        "task_alias",
        "group",
        "tag",
        "custom_dataset",
        "dataset_path",
        "dataset_name",
        "dataset_kwargs",
        "training_split",
        "validation_split",
        "test_split",
        "fewshot_split",
        "process_docs",
        "doc_to_text",
        "doc_to_target",
        "doc_to_image",
        "doc_to_audio",
        "unsafe_code",
        "doc_to_choice",
        "process_results",
        "use_prompt",
        "description",
        "target_delimiter",
        "fewshot_delimiter",
        "fewshot_config",
        "num_fewshot",
        "metric_list",
        "output_type",
        "generation_kwargs",
        "repeats",
        "filter_list",
        "should_decontaminate",
        "doc_to_decontamination_query",
        "gen_prefix",
        "metadata",
    }
)


_BUILDERS = frozenset({"json", "csv", "parquet", "text", "arrow"})
"""Values of ``dataset_path`` that name a format, and no data set."""
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]


class FileSpec(Record, frozen=True, omit_defaults=True):
    """One data file: pinned upstream (with repository, commit and path) or local (name relative to the YAML)."""

    name: str
    repository: str | None = None
    commit: str | None = None
    path: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    fold: Fold | None = None
    """Fold of all its records, where the source itself is split."""
    records: NotNegative | None = None
    """Number of records that it must have."""
    first_index: NotNegative | None = None
    """Sample index of its first record; by default the indices continue from the previous file."""
    optional: bool = False
    """True where it is not downloaded automatically; the task works without it and reports what is missing."""

    @property
    def pin(self) -> PinnedFile | None:
        """Return the pinned upstream file; None for a local file."""
        if self.repository is None or self.commit is None or self.path is None:
            return None
        return PinnedFile(
            name=self.name,
            repository=self.repository,
            commit=self.commit,
            path=self.path,
            sha256=self.sha256,
            bytes=self.bytes,
        )


class SplitSpec(Record, frozen=True, omit_defaults=True):
    """How to compute a split. All randomness comes from ``numpy.random.RandomState(seed)``, as in the original."""

    by: Literal["random", "file", "field", "group"]
    """``random``: permuted samples; ``file``, ``field``: the source's folds; ``group``: permuted groups."""
    train_fraction: Fraction = 0.7
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] = 0
    subsample_train: Positive | None = None
    """Number of training samples to keep: the first of the permuted samples, sorted."""


class GroupSpec(Record, frozen=True, omit_defaults=True):
    """How to group questions: those with equal text, after cutting and masking, are one group."""

    mask: str | None = None
    """Regular expression; text that it matches is ignored."""
    until: str | None = None
    """String before which the text is compared; the rest is ignored."""


class PaperPrompt(Record, frozen=True, omit_defaults=True):
    """The paper's few-shot prompt for the task: the pinned file, and the key in it."""

    file: FileSpec
    key: str


class TaskSettings(Record, frozen=True, omit_defaults=True):
    """The settings under ``metadata.rtbench``."""

    answer_type: AnswerType
    files: tuple[FileSpec, ...] = ()
    """The data files; empty where ``dataset_path`` names a data set of the hub or on disk."""
    title: str = ""
    loader: str = "jsonl"
    options: dict[str, Any] = {}
    """The loader's own options."""
    variants: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("original",)
    aliases: dict[str, str] = {}
    """Variants that have exactly the records of another variant, by alias."""
    splits: dict[str, SplitSpec] = {}
    groups: GroupSpec | None = None
    random_accuracy: Fraction | None = None
    train_size: NotNegative | None = None
    test_size: NotNegative | None = None
    answer_trigger: str = "Therefore, the answer is"
    letters: str | None = None
    """Choice letters; None means A to E."""
    source: str = ""
    licence: str = ""
    paper_prompt: PaperPrompt | None = None
    twin: str | None = None
    """``module:Class`` of the task's procedural twin."""


class FilterPipeline(Record, frozen=True):
    """One entry of ``filter_list``: a named extractor."""

    name: str
    steps: tuple[FilterStep, ...]


class TaskFile(Record, frozen=True):
    """A task's YAML, checked."""

    path: str
    name: str
    version: int
    spec: TaskSettings
    pipelines: tuple[FilterPipeline, ...]
    config: dict[str, Any]
    """The complete lm-eval config as written."""
    hub: Any = None
    """The :class:`rtbench_plugins.yaml_tasks.hub.HubData` of a task without files."""


def read_task_file(path: Path, *, offline: bool = False) -> TaskFile:
    """Read and check a task's YAML, without heavy imports unless its data are on the hub.

    Args:
        path: the file.
        offline: download no data set. Only a task whose `answer_type` is not stated loads its data here.

    Raises:
        BadInputError, UnknownNameError: the YAML is not valid; the error names the file and the key.
        MissingDataError: the type of the answers is not stated, and the data are not found.
    """
    data = read_config(path)
    if not isinstance(data, dict):
        raise BadInputError("a task's YAML must be a mapping", where=str(path), next_step="See docs/tasks.md.")
    if isinstance(data.get("task"), list) or ("group" in data and "dataset_path" not in data):
        raise BadInputError("this is a group of tasks", where=str(path), next_step="Name the file of one of them.")
    for key in data:
        if key not in LM_EVAL_KEYS:
            raise UnknownNameError.of("key", str(key), LM_EVAL_KEYS, where=str(path))
    name = data.get("task")
    if not isinstance(name, str) or not name:
        what = (
            "`task` is a list: this is a group of tasks" if isinstance(name, list) else "`task` (its name) is missing"
        )
        raise BadInputError(what, where=str(path), next_step="Name the file of one task. See docs/tasks.md.")
    check_label(name, where=f"{path}, task")
    metadata = data.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    version = metadata.get("version", 1)
    try:
        whole = int(float(".".join(str(version).split(".")[:2])))  # some have three parts
    except (TypeError, ValueError, OverflowError):
        raise BadInputError(f"`metadata.version` must be a number, not {version!r}", where=str(path)) from None
    settings, hub = _settings(data, metadata.get("rtbench"), path, offline=offline)
    return TaskFile(
        path=str(path),
        name=name,
        version=whole,
        spec=_spec(settings, path, on_hub=hub is not None),
        pipelines=_pipelines([] if data.get("filter_list") is None else data["filter_list"], f"{path}: filter_list"),
        config=data,
        hub=hub,
    )


def _settings(
    data: dict[str, Any], settings: Any, path: Path, *, offline: bool
) -> tuple[dict[str, Any], HubData | None]:
    """Return the settings under ``metadata.rtbench``, and the data set where they name no files."""
    options = data.get("dataset_kwargs") or {}
    if not isinstance(options, dict):
        raise BadInputError(f"`dataset_kwargs` is {options!r}, not a mapping", where=str(path), next_step="Fix it.")
    # `dataset_path: json` alone is what our own template has: the files are under `metadata.rtbench`.
    named = isinstance(data.get("dataset_path"), str) and (
        data["dataset_path"] not in _BUILDERS or "data_files" in options
    )
    if not isinstance(settings, dict) and not named:
        raise BadInputError(
            "`metadata.rtbench` is missing: it names the data files and the type of the answers",
            where=str(path),
            next_step="Add at least `answer_type` and `files`; docs/tasks.md has a template.",
        )
    settings = dict(settings) if isinstance(settings, dict) else {}
    if "files" in settings or not named:
        return settings, None
    from rtbench_plugins.yaml_tasks.hub import HubData
    from rtbench_plugins.yaml_tasks.lm_eval_task import type_of

    names = settings.get("options", {})
    hub = HubData(data, names if isinstance(names, dict) else {}, str(path))
    if "answer_type" not in settings:
        if hub.options:
            raise BadInputError("`answer_type` is missing", where=f"{path}: metadata.rtbench", next_step="Add it.")
        settings["answer_type"] = type_of(hub.load(None, offline=offline).samples)
    return settings, hub


def _spec(data: dict[str, Any], path: Path, *, on_hub: bool) -> TaskSettings:
    where, folder = f"{path}: metadata.rtbench", path.parent
    spec = convert(data, TaskSettings, where=where)
    if not spec.files and not on_hub:
        raise BadInputError("`files` is empty", where=where, next_step="Name at least one data file.")
    for number, file in enumerate(spec.files):
        _check_file(file, folder, f"{where}.files[{number}]")
    if spec.paper_prompt is not None:
        _check_file(spec.paper_prompt.file, folder, f"{where}.paper_prompt.file")
    _check_patterns(spec, where)
    _check_variants(spec, where)
    return spec


def _check_file(file: FileSpec, folder: Path, where: str) -> None:
    """Raise an error where a file is pinned incompletely, or its path leads out of the folder meant for it."""
    if file.pin is not None:
        file.pin.check(where=where)
    elif file.repository or file.commit or file.path:
        raise BadInputError(f"file {file.name!r}: a pinned file needs all of repository, commit and path", where=where)
    else:
        inside(folder, file.name, where=f"{where}.name")


def _check_patterns(spec: TaskSettings, where: str) -> None:
    if spec.groups is not None and spec.groups.mask is not None:
        UserPattern(spec.groups.mask, where=f"{where}.groups.mask")
    if spec.letters is not None and not re.fullmatch(r"[A-Z]+", spec.letters):
        raise BadInputError(
            f"{spec.letters!r} are not choice letters",
            where=f"{where}.letters",
            next_step="Use capital letters such as ABCDE.",
        )


def _check_variants(spec: TaskSettings, where: str) -> None:
    for key, names in (("variants", spec.variants), ("aliases", spec.aliases), ("splits", spec.splits)):
        for name in names:
            check_label(name, where=f"{where}.{key}")
    for variant in (*spec.variants, *spec.aliases):
        if setting_of(variant) is not None:
            raise BadInputError(
                f"{variant!r} is the name of a twin's data", where=f"{where}.variants", next_step="Choose another name."
            )
    for alias, variant in spec.aliases.items():
        if variant not in spec.variants:
            raise UnknownNameError.of("variant", variant, spec.variants, where=f"{where}.aliases.{alias}")


def _pipelines(data: Any, where: str) -> tuple[FilterPipeline, ...]:
    if not isinstance(data, list):
        raise BadInputError(f"expected a list of extractors, not {data!r}", where=where)
    out: dict[str, FilterPipeline] = {}
    for i, entry in enumerate(data):
        place = f"{where}[{i}]"
        pipeline = _pipeline(entry, place)
        if pipeline.name in out:
            raise BadInputError(f"the name {pipeline.name!r} occurs twice", where=place, next_step="Rename one.")
        answer_rule(pipeline.steps, place)
        out[pipeline.name] = pipeline
    return tuple(out.values())


def _pipeline(entry: Any, where: str) -> FilterPipeline:
    steps = entry.get("filter") if isinstance(entry, dict) else None
    if not isinstance(steps, list) or not all(
        isinstance(step, dict) and isinstance(step.get("function"), str) for step in steps
    ):
        raise BadInputError("each entry needs `name` and `filter`, a list of steps with `function`", where=where)
    if not isinstance(entry.get("name"), str) or not entry["name"]:
        raise BadInputError("`name` (the extractor's) is missing", where=where)
    check_label(entry["name"], where=f"{where}.name")
    if not _text_keys(steps):
        raise BadInputError(
            "a key is not a string",
            where=where,
            next_step="Quote it: YAML reads an unquoted yes, no or 5 as another type.",
        )
    return FilterPipeline(
        name=entry["name"],
        steps=tuple(
            FilterStep(function=step["function"], arguments={k: v for k, v in step.items() if k != "function"})
            for step in steps
        ),
    )


def _text_keys(value: Any) -> bool:
    """Return whether all keys in nested data are strings, as result keys require."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _text_keys(item) for key, item in value.items())
    return all(map(_text_keys, value)) if isinstance(value, list) else True

"""What a task's YAML may say: an lm-eval task config whose ``metadata.rtbench`` holds what lm-eval does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from rtbench.answers import AnswerType
from rtbench.data import PinnedFile
from rtbench.errors import BadInputError, UnknownNameError
from rtbench.extraction import FilterStep
from rtbench.files import convert, read_yaml
from rtbench.records import Fold, Record

# Fields of lm_eval.config.task.TaskConfig (0.4.13), stated here because importing it takes a tenth of a second.
LM_EVAL_KEYS = frozenset(
    {
        "task",
        "task_alias",
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


class FileSpec(Record, frozen=True, omit_defaults=True):
    """One data file: pinned upstream (repository, commit and path given) or local (name relative to the YAML)."""

    name: str
    repository: str | None = None
    commit: str | None = None
    path: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    fold: Fold | None = None
    """Fold that all its records belong to, where the source itself is split."""
    records: int | None = None
    """Number of records it must hold."""
    first_index: int | None = None
    """Sample index of its first record; the default is to go on from the file before."""
    optional: bool = False
    """Not downloaded by itself; the task works without it and says what is missing."""

    @property
    def pin(self) -> PinnedFile | None:
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
    """How a split comes about. Everything random is ``numpy.random.RandomState(seed)``, as in the original."""

    by: Literal["random", "file", "field", "group"]
    """``random``: permuted samples; ``file``, ``field``: the source's folds; ``group``: permuted groups."""
    train_fraction: float = 0.7
    seed: int = 0
    subsample_train: int | None = None
    """Keep this many training samples: the first of the permuted ones, sorted."""


class GroupSpec(Record, frozen=True, omit_defaults=True):
    """What makes questions one group: equal text once cut and masked."""

    mask: str | None = None
    """Regular expression; what it matches does not count."""
    until: str | None = None
    """Only the text before this string counts."""


class PaperPrompt(Record, frozen=True, omit_defaults=True):
    """The paper's few-shot prompt for the task: pinned file and the key in it."""

    file: FileSpec
    key: str


class TaskSpec(Record, frozen=True, omit_defaults=True):
    """The part under ``metadata.rtbench``."""

    answer_type: AnswerType
    files: tuple[FileSpec, ...]
    title: str = ""
    loader: str = "jsonl"
    options: dict[str, Any] = {}
    """The loader's own options."""
    variants: tuple[str, ...] = ("original",)
    aliases: dict[str, str] = {}
    """Variants that hold exactly the records of another: alias to variant."""
    splits: dict[str, SplitSpec] = {}
    groups: GroupSpec | None = None
    random_accuracy: float = 0.0
    train_size: int | None = None
    test_size: int | None = None
    answer_trigger: str = "Therefore, the answer is"
    letters: str | None = None
    """Choice letters; the default is A to E."""
    source: str = ""
    licence: str = ""
    paper_prompt: PaperPrompt | None = None


class FilterPipeline(Record, frozen=True):
    """One entry of ``filter_list``: a named extractor."""

    name: str
    steps: tuple[FilterStep, ...]


class TaskFile(Record, frozen=True):
    """A task's YAML, checked."""

    path: str
    name: str
    version: int
    spec: TaskSpec
    pipelines: tuple[FilterPipeline, ...]
    config: dict[str, Any]
    """The whole lm-eval config as written."""


def read_task_file(path: Path) -> TaskFile:
    """Reads and checks a task's YAML. Imports nothing heavy.

    Raises:
        BadInputError, UnknownNameError: names the file and the key.
    """
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise BadInputError("a task's YAML is a mapping", where=str(path), next_step="See docs/tasks.md.")
    for key in data:
        if key not in LM_EVAL_KEYS:
            raise UnknownNameError.of("key", str(key), LM_EVAL_KEYS, where=str(path))
    name = data.get("task")
    if not isinstance(name, str) or not name:
        raise BadInputError("`task` (the task's name) is missing", where=str(path), next_step="See docs/tasks.md.")
    metadata = data.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("rtbench"), dict):
        raise BadInputError(
            "`metadata.rtbench` is missing: it says where the data are and what an answer is",
            where=str(path),
            next_step="Add at least `answer_type` and `files`; docs/tasks.md has a template.",
        )
    version = metadata.get("version", 1)
    try:
        whole = int(float(version))
    except (TypeError, ValueError):
        raise BadInputError(f"`metadata.version` must be a number, not {version!r}", where=str(path)) from None
    return TaskFile(
        path=str(path),
        name=name,
        version=whole,
        spec=_spec(metadata["rtbench"], f"{path}: metadata.rtbench"),
        pipelines=_pipelines(data.get("filter_list") or [], f"{path}: filter_list"),
        config=data,
    )


def _spec(data: dict[str, Any], where: str) -> TaskSpec:
    """Nested parts first, so that an unknown key is named with its place."""
    for i, file in enumerate(data.get("files") or ()):
        convert(file, FileSpec, where=f"{where}.files[{i}]")
    for name, split in (data.get("splits") or {}).items():
        convert(split, SplitSpec, where=f"{where}.splits.{name}")
    if data.get("groups") is not None:
        convert(data["groups"], GroupSpec, where=f"{where}.groups")
    spec = convert(data, TaskSpec, where=where)
    if not spec.files:
        raise BadInputError("`files` names no file", where=where, next_step="Name at least one data file.")
    for file in spec.files:
        if file.pin is None and (file.repository or file.commit or file.path):
            raise BadInputError(
                f"file {file.name!r}: a pinned file needs repository, commit and path, all three", where=where
            )
    return spec


def _pipelines(data: Any, where: str) -> tuple[FilterPipeline, ...]:
    out: list[FilterPipeline] = []
    for i, entry in enumerate(data):
        try:
            components = tuple(
                FilterStep(function=step["function"], arguments={k: v for k, v in step.items() if k != "function"})
                for step in entry["filter"]
            )
            out.append(FilterPipeline(name=msgspec.convert(entry["name"], str), steps=components))
        except (KeyError, TypeError, AttributeError, msgspec.ValidationError):
            raise BadInputError(
                "each entry needs `name` and `filter`, a list of steps with `function`", where=f"{where}[{i}]"
            ) from None
    return tuple(out)

"""A task defined by a YAML file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rtbench_plugins.yaml_tasks import few_shot, loaders, records, splits
from rtbench_plugins.yaml_tasks.samples import LoadedSamples
from rtbench_plugins.yaml_tasks.spec import FileSpec, SplitSpec, TaskFile, TaskSettings, read_task_file
from rtbench_plugins.yaml_tasks.twin import load_twin

from rtbench.api import (
    BadInputError,
    DataFiles,
    Demonstration,
    Extractor,
    Fold,
    MissingDataError,
    PinnedFile,
    Sample,
    Split,
    Task,
    TaskData,
    TaskInfo,
    UnknownNameError,
    content_key,
    convert,
    inside,
)
from rtbench.scoring.answer_rule import RuleOptions
from rtbench.scoring.extraction import FilterExtractor, FilterStep, default_steps, rule_of
from rtbench.scoring.golds import meant, wrong_gold
from rtbench.scoring.rules import RULES
from rtbench.twins import Twin, setting_of, twin_data, twin_fingerprint

if TYPE_CHECKING:
    from rtbench_plugins.yaml_tasks.hub import HubData

DEFAULT_EXTRACTOR = "flexible"


class _Loaded(NamedTuple):
    """Samples by index, the fold of each where the source has folds, all indices, and what is missing."""

    samples: dict[int, Sample]
    folds: dict[int, Fold]
    indices: list[int]
    missing: list[str]


class YamlTask(Task):
    """A task whose YAML is an lm-eval task config with our part under ``metadata.rtbench``.

    Args:
        file: the checked YAML.
    """

    def __init__(self, file: TaskFile) -> None:
        self.file = file
        self.spec = file.spec
        self._hub: HubData | None = file.hub
        self._pipelines = _pipelines(file)
        if self.spec.loader not in loaders.NAMES:
            raise UnknownNameError.of("loader", self.spec.loader, loaders.NAMES, where=file.path)
        kind = loaders.OPTIONS.get(self.spec.loader, loaders.NoLoaderOptions)
        convert(self.spec.options, kind, where=f"{file.path}: metadata.rtbench.options")
        self.info = TaskInfo(
            name=file.name,
            title=self.spec.title or file.name,
            answer_type=self.spec.answer_type,
            random_accuracy=_random_accuracy(self.spec),
            splits=tuple(self.spec.splits or {"default": None}),
            variants=(*self.spec.variants, *self.spec.aliases),
            extractors={name: self._version(name) for name in self._pipelines},
            answer_trigger=self.spec.answer_trigger,
            train_size=self.spec.train_size,
            test_size=self.spec.test_size,
            source=file.path,
            licence=self.spec.licence,
            twin=self.spec.twin is not None,
            extractor=DEFAULT_EXTRACTOR if DEFAULT_EXTRACTOR in self._pipelines else "",
            demonstrations=("own", "paper", "paper-as-published"),
        )

    @property
    def pins(self) -> tuple[PinnedFile, ...]:
        """Return the upstream files that the task reads, including the file of its paper prompt."""
        pins = [file.pin for file in self.spec.files]
        if self.spec.paper_prompt is not None:
            pins.append(self.spec.paper_prompt.file.pin)
        return tuple(pin for pin in pins if pin is not None)

    def twin(self) -> Twin[Any] | None:
        return self._twin

    @cached_property
    def _twin(self) -> Twin[Any] | None:
        return None if self.spec.twin is None else load_twin(self.spec.twin, self.file.path)

    def dataset_id(self, variant: str) -> str:
        """Return the name of the samples in ledgers. Aliased variants have the same records and share one name."""
        return super().dataset_id(self._variant(variant))

    def fingerprint(self, files: DataFiles, variant: str) -> str:
        spec, variant = self.spec, self._variant(variant)
        if (setting := setting_of(variant)) is not None and self._twin is not None:
            return twin_fingerprint(self.info.name, self._twin, setting)
        contents: list[Any] = [(f.fold, f.first_index, f.records, self._content_id(f, files)) for f in spec.files]
        if self._hub is not None:
            self._hub.load(spec.answer_type, offline=files.offline)
            contents = [self._hub.content_id]
        how = (spec.answer_type, spec.loader, spec.options, spec.splits, spec.groups, spec.letters)
        versions = (loaders.VERSION, splits.VERSION)
        return content_key("yaml-task", versions, self.info.name, variant, how, contents)

    def load(self, files: DataFiles, variant: str) -> TaskData:
        variant = self._variant(variant)
        if (setting := setting_of(variant)) is not None and self._twin is not None:
            drawn = twin_data(self._twin, setting)
            self._check_golds(drawn.samples.values(), knobs=variant.partition("+")[2].replace("+", ", "))
            return TaskData(samples=drawn.samples, splits={"default": drawn.split})
        samples, folds, indices, missing = self._on_hub(files) if self._hub else self._in_files(files, variant)
        self._group(samples)
        groups = {i: sample.group for i, sample in samples.items() if sample.group is not None}
        computed: dict[str, Split] = {
            name: splits.make_split(spec, indices, folds, groups, f"{self.file.path}: splits.{name}")
            for name, spec in self._splits(folds).items()
        }
        return TaskData(samples=samples, splits=computed, missing=" ".join(missing) or None)

    def _on_hub(self, files: DataFiles) -> _Loaded:
        assert self._hub is not None
        loaded = self._hub.load(self.spec.answer_type, offline=files.offline)
        self._check_golds(loaded.samples, Path(str(self.file.config["dataset_path"])), places=loaded.places)
        samples = {sample.index: sample for sample in loaded.samples}
        return _Loaded(samples, dict(loaded.folds), list(samples), [])

    def _in_files(self, files: DataFiles, variant: str) -> _Loaded:
        samples: dict[int, Sample] = {}
        folds: dict[int, Fold] = {}
        indices: list[int] = []
        missing: list[str] = []
        for spec in self.spec.files:
            first = spec.first_index if spec.first_index is not None else (indices[-1] + 1 if indices else 0)
            path = self._path(spec, files)
            if path is None:
                count = spec.records or 0
                missing.append(_missing(spec, count))
            else:
                loaded = self._read(path, variant)
                count = len(loaded.samples)
                self._check_count(spec, count, path)
                self._check_golds(loaded.samples, path, places=loaded.places)
                for sample in loaded.samples:
                    samples[first + sample.index] = _moved(sample, first)
                folds.update({first + i: fold for i, fold in loaded.folds.items()})
            indices.extend(range(first, first + count))
            if spec.fold is not None:
                folds.update(dict.fromkeys(range(first, first + count), spec.fold))
        if len(set(indices)) < len(indices):
            raise BadInputError(
                "two files have the same sample index", where=f"{self.file.path}: files", next_step="Fix `first_index`."
            )
        return _Loaded(samples, folds, indices, missing)

    def extractor(self, name: str) -> Extractor:
        if name not in self._pipelines:
            raise UnknownNameError.of(f"extractor of task {self.info.name}", name, self._pipelines)
        steps = self._pipelines[name]
        rule = rule_of(steps)
        cites = RULES[rule].cites if rule else f"{self.file.path}, filter_list"
        return FilterExtractor(name, steps, self._version(name), cites, self.file.path)

    def extractor_key(self, name: str) -> str:
        """Return the key of the pipeline's content, so that an edited ``filter_list`` counts without a new version."""
        return f"v{self._version(name)}-{content_key(self._pipelines[name])[:8]}"

    def demonstrations(
        self, files: DataFiles, source: str = "own", split: str | None = "default"
    ) -> Sequence[Demonstration]:
        if source == "own":
            return few_shot.own(Path(self.file.path).with_name("demonstrations.yaml"))
        published = source == "paper-as-published" or split is None
        return self.paper_demonstrations(files, split or "default", as_published=published)

    def paper_prompt(self, files: DataFiles, split: str = "default", *, as_published: bool = False) -> str:
        """Return the paper's few-shot prompt, without the demonstrations that are in the split's test fold.

        Args:
            files: data files, which include the paper's prompt file.
            split: the split whose test fold must not be shown.
            as_published: keep every demonstration, as the paper did.

        Raises:
            MissingDataError: the paper has no prompt for the task, or the file is missing.
        """
        return "\n".join(block.text for block in self._paper_blocks(files, split, as_published))

    def paper_demonstrations(
        self, files: DataFiles, split: str = "default", *, as_published: bool = False
    ) -> tuple[Demonstration, ...]:
        """Return the demonstrations of :meth:`paper_prompt` as records."""
        return tuple(block.demonstration for block in self._paper_blocks(files, split, as_published))

    def paper_sample_indices(self, files: DataFiles) -> tuple[int, ...]:
        """Return the indices of the samples that the paper's demonstrations repeat; empty where they repeat none."""
        blocks = few_shot.paper(self.spec.paper_prompt, self.info.name, files)
        return tuple(block.sample_index for block in blocks if block.sample_index is not None)

    # ------------------------------------------------------------------------------------------------------- helpers

    def _paper_blocks(self, files: DataFiles, split: str, as_published: bool) -> list[few_shot.PublishedDemonstration]:
        blocks = few_shot.paper(self.spec.paper_prompt, self.info.name, files)
        if as_published or all(block.sample_index is None for block in blocks):
            return blocks
        data = self.load(files, self.info.variants[0])
        if split not in data.splits:
            raise UnknownNameError.of(f"split of task {self.info.name}", split, data.splits)
        test = set(data.splits[split].test)
        return [block for block in blocks if block.sample_index not in test]

    def _version(self, name: str) -> int:
        rule = rule_of(self._pipelines[name])
        return RULES[rule].version if rule else self.file.version

    def _variant(self, variant: str) -> str:
        if self.info.twin and setting_of(variant) is not None:
            return variant
        if variant not in self.info.variants:
            raise UnknownNameError.of(f"variant of task {self.info.name}", variant, self.info.variants)
        return self.spec.aliases.get(variant, variant)

    def _splits(self, folds: dict[int, Fold]) -> dict[str, SplitSpec]:
        """Return the stated splits, else the source's own folds where it has them, else a random split."""
        if self.spec.splits:
            return self.spec.splits
        return {"default": SplitSpec(by="file" if folds else "random")}

    def _check_golds(
        self, samples: Iterable[Sample], path: Path | None = None, knobs: str = "", places: Sequence[str] = ()
    ) -> None:
        """Check the types of the golds: with a gold of the wrong type, every answer would count as wrong.

        Args:
            samples: samples of a file, numbered from 0, or of a twin.
            path: path of the file; None for a twin.
            knobs: changed knobs of a twin, for messages.
            places: places of the samples in the file; empty to count records.

        Raises:
            BadInputError: a gold is not of the task's type.
        """
        for sample in samples:
            place = places[sample.index] if places else f"record {sample.index + 1}"
            if (wrong := self._wrong_gold(sample, path, knobs, place)) is not None:
                raise wrong

    @property
    def _letters(self) -> str:
        return self.spec.letters or RuleOptions(answer_type=self.spec.answer_type).letters

    def _wrong_gold(self, sample: Sample, path: Path | None, knobs: str, place: str) -> BadInputError | None:
        kind, letters = self.spec.answer_type, self._letters
        what = wrong_gold(sample.answer, kind, letters, sample.choices)
        if what is None:
            return None
        if path is not None:
            where, whose = f"{path}, {place}", "data"
        else:
            where, whose = f"{self.file.path}: twin, sample {sample.index}", "twin"
        key = "letters" if kind == "choice" and not sample.choices else "answer_type"
        hint = meant(sample.answer, kind, letters, sample.choices)
        next_step = f"Write {hint}, " if hint else f"Fix the {whose}, "
        next_step += f"or change `{key}` in {self.file.path}."
        if knobs:
            what += f", with the knobs {knobs}"
            next_step = (
                f"The task's extractors cannot read the answers that these knobs produce; use the default knobs. "
                f"`rtbench tasks twin {self.info.name}` accepts these."
            )
        return BadInputError(what, where=where, next_step=next_step)

    def _group(self, samples: dict[int, Sample]) -> None:
        import msgspec

        if self.spec.groups is None:
            return
        where = f"{self.file.path}: metadata.rtbench.groups.mask"
        names = splits.group_keys([sample.question for sample in samples.values()], self.spec.groups, where)
        for (index, sample), name in zip(list(samples.items()), names, strict=True):
            samples[index] = msgspec.structs.replace(sample, group=name)

    def _path(self, spec: FileSpec, files: DataFiles) -> Path | None:
        """Return the path of a data file; None only for an optional file that was not found locally."""
        if spec.pin is not None:
            return files.local(spec.pin) if spec.optional else files.find(spec.pin)
        path = self._local(spec)
        if spec.sha256 is not None and (digest := files.digest(path)) != spec.sha256:
            raise BadInputError(
                f"wrong SHA-256: expected {spec.sha256}, found {digest}",
                where=str(path),
                next_step="Fix the file, or the digest in the task's YAML.",
            )
        return path

    def _local(self, spec: FileSpec) -> Path:
        path = inside(Path(self.file.path).parent, spec.name, where=f"{self.file.path}: files, {spec.name}")
        if not path.is_file():
            raise MissingDataError(
                f"data file {spec.name} is missing",
                where=str(path),
                next_step=f"Put it next to {self.file.path}, or fix `files` there.",
            )
        return path

    def _content_id(self, spec: FileSpec, files: DataFiles) -> str:
        """Return an identifier of a file's content: the pinned digest, or the digest of the local copy.

        A pinned file without a digest is fetched for it, so that later runs compute the same. An optional file may be
        absent.
        """
        if spec.pin is None:
            return files.digest(self._local(spec))
        if spec.optional:
            path = files.local(spec.pin)
            return files.digest(path) if path else "absent"
        return spec.sha256 or files.digest(files.find(spec.pin))

    def _read(self, path: Path, variant: str) -> LoadedSamples:
        if self.spec.loader == loaders.RECORDS:
            return records.load(path, self.spec.options, self.spec.answer_type)
        try:
            return loaders.UPSTREAM[self.spec.loader](path, self.spec.options, variant)
        except (LookupError, TypeError, ValueError) as error:
            # Loaders do not check the formats that they were written for; another file may lack expected fields.
            raise BadInputError(
                f"not in the format of loader {self.spec.loader!r} ({type(error).__name__}: {error})",
                where=str(path),
                next_step=f"Check the file, or `loader` in {self.file.path}.",
            ) from error

    def _check_count(self, spec: FileSpec, count: int, path: Path) -> None:
        if spec.records is not None and count != spec.records:
            raise BadInputError(
                f"{count} records, not {spec.records}",
                where=str(path),
                next_step="This is not the file that the task was written for; get it again.",
            )


def load_task(path: Path, *, offline: bool = False) -> YamlTask:
    """Load a task's YAML. This is cheap: no data are read, unless the type of the answers must be found in them.

    Raises:
        BadInputError, UnknownNameError: the YAML is not valid; the error names the file and the key.
    """
    return YamlTask(read_task_file(path, offline=offline))


def _pipelines(file: TaskFile) -> dict[str, tuple[FilterStep, ...]]:
    """Return the extractors stated in ``filter_list``, and those of our rules that it does not state."""
    out = {pipeline.name: pipeline.steps for pipeline in file.pipelines}
    for rule in RULES:
        out.setdefault(rule, default_steps(rule, file.spec.answer_type, file.spec.letters))
    return out


def _random_accuracy(spec: TaskSettings) -> float | None:
    """Return the accuracy of a random guess as a fraction: as stated, else 0.5 for yes/no and 0 for open answers.

    Returns:
        None for choices, whose number is in the data.
    """
    if spec.random_accuracy is not None:
        return spec.random_accuracy
    return {"yes_no": 0.5, "choice": None}.get(spec.answer_type, 0.0)


def _moved(sample: Sample, by: int) -> Sample:
    import msgspec

    return msgspec.structs.replace(sample, index=sample.index + by) if by else sample


def _missing(spec: FileSpec, count: int) -> str:
    where = f" ({spec.pin.url})" if spec.pin else ""
    fold = f"the {spec.fold} fold's " if spec.fold else ""
    return (
        f"{spec.name}{where} is not found locally: {fold}{count} questions have no text. "
        f"Put the file under that name into the folder of --data-dir, or run `rtbench data pull`."
    )

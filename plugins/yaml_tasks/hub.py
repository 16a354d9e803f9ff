"""Data sets as lm-eval's configs name them, loaded through ``datasets`` and its cache."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from rtbench_plugins.yaml_tasks.lm_eval_task import Docs, check_runnable
from rtbench_plugins.yaml_tasks.records import samples_of
from rtbench_plugins.yaml_tasks.samples import LoadedSamples

from rtbench.api import AnswerType, BadInputError, Fold, MissingDataError, Sample, TableRow, content_key


def named_splits(config: Mapping[str, Any]) -> list[tuple[Fold, str]]:
    """Return fold and split name of the data that a config uses, training questions first.

    As in lm-eval, the validation split is the test fold where there is no test split.
    """
    splits: list[tuple[Fold, str]] = []
    if training := config.get("training_split"):
        splits.append(("train", str(training)))
    if test := config.get("test_split") or config.get("validation_split"):
        splits.append(("test", str(test)))
    return splits


class HubData:
    """The questions of a task whose config names a data set instead of files.

    Args:
        config: the lm-eval config.
        options: names of fields (:class:`RecordOptions`); empty to use the config's templates.
        where: the config's file, for messages.
    """

    def __init__(self, config: Mapping[str, Any], options: dict[str, Any], where: str) -> None:
        self.config, self.options, self.where = config, options, where
        self._loaded: LoadedSamples | None = None
        check_runnable(config, where, templates=not options)
        self._docs = None if options else Docs(config, where)
        if "fold" in options:
            raise BadInputError(
                "`fold` is for files; the folds of a data set are its splits",
                where=f"{where}: metadata.rtbench.options",
                next_step="Remove it.",
            )
        self.splits = named_splits(config)
        if not self.splits:
            raise BadInputError(
                "neither `training_split` nor `test_split` names a split of the data set",
                where=where,
                next_step="Add `test_split`, and `training_split` where students are to be trained.",
            )

    def load(self, answer_type: AnswerType | None, *, offline: bool) -> LoadedSamples:
        """Return the samples of all splits, numbered throughout, and the fold of each. They are loaded once.

        Raises:
            MissingDataError, BadInputError: as :func:`load_rows`, or a record is not a sample.
        """
        if self._loaded is None:
            samples: list[Sample] = []
            folds: dict[int, Fold] = {}
            places: list[str] = []
            for fold, split in self.splits:
                found = self._samples(split, answer_type, offline=offline)
                if not found:
                    raise BadInputError(f"split {split!r} has no records", where=f"{self.where}: dataset_path")
                first = len(samples)
                samples += [msgspec.structs.replace(sample, index=first + sample.index) for sample in found]
                folds.update(dict.fromkeys(range(first, len(samples)), fold))
                places += [f"{split} record {number}" for number in range(1, len(found) + 1)]
            self._loaded = LoadedSamples(samples, folds, places)
        return self._loaded

    def _samples(self, split: str, answer_type: AnswerType | None, *, offline: bool) -> list[Sample]:
        rows = load_rows(self.config, split, self.where, offline=offline)
        source = f"{self.config['dataset_path']}"
        if self._docs is not None:
            return [self._docs.sample(row, index, source) for index, row in enumerate(rows)]
        return samples_of(rows, self.options, answer_type or "string", source).samples

    @property
    def content_id(self) -> str:
        """Return the digest of the samples that were loaded."""
        assert self._loaded is not None
        return content_key("hub-data", [(s.question, s.answer, s.choices, s.rationale) for s in self._loaded.samples])


def load_rows(config: Mapping[str, Any], split: str, where: str, *, offline: bool) -> Iterator[TableRow]:
    """Yield the records of a split.

    Args:
        config: ``dataset_path``, and optionally ``dataset_name`` and ``dataset_kwargs`` with, for example, ``revision``.
        split: name of the split.
        where: the config's file, for messages.
        offline: use only what is in the cache.

    Raises:
        MissingDataError: the data set is not in the cache, and cannot be downloaded.
        BadInputError: it has no such split, or cannot be read.
    """
    path = str(config["dataset_path"])
    name = config.get("dataset_name")
    options = dict(config.get("dataset_kwargs") or {})
    options.pop("trust_remote_code", None)  # code of data sets is never run
    shown = f"{path}/{name}" if name else path
    import datasets

    # The cache of `datasets` does not notice changed files of a folder: such data are prepared anew.
    local = Path(path).is_dir() or "data_files" in options
    with _offline(offline), _quiet(datasets), tempfile.TemporaryDirectory() as prepared:
        try:
            cache = prepared if local else None
            data = list(datasets.load_dataset(path, name, split=split, cache_dir=cache, **options))
        except (ConnectionError, datasets.exceptions.DatasetNotFoundError, FileNotFoundError) as error:
            raise MissingDataError(
                f"the data set {shown} is not found: {_first_line(error)}",
                where=f"{where}: dataset_path",
                next_step="Download it once without --offline, or put a folder of that name next to where you are."
                if offline
                else "Check the name and the network, or put a folder of that name next to where you are.",
            ) from None
        except Exception as error:  # many libraries read the formats
            raise BadInputError(
                f"split {split!r} of {shown} cannot be loaded: {_first_line(error)}",
                where=f"{where}: dataset_path",
                next_step="Check `dataset_name`, the splits and `dataset_kwargs`.",
            ) from None
    for number, values in enumerate(data, 1):
        yield TableRow(f"{split} record {number}", values)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


@contextlib.contextmanager
def _offline(offline: bool) -> Iterator[None]:
    """Disable the downloads of ``datasets`` and the hub client, which read this setting when imported and when used."""
    if not offline:
        yield
        return
    from datasets import config as settings
    from huggingface_hub import constants

    before = settings.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    settings.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        settings.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before


@contextlib.contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Turn progress bars off, unless they were off already."""
    disabled = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not disabled:
            datasets.enable_progress_bars()

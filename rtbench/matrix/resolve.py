"""Resolve a matrix: check its names, and get the registered objects from the plugins."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Literal

from rtbench.errors import BadInputError, MissingDataError, UnknownNameError
from rtbench.matrix.entries import entries_of
from rtbench.matrix.overrides import AXES, Overrides, apply_overrides, name_of
from rtbench.matrix.resolved import (
    DataPlace,
    ResolvedBlock,
    ResolvedData,
    ResolvedMatrix,
    ResolvedStudent,
    ResolvedTask,
    ResolvedTeacher,
)
from rtbench.plugin.methods import Method
from rtbench.plugin.models import Teacher
from rtbench.plugin.services import Services
from rtbench.plugin.tasks import Task
from rtbench.schema.base import Fold
from rtbench.schema.matrix import DEFAULT_CURATORS, GREEDY, Block, CellSelector, Matrix, MatrixFile, ModelEntry
from rtbench.schema.steps import TaskSpec
from rtbench.schema.training import Recipe
from rtbench.storage.plain_data import convert
from rtbench.twins import setting_of, variant_of


def matrix_path(services: Services, name: str | None) -> Path:
    """Return the file of a matrix.

    Args:
        services: for the registered matrices.
        name: registered name, or path of a YAML file; None: the default, which a plugin registers.

    Raises:
        UnknownNameError: it is neither a registered name nor a file.
    """
    registry = services.registry("matrices")
    if name is None:
        name = registry.default(where="--matrix").name
    if name in registry:
        return Path(registry.get(name).resolve()())
    path = Path(name)
    if path.suffix not in {".yaml", ".yml"} and not path.exists():
        raise UnknownNameError.of("matrix", name, registry.names(), where="--matrix")
    return path


def resolve(matrix: Matrix, services: Services, by: Overrides | None = None) -> ResolvedMatrix:
    """Check every name of a matrix, and return the matrix with the registered objects.

    Args:
        matrix: as read.
        services: for the registered objects.
        by: overrides from the command line.

    Raises:
        UnknownNameError: a name is not registered, or no task has the extractor, split or wording.
        BadInputError: options are wrong, or two blocks use one name for different models.
    """
    by = by or Overrides()
    where = f"matrix {matrix.name}"
    methods = {name: services.method(name, where=where) for block in matrix.blocks for name in block.methods or []}
    for name in by.methods or []:
        if name in services.registry("methods"):
            methods[name] = services.method(name)
    registered = {axis: services.registry(axis).names() for axis in AXES}
    changed = apply_overrides(matrix, by, methods, registered)
    return _Resolver(services, changed, methods).resolved()


def recipe_of(block: Block, *, where: str) -> Recipe:
    """Return a block's hyper-parameters.

    Raises:
        BadInputError, UnknownNameError: a value is not allowed; the message names the key.
    """
    recipe = convert(block.recipe or {}, Recipe, where=f"{where}, recipe")
    if recipe.max_new_tokens < 1:  # 0 is only allowed in stored trainings
        raise BadInputError("max_new_tokens must be at least 1", where=f"{where}, recipe")
    return recipe


def curators_of(services: Services, block: Block, *, where: str) -> tuple[tuple[str, dict[str, object]], ...]:
    """Return a block's curators in order, with their options.

    Raises:
        UnknownNameError: a curator is not registered.
        BadInputError: a curator's options are wrong, or it counts wrong completions after another has removed them.
    """
    curators: list[tuple[str, dict[str, object]]] = []
    remover: str | None = None
    for number, item in enumerate(DEFAULT_CURATORS if block.curators is None else block.curators):
        options: dict[str, Any] = {"use": item} if isinstance(item, str) else dict(item)
        name = options.pop("use", None)
        place = f"{where}, curators[{number}]"
        if not isinstance(name, str):
            raise BadInputError("`use` is missing", where=place, next_step="Write `use: REGISTERED_NAME`.")
        services.registry("curators").get(name, where=place)
        curator = services.curator(name, options)  # report wrong options now, not when the step runs
        if curator.counts_wrong and remover is not None:
            raise BadInputError(
                f"{name} counts wrong completions, and {remover} before it removes all of them",
                where=place,
                next_step=f"Put {name} before {remover}.",
            )
        remover = name if curator.removes_wrong else remover
        curators.append((name, options))
    return tuple(curators)


class _Resolver:
    """Resolves one matrix. Data that several blocks use are loaded once."""

    def __init__(self, services: Services, matrix: Matrix, methods: dict[str, Method]) -> None:
        self.services = services
        self.matrix = matrix
        self.file: MatrixFile = matrix.file
        self.where = f"matrix {matrix.name}"
        self.methods = methods
        self._data: dict[tuple[str, str, str, Fold], ResolvedData] = {}

    def resolved(self) -> ResolvedMatrix:
        """Return the resolved matrix.

        Raises:
            BadInputError, UnknownNameError: see :func:`resolve`.
        """
        self._check_settings()
        entries: dict[tuple[str, str], ModelEntry] = {}
        blocks: list[ResolvedBlock] = []
        for block in self.matrix.blocks:
            resolved = self._block(block)
            named = [("teachers", t.entry) for t in resolved.teachers] + [
                ("students", s.entry) for s in resolved.students
            ]
            for axis, entry in named:
                other = entries.setdefault((axis, entry.name), entry)
                if (other.use, other.options, other.tries) != (entry.use, entry.options, entry.tries):
                    raise BadInputError(
                        f"two blocks use the name {entry.name!r} for different {axis}",
                        where=self.where,
                        next_step="Use different names.",
                    )
            blocks.append(resolved)
        return ResolvedMatrix(self.matrix.name, self.file, tuple(blocks), self.methods)

    # ---- settings

    def _check_settings(self) -> None:
        """Check that some task has the wording, split and demonstrations, and check the knobs.

        Cells of tasks that lack them give the reason.

        Raises:
            BadInputError, UnknownNameError: no task has one of them, or knobs are wrong.
        """
        where = "--variant, or `variant:` of the matrix"
        for variant in {self.file.variant, *(block.variant for block in self.matrix.blocks)} - {None}:
            assert variant is not None
            if (setting := setting_of(variant)) is not None:
                raise BadInputError(
                    f"{variant} is not a wording of the data",
                    where=where,
                    next_step=f"Use `--source twin --seeds {setting.seed}`"
                    + (", and `knobs:` in the matrix." if setting.knobs or setting.ood_knobs else "."),
                )
            self._check_known("variant", variant, where)
        for split in {self.file.split}.union(*(block.splits or () for block in self.matrix.blocks)):
            self._check_known("split", split, "--split, or `split:` of the matrix")
        if self.file.claims is not None:
            self.services.registry("claims").get(self.file.claims, where=f"{self.matrix.path}, claims")
        if self.file.demonstrations != "own":
            self._check_known("demonstration", self.file.demonstrations, f"{self.matrix.path}, demonstrations")
        for key, by_task in (("knobs", self.file.knobs), ("ood_knobs", self.file.ood_knobs)):
            for name, knobs in by_task.items():
                self._check_knobs(name, knobs, key)
        if (self.file.knobs or self.file.ood_knobs) and not self._twins:
            raise BadInputError(
                "`knobs` and `ood_knobs` can only be used with twins",
                where=self.where,
                next_step="Write `source: twin`.",
            )

    def _check_known(self, kind: Literal["variant", "split", "demonstration"], name: str, where: str) -> None:
        infos = [self.services.task(entry.name).info for entry in self.services.registry("tasks")]
        known = {known_name for info in infos for known_name in getattr(info, f"{kind}s")}
        if name not in known:
            raise UnknownNameError.of(kind, name, known, where=where)

    def _check_knobs(self, name: str, knobs: dict[str, int | float | bool], key: str) -> None:
        """Check a task's knobs, whether or not the task is used."""
        where = f"{self.where}, {key}: {name}"
        twin = self.services.task(name, where=where).twin()
        if twin is None:
            raise BadInputError(f"{name} has no twin, and so no knobs", where=where, next_step="Remove them.")
        twin.with_knobs(knobs, where=where, harder=key == "ood_knobs")

    # ---- blocks

    def _block(self, block: Block) -> ResolvedBlock:
        teachers = [
            self._teacher(entry, block) for entry in entries_of(self.services, block, "teachers", where=self.where)
        ]
        students = [
            ResolvedStudent(entry, self.services.student(entry.use, entry.name, entry.options))
            for entry in entries_of(self.services, block, "students", where=self.where)
        ]
        sets = block.train_tasks or []
        if len(set(map(frozenset, sets))) < len(sets) or any(len(set(one)) < len(one) for one in sets):
            raise BadInputError(
                "`train_tasks` has the same set of tasks twice, or a task twice in a set",
                where=self.where,
                next_step="Write each once; the order of the tasks of a set has no meaning.",
            )
        recipe = recipe_of(block, where=self.matrix.path)
        curators = curators_of(self.services, block, where=self.where)
        seeds = tuple(block.seeds or [0])
        folds: tuple[Fold, ...] = tuple(block.folds or ("test",))
        splits = tuple(block.splits or [self.file.split])
        teacher_folds: tuple[Fold, ...] = ("train",) if block.teacher_rows == "train" else folds
        both = dict.fromkeys([*folds, *teacher_folds])
        places = list(itertools.product(splits, seeds if self._twins else seeds[:1], both))
        methods = self._methods(block)
        names = block.tasks or self.services.registry("tasks").names()
        train_places: list[DataPlace] = list(itertools.product(splits, seeds if self._twins else seeds[:1], ("train",)))
        return ResolvedBlock(
            tasks=tuple(self._task(name, block.variant, places, seeds) for name in names),
            train_sets=tuple(
                tuple(self._task(name, block.variant, train_places, seeds) for name in together) for together in sets
            ),
            methods=tuple(methods),
            teachers=tuple(teachers),
            students=tuple(students),
            degrees=tuple(block.degrees or [1]),
            seeds=seeds,
            fractions=tuple(block.fractions or [1.0]),
            splits=splits,
            folds=folds,
            teacher_folds=teacher_folds,
            recipe=recipe,
            curators=curators,
            temperature=block.temperature,
            sampling=block.sampling or GREEDY,
        )

    def _methods(self, block: Block) -> list[Method]:
        """Return a block's methods. Where one of them uses a teacher, the methods that measure teachers are added."""
        methods = [self.methods[name] for name in block.methods or []]
        if not methods:
            raise BadInputError(
                "a block has no methods", where=self.where, next_step="Add `methods:` (`rtbench plugins` lists them)."
            )
        if block.teacher_rows is not False and any(method.uses_teacher for method in methods):
            for entry in self.services.registry("methods"):
                if entry.options.get("measures_teachers"):
                    self.methods[entry.name] = self.services.method(entry.name, where=self.where)
                    methods.append(self.methods[entry.name])
        return methods

    def _teacher(self, entry: ModelEntry, block: Block) -> ResolvedTeacher:
        most = max(entry.degrees or block.degrees or [1])
        if entry.tries is not None and entry.tries < most:
            raise BadInputError(
                f"`tries: {entry.tries}` cannot give {most} right rationales (the degree)",
                where=f"{self.where}, teacher {entry.name}",
                next_step="Use more tries, or lower degrees.",
            )
        if entry.tries is not None and block.temperature == 0:
            raise BadInputError(
                "`tries` needs a `temperature` above 0: greedy rationales are all the same",
                where=f"{self.where}, teacher {entry.name}",
            )
        teacher = self.services.teacher(entry.use, entry.name, entry.options)
        for source in teacher.sources():
            if source.cell is not None:
                self._check_selector(source.cell, where=f"{self.where}, teacher {source.name}")
        # A student that teaches has a row as a student.
        measured = not teacher.saw_answers and not _is_pool(teacher) and teacher.cell is None
        return ResolvedTeacher(entry, teacher, measured=measured)

    def _check_selector(self, selector: CellSelector, *, where: str) -> None:
        """Raise UnknownNameError where no block has a model or method that a teacher's cell is selected by."""
        for axis in ("methods", "students", "teachers"):
            name = getattr(selector, axis[:-1])
            known = [name_of(item) for block in self.matrix.blocks for item in getattr(block, axis) or []]
            if name is not None and name not in known:
                raise UnknownNameError.of(axis[:-1], name, dict.fromkeys(known), where=where)

    def _task(self, name: str, variant: str | None, places: list[DataPlace], seeds: tuple[int, ...]) -> ResolvedTask:
        task = self.services.task(name, where=self.where)
        data = {place: self._resolved_data(task, variant, *place) for place in places}
        if not self._twins:  # all seeds have the same questions
            data = {(split, seed, fold): data[split, first, fold] for split, first, fold in places for seed in seeds}
        extractors = tuple((known, task.extractor_key(known)) for known in task.info.extractors)
        return ResolvedTask(task, self._primary(task), extractors, data)

    def _primary(self, task: Task) -> str:
        known = task.info.extractors
        wanted = self.file.extractor
        if wanted is None:
            return task.info.shown_extractor
        if wanted not in known:
            raise UnknownNameError.of("extractor", wanted, known, where=f"task {task.info.name}")
        return wanted

    # ---- data

    @property
    def _twins(self) -> bool:
        return self.file.source == "twin"

    def _resolved_data(self, task: Task, wanted: str | None, split: str, seed: int, fold: Fold) -> ResolvedData:
        variant = self._twin_variant(task, seed) if self._twins else _wording(task, wanted)
        key = (task.info.name, variant, split, fold)
        if key not in self._data:
            self._data[key] = self._look_up(task, variant, split, fold)
        return self._data[key]

    def _twin_variant(self, task: Task, seed: int) -> str:
        name, twin = task.info.name, task.twin()
        if twin is None:  # its cells give the reason
            return variant_of(seed)
        return variant_of(
            seed,
            twin.changed(self.file.knobs.get(name, {}), where=f"{self.where}, knobs: {name}"),
            twin.changed(self.file.ood_knobs.get(name, {}), where=f"{self.where}, ood_knobs: {name}", harder=True),
        )

    def _look_up(self, task: Task, variant: str, split: str, fold: Fold) -> ResolvedData:
        name = task.info.name
        owner = f"{name}'s twin" if self._twins else name
        splits = ("default",) if self._twins else task.info.splits
        fingerprint, dataset, reason = "", f"{name}@{variant}", None
        if self._twins and task.twin() is None:
            reason = f"{name} has no twin; use --source upstream for its own data"
        elif split not in splits:
            reason = f"{owner} has no split {split!r} (has: {', '.join(splits)})"
        else:
            try:
                dataset = task.dataset_id(variant)
                fingerprint = task.fingerprint(self.services.files, variant)
                data = self.services.task_data(name, variant)
            except MissingDataError as error:  # other tasks may have their data
                reason = str(error)
            else:
                if not data.splits[split].fold(fold):
                    hint = "; its twin has one (--source twin)" if task.info.twin and not self._twins else ""
                    reason = f"{owner} has no {fold} fold{hint}"
                elif not data.fold(split, fold):
                    reason = data.missing or f"the {fold} fold of {name}'s split {split!r} is empty"
        spec = TaskSpec(name=name, variant=variant, split=split, fingerprint=fingerprint, dataset=dataset)
        return ResolvedData(spec, reason)


def _is_pool(teacher: Teacher) -> bool:
    """Return whether a teacher consists of several models."""
    try:
        return len(teacher.members()) > 1
    except MissingDataError:  # its cells give the reason
        return False


def _wording(task: Task, wanted: str | None) -> str:
    """Return the wording of a task: the requested one where the task has it, otherwise its first one."""
    return wanted if wanted is not None and wanted in task.info.variants else task.info.variants[0]

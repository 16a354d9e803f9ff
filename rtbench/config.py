"""What a matrix file says.

A matrix states axes (methods, tasks, teachers, students, degrees, seeds, fractions) and settings. ``blocks`` are
parts of it, each the cross product of its axes, with the top level as its defaults; equal cells count once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from rtbench.errors import BadInputError, UnknownNameError
from rtbench.files import convert, read_yaml
from rtbench.interfaces import DemonstrationSource, Recipe
from rtbench.places import as_name, check_name
from rtbench.records import Fold, Record, Source
from rtbench.specs import Entry

if TYPE_CHECKING:
    from rtbench.session import Session

DEFAULT_EXTRACTOR = "flexible"
SELECTIONS = ("last", "val", "best-test")
TEST_FOLDS: tuple[Fold, ...] = ("test", "ood", "validation")
"""Folds that can be answered and scored."""


class Block(Record, frozen=True, omit_defaults=True):
    """Axes and settings as written in YAML; None: the top level's, or the default."""

    tasks: list[str] | None = None
    methods: list[str] | None = None
    teachers: list[str | dict[str, Any]] | None = None
    students: list[str | dict[str, Any]] | None = None
    degrees: list[int] | None = None
    seeds: list[int] | None = None
    fractions: list[float] | None = None
    splits: list[str] | None = None
    """Of upstream data; None: the matrix's ``split`` alone."""
    folds: list[str] | None = None
    """Of :data:`TEST_FOLDS`."""
    curators: list[str | dict[str, Any]] | None = None
    recipe: dict[str, Any] | None = None
    temperature: float | None = None
    """Of the teacher; None: greedy at degree 1, 0.7 above (paper)."""


class MatrixFile(Block, frozen=True, omit_defaults=True):
    """A whole matrix file."""

    name: str | None = None
    description: str = ""
    source: Source = "upstream"
    """``twin``: each seed has questions, folds and teacher's draws of its own."""
    variant: str = "original"
    """Of upstream data."""
    split: str = "default"
    extractor: str | None = None
    """The one the leaderboard shows; all of a task's are computed. None: ``flexible``, or a task's first where it has
    no such."""
    demonstrations: DemonstrationSource = "own"
    """Of few-shot prompts: written for this project, or the paper's."""
    teacher_rows: bool = True
    """Measure each teacher on the test fold."""
    teacher_draws: Literal["shared", "per-seed"] = "shared"
    """Whether sampled rationales are the same for all seeds, or drawn (and bought) anew for each."""
    limit: int | None = None
    """Only the first so many questions of each fold."""
    knobs: dict[str, dict[str, int | float | bool]] = {}
    """Of twins, by task: of their train, validation and test questions."""
    ood_knobs: dict[str, dict[str, int | float | bool]] = {}
    """The same of their out-of-distribution fold."""
    blocks: list[Block] = []


@dataclass(frozen=True)
class Matrix:
    """A matrix, read; ``blocks`` have the top level's values where they state none."""

    name: str
    path: str
    file: MatrixFile
    blocks: tuple[Block, ...]


def read_matrix(session: Session, name: str) -> Matrix:
    """A built-in or registered matrix by name, or a YAML file by path.

    Raises:
        UnknownNameError: neither a name nor a file.
        BadInputError: the file breaks the rules; the key or line is named.
    """
    registry = session.plugins.registries["matrices"]
    path = Path(name)
    if name in registry:
        path = Path(registry.get(name).resolve()())
    elif path.suffix not in {".yaml", ".yml"} and not path.exists():
        raise UnknownNameError.of("matrix", name, registry.names(), where="--matrix")
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise BadInputError("a matrix is a mapping of keys", where=str(path), next_step="See docs/matrix.md.")
    file = convert(data, MatrixFile, where=str(path))
    if file.limit is not None and file.limit < 1:
        raise BadInputError(
            f"limit must be at least 1, not {file.limit}", where=str(path), next_step="Leave it out for all."
        )
    blocks = tuple(_merged(file, block) for block in file.blocks or [Block()])
    for number, block in enumerate(blocks):
        check_numbers(block, where=f"{path}, blocks[{number}]" if file.blocks else str(path))
    named = as_name(path.stem) if file.name is None else check_name(file.name, where=f"{path}, name")
    return Matrix(named, str(path), file, blocks)


def _merged(file: MatrixFile, block: Block) -> Block:
    """A block with the top level's values where it states none. ``recipe`` is merged key by key."""
    values = {key: getattr(block, key) for key in Block.__struct_fields__}
    for key, value in values.items():
        if value is None:
            values[key] = getattr(file, key)
    values["recipe"] = {**(file.recipe or {}), **(block.recipe or {})}
    return Block(**values)


def check_numbers(block: Block, *, where: str) -> None:
    """Raises BadInputError naming the key whose number, or fold, cannot be."""
    _check(block.tasks != [], "tasks: an empty list", "Name some, or leave `tasks` out for all.", where)
    for degree in block.degrees or []:
        _check(degree >= 1, f"degrees: {degree} is no number of rationales", "At least 1.", where)
    for seed in block.seeds or []:
        _check(seed >= 0, f"seeds: {seed} is negative", "Give whole numbers from 0.", where)
    for fraction in block.fractions or []:
        _check(0 < fraction <= 1, f"fractions: {fraction} is no part", "Above 0, at most 1.", where)
    for fold in block.folds or []:
        if fold not in TEST_FOLDS:
            raise UnknownNameError.of("fold", fold, TEST_FOLDS, where=f"{where}, folds")
    if block.temperature is not None:
        _check(block.temperature >= 0, f"temperature: {block.temperature} is negative", "0 is greedy.", where)


def recipe_of(block: Block, *, where: str) -> Recipe:
    """The block's hyper-parameters, checked."""
    recipe = convert(block.recipe or {}, Recipe, where=f"{where}, recipe")
    if recipe.selection not in SELECTIONS:
        raise UnknownNameError.of("selection", recipe.selection, SELECTIONS, where=f"{where}, recipe")
    for key in ("batch_size", "epochs", "max_prompt_tokens", "max_label_tokens", "max_new_tokens"):
        _check(getattr(recipe, key) >= 1, f"{key} must be at least 1", None, f"{where}, recipe")
    _check(recipe.steps is None or recipe.steps >= 1, "steps must be at least 1", None, f"{where}, recipe")
    _check(recipe.warmup_steps >= 0, "warmup_steps must be at least 0", None, f"{where}, recipe")
    _check(
        recipe.steps is None or recipe.selection != "best-test",
        "`steps` does not go with selection best-test, which compares whole epochs",
        "Give `epochs`, or another selection.",
        f"{where}, recipe",
    )
    _check(recipe.patience is None or recipe.patience >= 1, "patience must be at least 1", None, f"{where}, recipe")
    _check(
        recipe.patience is None or recipe.selection == "val",
        f"`patience` goes by held-out questions, and `selection: {recipe.selection}` holds none out",
        "Take `selection: val`, or leave `patience` out.",
        f"{where}, recipe",
    )
    _check(recipe.learning_rate > 0, "learning_rate must be above 0", None, f"{where}, recipe")
    _check(0 <= recipe.validation_fraction < 1, "validation_fraction must be in [0, 1)", None, f"{where}, recipe")
    return recipe


def entries_of(session: Session, block: Block, axis: Literal["teachers", "students"], *, where: str) -> list[Entry]:
    """An axis of teachers or students: registered names, or mappings with a name of their own."""
    registry = session.plugins.registries[axis]
    entries: list[Entry] = []
    for number, item in enumerate(getattr(block, axis) or []):
        place = f"{where}, {axis}[{number}]"
        given: dict[str, Any] = {"name": item} if isinstance(item, str) else dict(item)
        name = given.pop("name", None)
        _check(isinstance(name, str), "needs a name", "Write `name: …`.", place)
        own = {key: given.pop(key) for key in ("tasks", "degrees") if key in given}
        if given and "use" not in given and name not in registry:
            raise BadInputError(
                f"{name!r} is not registered, and no `use` says what it is (keys: {', '.join(given)})",
                where=place,
                next_step=f"Write `use: NAME`, one of: {', '.join(registry.names())}.",
            )
        use = given.pop("use", name)
        _check(isinstance(use, str), "`use` is no name", "Write `use: REGISTERED_NAME`.", place)
        options = {**registry.get(use, where=place).options, **given}
        entry = convert({"name": name, "use": use, "options": options, **own}, Entry, where=place)
        for task in entry.tasks or ():
            session.plugins.registries["tasks"].get(task, where=f"{place}, tasks")
        entries.append(entry)
    doubled = {e.name for e in entries if sum(o.name == e.name for o in entries) > 1}
    _check(not doubled, f"{axis} named twice: {', '.join(sorted(doubled))}", "Give each a name of its own.", where)
    return entries


def curators_of(session: Session, block: Block, *, where: str) -> tuple[tuple[str, dict[str, object]], ...]:
    """The block's curators in order, ``correct`` by default, with their options."""
    out: list[tuple[str, dict[str, object]]] = []
    for number, item in enumerate(["correct"] if block.curators is None else block.curators):
        given: dict[str, Any] = {"use": item} if isinstance(item, str) else dict(item)
        name = given.pop("use", None)
        place = f"{where}, curators[{number}]"
        _check(isinstance(name, str), "needs `use`", "Write `use: REGISTERED_NAME`.", place)
        session.plugins.registries["curators"].get(name, where=place)
        session.curator(name, given)  # wrong options are a mistake of the file, not of a step
        out.append((name, given))
    return tuple(out)


def _check(holds: bool, what: str, next_step: str | None, where: str) -> None:
    if not holds:
        raise BadInputError(what, where=where, next_step=next_step)


def names_on(blocks: Sequence[Block], axis: str) -> list[str]:
    """The names that blocks have on an axis, each once."""
    found: dict[str, None] = {}
    for block in blocks:
        found.update(dict.fromkeys(name_of(item) for item in getattr(block, axis) or []))
    return list(found)


def name_of(item: str | dict[str, Any]) -> str:
    return item if isinstance(item, str) else str(item.get("name"))


def with_axis(block: Block, axis: str, value: Any) -> Block:
    """The block with another value on one axis."""
    return msgspec.structs.replace(block, **{axis: value})

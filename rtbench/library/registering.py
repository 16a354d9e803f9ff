"""Register tasks, methods and other objects for this process, without files."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from rtbench.errors import BadInputError, UnknownNameError
from rtbench.library.settings import CURRENT, open_session
from rtbench.plugin.registered import Registered, packed
from rtbench.storage.keys import content_key
from rtbench.storage.paths import check_name
from rtbench.storage.writing import make_folder, write_atomic

if TYPE_CHECKING:
    import pandas as pd

    from rtbench.plugin.curators import Curator
    from rtbench.plugin.methods import Method
    from rtbench.plugin.models import Student, Teacher

AnswerTypeName = Literal["number", "choice", "yes_no", "string"]


class Registrar:
    """Registers objects under names, for all later calls in this process and their worker processes.

    A name that is registered again is replaced, so a cell of a notebook can be run twice. Registered objects exist in this
    process only: a run with them uses the executor ``local``, and other programs need a plugin file (docs/plugins.md). Tasks
    are written into the workspace, so that later programs can read the run.
    """

    def task(
        self,
        name: str,
        data: pd.DataFrame | Iterable[Mapping[str, Any]],
        *,
        question: str = "question",
        answer: str = "answer",
        answer_type: AnswerTypeName = "number",
        choices: str | Sequence[str] | None = None,
        rationale: str | None = None,
        group: str | None = None,
        fold: str | None = None,
        title: str = "",
    ) -> str:
        """Register a task whose questions are rows of a table.

        Args:
            name: of the task.
            data: one row per question.
            question: column of the questions.
            answer: column of the gold answers.
            answer_type: ``number``, ``choice``, ``yes_no`` or ``string``.
            choices: column with lists of choices, or one column per choice.
            rationale: column of rationales written by people.
            group: column by which questions belong together; a group is never split between training and test.
            fold: column with ``train`` or ``test``. None: 70 % of the questions are for training.
            title: for listings.

        Returns:
            The name.

        Raises:
            BadInputError: a column is missing, a value is not of its type, or the name is taken.
        """
        check_name(name, where="rtbench.register.task")
        rows = _rows(data)
        fields = {"question": question, "answer": answer, "choices": choices}
        fields |= {"rationale": rationale, "group": group, "fold": fold}
        options = {key: value if isinstance(value, str) else list(value) for key, value in fields.items() if value}
        columns = {column for row in rows for column in row}
        for value in options.values():
            for column in [value] if isinstance(value, str) else value:
                if column not in columns:
                    raise BadInputError(
                        f"there is no column {column!r}",
                        where=f"task {name}",
                        next_step=f"The columns are: {', '.join(map(str, sorted(columns, key=str)))}.",
                    )
        used = {column for value in options.values() for column in ([value] if isinstance(value, str) else value)}
        rows = [{column: _plain(value) for column, value in row.items() if column in used} for row in rows]
        _write_task(name, rows, options, answer_type=answer_type, title=title)
        return name

    def method(self, target: type[Method] | Callable[[], Method], *, name: str | None = None, summary: str = "") -> str:
        """Register a method: a class, or a function that returns its object. Returns its name."""
        return _register("methods", target, name or getattr(target, "name", None), summary)

    def curator(
        self, target: type[Curator] | Callable[[dict[str, Any]], Curator], *, name: str | None = None, summary: str = ""
    ) -> str:
        """Register a curator, which is called with its options. Returns its name."""
        return _register("curators", target, name or getattr(target, "name", None), summary)

    def teacher(self, target: Callable[..., Teacher], *, name: str, summary: str = "") -> str:
        """Register a teacher, which is called with name, options and services. Returns its name."""
        return _register("teachers", target, name, summary)

    def student(self, target: Callable[..., Student], *, name: str, summary: str = "") -> str:
        """Register a student, which is called with name, options and services. Returns its name."""
        return _register("students", target, name, summary)

    def forget(self, *names: str) -> None:
        """Forget registered objects.

        Args:
            names: names of tasks and other objects; none: everything that was registered in this process.

        Raises:
            UnknownNameError: nothing is registered under a name; then nothing is forgotten.
        """
        known = {*CURRENT.tasks, *(one.name for one in CURRENT.objects)}
        for name in names:
            if name not in known:
                raise UnknownNameError.of("registered object", name, known, where="rtbench.register.forget")
        left = known.difference(names) if names else set()
        CURRENT.objects = tuple(one for one in CURRENT.objects if one.name in left)
        CURRENT.tasks = {name: path for name, path in CURRENT.tasks.items() if name in left}
        CURRENT.registered = packed(CURRENT.objects)


register = Registrar()
"""Registers objects without files: ``rtbench.register.task("mine", frame)``."""


def _register(kind: str, target: Callable[..., Any], name: object, summary: str) -> str:
    """Register an object of a kind, and return its name.

    Raises:
        BadInputError: it has no name, cannot be called, or cannot be sent to workers.
        PluginError: a plugin has registered the name.
    """
    where = f"rtbench.register.{kind[:-1]}"
    if not callable(target):
        raise BadInputError(f"{target!r} is not a class or function", where=where)
    if not isinstance(name, str) or not name:
        raise BadInputError("it has no name", where=where, next_step='Give `name="…"`, or a class attribute `name`.')
    new = Registered(kind, name, target, summary)
    objects = (*(one for one in CURRENT.objects if (one.kind, one.name) != (kind, name)), new)
    bytes_ = packed(objects)
    before = CURRENT.objects, CURRENT.registered
    CURRENT.objects, CURRENT.registered = objects, bytes_
    try:
        open_session()  # the name may be a plugin's
    except Exception:
        CURRENT.objects, CURRENT.registered = before
        raise
    return name


def _rows(data: pd.DataFrame | Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a table of pandas, or of any iterable of mappings such as a ``datasets.Dataset``.

    Raises:
        BadInputError: a row is not a mapping.
    """
    if isinstance(data, str | os.PathLike):
        raise BadInputError(
            f"{os.fspath(data)!r} is the name of a file, not a table",
            where="rtbench.register.task",
            next_step="Read the file first, for example with pandas.read_csv.",
        )
    table: Any = data
    rows = list(table.to_dict("records") if hasattr(data, "iloc") else table)
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise BadInputError(f"row {number} is a {type(row).__name__}, not a mapping", where="rtbench.register.task")
    return [{str(key): value for key, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    """Return a value of a table as JSON has it: no scalar of numpy, and None for what is missing."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float) and value.is_integer():  # a column of integers in which one was missing
        return int(value)
    return value


def _write_task(
    name: str, rows: list[dict[str, Any]], options: dict[str, Any], *, answer_type: str, title: str
) -> None:
    """Write the files of a task into the workspace, and add it to the settings."""
    import yaml

    session = open_session()
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    own: dict[str, Any] = {"answer_type": answer_type, "files": [{"name": f"{name}.jsonl"}], "options": options}
    own |= {"title": title} if title else {}
    own |= {"splits": {"default": {"by": "field"}}} if "fold" in options else {}
    own |= {"splits": {"default": {"by": "group", "seed": 0}}} if "group" in options and "fold" not in options else {}
    config: dict[str, Any] = {
        "task": name,
        "dataset_path": "json",
        "doc_to_text": "Q: {{question}}\n\nA:",
        "doc_to_target": "{{answer}}",
    }
    config |= {"metadata": {"version": 1, "rtbench": own}}
    digest = content_key([config, lines.decode()])[:8]
    folder = session.workspace / "tasks" / f"{name}-{digest}"
    make_folder(folder)
    write_atomic(folder / f"{name}.jsonl", lines)
    path = folder / f"{name}.yaml"
    write_atomic(path, yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode())
    before = CURRENT.tasks
    CURRENT.tasks = {**before, name: path}
    try:
        session = open_session()
        session.task_data(name, session.task(name).info.variants[0])
    except Exception:
        CURRENT.tasks = before
        raise

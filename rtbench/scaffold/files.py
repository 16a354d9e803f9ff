"""Fill in templates of plugins and tasks, and write them: all files or none."""

from __future__ import annotations

import json
import keyword
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

from rtbench.errors import BadInputError
from rtbench.scaffold.columns import Columns, columns_of
from rtbench.storage.paths import check_name
from rtbench.storage.writing import make_folder, naming, write_atomic
from rtbench.version import __version__

Kind = Literal["task", "teacher", "student", "method", "curator", "reporter", "claim"]
KINDS: tuple[str, ...] = get_args(Kind)
_SUMMARIES: dict[str, str] = {
    "task": "a task of {rows} questions",
    "teacher": "a teacher of my own",
    "student": "a student of my own",
    "method": "fine-tuning on the shortest rationale of each question",
    "curator": "keeps rationales up to a number of words",
    "reporter": "one line per row",
    "claim": "claims of my own",
}
_USAGES = {
    "task": "rtbench run --source upstream {loading}--tasks {name} --methods zero-shot,fine-tune",
    "teacher": "rtbench plan {loading}--teacher use={name} --methods fine-tune-cot",
    "student": "rtbench plan {loading}--student use={name} --methods zero-shot,fine-tune",
    "method": "rtbench plan {loading}--methods fine-tune-cot,{name}",
    "curator": "rtbench curate --help",
    "reporter": "rtbench report {loading}--format {name}",
    "claim": "rtbench claims {loading}--set {name}",
}
"""A command that uses what was written."""
_EXAMPLES = tuple(
    {"question": f"A box has {pens} pens. How many pens are in {boxes} boxes?", "answer": str(pens * boxes)}
    for pens in range(2, 7)
    for boxes in range(3, 7)
)
"""Questions of a task that is not made from a file."""


@dataclass(frozen=True)
class NewFiles:
    """What is to be written: texts by path."""

    texts: Mapping[Path, bytes]
    check: str
    """The command that checks it."""
    usage: str
    """A command that uses it."""

    def write(self) -> None:
        """Write all files.

        Raises:
            BadInputError: one of them exists; nothing is written then.
        """
        for path in self.texts:
            if path.exists() or path.is_symlink():
                raise BadInputError(
                    "it exists", where=str(path), next_step="Use another name, or remove it; nothing was written."
                )
        for path, content in self.texts.items():
            make_folder(path.parent)
            with naming(path):
                write_atomic(path, content)


def new_files(kind: str, name: str, folder: Path, *, package: bool = False, data: Path | None = None) -> NewFiles:
    """Return the files of a new plugin or task.

    Args:
        kind: one of :data:`KINDS`.
        name: registered name.
        folder: where the files go.
        package: an installable distribution with tests, instead of one file.
        data: for tasks, the file with questions and answers; None: two example questions.

    Raises:
        BadInputError: the name is invalid, or the data have no questions and answers.
    """
    module = module_of(name)
    if data is not None and kind != "task":
        raise BadInputError("only tasks are made from data", where="--from", next_step="Leave it out.")
    table = None if kind != "task" else columns_of(data) if data else Columns(len(_EXAMPLES), "number", {})
    values: dict[str, Any] = {
        "name": name,
        "module": module,
        "class": "".join(word[:1].upper() + word[1:] for word in re.split(r"[._-]+", name)),
        "kind": kind,
        "plural": f"{kind}s",
        "summary": _SUMMARIES[kind].format(rows=table.rows if table else 0),
        "file": f"{module}.yaml",
    }
    root = folder / f"rtbench-{name}" if package else folder
    home = root / module if package else root
    option = "" if package else f"--task {module}.yaml " if kind == "task" else f"--plugin {module}.py "
    values["loading"] = option
    values["rtbench"] = ".".join(__version__.split(".")[:2])
    values["usage"] = _USAGES[kind].format(loading=option, name=name)
    texts: dict[Path, bytes] = {}
    if table is not None:
        named = f"{module}.jsonl" if data is None else data.name if package else _below(data, home)
        values |= {"data": as_flow(named), "answer_type": table.answer_type}
        values |= {field: table.options.get(field, field) for field in ("question", "answer")}
        values["options"] = as_flow(dict(table.options)) if table.options else ""
        texts[home / f"{module}.yaml"] = _filled("task.yaml", values)
        if data is None:
            texts[home / named] = "".join(as_flow(row) + "\n" for row in _EXAMPLES).encode()
        elif package:
            texts[home / named] = data.read_bytes()
    else:
        texts[home / ("__init__.py" if package else f"{module}.py")] = _filled(f"{kind}.py", values)
    if package:
        if table is not None:
            texts[home / "__init__.py"] = _filled("package/task.py", values)
        for template, path in (("pyproject.toml", "pyproject.toml"), ("README.md", "README.md")):
            texts[root / path] = _filled(f"package/{template}", values)
        texts[root / "tests" / f"test_{module}.py"] = _filled("package/test_plugin.py", values)
    checked = (
        f"pip install -e {shlex.quote(f'{root.absolute()}[test]')} && pytest {shlex.quote(str(root))}"
        if package
        else None
    )
    single = f"rtbench check {module}.{'yaml' if kind == 'task' else 'py'}"
    return NewFiles(texts, checked or single, values["usage"])


def as_flow(value: object) -> str:
    """Return a value in one line, which is JSON and YAML."""
    return json.dumps(value, ensure_ascii=False)


def _below(data: Path, folder: Path) -> str:
    """Return a file's path relative to a folder.

    Raises:
        BadInputError: the file is not below the folder, where a task's files must be.
    """
    if not data.resolve().is_relative_to(folder.resolve()):
        raise BadInputError(
            f"it is not below {folder.resolve()}, where the task's YAML goes",
            where=f"--from {data}",
            next_step=f"Use --dir {data.parent}, or --package, which copies the file.",
        )
    return data.resolve().relative_to(folder.resolve()).as_posix()


def module_of(name: str) -> str:
    """Return the name of the Python module for a registered name.

    Raises:
        BadInputError: no module can have such a name.
    """
    module = re.sub(r"[.-]", "_", check_name(name, where="NAME")).lower()
    if not module.isidentifier() or keyword.iskeyword(module):
        raise BadInputError(
            f"{name!r} cannot be the name of a Python module",
            where="NAME",
            next_step="Start with a letter; use letters, digits and '-'.",
        )
    return module


def _filled(template: str, values: Mapping[str, Any]) -> bytes:
    import jinja2

    text = files("rtbench.scaffold").joinpath("templates", f"{template}.jinja").read_text()
    environment = jinja2.Environment(keep_trailing_newline=True, undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - the texts are Python, YAML and TOML
    return environment.from_string(text).render(values).encode()

"""Files of recorded completions in our own fields, in any form: JSON Lines, a JSON list, CSV, TSV or parquet.

The records have either ``reasoning_completion`` and ``completion``, in a file named
``<model>__<key>__<task>.jsonl[.gz]``, or ``question`` or ``sample_index``, and ``completion`` or ``text``.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from rtbench_plugins.recordings.lines import PREFIXES, RecordLine, names_in, numbered, required, two_stages

from rtbench.api import ONE_TEXT_PREFIX, BadInputError, Recording, RecordingFormat, is_table, read_rows


class JsonLines(RecordingFormat):
    """Reader of one record per completion: the most general format, which is tried last."""

    name = "json-lines"
    rank = 1000

    def matches(self, path: Path) -> bool:
        return True

    def read(self, path: Path, *, model: str | None, key: str | None, task: str | None) -> Recording:
        names = names_in(path)
        lines = _read_lines(path)
        key = key or names.get("key") or "recorded"
        entries = numbered(lines, path)
        return Recording(
            path=path,
            model=model or names.get("model") or path.name.split(".")[0],
            key=key,
            task=required(task or names.get("task"), path),
            answer_prefix=_prefix(key, lines),
            entries=entries,
        )


_TEXTS = frozenset({"completion", "text"})


def _read_lines(path: Path) -> list[tuple[str, RecordLine]]:
    strict = not is_table(path)  # cells of a table are text
    out: list[tuple[str, RecordLine]] = []
    for row in read_rows(path):
        values = row.values
        if not strict:  # an empty cell is an empty text
            values = {name: "" if value is None and name in _TEXTS else value for name, value in values.items()}
        try:
            out.append((row.place, msgspec.convert(values, RecordLine, strict=strict)))
        except msgspec.ValidationError as error:
            raise BadInputError(
                str(error), where=f"{path}, {row.place}", next_step="Fix or remove the record."
            ) from None
    if not out:
        raise BadInputError("the file has no records", where=str(path), next_step="Write one record per completion.")
    return out


def _prefix(key: str, lines: list[tuple[str, RecordLine]]) -> str | None:
    """Return the text before the answer in a file's texts.

    A key that is one of the original's templates determines it (``zs`` and ``ft_token`` have no prefix). Any other text
    may contain a rationale and is searched like a few-shot-CoT completion, which finds the last candidate where the
    prefix is missing.
    """
    if all(two_stages(line) for _, line in lines):
        return None
    return PREFIXES[key] if key in PREFIXES and key != "zs_cot" else ONE_TEXT_PREFIX

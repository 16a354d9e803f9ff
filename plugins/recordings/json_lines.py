"""JSON Lines of recorded completions.

The records have either ``reasoning_completion`` and ``completion``, in a file named
``<model>__<key>__<task>.jsonl[.gz]``, or ``question`` or ``sample_index``, and ``completion`` or ``text``.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from rtbench_plugins.recordings.lines import PREFIXES, RecordLine, numbered, required, two_stages

from rtbench.api import ONE_TEXT_PREFIX, BadInputError, Recording, RecordingFormat, jsonl_lines


class JsonLines(RecordingFormat):
    """Reader of one JSON object per line: the most general format, which is tried last."""

    name = "JSON Lines"
    rank = 1000

    def matches(self, path: Path) -> bool:
        return True

    def read(self, path: Path, *, model: str | None, key: str | None, task: str | None) -> Recording:
        names = _names_in(path)
        lines = _read_lines(path)
        key = key or names.get("key") or "recorded"
        entries = numbered([(f"line {number}", line) for number, line in lines], path)
        return Recording(
            path=path,
            model=model or names.get("model") or path.name.split(".")[0],
            key=key,
            task=required(task or names.get("task"), path),
            answer_prefix=_prefix(key, lines),
            entries=entries,
        )


def _names_in(path: Path) -> dict[str, str]:
    """Return model, key and task from ``<model>__<key>__<task>.jsonl``; empty for other names."""
    stem = re.sub(r"\.jsonl?(\.gz)?$", "", path.name)
    parts = stem.split("__")
    if len(parts) < 3:
        return {}
    return {"model": "__".join(parts[:-2]), "key": parts[-2], "task": parts[-1]}


def _read_lines(path: Path) -> list[tuple[int, RecordLine]]:
    decoder = msgspec.json.Decoder(RecordLine)
    out: list[tuple[int, RecordLine]] = []
    for number, line in jsonl_lines(path):
        try:
            out.append((number, decoder.decode(line)))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            what = str(error).replace("JSON is malformed", "invalid JSON")
            raise BadInputError(
                what,
                where=f"{path}, line {number}",
                next_step="Fix or remove the line; each line must be one JSON object.",
            ) from None
    if not out:
        raise BadInputError("the file is empty", where=str(path), next_step="Write one JSON object per line.")
    return out


def _prefix(key: str, lines: list[tuple[int, RecordLine]]) -> str | None:
    """Return the text before the answer in a file's texts.

    A key that is one of the original's templates determines it (``zs`` and ``ft_token`` have no prefix). Any other text
    may contain a rationale and is searched like a few-shot-CoT completion, which finds the last candidate where the
    prefix is missing.
    """
    if all(two_stages(line) for _, line in lines):
        return None
    return PREFIXES[key] if key in PREFIXES and key != "zs_cot" else ONE_TEXT_PREFIX

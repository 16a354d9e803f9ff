"""Check of a model's files without loading them: pointers of a large-file store, truncated files, missing parts.

Only headers are read, so that a check takes milliseconds. Imports no torch.
"""

from __future__ import annotations

import functools
import json
import re
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtbench.api import BadInputError, file_digest, read_json

_HEADER = struct.Struct("<Q")
_MOST_HEADER = 100 * 10**6
"""Longest header that safetensors accepts, in bytes."""
_METADATA = "__metadata__"
"""Entry of a header that is no tensor."""
_POINTER = re.compile(rb"version (https://git-lfs|https://hawser|git-lfs)|/annex/objects/|(\.\./)*\.git/annex/objects/")
"""Start of a file that stands for another one: of git-lfs, and of git-annex."""
_MOST_POINTER = 1024
"""Longest pointer in bytes, by the specification of git-lfs."""
_FETCH = "Fetch the large files (`git lfs pull` in the checkout, or `hf download`), or use another folder as the option `model`."
_COPY = "Copy or download the folder again, or write it again with save_pretrained()."
_NEEDED = ("*.safetensors", "*.safetensors.index.json", "config.json", "tokenizer*", "vocab*", "merges.txt", "*.model")
"""Files of a model that a checkout may have as pointers."""
_PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.safetensors")


class DamagedFileError(Exception):
    """A file of weights is not whole; the message says why."""


@dataclass(frozen=True)
class WeightsHeader:
    """Header of a safetensors file."""

    tensors: Mapping[str, Any]
    """Type, shape and place of each tensor, by name."""
    described: int
    """Size of the file in bytes that the header describes."""
    size: int
    """Actual size in bytes."""


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 digest of a file, computed once as long as its size and time of change stay the same."""
    stat = path.stat()
    return _digest(str(path), stat.st_size, stat.st_mtime_ns)


@functools.cache
def _digest(path: str, size: int, changed: int) -> str:  # noqa: ARG001 - size and time are part of the cache's key
    return file_digest(Path(path))


def header_of(path: Path) -> WeightsHeader:
    """Return the header of a safetensors file.

    Raises:
        DamagedFileError: the file has no valid header.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        start = handle.read(_HEADER.size)
        length = _HEADER.unpack(start)[0] if len(start) == _HEADER.size else -1
        if not 0 < length <= min(_MOST_HEADER, size):
            raise DamagedFileError("it is empty" if size == 0 else f"it has {size:,} bytes and no valid header")
        try:
            header = json.loads(handle.read(length))
            end = max((entry["data_offsets"][1] for name, entry in header.items() if name != _METADATA), default=0)
        except (ValueError, AttributeError, LookupError, TypeError, RecursionError, MemoryError):
            raise DamagedFileError("it has no valid header") from None
    tensors = {name: entry for name, entry in header.items() if name != _METADATA}
    return WeightsHeader(tensors, described=_HEADER.size + length + end, size=size)


def weight_map(index: Path) -> dict[str, str]:
    """Return the file of each tensor, as an index of weights lists them.

    Raises:
        BadInputError: it is no index, or a file of it has no plain name.
    """
    content = read_json(index)
    places = content.get("weight_map") if isinstance(content, dict) else None
    names = places.values() if isinstance(places, dict) else [None]
    if places is None or not all(isinstance(name, str) and re.fullmatch(r"[\w.=+-]+", name) for name in names):
        raise BadInputError("not an index of weights", where=str(index), next_step=_COPY)
    return dict(places)


def check_files(folder: Path, *, whose: str) -> None:
    """Check that a model's files in a folder are whole and belong together.

    Args:
        folder: of the model.
        whose: the student or teacher that the error names.

    Raises:
        BadInputError: they are not.
    """
    for what, next_step in _problems(folder):
        raise BadInputError(what, where=whose, next_step=next_step)


def _problems(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a model's files, and what to do about it."""
    paths = sorted({path for pattern in _NEEDED for path in folder.glob(pattern)})
    for path in paths:
        if _is_pointer(path):
            yield f"{path} is only the pointer of a large-file store, not the file itself", _FETCH
    names: dict[str, frozenset[str]] = {}
    for path in (path for path in paths if path.suffix == ".safetensors"):
        try:
            header = header_of(path)
        except DamagedFileError as damage:
            yield f"{path} is damaged: {damage}", _COPY
            continue
        names[path.name] = frozenset(header.tensors)
        if header.size != header.described:
            yield f"{path} is damaged: it has {header.size:,} bytes of {header.described:,}", _COPY
    for name in names:
        for missing in _missing_parts(name, names):
            yield f"{folder} has {name}, but not {missing}", _COPY
    indices = [path for path in paths if path.name.endswith(".index.json")]
    for path in (path for path in indices if path.name.removesuffix(".index.json") not in names):
        yield from ((f"{path}: {problem}", _COPY) for problem in _problems_of_index(path, names))


def _missing_parts(name: str, names: Collection[str]) -> Iterator[str]:
    """Yield the other parts of a checkpoint that are missing, by the numbers in a part's name."""
    part = _PART.fullmatch(name)
    for number in range(1, int(part[3]) + 1) if part is not None else ():
        assert part is not None
        if (other := f"{part[1]}-{number:05d}-of-{part[3]}.safetensors") not in names:
            yield other


def _is_pointer(path: Path) -> bool:
    """Return whether a file stands for another one that is not there."""
    if not path.exists():  # a link of git-annex whose content was not fetched
        return path.is_symlink()
    if not path.is_file() or path.stat().st_size > _MOST_POINTER:
        return False
    return _POINTER.match(path.read_bytes()) is not None


def _problems_of_index(path: Path, names: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """Yield where an index and the files that it lists do not belong together.

    Where there is a whole file as well, that is read in place of the parts.
    """
    try:
        places = weight_map(path)
    except BadInputError as error:
        yield error.what
        return
    for tensor, file in places.items():
        if file not in names:
            yield f"it lists {file}, which is not there"
        elif tensor not in names[file]:
            yield f"it says that {file} has the tensor {tensor}, which it has not"

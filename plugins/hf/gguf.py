"""GGUF files: facts from their headers, and their identity. Imports no torch.

Reading and checking go through the package ``gguf`` of llama.cpp's authors, since the format changes with them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtbench.api import BadInputError, MissingExtraError, file_digest, squeezed

SUFFIX = ".gguf"
ENCODER_DECODERS = frozenset({"t5"})
"""Architectures, as GGUF names them, of encoder-decoders."""
_MAGIC = b"GGUF"
_COPY = "Download or copy the file again."


@dataclass(frozen=True)
class GgufHeader:
    """Facts from a file's header."""

    architecture: str
    parameters: int
    tensors: frozenset[str]
    """Names of its tensors."""
    facts: Mapping[str, Any]
    """Numbers and texts of the header by name; lists (the vocabulary) are left out."""

    def number(self, name: str) -> int | None:
        """Return a number of the architecture, such as ``block_count``; None where the header lacks it."""
        value = self.facts.get(f"{self.architecture}.{name}")
        return value if isinstance(value, int) else None


def gguf_digest(path: Path) -> str:
    """Return the SHA-256 digest of a file, computed once as long as size and time of change stay the same."""
    stat = path.stat()
    return _digest(str(path), stat.st_size, stat.st_mtime_ns)


def gguf_header(path: Path, *, where: str) -> GgufHeader:
    """Return the facts of a file's header, checked: the file is GGUF, and whole.

    Args:
        path: of the file.
        where: the place that errors name.

    Raises:
        MissingExtraError: the package ``gguf`` is not installed.
        BadInputError: the file is not GGUF, or it is cut.
    """
    stat = path.stat()
    header = _header(str(path), where, stat.st_size, stat.st_mtime_ns)
    parts = header.facts.get("split.count")
    if isinstance(parts, int) and parts > 1:
        raise BadInputError(
            f"{path} is one of {parts} parts of a model",
            where=where,
            next_step="Merge the parts with llama.cpp's `llama-gguf-split --merge`, and use the merged file.",
        )
    return header


@functools.lru_cache(maxsize=32)
def _header(path: str, where: str, size: int, changed: int) -> GgufHeader:  # noqa: ARG001 - parts of the cache's key
    with Path(path).open("rb") as file:
        start = file.read(len(_MAGIC))
    if start != _MAGIC:
        raise BadInputError(f"{path} is not a GGUF file", where=where, next_step=_COPY)
    try:
        from gguf import GGUFReader, GGUFValueType
    except ImportError:
        raise MissingExtraError.of("gguf", "gguf") from None
    try:
        reader = GGUFReader(path)
        facts = {
            name: field.contents()
            for name, field in reader.fields.items()
            if field.types and field.types[0] != GGUFValueType.ARRAY
        }
        tensors = frozenset(str(tensor.name) for tensor in reader.tensors)
        parameters = sum(math.prod(map(int, tensor.shape)) for tensor in reader.tensors)
    except Exception as error:  # the reader has no error type of its own: a cut file ends in one of numpy's
        reason = squeezed(f"{type(error).__name__}: {error}")[:200]
        raise BadInputError(
            f"{path} is cut or damaged: it cannot be read as GGUF ({reason})", where=where, next_step=_COPY
        ) from error
    return GgufHeader(str(facts.get("general.architecture", "")), parameters, tensors, facts)


@functools.cache
def _digest(path: str, size: int, changed: int) -> str:  # noqa: ARG001 - size and time are part of the cache's key
    return file_digest(Path(path))

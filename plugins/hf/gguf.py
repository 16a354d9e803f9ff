"""GGUF files: facts from their headers. Imports no torch.

Reading and checking go through the package ``gguf`` of llama.cpp's authors, since the format changes with them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtbench_plugins.hf.weights import DamagedFileError

from rtbench.api import BadInputError, MissingExtraError, squeezed

SUFFIX = ".gguf"
ENCODER_DECODERS = frozenset({"t5"})
"""Architectures, as GGUF names them, of encoder-decoders."""
CONVERSION = "gguf"
"""Name of the conversion to safetensors in keys and in the cache; change it (``gguf-2``) when its result changes."""
_MAGIC = b"GGUF"


@dataclass(frozen=True)
class GgufHeader:
    """Facts from a file's header."""

    architecture: str
    parameters: int
    tensors: Mapping[str, int]
    """Number of elements of its tensors, by name."""
    facts: Mapping[str, Any]
    """Numbers and texts of the header by name; lists (the vocabulary) are left out."""

    def number(self, name: str) -> int | None:
        """Return a number of the architecture, such as ``block_count``; None where the header lacks it."""
        value = self.facts.get(f"{self.architecture}.{name}")
        return value if isinstance(value, int) else None


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
    try:
        header = _header(str(path), stat.st_size, stat.st_mtime_ns)
    except DamagedFileError as damage:
        raise BadInputError(f"{path} {damage}", where=where, next_step="Download or copy the file again.") from damage
    parts = header.facts.get("split.count")
    if isinstance(parts, int) and parts > 1:
        raise BadInputError(
            f"{path} is one of {parts} parts of a model",
            where=where,
            next_step="Merge the parts with llama.cpp's `llama-gguf-split --merge`, and use the merged file.",
        )
    return header


@functools.lru_cache(maxsize=32)
def _header(path: str, size: int, changed: int) -> GgufHeader:  # noqa: ARG001 - parts of the cache's key
    with Path(path).open("rb") as file:
        start = file.read(len(_MAGIC))
    if start != _MAGIC:
        raise DamagedFileError("is not a GGUF file")
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
        tensors = {str(tensor.name): math.prod(map(int, tensor.shape)) for tensor in reader.tensors}
    except Exception as error:  # the reader has no error type of its own: a cut file ends in one of numpy's
        reason = squeezed(f"{type(error).__name__}: {error}")[:200]
        raise DamagedFileError(f"is cut or damaged: it cannot be read as GGUF ({reason})") from error
    return GgufHeader(str(facts.get("general.architecture", "")), sum(tensors.values()), tensors, facts)

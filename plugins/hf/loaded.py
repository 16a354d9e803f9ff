"""A loaded model, how it is saved, and what surrounds calls of transformers. Imports torch."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rtbench.api import BadInputError, Family, MissingDataError, squeezed


@dataclass(frozen=True)
class LoadedModel:
    """A model with its tokenizer, on its device."""

    model: Any
    tokenizer: Any
    family: Family
    device: torch.device
    merged: Callable[[], Any] | None = None
    """Returns the model to save; None: save ``model`` itself."""


def stops_at(base: LoadedModel, end: int) -> None:
    """Make a token the end mark of a model and its tokenizer, so that every program that opens its checkpoint stops there.

    It changes something only where a chat template ends turns with another token than the tokenizer's end mark.
    """
    if base.tokenizer.eos_token_id == end:
        return
    before = {end, base.tokenizer.eos_token_id}
    base.tokenizer.eos_token = base.tokenizer.convert_ids_to_tokens(end)
    if base.model.generation_config is not None:
        base.model.generation_config.eos_token_id = sorted(before)


def end_tokens(loaded: LoadedModel) -> frozenset[int]:
    """Return all tokens that end a completion; chat models have several."""
    ends: set[int] = set()
    for source in (loaded.tokenizer, loaded.model.config, loaded.model.generation_config):
        stated = getattr(source, "eos_token_id", None)
        ends |= {stated} if isinstance(stated, int) else set(stated or ())
    return frozenset(ends)


def save(base: LoadedModel, folder: Path, weights: dict[str, torch.Tensor] | None = None) -> None:
    """Write weights (safetensors), config and tokenizer atomically: a reader sees all files or none.

    Args:
        base: the model.
        folder: target folder; replaced if it exists.
        weights: complete weights of a model that is sharded over several processes; None: the model's own.
    """
    import shutil

    private = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(private, ignore_errors=True)
    with quiet(), _system_errors(private):
        (base.merged() if base.merged else base.model).save_pretrained(private, state_dict=weights)
        base.tokenizer.save_pretrained(private)
    _open_to_others(private)
    shutil.rmtree(folder, ignore_errors=True)
    private.rename(folder)


@contextlib.contextmanager
def _system_errors(folder: Path) -> Iterator[None]:
    """Raise the system's errors as such, where a library of Rust has put them into a text (``os error 28``)."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) or not (found := re.search(r"\(os error (\d+)\)", str(error))):
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1])), str(folder)) from error


def _open_to_others(folder: Path) -> None:
    """Set the mode of all files to what the umask grants, since safetensors makes weights readable only by their owner."""
    probe = folder / ".mode"
    probe.touch()
    mode = probe.stat().st_mode & 0o777
    probe.unlink()
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(mode)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide transformers' progress bars and messages, since the run has its own display."""
    from transformers.utils import logging as library

    before, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity_error()
    library.disable_progress_bar()
    try:
        yield
    finally:
        library.set_verbosity(before)
        if bars:
            library.enable_progress_bar()


@contextlib.contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed torch, and restore the process's random state afterwards.

    Args:
        seed: the seed.
        device: a GPU whose random state is restored too; None: there is none.
    """
    cuda = device is not None and device.type == "cuda"
    used = [torch.cuda.current_device() if device.index is None else device.index] if device and cuda else []
    with torch.random.fork_rng(devices=used):
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def explained(model: str, *, is_folder: bool) -> Iterator[None]:
    """Turn transformers' errors into errors of one line, with a next step."""
    from safetensors import SafetensorError

    where = f"model {model!r}"
    try:
        yield
    except RuntimeError as error:
        if "ignore_mismatched_sizes" not in str(error):
            raise
        raise BadInputError(
            "the sizes of its weights are not those that its config.json states",
            where=where,
            next_step="Use the config of the same checkpoint.",
        ) from error
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        reason = squeezed(str(error))[:300]
        if "trust_remote_code" in reason:
            raise BadInputError(
                "the model has code of its own, which is not run without permission",
                where=where,
                next_step="Read it, then set the option `trust_remote_code: true` and add --trust-remote-code.",
            ) from error
        if "safetensors" in reason and isinstance(error, OSError):
            raise BadInputError(
                f"the model has no safetensors, the only format that is read ({reason})",
                where=where,
                next_step="Use a revision that has model.safetensors, or convert the model with save_pretrained().",
            ) from error
        if is_folder or not isinstance(error, OSError):
            raise BadInputError(f"cannot be loaded ({type(error).__name__}: {reason})", where=where) from error
        raise MissingDataError(
            f"not on this machine and cannot be downloaded ({reason})",
            where=where,
            next_step=f"Run `hf download {model}` with a network, or use a local folder as the option `model`.",
        ) from error

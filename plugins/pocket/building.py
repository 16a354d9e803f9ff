"""Builds a base model and loads one. Imports torch inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rtbench_plugins.pocket.sizes import Size
from rtbench_plugins.pocket.students import MODELS, shipped
from rtbench_plugins.pocket.tokenizer import shipped_tokenizer

from rtbench.api import BadInputError, MissingDataError


def build(size: Size, out: Path, *, seed: int, threads: int, say: Callable[[str], None]) -> None:
    """Pre-trains a base model, from nothing or from the shipped one that it is grown from, and writes it, with its
    tokenizer, as a folder that transformers loads.

    Args:
        size: shape and budget.
        out: the folder; ``out/training`` holds the state of a run that is not finished.
        seed: of weights, text and batch order.
        threads: of torch.
        say: told how it goes.

    Raises:
        BadInputError: the folder holds another training.
    """
    import torch
    from rtbench_plugins.hf.loading import hush_kernels, quiet
    from rtbench_plugins.pocket.pretraining import Pretraining
    from rtbench_plugins.pocket.probes import as_line, run_probes

    hush_kernels()
    torch.set_num_threads(threads)
    tokenizer = shipped_tokenizer()
    smaller = load(MODELS / size.grown_from)[0] if size.grown_from else None
    training = Pretraining(size, tokenizer, seed, out / "training", say, smaller)
    model = training.run(lambda found: as_line(run_probes(found, tokenizer, n=100)), every=10)
    say(as_line(run_probes(model, tokenizer)))
    with quiet():
        model.to(torch.float16).save_pretrained(out)
        tokenizer.save_pretrained(out)


def folder_of(name: str) -> Path:
    """Folder of a base model, by its shipped name or by its path.

    Raises:
        BadInputError: the shipped name is also that of a folder here.
    """
    if name not in shipped():
        return Path(name)
    if Path(name).is_dir() and not Path(name).samefile(MODELS / name):
        raise BadInputError(
            "a shipped model and a folder here have this name",
            where=name,
            next_step=f"Write ./{name} for the folder, {MODELS / name} for the shipped one.",
        )
    return MODELS / name


def load(folder: Path) -> tuple[Any, Any]:
    """Model (float32, on the CPU) and tokenizer in a folder.

    Raises:
        MissingDataError: there is no such model.
        BadInputError: it cannot be read.
    """
    from rtbench_plugins.hf.loading import pick_device, pretrained
    from rtbench_plugins.hf.options import Access

    if not (folder / "config.json").is_file():
        raise MissingDataError(
            "no such model", where=str(folder), next_step=f"Write a folder, or a shipped name: {', '.join(shipped())}."
        )
    if not (folder / "tokenizer.json").is_file():
        raise MissingDataError(
            "the model has no tokenizer.json", where=str(folder), next_step="Save its tokenizer beside it."
        )
    found = pretrained(
        str(folder), family="decoder", dtype="float32", device=pick_device("cpu"), access=Access(offline=True)
    )
    return found.model, found.tokenizer

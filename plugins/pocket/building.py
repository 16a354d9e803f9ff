"""Functions that build and load a base model. Imports torch inside functions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rtbench_plugins.pocket.sizes import Size
from rtbench_plugins.pocket.students import MODELS, shipped
from rtbench_plugins.pocket.tokenizer import shipped_tokenizer

from rtbench.api import BadInputError, MissingDataError


def build(size: Size, out: Path, *, seed: int, threads: int, say: Callable[[str], None]) -> None:
    """Pre-train a base model and write it, with its tokenizer, as a folder that transformers loads.

    It starts with random weights, or with the shipped smaller model that it is grown from.

    Args:
        size: shape and budget.
        out: target folder; ``out/training`` has the state of an unfinished training.
        seed: seed of weights, text and batch order.
        threads: number of torch threads.
        say: called with lines about the progress.

    Raises:
        BadInputError: the folder has the state of another training.
    """
    import torch
    from rtbench_plugins.hf.loaded import quiet
    from rtbench_plugins.hf.loading import hush_kernels
    from rtbench_plugins.pocket.pretraining import Pretraining
    from rtbench_plugins.pocket.probes import as_line, run_probes

    hush_kernels()
    torch.set_num_threads(threads)
    tokenizer = shipped_tokenizer()
    smaller = load(MODELS / size.grown_from)[0] if size.grown_from else None
    training = Pretraining(size, tokenizer, seed, out / "training", say, smaller)
    model = training.run(lambda current: as_line(run_probes(current, tokenizer, n=100)), every=10)
    say(as_line(run_probes(model, tokenizer)))
    with quiet():
        model.to(torch.float16).save_pretrained(out)
        tokenizer.save_pretrained(out)


def folder_of(name: str) -> Path:
    """Return the folder of a base model, given its shipped name or its path.

    Raises:
        BadInputError: the name is that of a shipped model and of a folder in the current folder.
    """
    if name not in shipped():
        return Path(name)
    if Path(name).is_dir() and not Path(name).samefile(MODELS / name):
        raise BadInputError(
            "a shipped model and a folder here have this name",
            where=name,
            next_step=f"Use ./{name} for the folder, {MODELS / name} for the shipped model.",
        )
    return MODELS / name


def load(folder: Path) -> tuple[Any, Any]:
    """Return the model (float32, on the CPU) and the tokenizer in a folder.

    Raises:
        MissingDataError: the folder has no model.
        BadInputError: the model cannot be read.
    """
    from rtbench_plugins.hf.loading import pick_device, pretrained
    from rtbench_plugins.hf.options import Access
    from rtbench_plugins.hf.places import Place

    if not (folder / "config.json").is_file():
        raise MissingDataError(
            "no such model", where=str(folder), next_step=f"Use a folder, or a shipped name: {', '.join(shipped())}."
        )
    if not (folder / "tokenizer.json").is_file():
        raise MissingDataError(
            "the model has no tokenizer.json", where=str(folder), next_step="Save its tokenizer in the same folder."
        )
    loaded = pretrained(
        Place(str(folder)), family="decoder", dtype="float32", device=pick_device("cpu"), access=Access(offline=True)
    )
    return loaded.model, loaded.tokenizer

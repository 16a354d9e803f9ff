"""Builds a shipped base model and loads one. Imports torch inside."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from rtbench_plugins.pocket.corpus import WEIGHTS, text_of
from rtbench_plugins.pocket.primitives.phrases import phrases
from rtbench_plugins.pocket.primitives.words import any_words
from rtbench_plugins.pocket.primitives.world import known_fact
from rtbench_plugins.pocket.sizes import Size
from rtbench_plugins.pocket.students import MODELS, shipped
from rtbench_plugins.pocket.tokenizer import new_vocabulary, shipped_tokenizer

from rtbench.errors import MissingDataError
from rtbench.twins import Pen, Twin

WORD_DOCUMENTS = 1_000
"""Documents of a primitive that are looked through for words."""
TWIN_PROBLEMS = 400
"""Problems of a twin that are looked through for words."""
WORLDLY = ("commonsense_qa", "strategy_qa")
"""Twins of the small world."""


def pocket_vocabulary() -> list[str]:
    """The vocabulary, made anew from pre-training documents and the twins' questions and explanations, so that the
    students need not spell them; the words of the small world come last. The shipped file was made from an earlier
    text and is kept: this says how to make another."""
    found = twins()
    worldly = [found.pop(name) for name in WORLDLY if name in found]
    primitives = [
        one for one in WEIGHTS if one not in (any_words, phrases, known_fact)
    ]  # these draw from what is below
    documents = (
        text_of(primitive(random.Random(f"vocabulary/{at}")))  # noqa: S311 - reproducible, not secret
        for primitive in primitives
        for at in range(WORD_DOCUMENTS)
    )
    first = itertools.chain(documents, _twin_texts(found.values()))
    facts = (text_of(known_fact(random.Random(f"facts/{at}"))) for at in range(10_000))  # noqa: S311
    second = itertools.chain(facts, _twin_texts(worldly))
    return new_vocabulary((first, 3), (second, 50))


def _twin_texts(found: Iterable[Twin[Any]]) -> Iterator[str]:
    for twin in found:
        for knobs in (twin.knobs, twin.harder):
            for at, problem in enumerate(itertools.islice(twin.problems(0, knobs), TWIN_PROBLEMS)):
                yield problem.question
                for fine in (True, False):
                    pen = Pen(random.Random(f"vocabulary/{at}"), fine=fine, verbosity=2)  # noqa: S311
                    twin.explain(problem, pen)
                    yield pen.text


def twins() -> dict[str, Twin[Any]]:
    """The twins of the 12 tasks, by name."""
    from rtbench.plugins import PluginManager

    tasks = PluginManager().registries["tasks"]
    found = {entry.name: entry.resolve()().twin() for entry in tasks if entry.origin == entry.name}
    return {name: twin for name, twin in found.items() if twin is not None}


def build(size: Size, out: Path, *, seed: int, threads: int, say: Callable[[str], None]) -> None:
    """Pre-trains a base model, from nothing or from the shipped one that it is grown from, and writes it, with its
    tokenizer, as a folder that transformers loads.

    Args:
        size: shape and budget.
        out: the folder; ``out/training`` holds the state of a run that is not finished.
        seed: of weights, text and batch order.
        threads: of torch.
        say: told how it goes.
    """
    import torch
    from rtbench_plugins.hf.loading import hush_kernels, quiet
    from rtbench_plugins.pocket.pretraining import Pretraining
    from rtbench_plugins.pocket.probes import as_line, run_probes

    hush_kernels()
    torch.set_num_threads(threads)
    tokenizer = shipped_tokenizer()
    smaller = load(size.grown_from)[0] if size.grown_from else None
    training = Pretraining(size, tokenizer, seed, out / "training", say, smaller)
    model = training.run(lambda found: as_line(run_probes(found, tokenizer, n=100)), every=10)
    say(as_line(run_probes(model, tokenizer)))
    with quiet():
        model.to(torch.float16).save_pretrained(out)
        tokenizer.save_pretrained(out)


def load(name: str) -> tuple[Any, Any]:
    """Model (float32, on the CPU) and tokenizer of a shipped name or a folder.

    Raises:
        MissingDataError: there is no such model.
        BadInputError: it cannot be read.
    """
    from rtbench_plugins.hf.loading import pick_device, pretrained
    from rtbench_plugins.hf.options import Access

    folder = MODELS / name if (MODELS / name).is_dir() else Path(name)
    if not (folder / "config.json").is_file():
        raise MissingDataError("no such model", where=name, next_step=f"Shipped: {', '.join(shipped())}.")
    if not (folder / "tokenizer.json").is_file():
        raise MissingDataError("the model has no tokenizer.json", where=name, next_step="Save its tokenizer beside it.")
    found = pretrained(
        str(folder), family="decoder", dtype="float32", device=pick_device("cpu"), access=Access(offline=True)
    )
    return found.model, found.tokenizer

"""Commands ``rtbench pocket``: rebuild and probe the shipped base models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rtbench.api import UnknownNameError, echo, format_option, naming, print_json, print_table

if TYPE_CHECKING:
    from rtbench_plugins.pocket.probes import ProbeResult


@click.group()
def pocket() -> None:
    """Pre-train the pocket base models again, probe their skills, or rebuild their vocabulary."""


@pocket.command()
@click.argument("name")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the model.")
@click.option("--seed", default=0, show_default=True, help="Seed of new weights, text and batch order.")
@click.option("--tokens", type=click.IntRange(min=1), metavar="N", help="Budget of tokens, instead of the model's own.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="CPU threads.")
@click.option("--traceback", is_flag=True, help="Show where an error comes from.")
def pretrain(name: str, out: Path, seed: int, tokens: int | None, threads: int, traceback: bool) -> None:  # noqa: ARG001 - read by main()
    """Pre-train base model NAME, from random weights or grown from the shipped smaller model.

    If it is stopped, the same command continues.
    """
    import msgspec
    from rtbench_plugins.pocket.sizes import SIZES

    if name not in SIZES:
        raise UnknownNameError.of("pocket model", name, SIZES, where="rtbench pocket pretrain")
    size = SIZES[name] if tokens is None else msgspec.structs.replace(SIZES[name], tokens=tokens)
    from rtbench_plugins.pocket.building import build

    with naming(out):
        build(size, out, seed=seed, threads=threads, say=echo)


@pocket.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=400,
    show_default=True,
    help="Different questions per probe, or all if there are fewer.",
)
@format_option("table", "json", "md")
@click.option("--traceback", is_flag=True, help="Show where an error comes from.")
def probes(models: tuple[str, ...], count: int, format_: str, traceback: bool) -> None:  # noqa: ARG001 - read by main()
    """Test base models (shipped names or folders; default: all shipped models) on the skills they were trained in."""
    from rtbench_plugins.pocket.building import folder_of, load
    from rtbench_plugins.pocket.probes import GATE, run_probes
    from rtbench_plugins.pocket.students import MODELS, shipped

    folders = {name: folder_of(name) for name in models} or {name: MODELS / name for name in shipped()}
    results = {name: run_probes(*load(folder), n=count) for name, folder in folders.items()}
    if format_ == "json":
        print_json(results)
        return
    table = table_of(results)
    if format_ == "md":
        from rtbench_plugins.reporters.printing import markdown_table

        echo("\n".join(markdown_table(table[0], table[1:], range(1, len(table[0])))))
    else:
        print_table(table[0], table[1:])
    echo(f"n: different questions; seen: some or all are in the pre-training text; * below the gate of {GATE:.2f}")


def table_of(found: Mapping[str, Sequence[ProbeResult]]) -> list[tuple[str, ...]]:
    """Return column heads and rows. Folders are named by their last part where that is unambiguous."""
    from rtbench_plugins.pocket.probes import GATE

    short = [Path(name).name for name in found]
    heads = ("probe", "n", *(short if len(set(short)) == len(short) else found))
    rows = [
        (
            f"{results[0].probe}{' (seen)' if results[0].seen else ''}",
            str(results[0].n),
            *(f"{r.accuracy:.3f}{'' if r.accuracy >= GATE else ' *'}" for r in results),
        )
        for results in zip(*found.values(), strict=True)
    ]
    return [heads, *rows]


@pocket.command()
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--traceback", is_flag=True, help="Show where an error comes from.")
def vocabulary(out: Path, traceback: bool) -> None:  # noqa: ARG001 - read by main()
    """Rebuild the vocabulary from the pre-training text and the twins. The shipped models keep their own."""
    from rtbench_plugins.pocket.vocabulary import made_anew

    from rtbench.api import write_atomic

    with naming(out):
        write_atomic(out, "".join(f"{piece}\n" for piece in made_anew()).encode())

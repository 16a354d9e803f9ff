"""``rtbench pocket``: rebuilds and probes the shipped base models."""

from __future__ import annotations

from pathlib import Path

import click

from rtbench.cli.common import format_option, print_json, print_table
from rtbench.errors import BadInputError, UnknownNameError


@click.group()
def pocket() -> None:
    """The pocket base models: pre-train them again, or probe what they can do."""


@pocket.command()
@click.argument("name")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the model.")
@click.option("--seed", default=0, show_default=True, help="Of new weights, text and batch order.")
@click.option("--tokens", type=int, metavar="N", help="Instead of the size's budget.")
@click.option("--threads", type=int, default=1, show_default=True, help="CPU threads.")
@click.option("--traceback", is_flag=True, help="Show where an error comes from.")
def pretrain(name: str, out: Path, seed: int, tokens: int | None, threads: int, traceback: bool) -> None:  # noqa: ARG001 - read by main()
    """Pre-train base model NAME, from nothing or grown from the shipped smaller one. Stopped, the same command goes on from where it was."""
    import msgspec
    from rtbench_plugins.pocket.sizes import SIZES

    if name not in SIZES:
        raise UnknownNameError.of("pocket model", name, SIZES, where="rtbench pocket pretrain")
    size = SIZES[name] if tokens is None else msgspec.structs.replace(SIZES[name], tokens=tokens)
    if size.tokens < 1:
        raise BadInputError("must be at least 1", where=f"--tokens {tokens}")
    from rtbench_plugins.pocket.building import build

    build(size, out, seed=seed, threads=threads, say=click.echo)


@pocket.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--count", default=400, show_default=True, help="Draws a probe.")
@format_option("table", "json", "md")
@click.option("--traceback", is_flag=True, help="Show where an error comes from.")
def probes(models: tuple[str, ...], count: int, format_: str, traceback: bool) -> None:  # noqa: ARG001 - read by main()
    """Ask base models (shipped names or folders; all shipped ones by default) for the skills they were trained in."""
    from rtbench_plugins.pocket.building import load
    from rtbench_plugins.pocket.probes import GATE, run_probes
    from rtbench_plugins.pocket.students import shipped

    names = models or tuple(shipped())
    found = {name: run_probes(*load(name), n=count) for name in names}
    if format_ == "json":
        print_json(found)
        return
    heads = ("probe", *(Path(name).name for name in names))
    rows = [
        (results[0].probe, *(f"{r.accuracy:.3f}{'' if r.accuracy >= GATE else ' *'}" for r in results))
        for results in zip(*found.values(), strict=True)
    ]
    if format_ == "md":
        click.echo("\n".join(f"| {' | '.join(row)} |" for row in (heads, ("---",) * len(heads), *rows)))
    else:
        print_table(heads, rows)
    click.echo(f"n = {count} a probe; * below the gate of {GATE:.2f}")

"""The command ``rtbench claims``."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from rtbench.api import format_option, print_json, with_session

if TYPE_CHECKING:
    from rtbench.api import Fold, Services


@click.command()
@click.argument("run", required=False)
@click.option(
    "--fold",
    type=click.Choice(["test", "ood"]),
    default="test",
    show_default=True,
    help="Fold on which students were tested.",
)
@click.option("--extractor", metavar="NAME", help="Use another extractor than the leaderboard's.")
@format_option("table", "md", "json")
@with_session
def claims(services: Services, run: str | None, fold: str, extractor: str | None, format_: str) -> None:
    """Test the paper's claims on a finished run, the latest by default.

    Each claim is supported, inconclusive, contradicted or not tested, with its effect, interval and cells.
    """
    from rtbench_plugins.paper.claims.evaluation import evaluate
    from rtbench_plugins.paper.claims.rendering import markdown, table

    from rtbench.api import Runs, shown_by

    record = Runs(services.workspace).load(run)
    if extractor is not None:
        record = shown_by(services, record, extractor)
    chosen = cast("Fold", fold)
    results = evaluate(record, services.store, chosen)
    if format_ == "json":
        print_json(results)
    elif format_ == "md":
        click.echo(markdown(results, record.name, chosen))
    else:
        click.echo(table(results, record.name, chosen, cells=True))

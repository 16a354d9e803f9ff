"""The command ``rtbench claims``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from rtbench.api import complete_run, echo, echo_rendered, format_option, print_json, with_session

if TYPE_CHECKING:
    from rtbench.api import Fold, Services


@click.command()
@click.argument("run", required=False, shell_complete=complete_run)
@click.option(
    "--set",
    "name",
    metavar="NAME",
    help="Set of claims (`rtbench plugins` lists them).  [default: that of the run's matrix, or the paper's]",
)
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    metavar="FILE.yaml",
    help="Test the claims of this file instead.",
)
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
def claims(
    services: Services,
    run: str | None,
    name: str | None,
    path: Path | None,
    fold: str,
    extractor: str | None,
    format_: str,
) -> None:
    """Test the claims of a study on a finished run, the latest by default.

    Each claim is supported, inconclusive, contradicted or not tested, with its effect, interval, p value and cells. The p
    values are adjusted for all claims and tasks of the set (Holm).
    """
    from rtbench_plugins.claims.files import read_claims
    from rtbench_plugins.claims.rendering import Shown, markdown, table

    from rtbench.api import BadInputError, claim_set, evaluate_claims, shown_by

    if name is not None and path is not None:
        raise BadInputError("two sets of claims", where=f"--set {name} --file {path}", next_step="Give one of them.")
    record = services.open_run(run)
    if path is not None:
        tested = read_claims(path)
    else:
        name = name or record.claims or services.registry("claims").default(where="--set").name
        tested = claim_set(services, name, where="--set")
    if extractor is not None:
        record = shown_by(services, record, extractor)
    chosen = cast("Fold", fold)
    results = evaluate_claims(tested, record, services.store, chosen, services.ledger)
    shown = Shown(tested, results, record.name, chosen)
    if format_ == "json":
        print_json(results)
    elif format_ == "md":
        echo(markdown(shown))
    else:
        echo_rendered(table(shown, cells=True))

"""``rtbench verify``, ``rtbench gc`` and ``rtbench du``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import format_option, with_session
from rtbench.cli.output import echo
from rtbench.cli.printing import print_json, print_table
from rtbench.errors import listed

if TYPE_CHECKING:
    from rtbench.session import Session
    from rtbench.upkeep.usage import By

MOST = 40
"""Number of findings or files that are listed by default."""


@click.command()
@click.option("--repair", is_flag=True, help="Repair what can be repaired.")
@click.option("--all", "everything", is_flag=True, help="List all findings, however many there are.")
@format_option("table", "json")
@with_session
def verify(session: Session, *, repair: bool, everything: bool, format_: str) -> int:
    """Compare everything in the workspace with its checksums.

    Ledger, finished steps with their weights, run records and accounts are read whole. What killed runs have left is listed
    too, and what older versions wrote without checksums. Exit code: 1 where something is damaged and was not repaired.
    """
    from rtbench.storage.active import alone_in
    from rtbench.upkeep.verify import Examined, Finding, findings

    examined, in_use = Examined(), list[Finding]()
    _check_there(session)
    with alone_in(session.place) if repair else contextlib.nullcontext():
        found = list(findings(session, examined))
        for finding in found if repair else ():
            if finding.repair is None:
                continue
            if finding.repair() is False:
                in_use.append(finding)
            elif not finding.where.exists():
                session.place.withdraw(finding.where)
        if repair:
            session.place.publish_leftovers(session.workspace)
    damaged = [one for one in found if one.damage]
    left = [one for one in damaged if not repair or one.repair is None or one in in_use]
    if format_ == "json":
        print_json(
            {
                "completions": examined.completions,
                "steps": examined.steps,
                "runs": examined.runs,
                "findings": [
                    {"file": str(one.where), "what": one.what, "damage": one.damage, "repair": one.cure}
                    for one in found
                ],
                "repaired": repair,
            }
        )
        return 1 if left else 0
    shown = found if everything else [*damaged, *(one for one in found if not one.damage)][:MOST]
    for one in shown:
        state = "in use, not repaired" if one in in_use else "repaired" if repair else "repair"
        cure = f"\n  {state}: {one.cure}" if one.cure else ""
        echo(f"{'damaged' if one.damage else 'note'}: {one.where}: {one.what}{cure}")
    if len(shown) < len(found):
        echo(f"… and {len(found) - len(shown)} more (--all lists them)")
    echo(
        f"{examined.completions:,} completions, {examined.steps:,} steps and {examined.runs:,} run{'s' if examined.runs != 1 else ''}: "
        f"{len(damaged)} damaged, {len(found) - len(damaged)} notes"
    )
    return 1 if left else 0


@click.command()
@click.option("--delete", is_flag=True, help="Delete what is listed.")
@click.option("--weights", is_flag=True, help="Also weights of trainings whose cells are all scored.")
@click.option("--ledger", is_flag=True, help="Also completions that no finished step uses. They may have cost money.")
@format_option("table", "json")
@with_session
def gc(session: Session, *, delete: bool, weights: bool, ledger: bool, format_: str) -> None:
    """List what no run needs, and delete it with --delete.

    These are finished steps that no run refers to, damaged files that were moved away, and what killed runs have left.
    """
    from rtbench.storage.active import alone_in
    from rtbench.upkeep.collect import removable, remove

    _check_there(session)
    with alone_in(session.place) if delete else contextlib.nullcontext():
        found, unfinished = removable(session, weights=weights, ledger=ledger)
        for one in found if delete else ():
            remove(one)
            session.place.withdraw(one.path)
    if format_ == "json":
        print_json([{"path": str(o.path), "kind": o.kind, "why": o.why, "bytes": o.bytes_} for o in found])
        return
    for one in found[:MOST]:
        echo(f"{size_text(one.bytes_):>9}  {one.kind:10}  {one.path}: {one.why}")
    if len(found) > MOST:
        echo(f"… and {len(found) - MOST} more (--format json lists them)")
    if unfinished:
        echo(f"all finished steps are kept, because these runs are not finished: {listed(unfinished, 5)}")
    total = size_text(sum(one.bytes_ for one in found))
    echo(f"{len(found)} entries, {total}: {'deleted' if delete else 'nothing was deleted; --delete does it'}")


@click.command()
@click.option(
    "--by", type=click.Choice(["run", "kind", "model"]), default="run", show_default=True, help="What to group by."
)
@format_option("table", "json")
@with_session
def du(session: Session, by: By, format_: str) -> None:
    """Show the space that the workspace takes on disk, by run, kind or model."""
    from rtbench.upkeep.usage import usage

    _check_there(session)
    found = usage(session, by)
    if format_ == "json":
        facts: list[dict[str, Any]] = [
            {by: name, "bytes": one.bytes_, "alone": one.alone, "steps": one.steps} for name, one in found.items()
        ]
        print_json(facts)
        return
    heads = (by, "size", "used by it alone", "steps") if by == "run" else (by, "size", "steps")
    rows = []
    for name, one in found.items():
        alone = (size_text(one.alone),) if by == "run" else ()
        rows.append((name, size_text(one.bytes_), *alone, f"{one.steps:,}"))
    print_table(heads, rows)


def _check_there(session: Session) -> None:
    """Check that the workspace exists."""
    from rtbench.errors import BadInputError

    if not session.workspace.is_dir():
        raise BadInputError(
            "no such workspace",
            where=str(session.workspace),
            next_step="Start a run with `rtbench run`, or set --workspace.",
        )


def size_text(bytes_: int) -> str:
    """Return a number of bytes in words, such as ``1.2 MB``."""
    size = float(bytes_)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"

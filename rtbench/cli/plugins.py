"""``rtbench plugins``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rtbench.cli.common import format_option, with_session
from rtbench.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from rtbench.session import Session


@click.command()
@format_option("table", "json")
@with_session
def plugins(session: Session, format_: str) -> None:
    """List plugins. Shows their origin and version, and what they provide."""
    loaded = [(origin, session.plugins.provides(name)) for name, origin in session.plugins.origins.items()]
    if format_ == "json":
        print_json(
            [{"name": o.name, "origin": o.origin, "version": o.version, "provides": provides} for o, provides in loaded]
        )
        return
    rows = [
        (o.name, o.origin, o.version, "; ".join(f"{kind}: {', '.join(names)}" for kind, names in provides.items()))
        for o, provides in loaded
    ]
    print_table(("plugin", "origin", "version", "provides"), rows)

"""``rtbench export``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rtbench.cli.common import with_session
from rtbench.cli.completion import complete_run
from rtbench.cli.groups import PluginGroup
from rtbench.cli.output import echo
from rtbench.errors import BadInputError

if TYPE_CHECKING:
    from rtbench.reporting.rationales import ExportedRationale
    from rtbench.session import Session

FORMATS = ("jsonl", "parquet", "alpaca", "sharegpt", "messages")
NAME = "rationales"


@click.group(cls=PluginGroup)
def export() -> None:
    """Write results in the formats of other tools."""


@export.command()
@click.argument("run", required=False, shell_complete=complete_run)
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), default=FORMATS[0], show_default=True, help="Format of the file."
)
@click.option("--cell", metavar="CELL", help="Only the rationales of this cell.  [default: all of the run]")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(NAME),
    show_default=True,
    metavar="DIR",
    help="Folder to write to; it must be new or empty.",
)
@with_session
def rationales(session: Session, run: str | None, format_: str, cell: str | None, out: Path) -> None:
    """Write the rationales that the students of a run learned from, each once. Without RUN, use the latest run.

    A row has the question, the rationale and the gold answer, and its task, fold, teacher, yield and licence. `datasets`
    reads every format. For alpaca, sharegpt and messages, dataset_info.json registers the file for LLaMA-Factory.
    """
    from rtbench.reporting.cells import find_cell
    from rtbench.reporting.rationales import rationales_of
    from rtbench.storage.writing import naming

    if out.exists() and any(out.iterdir()):
        raise BadInputError("the folder is not empty", where=f"--out {out}", next_step="Use a new folder.")
    record = session.open_run(run)
    cells = record.cells if cell is None else (find_cell(session, record, cell),)
    rows = rationales_of(session, record, cells)
    with naming(out):
        path = _write(rows, format_, out)
    echo(f"{path}: {len(rows):,} rationales of {len({(row.dataset, row.sample_index) for row in rows}):,} questions")


def _write(rows: Sequence[ExportedRationale], format_: str, folder: Path) -> Path:
    import msgspec

    from rtbench.storage.writing import atomic_write, write_json, write_jsonl

    records = [msgspec.to_builtins(row) for row in rows]
    if format_ == "parquet":
        import pyarrow as pa
        from pyarrow import parquet

        path = folder / f"{NAME}.parquet"
        with atomic_write(path) as handle:
            parquet.write_table(pa.Table.from_pylist(records), handle)
        return path
    if format_ == "jsonl":
        path = folder / f"{NAME}.jsonl"
        write_jsonl(path, records)
        return path
    path = folder / f"{NAME}.json"
    write_json(path, [_as_chat(record, format_) for record in records])
    write_json(folder / "dataset_info.json", {f"rtbench_{NAME}": {"file_name": path.name} | _COLUMNS[format_]})
    return path


def _as_chat(record: dict[str, Any], format_: str) -> dict[str, Any]:
    """Return a rationale as an instruction or a conversation, with the other fields beside it."""
    question, reply = record.pop("question"), f"{record.pop('rationale')}\nThe answer is {record['answer']}."
    if format_ == "alpaca":
        return {"instruction": question, "input": "", "output": reply, **record}
    if format_ == "sharegpt":
        turns = [{"from": "human", "value": question}, {"from": "gpt", "value": reply}]
        return {"conversations": turns, **record}
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]
    return {"messages": turns, **record}


_COLUMNS: dict[str, dict[str, Any]] = {
    "alpaca": {"columns": {"prompt": "instruction", "query": "input", "response": "output"}},
    "sharegpt": {"formatting": "sharegpt", "columns": {"messages": "conversations"}},
    "messages": {
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "system_tag": "system",
        },
    },
}
"""How LLaMA-Factory reads the files: entries of its ``dataset_info.json``."""

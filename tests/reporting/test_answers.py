"""Answers of a stored run are read again, and a ledger that lacks one of them is one error."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.cli import Cli
from tests.helpers.small_runs import TAUGHT


def test_ledger_that_lacks_a_scored_answer_is_one_error(cli: Cli) -> None:
    (cli.folder / "small.yaml").write_text(TAUGHT)
    cli("run", "--matrix", "small.yaml")
    (segment,) = (path for path in Path(cli.workspace).glob("ledger/**/*.jsonl"))
    first, *others = segment.read_text().splitlines(keepends=True)
    index = first.partition('"sample_index":')[2].partition(",")[0]
    segment.write_text(first.replace(f'"sample_index":{index}', '"sample_index":1') + "".join(others))
    for command in (("show", "multiarith/teacher/brief"), ("errors",)):
        assert "Traceback" not in cli(*command, code=2).stderr

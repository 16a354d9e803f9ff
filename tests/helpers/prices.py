"""Prices for runs that are already there: a teacher's in the run record, a provider's bill in the train reports."""

from __future__ import annotations

import json
from typing import Any

from tests.helpers.cli import Cli
from tests.helpers.runs import rewrite, run_record, step_meta


def set_prices(cli: Cli, *, teacher: dict[str, Any] | None = None, student: dict[str, Any] | None = None) -> None:
    """State the price of the counter and of the parrot, per million tokens, as if the matrix had."""
    (path,) = cli.workspace.glob("runs/*.json")
    record = run_record(cli)
    record["prices"] = {"counter": teacher} if teacher else {}
    record["student_prices"] = {"parrot": student} if student else {}
    rewrite(path, record)


def bill(cli: Cli, money: float, currency: str = "USD") -> None:
    """Let every training have cost so much, as a provider's report states."""
    for folder in (cli.workspace / "store" / "train").iterdir():
        meta = step_meta(cli, "train", folder.name)
        meta["result"] |= {"money": money, "currency": currency}
        rewrite(folder / "meta.json", meta)


def written_by_counter(cli: Cli, degree: int) -> tuple[int, int]:
    """The prompt and completion tokens that the counter read and wrote for a degree, in the segment of that step."""
    segments = [path.read_text().splitlines() for path in (cli.workspace / "ledger").rglob("*.jsonl")]
    taught = [
        lines for lines in ([json.loads(line) for line in found] for found in segments)
        if len(lines) == 40 * degree and all("usage" in one and one["sample_index"] < 40 for one in lines)
    ]  # fmt: skip
    (lines,) = taught
    return sum(one["usage"]["prompt_tokens"] for one in lines), sum(one["usage"]["completion_tokens"] for one in lines)

"""The paper: its reported figures, tables, claims and recordings (Ho, Schmid and Yun, ACL 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rtbench.api import hookimpl

if TYPE_CHECKING:
    from rtbench.api import LeaderboardRow, Register


@hookimpl
def rtbench_register_recordings(register: Register) -> None:
    register(
        "zero-shot-cot-log",
        "rtbench_plugins.paper.kojima_log:KojimaLog",
        summary="logs of the zero-shot-CoT repository",
    )


@hookimpl
def rtbench_register_reporters(register: Register) -> None:
    register("paper", "rtbench_plugins.paper.tables:PaperReporter", summary="the paper's tables, each figure with ours")


@hookimpl
def rtbench_register_claims(register: Register) -> None:
    register(
        "paper",
        "rtbench_plugins.paper.claims.claims:paper_claims",
        summary="the claims of Fine-tune-CoT, C1 to C6",
        options={"default": True},
    )


@hookimpl
def rtbench_reference_rows(tasks: Sequence[str]) -> Sequence[LeaderboardRow]:
    from rtbench_plugins.paper.reference import reported_rows

    return reported_rows(tasks)

"""Built-in matrices, and small ones for tests."""

from __future__ import annotations

from pathlib import Path

from rtbench.matrix.read import read_matrix
from rtbench.matrix.resolve import resolve
from rtbench.planning.plan import make_plan
from rtbench.plugin.plans import Plan
from rtbench.session import Session

BUILT_IN = {
    "single_eq",
    "addsub",
    "multiarith",
    "gsm8k",
    "aqua",
    "svamp",
    "date_understanding",
    "tracking_shuffled_objects",
    "last_letter_concatenation",
    "coin_flip",
    "commonsense_qa",
    "strategy_qa",
}


TWIN = """
name: twin
source: twin
tasks: [multiarith]
methods: [zero-shot, fine-tune, fine-tune-cot]
teachers: [scripted]
students: [parrot]
seeds: [0, 1]
"""


TASKS = sorted(BUILT_IN)


def plan_of(session: Session, path: Path) -> Plan:
    """Plan the matrix of a file."""
    return make_plan(resolve(read_matrix(path), session), session)

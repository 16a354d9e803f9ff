"""Runs of small matrices in the process of the test, step by step."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from rtbench.matrix.overrides import Overrides
from rtbench.matrix.read import read_matrix
from rtbench.matrix.resolve import resolve
from rtbench.planning.damage import move_damage_away
from rtbench.planning.plan import make_plan
from rtbench.planning.records import run_record
from rtbench.plugin.plans import Plan
from rtbench.reporting.build import build_leaderboard
from rtbench.schema.environment import Environment
from rtbench.session import Session
from rtbench.steps.run import run_step
from rtbench.storage.active import active_run
from rtbench.storage.runs import Runs

TAUGHT = """
name: small
source: twin
tasks: [multiarith]
teachers: [{name: brief, use: scripted, verbosity: 0}]
methods: [fine-tune-cot]
students: []
limit: 8
"""
PRICED = "price: {training: 3.0, input: 1.0, output: 2.0}"
"""Option of a student."""
TRAINED = """
name: small
source: twin
tasks: [multiarith]
teachers: [{name: brief, use: scripted, verbosity: 0}]
methods: [fine-tune-cot]
students:
  - name: tiny
    use: hf-causal
    vocab_size: 300
    config: {model_type: gpt2, n_layer: 1, n_head: 1, n_embd: 16, n_positions: 512}
    dtype: float32
recipe: {steps: 2, batch_size: 2, selection: last, max_new_tokens: 4}
limit: 6
"""


def session_in(workspace: Path | str, **environment: Any) -> Session:
    """Return a session on a workspace."""
    return Session(Environment(workspace=str(workspace), **environment)).fetch()


def plan_of(session: Session, matrix: str) -> Plan:
    """Return the plan of a matrix, given as YAML."""
    session.workspace.parent.mkdir(parents=True, exist_ok=True)
    path = session.workspace.parent / "matrix.yaml"
    path.write_text(matrix)
    return make_plan(resolve(read_matrix(path), session, Overrides()), session)


def run_here(workspace: Path | str, matrix: str = TAUGHT, **environment: Any) -> list[Any]:
    """Run a matrix as ``rtbench run`` does, but in this process, and return the rows of its leaderboard."""
    session = session_in(workspace, **environment)
    with active_run(session.place, "small"):
        plan = plan_of(session, matrix)
        while move_damage_away(plan, session):
            plan = plan_of(session, matrix)
        for step in plan.todo:
            run_step(session, step)
        record = run_record(plan.matrix, plan, None, version="test")
        Runs(session.place).save(record)
    return build_leaderboard(record, session).rows


def flipped(path: Path, chance: random.Random) -> int:
    """Change one bit of a file, and return the place of its byte."""
    data = bytearray(path.read_bytes())
    at = chance.randrange(len(data))
    data[at] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return at

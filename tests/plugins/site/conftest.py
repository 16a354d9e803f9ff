"""Sites of runs, and the browser that shows them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.browser import chromium
from tests.helpers.cli import Cli

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

MANY_PLUGIN = '''
"""More of the parrot: three tasks and two students of one series, for a site with every kind of chart."""

import msgspec
from rtbench_parrot import Parity, ParrotStudent
from rtbench.api import hookimpl

SIZES = {"parrot-small": 1_500_000, "parrot-large": 24_000_000}


class Other(Parity):
    def __init__(self, name):
        self.info = msgspec.structs.replace(Parity.info, name=name)

    def fingerprint(self, files, variant):
        return f"{self.info.name}-1"


class Sized(ParrotStudent):
    series = "parrot"

    def __init__(self, name, options, services):
        super().__init__(name, options, services)
        self.accent = name

    def train(self, job):
        return msgspec.structs.replace(super().train(job), parameters=SIZES[self.name])


@hookimpl
def rtbench_register_tasks(register):
    register("parity_of_letters", lambda: Other("parity_of_letters"), summary="again")
    register("tracking_many_letters", lambda: Other("tracking_many_letters"), summary="and again")


@hookimpl
def rtbench_register_students(register):
    for name in SIZES:
        register(name, Sized, summary="learns by heart")
'''
MANY_MATRIX = """
name: many
tasks: [parity, parity_of_letters, tracking_many_letters]
blocks:
  - {methods: [zero-shot-cot, fine-tune, fine-tune-cot], degrees: [1, 8]}
  - {tasks: [parity], methods: [fine-tune], fractions: [0.5]}
teachers:
  - {name: counter, use: counter}
  - {name: miscounter, use: counter, errors: 0.4}
students: [parrot-small, parrot-large]
seeds: [0, 1]
temperature: 0.7
extractor: last-word
recipe: {epochs: 1}
"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Chrome]:
    with chromium() as chrome:
        yield chrome


@pytest.fixture(scope="session")
def user(tmp_path_factory: pytest.TempPathFactory, parrot_site: Path) -> Cli:
    """A command line whose workspace all tests of this folder share."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RTBENCH_")}
    environment |= {"PYTHONPATH": str(parrot_site), "HF_HUB_OFFLINE": "1"}
    return Cli(tmp_path_factory.mktemp("user"), environment)


@pytest.fixture(scope="session")
def many(user: Cli) -> Path:
    """The site of a run of parrots that has every kind of chart but costs in money."""
    (user.folder / "many.py").write_text(MANY_PLUGIN)
    (user.folder / "many.yaml").write_text(MANY_MATRIX)
    user("run", "--matrix", "many.yaml", "--plugin", "many.py", "--name", "many")
    user("report", "many", "--html", "many")
    return user.folder / "many"

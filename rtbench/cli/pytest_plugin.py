"""The conformance suite as tests of pytest, for authors of plugins.

In ``pyproject.toml``::

    [tool.pytest.ini_options]
    rtbench_check = ["my-plugin --student use=my-student,size=tiny"]

Each line is a command line of ``rtbench check``, without ``rtbench check``. Each check becomes a test.
"""

from __future__ import annotations

import contextlib
import shlex
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rtbench.conformance.check import Check

_SUITES = pytest.StashKey[contextlib.ExitStack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting ``rtbench_check`` and the option ``--rtbench-check``."""
    about = "Check that a plugin of rtbench keeps its contract: arguments of `rtbench check`."
    parser.addini("rtbench_check", about, type="linelist", default=[])
    parser.getgroup("rtbench").addoption(
        "--rtbench-check", action="append", default=[], metavar="ARGUMENTS", help=about
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add a test for each check of the plugins that are named."""
    lines = [*config.getini("rtbench_check"), *config.getoption("--rtbench-check")]
    if not lines:
        return
    suites = config.stash.setdefault(_SUITES, contextlib.ExitStack())
    for line in lines:
        items.extend(
            ConformanceItem.from_parent(session, name=f"rtbench check {check}", check=check)
            for check in _checks(line, suites)
        )


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the private workspaces."""
    if _SUITES in config.stash:
        config.stash[_SUITES].close()


class ConformanceItem(pytest.Item):
    """One check as a test."""

    def __init__(self, *, check: Check, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.check = check

    def runtest(self) -> None:
        """Make the check."""
        result = self.check.run()
        if result.state == "skipped":
            pytest.skip(result.message)
        if result.state == "failed":
            raise ConformanceFailure(result.message, result.trace)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return what is wrong, without the suite's own lines."""
        if isinstance(excinfo.value, ConformanceFailure):
            message, trace = excinfo.value.args
            return f"{self.check}\n\n{message}" + (f"\n\n{trace}" if trace else "")
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Return the test's name for reports."""
        return self.path, None, self.name


class ConformanceFailure(Exception):  # noqa: N818 - what a person reads in a report
    """A check that failed: message and traceback."""


def _checks(line: str, suites: contextlib.ExitStack) -> Iterator[Check]:
    import click

    from rtbench.cli.check import check_arguments
    from rtbench.conformance.suite import open_suite
    from rtbench.errors import RtbenchError

    try:
        environment, target, stated = check_arguments(shlex.split(line))
        yield from suites.enter_context(open_suite(environment, target, stated)).checks
    except (RtbenchError, click.ClickException) as error:
        raise pytest.UsageError(f"rtbench_check {line!r}: {error}") from error

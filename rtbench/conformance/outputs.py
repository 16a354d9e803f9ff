"""Checks of reporters, formats of recordings, sets of claims, matrices, commands and executors."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rtbench.conformance.check import CheckFunction, ContractError, NotCheckedError, Subject, demand, shown_some
from rtbench.conformance.small_run import SmallRun, carried_out, small_matrix, small_plan
from rtbench.errors import BadInputError, MissingExtraError, UnavailableError
from rtbench.matrix.read import read_matrix
from rtbench.matrix.resolve import matrix_path, resolve
from rtbench.planning.plan import make_plan
from rtbench.plugin.execution import Executor
from rtbench.plugin.recordings import RecordingFormat
from rtbench.plugin.reporting import FolderReporter, Reporter
from rtbench.reporting.build import build_leaderboard
from rtbench.reporting.claims.contract import ClaimSet
from rtbench.reporting.claims.evaluation import evaluate_claims
from rtbench.schema.leaderboard import CellResult, Leaderboard, LeaderboardRow

if TYPE_CHECKING:
    from rtbench.schema.steps import Step, StepState

_HOSTILE = "odd\x1b[31m<script>alert(1)</script>"
"""A name as nobody should have it."""


def reporter_has_its_name(subject: Subject) -> None:
    """Has its registered name."""
    reporter: Reporter = subject.make(Reporter)
    demand(reporter.name == subject.name, f"`name` is {reporter.name!r}, but it is registered as {subject.name!r}")


def reporter_shows_a_run(subject: Subject) -> None:
    """Shows a run, the same when it is asked again."""
    run = _small_run(subject)
    board = build_leaderboard(run.record, subject.session)
    reporter: Reporter = subject.make(Reporter)
    if isinstance(reporter, FolderReporter):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            reporter.write(board, run.record, subject.session, out)
            demand(out.is_dir() and any(out.iterdir()), "write() wrote nothing into the folder")
            demand(list(Path(folder).iterdir()) == [out], "write() wrote something beside its folder")
        return
    text = reporter.render(board)
    demand(isinstance(text, str) and text.strip(), "render() returned no text")
    demand(text == reporter.render(board), "render() returned another text for the same leaderboard")


def reporter_shows_an_empty_board(subject: Subject) -> None:
    """Shows a leaderboard without a result."""
    reporter: Reporter = subject.make(Reporter)
    if isinstance(reporter, FolderReporter):
        raise NotCheckedError("it writes a folder")
    row = LeaderboardRow(kind="measured", method="fine-tune", results={"sums": CellResult(reason="not run")})
    for rows in ((), (row,)):
        text = reporter.render(_board(rows))
        demand(isinstance(text, str), f"render() returned a {type(text).__name__}")


def reporter_shows_names_as_text(subject: Subject) -> None:
    """Shows control characters in names as signs, and no markup of theirs in HTML."""
    reporter: Reporter = subject.make(Reporter)
    if isinstance(reporter, FolderReporter):
        raise NotCheckedError("it writes a folder")
    result = CellResult(accuracy=0.5, n=2, seeds=1)
    row = LeaderboardRow(
        kind="measured", method="fine-tune", student=_HOSTILE, results={"sums": result}, mean=0.5, measured=1
    )
    text = reporter.render(_board((row,)))
    demand("\x1b[31m" not in text, "a control character of a student's name is in its text: use shown_in_line()")
    if "<html" in text.lower():
        demand("<script>alert" not in text, "a student's name is markup in its HTML: escape it")


REPORTER_CHECKS: tuple[CheckFunction, ...] = (
    reporter_has_its_name,
    reporter_shows_a_run,
    reporter_shows_an_empty_board,
    reporter_shows_names_as_text,
)


def format_looks_at_any_file(subject: Subject) -> None:
    """Says of files of any kind whether it reads them, without an error."""
    form: RecordingFormat = subject.make(RecordingFormat)
    contents = {
        "empty.json": b"",
        "list.json": b"[]",
        "text.txt": b"hello",
        "odd.jsonl": b"\xff\x00\x1b\n{}",
        "a.csv": b"a,b",
    }
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, content in contents.items():
            paths.append(Path(folder) / name)
            paths[-1].write_bytes(content)
        paths.append(Path(folder) / "packed.jsonl.gz")
        paths[-1].write_bytes(gzip.compress(b'{"question": 1}\n'))
        for path in paths:
            try:
                answer = form.matches(path)
            except BadInputError:
                continue
            demand(isinstance(answer, bool), f"matches() returned a {type(answer).__name__} for {path.name}")


def format_reads_recordings(subject: Subject) -> None:
    """Reads the recordings that are named, the same again."""
    form: RecordingFormat = subject.make(RecordingFormat)
    mine = [path for path in subject.files if form.matches(path)]
    if not mine:
        raise NotCheckedError("no recording of this format is named: --recording FILE")
    for path in mine:
        one, two = (form.read(path, model="m", key="k", task="sums") for _ in range(2))
        demand(one == two, f"{path.name} is read differently when it is read again")
        demand(one.entries or one.skipped, f"{path.name} has no entry")
        odd = [entry.place for entry in one.entries if entry.completion_index < 0]
        demand(not odd, f"completion_index is negative: {shown_some(odd)}")


RECORDING_CHECKS: tuple[CheckFunction, ...] = (format_looks_at_any_file, format_reads_recordings)


def claims_have_sentences(subject: Subject) -> None:
    """Has claims with names of their own, and sentences."""
    claims: ClaimSet = subject.make(ClaimSet)
    demand(claims.name == subject.name, f"the set's name is {claims.name!r}, but it is registered as {subject.name!r}")
    demand(claims.claims, "the set has no claim")
    names = [claim.name for claim in claims.claims]
    demand(len(set(names)) == len(names), f"claims have the same name: {shown_some(names)}")
    for claim in claims.claims:
        demand(claim.name.strip(), "a claim has no name")
        demand(claim.sentence.strip(), f"claim {claim.name} has no sentence")


def claims_are_tested(subject: Subject) -> None:
    """Compares cells of a run, or says what the run lacks."""
    claims: ClaimSet = subject.make(ClaimSet)
    run = _small_run(subject)
    results = evaluate_claims(claims, run.record, subject.session.store, "test", subject.session.ledger)
    for result in results:
        if result.verdict == "not tested":
            demand((result.reason or "").strip(), f"claim {result.claim} is not tested, and does not say why")
    demand({result.claim for result in results}, "no claim has a result")


CLAIM_CHECKS: tuple[CheckFunction, ...] = (claims_have_sentences, claims_are_tested)


def matrix_can_be_planned(subject: Subject) -> None:
    """Is a matrix that can be planned."""
    matrix = read_matrix(matrix_path(subject.session, subject.name))
    demand(
        matrix.name == subject.name, f"the matrix's name is {matrix.name!r}, but it is registered as {subject.name!r}"
    )
    plan = make_plan(resolve(matrix, subject.session), subject.session)
    demand(plan.cells, "the matrix has no cell")


MATRIX_CHECKS: tuple[CheckFunction, ...] = (matrix_can_be_planned,)


def command_explains_itself(subject: Subject) -> None:
    """Is a command with a help text, also for each option."""
    import click

    command = subject.entry.resolve()
    if not isinstance(command, click.Command):
        raise ContractError(f"its target is a {type(command).__name__}, not a click command")
    demand((command.help or "").strip(), "the command has no docstring")
    bare = [option.opts[0] for option in command.params if isinstance(option, click.Option) and not option.help]
    demand(not bare, f"options have no help: {shown_some(bare)}")


COMMAND_CHECKS: tuple[CheckFunction, ...] = (command_explains_itself,)


class _Silent:
    """A listener that notes nothing."""

    def started(self, step: Step) -> None:
        """Do nothing."""

    def progressed(self, step: Step, done: int, total: int, unit: str) -> None:
        """Do nothing."""

    def waits(self, step: Step, why: str) -> None:
        """Do nothing."""

    def finished(self, step: Step, state: StepState) -> None:
        """Do nothing."""


def executor_runs_a_plan(subject: Subject) -> None:
    """Runs a plan, each step after its inputs, and leaves nothing to do."""
    executor: Executor = subject.make(Executor, {**subject.entry.options, **subject.options})
    demand(executor.name == subject.name, f"`name` is {executor.name!r}, but it is registered as {subject.name!r}")
    matrix = small_matrix(methods=["fine-tune"], teachers=[], seeds=[11])
    plan = small_plan(subject.session, matrix)
    try:
        outcome = executor.run(plan, subject.session, _Silent())
    except (MissingExtraError, UnavailableError, BadInputError) as error:
        raise NotCheckedError(str(error)) from error
    failed = [f"{state.key[:8]}: {state.error}" for state in outcome.failed]
    demand(not failed, f"steps failed: {shown_some(failed)}")
    left = small_plan(subject.session, matrix).todo
    demand(not left, f"steps are left: {shown_some([step.title for step in left])}")


EXECUTOR_CHECKS: tuple[CheckFunction, ...] = (executor_runs_a_plan,)


def _small_run(subject: Subject) -> SmallRun:
    matrix = small_matrix(degrees=[1, 2], curators=[])
    return carried_out(subject.session, small_plan(subject.session, matrix))


def _board(rows: tuple[LeaderboardRow, ...]) -> Leaderboard:
    return Leaderboard(run="check", matrix="conformance", description="", version="0", tasks=("sums",), rows=rows)

"""The board for the terminal: it fits, it says once what all rows share, and it leaves out nothing that would mislead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rtbench_plugins.reporters.brief import BriefReporter

from rtbench.schema.leaderboard import CellResult, Leaderboard, LeaderboardRow
from rtbench.schema.scores import Interval
from tests.helpers.cli import Cli
from tests.helpers.matrices import BUILT_IN

TASKS = tuple(sorted(BUILT_IN))


def result(accuracy: float, **more: object) -> CellResult:
    interval = Interval(low=max(0.0, accuracy - 0.05), high=min(1.0, accuracy + 0.05), method="wilson")
    return CellResult(accuracy=accuracy, interval=interval, n=200, seeds=1, seed_values=(0,), **more)  # type: ignore[arg-type]


def board(tasks: tuple[str, ...] = TASKS[:3], teacher: str = "gpt", **changes: object) -> Leaderboard:
    def row(method: str, accuracy: float, **facts: object) -> LeaderboardRow:
        of = {task: result(accuracy + i / 100) for i, task in enumerate(tasks)}
        mean = sum(r.accuracy or 0.0 for r in of.values()) / len(of)
        facts = {"kind": "measured", "student": "small-student", "extractor": "flexible"} | facts | changes
        return LeaderboardRow(method=method, results=of, mean=mean, measured=len(of), **facts)  # type: ignore[arg-type]

    rows = (
        row("zero-shot-cot", 0.1),
        row("fine-tune", 0.2, selection="last", fraction=0.5),
        row("fine-tune-cot", 0.3, selection="last", fraction=0.5, teacher=teacher, degree=1),
        row("fine-tune-cot", 0.4, selection="last", fraction=0.5, teacher=teacher, degree=8),
    )
    return Leaderboard(run="r", matrix="m", description="", version="1", tasks=tasks, rows=rows)


def rendered(monkeypatch: pytest.MonkeyPatch, width: int, shown: Leaderboard) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    return BriefReporter().render(shown)


@pytest.mark.parametrize("width", [80, 100, 132, 200])
@pytest.mark.parametrize("count", [1, 3, 12])
@pytest.mark.parametrize("teacher", ["gpt", "a-teacher-whose-name-is-longer-than-anybody-would-like-it-to-be"])
def test_board_fits_and_has_every_number(monkeypatch: pytest.MonkeyPatch, width: int, count: int, teacher: str) -> None:
    shown = board(TASKS[:count], teacher)
    text = rendered(monkeypatch, width, shown)
    assert max(map(len, text.splitlines())) <= width
    numbers = [f"{100 * (r.accuracy or 0):.1f}" for row in shown.rows for r in row.results.values()]
    found = re.findall(r"\d+\.\d", text)
    assert all(found.count(number) >= numbers.count(number) for number in numbers)
    assert text.count("[") - 1 >= len(numbers), "each with its interval"


def test_what_all_rows_share_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(rendered(monkeypatch, 100, board()).split())
    assert "student: small-student; teacher: gpt; selected epoch: last" in text
    assert "trained on 50 % of the training questions" in text
    assert "200 questions per task, of the tasks' own data; seed: 0; extractor: flexible" in text
    assert text.count("small-student") == text.count("gpt") == text.count("50") == 1
    assert " D " in text, "rows differ in it"


def test_what_would_mislead_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(rendered(monkeypatch, 100, board(selection="best-test", limit=50, random_weights=True)).split())
    for note in ("it overstates accuracy", "Only the first 50 questions", "a smoke test"):
        assert note in text


def test_missing_results_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = board(TASKS[:5])
    for i, task in enumerate(TASKS[:5]):
        shown.rows[0].results[task] = CellResult(reason=f"reason {i}")
    text = rendered(monkeypatch, 100, shown)
    assert text.count("no result") == 4
    assert "for 2 other reasons: --verbose lists them" in text


def test_findings_come_first_and_fit(cli: Cli, demo: Path) -> None:
    narrow = Cli(cli.folder, {**cli.environment, "COLUMNS": "80"})
    done = narrow("run", "--matrix", demo).stdout
    assert done.startswith("Findings")
    assert max(map(len, done.splitlines())) <= 80
    assert len(done.splitlines()) < 45
    assert re.search(r"• Rationales beat answers \(C1\): (supported|contradicted|inconclusive)\s+on\s+parity", done)
    assert "Not tested by this run: C3" in done
    assert narrow("report").stdout == done


def test_verbose_is_the_table(cli: Cli, demo: Path) -> None:
    whole = cli("run", "--matrix", demo, "--verbose").stdout
    assert whole == cli("report", "--format", "table").stdout
    assert "yield  counter" in whole
    assert "--verbose cannot be used with --format csv" in cli("report", "--verbose", "--format", "csv", code=2).stderr

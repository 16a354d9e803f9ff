"""Lines about cut and refused requests."""

from __future__ import annotations

import msgspec
from rtbench_plugins.reporters.endings import request_lines
from rtbench_plugins.reporters.tables import CsvReporter

from rtbench.schema.leaderboard import CellResult, Leaderboard, LeaderboardRow, RequestCounts


def board(*results: CellResult) -> Leaderboard:
    tasks = tuple(f"t{i}" for i in range(len(results)))
    row = LeaderboardRow(
        kind="measured",
        method="fine-tune-cot",
        teacher="far",
        student="small",
        degree=2,
        results=dict(zip(tasks, results, strict=True)),
    )
    return Leaderboard(run="r", matrix="m", description="", version="1", tasks=tasks, rows=(row,))


def test_share_above_one_percent_is_a_warning_and_the_largest_comes_first() -> None:
    shares = [
        CellResult(accuracy=0.5, answers=RequestCounts(sent=100, cut=1)),
        CellResult(accuracy=0.5, answers=RequestCounts(sent=100, cut=2), wrong_cut=1),
        CellResult(accuracy=0.5, answers=RequestCounts(sent=100, cut=50)),
        CellResult(accuracy=0.5, answers=RequestCounts(sent=100)),
    ]
    name = "fine-tune-cot small far D=2 on"
    assert request_lines(board(*shares)) == [
        (
            f"Warning: answers cut by the token limit: {name} t2 50 of 100 (50.0 %); {name} t1 2 of 100 (2.0 %), "
            "1 of them wrong. They are scored as they are."
        ),
        f"Answers cut by the token limit: {name} t0 1 of 100 (1.0 %). They are scored as they are.",
    ]


def test_refused_requests_are_named_by_kind_for_answers_and_rationales() -> None:
    refused = RequestCounts(sent=7000, refused={"filtered": 2, "empty": 1})
    assert request_lines(board(CellResult(accuracy=0.5, answers=refused, rationales=refused))) == [
        (
            "Requests without an answer: fine-tune-cot small far D=2 on t0 3 of 7000 (below 0.1 %): 2 stopped by a content filter, "
            "1 answered with no text. They are not scored."
        ),
        (
            "Requests for rationales without an answer: far D=2 on t0 3 of 7000 (below 0.1 %): 2 stopped by a content filter, "
            "1 answered with no text."
        ),
    ]


def test_board_of_an_older_version_is_read_and_has_no_such_lines() -> None:
    older = msgspec.json.encode(board(CellResult(accuracy=0.5)))
    assert b"answers" not in older
    assert request_lines(msgspec.json.decode(older, type=Leaderboard)) == []
    head, line, _ = CsvReporter().render(board(CellResult(accuracy=0.5))).splitlines()
    values = dict(zip(head.split(","), line.split(","), strict=True))
    assert [values[name] for name in ("requests", "cut", "wrong_cut", "refused")] == ["", "", "", ""]

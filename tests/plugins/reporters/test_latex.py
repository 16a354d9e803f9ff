"""The leaderboard in LaTeX."""

from __future__ import annotations

from rtbench_plugins.reporters.latex import LatexReporter

from rtbench.schema.leaderboard import CellResult, Leaderboard, LeaderboardRow
from rtbench.schema.scores import Interval
from rtbench.texts import latex_text


def test_special_characters_are_text() -> None:
    assert latex_text("50% of a_b & {c} #1 $2 ~ ^ \\") == (
        r"50\% of a\_b \& \{c\} \#1 \$2 \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )


def test_a_rule_between_students_and_the_best_in_bold() -> None:
    rows = [
        LeaderboardRow(
            kind="random", method="random", results={"aqua": CellResult(accuracy=0.99)}, mean=0.99, measured=1
        ),
        LeaderboardRow(
            kind="measured",
            method="ft",
            student="s_1",
            limit=3,
            results={"aqua": CellResult(accuracy=0.251)},
            mean=0.251,
        ),
        LeaderboardRow(
            kind="measured", method="ft", student="s_2", results={"aqua": CellResult(accuracy=0.4)}, mean=0.4
        ),
        LeaderboardRow(kind="measured", method="zs", student="s_2", results={"aqua": CellResult(reason="no")}),
    ]
    board = Leaderboard(run="r", matrix="m", description="100% ours", version="1", tasks=("aqua",), rows=tuple(rows))
    text = LatexReporter().render(board)
    assert text.count(r"\midrule") == 3
    assert r"ft & s\_1 & -- & -- & -- & 25.1 & 25.1 \\" in text
    assert r"& \textbf{40.0} & 40.0 \\" in text
    assert r"zs & s\_2 & -- & -- & -- & --- &  \\" in text
    assert r"\caption{100\% ours" in text
    caption = next(line for line in text.splitlines() if line.startswith(r"\caption"))
    below = next(line for line in text.splitlines() if line.startswith(r"\par"))
    assert "Accuracy in percent" in caption
    assert "first 3 questions" not in caption
    assert "first 3 questions" in below
    assert text.count(r"\begin{") == text.count(r"\end{") == 2


def test_intervals_are_behind_their_numbers_and_the_table_has_a_label() -> None:
    interval = Interval(low=0.451, high=0.6449, method="wilson")
    result = CellResult(accuracy=0.55, interval=interval)
    row = LeaderboardRow(
        kind="measured",
        method="ft",
        student="s",
        results={"aqua": result},
        mean=0.55,
        mean_interval=interval,
        measured=1,
    )
    board = Leaderboard(run="my_run 1", matrix="m", description="d", version="1", tasks=("aqua",), rows=(row,))
    text = LatexReporter().render(board)
    assert r"& \textbf{55.0}~{\tiny[45, 64]} & 55.0~{\tiny[45, 64]} \\" in text
    assert r"\label{tab:my-run-1}" in text

"""The leaderboard in LaTeX."""

from __future__ import annotations

from rtbench_plugins.reporters.latex import LatexReporter

from rtbench.schema.leaderboard import CellResult, Leaderboard, LeaderboardRow
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
            kind="measured", method="ft", student="s_1", results={"aqua": CellResult(accuracy=0.251)}, mean=0.251
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
    assert text.count(r"\begin{") == text.count(r"\end{") == 2

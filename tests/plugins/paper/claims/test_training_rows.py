"""C4 with teachers that were asked the training questions only."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.cli import MakeCli

MATRIX = """
tasks: [multiarith]
variant: kojima
methods: [fine-tune-cot]
students: [random-causal]
recipe: {steps: 2, max_new_tokens: 4, selection: last}
teacher_rows: train
teachers:
  - text-davinci-002
  - {name: gpt-4-0613, use: replay, recordings: [gpt-4-0613/zs_cot]}
"""


def test_teachers_are_ranked_by_the_training_questions_that_they_answered(make_cli: MakeCli, data_dir: Path) -> None:
    cli = make_cli(data=data_dir)
    (cli.folder / "m.yaml").write_text(MATRIX)
    cli("run", "--matrix", "m.yaml")
    rows = cli.json("report")["rows"]  # type: ignore[index]
    measured = {row["teacher"]: row for row in rows if row["kind"] == "teacher"}
    assert {row["fold"] for row in measured.values()} == {"train"}
    assert measured["gpt-4-0613"]["results"]["multiarith"]["n"] == 420
    (claim,) = [one for one in cli.json("claims") if one["claim"] == "C4"]  # type: ignore[attr-defined]
    assert claim["verdict"] != "not tested"
    assert any("gpt-4-0613 (97.6 % right of the training questions)" in note for note in claim["notes"])


def test_test_rows_are_used_where_all_teachers_have_them(make_cli: MakeCli, data_dir: Path) -> None:
    cli = make_cli(data=data_dir)
    (cli.folder / "m.yaml").write_text(
        MATRIX.replace("teacher_rows: train", "teacher_rows: true").replace("gpt-4-0613", "gpt-3.5-turbo-0613")
    )
    cli("run", "--matrix", "m.yaml")
    (claim,) = [one for one in cli.json("claims") if one["claim"] == "C4"]  # type: ignore[attr-defined]
    assert any(note.startswith("gpt-3.5-turbo-0613 (") and "training" not in note for note in claim["notes"])

"""The paper's figures are at hand and unchanged."""

import json
from pathlib import Path

import msgspec
from rtbench_plugins.paper.reference import ReferenceRow, load_reference, reported_rows


def test_every_figure_equals_the_published_one(data_dir: Path) -> None:
    want = json.loads((data_dir / "paper_reference.json").read_bytes())
    assert [msgspec.to_builtins(row) for row in load_reference()] == [
        {name: row[name] for name in ReferenceRow.__struct_fields__} for row in want
    ]


def test_reported_rows_are_fractions_and_label_the_papers_protocol() -> None:
    rows = reported_rows(["multiarith"])
    fine_tuned = [
        row for row in rows if row.method == "fine-tune-cot" and row.student == "curie" and row.degree is None
    ]
    assert any(row.results["multiarith"].accuracy == 0.3333 for row in fine_tuned)
    assert all(row.selection == "best-test" for row in fine_tuned)
    assert all(set(row.results) == {"multiarith"} for row in rows)
    assert len({(r.method, r.student, r.teacher, r.degree, r.cited) for r in rows}) == len(rows)

"""Test questions that stand in the training fold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rtbench.data.overlap import overlap_of
from rtbench.schema.tasks import Overlap, Sample, Split, TaskData
from tests.helpers.cli import ROOT, MakeCli

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"


def data(train: list[str], test: list[str]) -> TaskData:
    samples = {at: Sample(index=at, question=text, answer="1") for at, text in enumerate([*train, *test])}
    folds = Split(train=tuple(range(len(train))), test=tuple(range(len(train), len(samples))))
    return TaskData(samples=samples, splits={"default": folds})


def test_each_measure_counts_what_it_says() -> None:
    train = ["Tom has 3 pens and 1,000 cups.", f"{LONG} and so on", "Who is it?"]
    test = [
        "tom has  3 pens and 1,000 cups.",  # exact, but for case and white space
        "Tom has 44 pens and 2.5 cups.",  # the template
        f"But {LONG}.",  # 13 words in a row
        "Who is it?",  # shorter than 13 words: as a whole
        "Quite another question.",
    ]
    assert overlap_of(data(train, test), "default") == Overlap(
        split="default", train=3, test=5, exact=2, up_to_numbers=3, shared_span=3
    )


def test_a_fold_that_is_not_here_has_none() -> None:
    assert overlap_of(data([], ["x"]), "default") is None


def test_every_card_says_what_is_counted(make_cli: MakeCli, data_dir: Path) -> None:
    names = [path.parent.name for path in (ROOT / "tasks").glob("*/task.yaml")]
    found: Any = make_cli(data=data_dir).json("tasks", "overlap", "--tasks", ",".join(names))
    assert {key.partition(" ")[0] for key in found} == set(names)
    for name in names:
        said = (ROOT / "tasks" / name / "README.md").read_text().partition("## Overlap")[2].partition("\n## ")[0]
        stated = re.findall(r"^\| (\w+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", said, re.MULTILINE)
        counted = [
            (key.partition(" ")[2], *(str(one[column]) for column in ("test", "exact", "up_to_numbers", "run")))
            for key, one in found.items()
            if key.partition(" ")[0] == name and not isinstance(one, str)
        ]
        assert stated == counted, name
        assert stated or said.startswith("\n\nUnknown"), name


def test_overlap_is_below_the_board_and_in_the_list(make_cli: MakeCli, data_dir: Path) -> None:
    cli = make_cli(data=data_dir)
    found: Any = cli.json("tasks", "overlap", "--tasks", "date_understanding,multiarith")
    assert found["date_understanding default"]["run"] == found["date_understanding default"]["test"] == 111
    assert found["multiarith template"]["up_to_numbers"] == 0 < found["multiarith default"]["up_to_numbers"]
    cli("run", "--matrix", "recorded", "--tasks", "multiarith", "--methods", "teacher", "--limit", 20, "--name", "r")
    count = found["multiarith default"]["up_to_numbers"]
    short = " ".join(cli("report", "r").stdout.split())
    assert f"Test questions that equal a training question except for numbers: multiarith {count} of 180." in short
    said = cli("report", "r", "--verbose").stdout
    assert "Train/test overlap: multiarith" in said

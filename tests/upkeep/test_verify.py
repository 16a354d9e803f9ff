from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rtbench.storage.ledger import Ledger
from rtbench.storage.lines import CHECKED, sum_path
from rtbench.storage.runs import Runs
from rtbench.upkeep.verify import Examined, Finding, findings
from tests.helpers.small_runs import TRAINED, flipped, run_here, session_in

FILES = {
    "segment": "ledger/*/*/*/*.jsonl",
    "checksum of a segment": "ledger/*/*/*/*.sum",
    "index": "store/complete/*/index.jsonl",
    "meta": "store/*/*/meta.json",
    "duration": "store/*/*/timing.json",
    "scores": "store/score/*/scores-*.jsonl",
    "run record": "runs/*.json",
    "format": "format.json",
}
"""What a run without trainings writes, by kind."""


def found_in(workspace: Path) -> list[Finding]:
    return list(findings(session_in(workspace), Examined()))


def repaired(workspace: Path) -> None:
    for one in found_in(workspace):
        if one.repair is not None:
            one.repair()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object]:
    workspace = tmp_path_factory.mktemp("made") / "ws"
    return workspace, run_here(workspace)


@pytest.fixture
def copy(made: tuple[Path, object], tmp_path: Path) -> Path:
    shutil.copytree(made[0], tmp_path / "ws")
    return tmp_path / "ws"


def test_nothing_is_found_in_what_a_run_wrote(made: tuple[Path, object]) -> None:
    examined = Examined()
    assert list(findings(session_in(made[0]), examined)) == []
    assert (examined.completions, examined.steps, examined.runs) == (8, 2, 1)


@pytest.mark.parametrize("kind", FILES)
def test_a_flipped_bit_is_found_and_done_again(made: tuple[Path, object], tmp_path: Path, kind: str) -> None:
    """Whatever bit of whatever file: it is found, the run does it again, and the board is what it was."""
    chance = random.Random(kind)
    for number in range(4):
        copy = tmp_path / f"{number}" / "ws"
        shutil.copytree(made[0], copy)
        path = chance.choice(sorted(copy.glob(FILES[kind])))
        at = flipped(path, chance)
        found = found_in(copy)
        assert any(one.where == path or one.where in path.parents or sum_path(one.where) == path for one in found), at
        assert all(one.damage for one in found) or kind == "checksum of a segment", found
        assert run_here(copy) == made[1], at
        repaired(copy)
        assert found_in(copy) == [], at


@pytest.mark.slow
def test_a_flipped_bit_of_weights_and_examples_is_found_and_trained_again(tmp_path: Path) -> None:
    board = run_here(tmp_path / "ws", TRAINED)
    chance = random.Random(0)
    for pattern in (
        "store/train/*/checkpoint/model.safetensors",
        "store/train/*/checkpoint/*.json",
        "store/curate/*/*.jsonl",
    ):
        path = chance.choice(sorted((tmp_path / "ws").glob(pattern)))
        flipped(path, chance)
        (one,) = found_in(tmp_path / "ws")
        assert one.where in path.parents
        repaired(tmp_path / "ws")
        assert run_here(tmp_path / "ws", TRAINED) == board
        assert found_in(tmp_path / "ws") == []


def lose(pattern: str) -> Callable[[Path], None]:
    def losing(workspace: Path) -> None:
        (path, *_) = sorted(workspace.glob(pattern))
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return losing


def halve(pattern: str) -> Callable[[Path], None]:
    def halving(workspace: Path) -> None:
        (path, *_) = sorted(workspace.glob(pattern))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return halving


def empty(pattern: str) -> Callable[[Path], None]:
    def emptying(workspace: Path) -> None:
        (path, *_) = sorted(workspace.glob(pattern))
        path.write_bytes(b"")

    return emptying


def swap(workspace: Path) -> None:
    """Exchange the texts of two completions, whose lines then still are JSON."""
    (segment,) = workspace.glob(FILES["segment"])
    first, second, *rest = segment.read_text().splitlines(keepends=True)
    texts = [line[line.index('"text":') : line.index('"finish_reason"')] for line in (first, second)]
    first, second = first.replace(*texts), second.replace(*reversed(texts))
    segment.write_text("".join([first, second, *rest]))


@pytest.mark.parametrize(
    "damage",
    [
        *(way(pattern) for way in (lose, halve, empty) for pattern in FILES.values()),
        *(
            lose(pattern)
            for pattern in ("ledger", "ledger/*", "store", "store/complete", "store/score", "store/*/*", "runs")
        ),
        swap,
    ],
)
def test_a_run_does_again_what_is_missing_or_cut(
    made: tuple[Path, object], copy: Path, damage: Callable[[Path], None]
) -> None:
    damage(copy)
    assert run_here(copy) == made[1]
    repaired(copy)
    assert found_in(copy) == []
    assert len(Ledger(copy / "ledger").damaged) == 0


def test_advice_is_not_needed_twice(copy: Path) -> None:
    """A repair that moves a step away leaves a workspace that a run makes whole, and nothing else is touched."""
    (meta,) = copy.glob("store/complete/*/meta.json")
    meta.write_bytes(meta.read_bytes().replace(b'"completions": 8', b'"completions": 9'))
    repaired(copy)
    assert not meta.exists()
    assert (copy / "damaged" / f"complete-{meta.parent.name}" / "meta.json").exists()
    run_here(copy)
    assert meta.exists()


def test_leftovers_of_killed_runs_are_removed_but_no_training_that_goes_on(copy: Path) -> None:
    work = copy / "store" / ".work"
    for name in ("score-a", "train-b", "complete-c"):
        (work / name).mkdir(parents=True)
        (work / name / "half").write_text("x")
    (work / "train-empty").mkdir()
    fresh, old = copy / "runs" / ".small.json.0123.tmp", copy / "runs" / ".small.json.4567.tmp"
    for path in (fresh, old):
        path.write_text("{")
    os.utime(old, (0, 0))
    soon = time.time() + 3600  # however long the test takes until it looks
    os.utime(fresh, (soon, soon))
    going = copy / "store" / "score" / ".removed-0123"
    going.mkdir()
    repaired(copy)
    assert sorted(path.name for path in work.iterdir()) == ["train-b"]
    assert fresh.exists()
    assert not old.exists()
    assert not going.exists()


def test_older_steps_and_lines_get_checksums(copy: Path) -> None:
    """As format 1 wrote them: without checksums, and readable."""
    session = session_in(copy)
    for segment in copy.glob(FILES["segment"]):
        lines = [line[: line.index(b',"checksum"')] + b"}\n" for line in segment.read_bytes().splitlines(keepends=True)]
        segment.with_name(segment.name.replace(CHECKED, ".jsonl")).write_bytes(b"".join(lines))
        segment.unlink()
        sum_path(segment).unlink()
    for path in [*copy.glob("store/*/*/*.json"), *copy.glob("runs/*.json")]:
        text = path.read_text()
        text = text[: text.index(',\n  "files"')] + "\n}\n" if '"files"' in text else text
        path.write_text(text[: text.index(',\n  "checksum"')] + "\n}\n" if '"checksum"' in text else text)
    (copy / "format.json").unlink()
    assert Runs(copy).load().name == "small"
    found = found_in(copy)
    assert found
    assert not any(one.damage for one in found)
    repaired(copy)
    assert found_in(copy) == []
    assert all(session.store.meta(*step).files for step in session.store.all())

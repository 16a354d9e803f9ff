from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from rtbench.errors import BadInputError
from rtbench.storage.store import StepMeta, Store, Timing


def meta(key: str = "k") -> StepMeta:
    return StepMeta(key=key, kind="score", version=1, spec={}, inputs=(), result={"n": 1})


def test_unfinished_work_is_not_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(RuntimeError), store.work("score", "k") as folder:
        (folder / "half").write_text("x")
        raise RuntimeError
    assert not store.has("score", "k")
    with pytest.raises(BadInputError, match="not in the store"):
        store.meta("score", "k")


def test_finished_work_is_there_whole(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.work("score", "k") as folder:
        (folder / "scores").write_text("x")
        store.commit(folder, meta(), Timing(seconds=1.5))
    assert store.has("score", "k")
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"  # sha256sum of a file with an x
    assert store.meta("score", "k") == msgspec.structs.replace(meta(), files={"scores": digest})
    assert (store.path("score", "k") / "scores").read_text() == "x"
    timing = store.timing("score", "k")
    assert timing is not None
    assert timing.seconds == 1.5


def test_of_many_steps_those_that_are_finished_are_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.finished([("score", "k")]) == set()
    with store.work("score", "k") as folder:
        store.commit(folder, meta(), Timing(seconds=0))
    store.path("score", "begun").mkdir()
    assert store.finished([("score", "k"), ("score", "begun"), ("train", "k2"), ("score", "other")]) == {"k"}


def test_leftovers_of_a_killed_attempt_go_unless_they_can_be_resumed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.work("train", "k") as folder:
        (folder / "state").write_text("x")
    with store.work("train", "k", resume=True) as folder:
        assert (folder / "state").exists()
    with store.work("train", "k") as folder:
        assert not list(folder.iterdir())


def test_folder_without_meta_is_replaced(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.path("score", "k").mkdir(parents=True)
    (store.path("score", "k") / "junk").write_text("x")
    with store.work("score", "k") as folder:
        store.commit(folder, meta(), Timing(seconds=0))
    assert store.has("score", "k")
    assert not (store.path("score", "k") / "junk").exists()

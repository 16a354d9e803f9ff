from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rtbench.errors import BadInputError, UnknownNameError
from rtbench.storage.active import active_run, active_runs, alone_in
from rtbench.storage.place import Place
from rtbench.storage.records import write_record
from rtbench.storage.runs import Runs
from rtbench.storage.workspace import FORMAT, WorkspaceFormat, format_of, mark_format
from rtbench.upkeep.collect import removable, remove
from rtbench.upkeep.usage import usage
from rtbench.upkeep.verify import Examined, findings
from tests.helpers.small_runs import TAUGHT, TRAINED, run_here, session_in

OTHER = TAUGHT.replace("limit: 8", "limit: 5").replace("name: small", "name: other", 1)


def collected(workspace: Path, *, weights: bool = False, ledger: bool = False) -> list[tuple[str, str]]:
    """Remove what can be, and return kind and name of each."""
    found, _ = removable(session_in(workspace), weights=weights, ledger=ledger)
    for one in found:
        remove(one)
    return [(one.kind, one.path.name) for one in found]


def test_only_what_no_run_refers_to_is_removed(tmp_path: Path) -> None:
    ws = tmp_path / "ws"
    board, _ = run_here(ws), run_here(ws, OTHER)
    assert collected(ws, ledger=True) == []
    before = set(ws.glob("store/*/*"))
    Runs(ws).remove("other")
    gone = collected(ws)
    assert sorted(kind for kind, _ in gone) == ["complete", "score"]
    assert {path.name for path in before - set(ws.glob("store/*/*"))} == {name for _, name in gone}
    assert run_here(ws) == board
    assert list(findings(session_in(ws), Examined())) == []


def test_completions_are_kept_unless_asked_for(tmp_path: Path) -> None:
    ws = tmp_path / "ws"
    run_here(ws)
    Runs(ws).remove("small")
    assert {kind for kind, _ in collected(ws)} == {"complete", "score"}
    assert len(list(ws.glob("ledger/*/*/*/*.jsonl"))) == 1
    assert [kind for kind, _ in collected(ws, ledger=True)] == ["ledger"]
    assert list(ws.glob("ledger/*/*/*/*.jsonl")) == []


def test_nothing_of_an_unfinished_run_is_removed(tmp_path: Path) -> None:
    ws = tmp_path / "ws"
    run_here(ws)
    (score,) = ws.glob("store/score/*")
    shutil.rmtree(score)
    unused = ws / "store" / "curate" / ("0" * 32)
    shutil.copytree(next(ws.glob("store/complete/*")), unused)
    assert collected(ws) == []
    with pytest.raises(BadInputError, match="the run small is not finished"):
        collected(ws, ledger=True)


def test_a_damaged_record_stops_the_clean_up(tmp_path: Path) -> None:
    ws = tmp_path / "ws"
    run_here(ws)
    (record,) = ws.glob("runs/*.json")
    record.write_bytes(record.read_bytes().replace(b"multiarith", b"multiarite", 1))
    with pytest.raises(BadInputError, match="its checksum is another"):
        collected(ws)


@pytest.mark.slow
def test_weights_go_once_all_is_scored_and_are_trained_again_when_needed(tmp_path: Path) -> None:
    ws = tmp_path / "ws"
    board = run_here(ws, TRAINED)
    assert [kind for kind, _ in collected(ws, weights=True)] == ["weights"]
    assert list(findings(session_in(ws), Examined())) == []
    assert run_here(ws, TRAINED) == board
    more = TRAINED.replace("limit: 6", "limit: 6\nfolds: [test, ood]")
    assert run_here(ws, more) != board
    assert list(ws.glob("store/train/*/checkpoint/model.safetensors"))


def test_space_is_counted_by_run_kind_and_model(tmp_path: Path) -> None:
    ws = tmp_path / "ws"
    run_here(ws)
    run_here(ws, OTHER)
    total = sum(
        path.stat().st_size for folder in ("ledger", "store") for path in (ws / folder).rglob("*") if path.is_file()
    )
    session = session_in(ws)
    for by in ("kind", "model"):
        assert sum(one.bytes_ for one in usage(session, by).values()) == total
    by_run = usage(session, "run")
    assert set(by_run) == {"small", "other", "(no run)"}
    assert by_run["small"].steps == 2
    assert 0 < by_run["small"].alone < by_run["small"].bytes_ < total
    assert by_run["(no run)"].bytes_ == 0


def test_no_clean_up_beside_a_run(tmp_path: Path) -> None:
    with active_run(Place(tmp_path), "mine"):
        assert active_runs(Place(tmp_path)) == ["mine"]
        with pytest.raises(BadInputError, match="the run mine is running"), alone_in(Place(tmp_path)):
            pass
    with alone_in(Place(tmp_path)):
        assert active_runs(Place(tmp_path)) == []
    assert list(tmp_path.rglob("*.lock")) == []


def test_removing_an_unknown_run_names_the_known_ones(tmp_path: Path) -> None:
    run_here(tmp_path / "ws")
    with pytest.raises(UnknownNameError, match="small"):
        Runs(tmp_path / "ws").check("smal")


def test_newer_format_is_refused_and_older_ones_are_read(tmp_path: Path) -> None:
    ws = tmp_path / "ws"
    run_here(ws)
    (ws / "format.json").unlink()
    assert format_of(ws) == 1
    assert Runs(session_in(ws).workspace).load().name == "small"
    mark_format(Place(ws))
    assert format_of(ws) == FORMAT
    write_record(ws / "format.json", WorkspaceFormat(format=FORMAT + 1, written_by="9.0"))
    with pytest.raises(BadInputError, match=rf"format {FORMAT + 1}, written by rtbench 9\.0") as caught:
        session_in(ws)
    assert "Update rtbench" in str(caught.value)

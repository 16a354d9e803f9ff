from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtbench.errors import DamagedError, StepFailedError
from rtbench.schema.completions import Completion, Request, Sampling
from rtbench.storage.ledger import Ledger, Partition, make_request
from rtbench.storage.lines import checked_line, plain_line
from tests.helpers.runs import LONG

GREEDY = Sampling(max_new_tokens=8)
WARM = Sampling(max_new_tokens=8, temperature=0.7)


def completion(request: Request, text: str = "x") -> Completion:
    return Completion(
        key=request.key,
        task=request.task,
        sample_index=request.sample_index,
        completion_index=request.completion_index,
        prompt=request.prompt,
        text=text,
    )


def requests(n: int, sampling: Sampling = WARM) -> list[Request]:
    return [make_request("model", "task", 3, i, "prompt", sampling) for i in range(n)]


def partition(tmp_path: Path) -> Partition:
    return Ledger(tmp_path).partition("org/model", "task", "zero-shot")


def test_raising_the_degree_asks_for_the_difference(tmp_path: Path) -> None:
    held = partition(tmp_path)
    with held.writer() as writer:
        for request in requests(8):
            writer.append(completion(request))
    keys = held.keys()
    missing = [r for r in requests(64) if r.key not in keys]
    assert [r.completion_index for r in missing] == list(range(8, 64))


def test_torn_last_line_is_as_if_never_written(tmp_path: Path) -> None:
    held = partition(tmp_path)
    with held.writer() as writer:
        for request in requests(3):
            writer.append(completion(request))
    segment = next(held.path.glob("*.jsonl"))
    segment.write_bytes(segment.read_bytes()[:-10])
    assert {c.completion_index for c in held.load().values()} == {0, 1}
    with held.writer() as writer:
        writer.append(completion(requests(3)[2]))
    assert {c.completion_index for c in held.load().values()} == {0, 1, 2}


def test_writers_never_share_a_segment(tmp_path: Path) -> None:
    held = partition(tmp_path)
    with held.writer() as one, held.writer() as two:
        one.append(completion(requests(2)[0]))
        two.append(completion(requests(2)[1]))
    assert len(list(held.path.glob("*.jsonl"))) == 2
    assert len(held.load()) == 2


def test_of_equal_keys_the_older_counts(tmp_path: Path) -> None:
    held = partition(tmp_path)
    for text in ("first", "second"):
        with held.writer() as writer:
            writer.append(completion(requests(1)[0], text))
    assert [c.text for c in held.load().values()] == ["first"]


def test_what_came_before_a_fault_is_kept(tmp_path: Path) -> None:
    held = partition(tmp_path)
    with pytest.raises(RuntimeError), held.writer() as writer:
        writer.append(completion(requests(1)[0]))
        raise RuntimeError
    assert len(held.keys()) == 1


@pytest.mark.parametrize("foreign", [b'{"hello": 1}', b"{", b"\xff\xfe", b"[" * 5000, b'{"key":"' + b"0" * 32 + b'"}'])
def test_foreign_line_is_left_out_and_named(tmp_path: Path, foreign: bytes) -> None:
    ledger = Ledger(tmp_path)
    held = ledger.partition("org/model", "task", "zero-shot")
    with held.writer() as writer:
        writer.append(completion(requests(1)[0]))
    (segment,) = held.segments()
    with segment.open("ab") as handle:
        handle.write(foreign + b"\n")
    for look in (held.load, held.keys, held.completions_per_sample, held.usages):
        ledger.damaged.clear()
        assert len(look()) == 1
        assert ledger.damaged == {segment: {2}}
    assert ledger.damage_below(tmp_path) == f"{segment}, line 2"


def test_any_changed_byte_costs_its_line_only(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    held = ledger.partition("org/model", "task", "zero-shot")
    asked = requests(3)
    with held.writer() as writer:
        for request in asked:
            writer.append(completion(request, "The answer is 5."))
    (segment,) = held.segments()
    sound, intact = segment.read_bytes(), held.load()
    first = len(sound.splitlines(keepends=True)[0])
    for at in range(first, 2 * first):
        ledger.damaged.clear()
        segment.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        found = held.load()
        assert found.items() <= intact.items(), at
        assert len(found) >= 1
        assert segment in ledger.damaged, at
        assert {asked[0].key} <= held.keys() <= {request.key for request in asked} - {asked[1].key}


def test_missing_lines_at_the_end_are_named(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    held = ledger.partition("org/model", "task", "zero-shot")
    with held.writer() as writer:
        for request in requests(3):
            writer.append(completion(request))
    (segment,) = held.segments()
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:2]))
    assert len(held.keys()) == 2
    assert ledger.damage_below(tmp_path) == f"{segment}, the end"


def test_lines_without_checksums_of_older_versions_are_read(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    held = ledger.partition("org/model", "task", "zero-shot")
    held.path.mkdir(parents=True)
    old = [completion(request) for request in requests(2)]
    (held.path / "00000000000000000001-0a0b0c0d.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(old))
    with held.writer() as writer:
        writer.append(completion(requests(3)[2]))
    assert set(held.load()) == {request.key for request in requests(3)}
    assert not ledger.damaged


def test_a_line_of_older_versions_that_is_no_completion_is_left_out_by_all_readers(tmp_path: Path) -> None:
    held = partition(tmp_path)
    mine, other = requests(2)
    with held.writer() as writer:
        writer.append(completion(mine))
        writer.append(completion(other))
    segment = next(held.path.glob("*.jsonl"))
    lines = segment.read_bytes().splitlines(keepends=True)
    old = [plain_line(line) or b"" for line in lines]
    segment.unlink()
    (held.path / "old.jsonl").write_bytes(
        old[0] + b"\n" + old[1].replace(b'"completion_index":1', b'"completion_index":?') + b"\n"
    )
    assert set(held.load({mine.key})) == {mine.key}
    assert held.keys() == {mine.key}, "nothing but its contents tells whether a line without a checksum is a completion"
    assert not held.load({other.key})
    assert held.damaged


def test_a_key_is_found_however_its_line_is_written(tmp_path: Path) -> None:
    held = partition(tmp_path)
    with held.writer() as writer:
        for request in requests(2):
            writer.append(completion(request))
    segment = next(held.path.glob("*.jsonl"))
    first, second = segment.read_bytes().splitlines(keepends=True)
    fields = json.loads(second)
    del fields["checksum"]
    moved = {name: fields[name] for name in reversed(fields)}
    segment.write_bytes(first + checked_line(json.dumps(moved).encode()))
    assert held.keys() == {request.key for request in requests(2)}
    assert set(held.load(held.keys())) == held.keys()


def test_seed_changes_a_sampled_request_and_not_a_greedy_one() -> None:
    def key(temperature: float, seed: int) -> str:
        sampling = Sampling(max_new_tokens=8, temperature=temperature, seed=seed)
        return make_request("model", "task", 0, 0, "prompt", sampling).key

    assert key(0.7, 0) != key(0.7, 1)
    assert key(0.0, 0) == key(0.0, 1)


def test_everything_that_makes_a_completion_another_is_in_its_key() -> None:
    keys = {
        make_request(model, task, sample, index, prompt, sampling).key
        for model in ("a", "b")
        for task in ("t", "u")
        for sample in (0, 1)
        for index in (0, 1)
        for prompt in ("p", "q")
        for sampling in (WARM, GREEDY, Sampling(max_new_tokens=9), Sampling(max_new_tokens=8, stop=("\n",)))
    }
    assert len(keys) == 2**5 * 4


def test_completions_of_one_question_have_seeds_of_their_own() -> None:
    assert len({request.seed for request in requests(64)}) == 64


def test_names_that_look_alike_on_disk_stay_apart(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    paths = {ledger.partition(name, "t", "p").path for name in ("a/b", "a_b", "a:b", "../a", "a" * 300)}
    assert len(paths) == 5
    assert all(path.resolve().is_relative_to(tmp_path.resolve()) for path in paths)


@settings(max_examples=50, deadline=None)
@given(text=st.text())
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Teacher output is hostile: line breaks, separators and control characters must not tear a segment."""
    if any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        return
    held = partition(tmp_path_factory.mktemp("ledger"))
    with held.writer() as writer:
        writer.append(completion(requests(1)[0], text))
    assert [c.text for c in held.load().values()] == [text]


def test_what_was_appended_is_synced_while_nothing_more_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model may take minutes for the next completion."""
    synced = threading.Event()
    monkeypatch.setattr("rtbench.storage.appending._sync", lambda _: synced.set())
    with Ledger(tmp_path).partition("f", "d", "p").writer() as writer:
        writer.append(Completion(key="k", task="t", sample_index=0, completion_index=0, prompt="", text=""))
        assert synced.wait(LONG)


def failing_once(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Make the next fsync fail, and later ones succeed, as Linux does."""
    failed = threading.Event()

    def fsync(_: int) -> None:
        if not failed.is_set():
            failed.set()
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("rtbench.storage.appending._sync", fsync)
    return failed


def test_a_sync_that_fails_behind_the_work_is_reported_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = failing_once(monkeypatch)
    with pytest.raises(StepFailedError, match="Input/output error") as caught, partition(tmp_path).writer() as writer:
        writer.append(completion(requests(1)[0]))
        assert failed.wait(LONG)
    assert str(caught.value.where).endswith(".jsonl")


def test_a_sync_that_fails_at_the_end_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtbench.storage.appending.SYNC_SECONDS", 3600.0)
    failing_once(monkeypatch)
    with (
        pytest.raises(StepFailedError, match="not all completions could be written to disk"),
        partition(tmp_path).writer() as writer,
    ):
        writer.append(completion(requests(1)[0]))


def test_nothing_more_is_appended_after_a_failed_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtbench.storage.appending.SYNC_SECONDS", 3600.0)
    failing_once(monkeypatch)
    with pytest.raises(StepFailedError), partition(tmp_path).writer() as writer:
        with pytest.raises(StepFailedError):
            for request in requests(300):
                writer.append(completion(request))
        assert writer._appended < 300
        writer.append(completion(requests(301)[300]))


def test_the_fault_of_the_work_itself_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing_once(monkeypatch)
    with pytest.raises(RuntimeError, match="the model broke") as caught, partition(tmp_path).writer() as writer:
        writer.append(completion(requests(1)[0]))
        raise RuntimeError("the model broke")
    assert "not all completions could be written to disk" in caught.value.__notes__[0]


def test_no_more_than_256_are_ever_unsynced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtbench.storage.appending.SYNC_SECONDS", 3600.0)
    counts: list[int] = []
    with Ledger(tmp_path).partition("f", "d", "p").writer() as writer:
        monkeypatch.setattr("rtbench.storage.appending._sync", lambda _: counts.append(writer._appended))
        for i in range(1000):
            writer.append(Completion(key=f"{i}", task="t", sample_index=i, completion_index=0, prompt="", text=""))
            assert writer._appended - writer._synced < 256
    assert counts


@pytest.mark.parametrize("damage", [b"{", b'{"seed": "x"}', b"\xff"])
def test_damaged_note_is_one_error(tmp_path: Path, damage: bytes) -> None:
    partition = Ledger(tmp_path).partition("model", "data", "prompt")
    assert partition.note("origin", Sampling) is None
    with partition.alone():
        partition.write_note("origin", Sampling(max_new_tokens=7))
    assert partition.note("origin", Sampling) == Sampling(max_new_tokens=7)
    (partition.path / "origin.json").write_bytes(damage)
    with pytest.raises(DamagedError, match=r"origin\.json"):
        partition.note("origin", Sampling)

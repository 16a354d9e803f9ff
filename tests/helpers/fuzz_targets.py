"""What is fuzzed: everything that reads bytes from outside. A target may raise an error for the user, and nothing else."""

from __future__ import annotations

import base64
import contextlib
import functools
import gzip
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from multidict import CIMultiDict
from rtbench_plugins.remote.batch_lines import BatchLine, classify_line
from rtbench_plugins.remote.bodies import UNREADABLE, decoded
from rtbench_plugins.remote.http import HttpReply
from rtbench_plugins.remote.limits import Limits, retry_after
from rtbench_plugins.remote.replies import classify

from rtbench import texts
from rtbench.errors import RtbenchError
from rtbench.matrix.read import read_matrix
from rtbench.recordings.read import read_recording
from rtbench.schema.completions import Completion, Sampling
from rtbench.schema.environment import Environment
from rtbench.schema.runs import RunRecord
from rtbench.session import Session
from rtbench.storage.budget import parse_budget, read_account
from rtbench.storage.known import Known
from rtbench.storage.ledger import make_request
from rtbench.storage.records import read_record
from rtbench.storage.segments import examined, intact_lines
from rtbench.storage.store import StepMeta, Timing
from rtbench.storage.tables import read_rows
from tests.helpers.recordings import formats

CORPORA = Path(__file__).parents[1] / "fixtures" / "fuzz"
Target = Callable[[bytes], None]
_FOLDER = Path(tempfile.mkdtemp(prefix="rtbench-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))


def _file(data: bytes, name: str) -> Path:
    path = _FOLDER / f"{os.getpid()}-{name}"
    path.write_bytes(data)
    return path


def matrix(data: bytes) -> None:
    """A matrix file."""
    read_matrix(_file(data, "m.yaml"))


def task(data: bytes) -> None:
    """A task file, up to its templates and patterns."""
    _session().plugins.load_task(_file(data, "t.yaml"), offline=True)


def table(data: bytes) -> None:
    """A file of rows, whatever its first byte says its kind is."""
    kinds = ("jsonl", "json", "csv", "tsv", "parquet", "txt")
    for _ in read_rows(_file(data[1:], f"t.{kinds[data[0] % len(kinds)]}")) if data else ():
        pass


def recording(data: bytes) -> None:
    """A file of recorded completions."""
    kinds = ("jsonl", "json", "csv", "log")
    if data:
        path = _file(data[1:], f"r.{kinds[data[0] % len(kinds)]}")
        read_recording(path, formats(), model="m", key="k", task="multiarith")


def segment(data: bytes) -> None:
    """A segment of the ledger, with and without checksums. What is read of it is read again from what is kept of it."""
    for name in ("a.jsonl", "a.checked.jsonl"):
        path = _file(data, name)
        keys, _ = examined(path)
        kept = _file(b"".join(intact_lines(path)), "kept.checked.jsonl")
        again, damaged = examined(kept)
        assert (again, damaged) == (keys, set()), (again, damaged, keys)


def record(data: bytes) -> None:
    """Records of the workspace."""
    path = _file(data, "x.json")
    for type_ in (RunRecord, StepMeta, Timing):
        with contextlib.suppress(RtbenchError):
            read_record(path, type_)
    with contextlib.suppress(RtbenchError):
        read_account(path)
    Known(_file(data, "known.jsonl")).all()


def reply(data: bytes) -> None:
    """An endpoint's answer: status, a header's length, the header, the body."""
    if len(data) < 4:
        return
    status, cut = 100 + int.from_bytes(data[:2], "big") % 500, data[2] % 2 == 1
    header, body = data[4 : 4 + data[3]].decode("latin-1"), data[4 + data[3] :]
    headers = CIMultiDict(dict.fromkeys(_HEADERS, header))
    retry_after(headers)
    Limits(4, None, None).learn(headers, 1.0)
    why = getattr(classify(HttpReply(status if status != 100 else 200, headers, body, cut)), "why", "")
    assert len(why) < 2_000
    with contextlib.suppress(*UNREADABLE):
        classify_line(decoded(msgspec.json.Decoder(BatchLine), body), str)


_HEADERS = (
    "retry-after",
    "retry-after-ms",
    *(f"x-ratelimit-{what}-{of}" for what in ("limit", "remaining", "reset") for of in ("requests", "tokens")),
)


def answer(data: bytes) -> None:
    """A completion, scored by all extractors of four tasks."""
    text = data.decode("utf-8", "replace")
    session = _session()
    for name, prefix in (("multiarith", "####"), ("aqua", None), ("date_understanding", None), ("strategy_qa", None)):
        one = session.task(name)
        sample = next(iter(_samples(name).values()))
        request = make_request("f", name, sample.index, 0, "p", Sampling(max_new_tokens=9))
        completion = Completion(
            key=request.key, task=name, sample_index=sample.index, completion_index=0, prompt="p", text=text
        )
        for extractor in one.info.extractors:
            (score,) = one.extractor(extractor).score([completion], {sample.index: sample}, prefix)
            assert isinstance(score.correct, bool)


def output(data: bytes) -> None:
    """A text of others, on its way to each output."""
    text = data.decode("utf-8", "replace")
    for shown in (texts.shown(text), texts.shown_in_line(text), texts.shown_with_styles(text)):
        assert "\x1b]" not in shown
        assert "\x07" not in shown
    assert not any(sign in texts.shown(text) for sign in "\x1b\x9b\r\x00")
    assert "\n" not in texts.shown_in_line(text)
    assert "<script" not in texts.script_json(text)
    assert "</" not in texts.script_json(text)
    field = str(texts.csv_field(text))
    assert not field.startswith(("=", "@", "\t", "\r")), field
    texts.markdown_text(text), texts.markdown_code(text), texts.markdown_block(text), texts.latex_text(text)
    with contextlib.suppress(RtbenchError):
        parse_budget(text)


@functools.cache
def _session() -> Session:
    return Session(Environment(workspace=str(_FOLDER / "ws"), offline=True))


@functools.cache
def _samples(name: str) -> Any:
    return _session().task_data(name, "twin-0").samples


TARGETS: dict[str, Target] = {
    one.__name__: one for one in (matrix, task, table, recording, segment, record, reply, answer, output)
}


def read_corpus(name: str) -> list[bytes]:
    """Return the inputs of a target's corpus, which ``benchmarks/fuzz.py`` has found."""
    path = CORPORA / f"{name}.jsonl.gz"
    if not path.exists():
        return []
    return [base64.b64decode(json.loads(line)) for line in gzip.decompress(path.read_bytes()).splitlines()]


def check(target: Target, data: bytes) -> None:
    """Run a target. An error for the user is an outcome as good as any; its text can be shown."""
    try:
        target(data)
    except RtbenchError as error:
        assert "\x1b" not in str(error)

"""A server that people have: ``transformers serve`` with a tiny random model made on the spot."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rtbench.plugin.models import TrainJob
from tests.helpers.cli import Cli
from tests.helpers.runs import await_end
from tests.helpers.servers import Server, asked

CHAT = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }} [end]{% endfor %}[bot] "
MATRIX = """
name: served
source: twin
tasks: [multiarith]
methods: [fine-tune-cot]
teachers:
  - {{name: served, use: openai, model: '{model}', base_url: '{url}', api_key_env: null, profile: transformers,
     concurrency: 4, max_new_tokens: [12, 4], timeout: 600}}
students: [random-causal]
degrees: [2]
limit: 6
curators: [non-empty]
recipe: {{epochs: 1}}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    from rtbench_plugins.hf.loaded import save
    from rtbench_plugins.hf.loading import pick_device, random_base
    from rtbench_plugins.hf.options import StudentOptions

    folder = tmp_path_factory.mktemp("model")
    options = StudentOptions(config={"n_layer": 1, "n_embd": 32, "n_inner": 64, "n_head": 2}, vocab_size=400)
    base = random_base("decoder", options, [r.prompt for r in asked(50)], pick_device("cpu"))
    base.tokenizer.chat_template = CHAT
    base.model.generation_config.do_sample = True  # else the server is greedy, whatever temperature it is asked for
    save(base, folder)
    with serving(folder) as found:
        yield found


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serve the model of a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(folder), "--host", "127.0.0.1"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([*command, "--port", str(port)], env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 900
        while not _healthy(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
        found = Server(process, port)
        found.model = str(folder)  # type: ignore[attr-defined]
        yield found
    finally:
        process.terminate()
        await_end(process)


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def test_same_seed_same_text_and_another_seed_another(served: Any) -> None:
    requests = asked(2, each=2, max_new_tokens=8, temperature=1.0)
    options = {"model": served.model, "profile": "transformers", "concurrency": 1}
    first = {c.key: c for c in served.ask(requests, **options)}
    again = {c.key: c for c in served.ask(requests, **options)}
    assert {k: c.text for k, c in first.items()} == {k: c.text for k, c in again.items()}
    assert len({c.text for c in first.values()}) == 4
    assert all(c.usage is not None and 0 < c.usage.completion_tokens <= 8 for c in first.values())


def test_what_is_left_of_n_is_asked_for(served: Any) -> None:
    """The server answers ``n: 3`` with one choice."""
    options = {"model": served.model, "profile": "plain", "n": 3, "concurrency": 1}
    assert len(served.ask(asked(1, each=3, max_new_tokens=4), **options)) == 3


def test_rationales_of_a_whole_run(cli: Cli, served: Any) -> None:
    path = cli.folder / "served.yaml"
    path.write_text(MATRIX.format(model=served.model, url=served.url))
    board: Any = cli.json("run", "--matrix", path)
    row = next(row for row in board["rows"] if row["method"] == "fine-tune-cot")
    assert row["results"]["multiarith"]["n"] == 6
    kept = _answers(cli)
    answers = [line for line in kept if line.get("reasoning") is not None]
    assert len(kept) == 2 * (6 * 2 + 6), "rationale and answer, of training and test questions"
    assert len(answers) == 6 * 2 + 6


def _answers(cli: Cli) -> list[dict[str, Any]]:
    """Return the whole answers in the ledger, without the first parts of answers that had a second."""
    files = [
        path for path in cli.workspace.glob("ledger/openai*/**/*.jsonl") if not path.parent.name.endswith(".begun")
    ]
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


THINKING = """
name: thinking
source: twin
tasks: [multiarith]
methods: [fine-tune-cot]
teachers:
  - {{name: thinker, use: openai, model: '{model}', base_url: '{url}', api_key_env: null, profile: transformers,
     endpoint: completions, concurrency: 4, max_new_tokens: [24, 4], max_thinking_tokens: 9, timeout: 600,
     prompt: 'Q: {{question}} A:', thinking: ['<t>', '</t>'], rationale: thoughts}}
students: [random-causal]
teacher_rows: false
limit: 6
curators: [non-empty]
recipe: {{epochs: 1}}
"""


@pytest.mark.slow
def test_thinking_that_does_not_end_is_ended_at_its_budget(cli: Cli, tmp_path: Path) -> None:
    """The model has learnt to think for ever."""
    from rtbench_plugins.hf.students import causal_student

    from rtbench.schema.training import Recipe, TrainingRow
    from tests.helpers.sessions import session

    student = causal_student("thinker", {"config": {"n_layer": 1, "n_embd": 64, "n_head": 2}}, session())
    rows = [TrainingRow(sample_index=i, prompt=f"Q: {i} plus {i} A:", label="<t>" + " no" * 60) for i in range(64)]
    recipe = Recipe(epochs=12, learning_rate=3e-3, selection="last", max_label_tokens=40)
    corpus = [row.prompt + row.label for row in rows]
    student.train(TrainJob(rows=rows, validation=(), recipe=recipe, seed=0, workdir=tmp_path, corpus=corpus))
    path = cli.folder / "thinking.yaml"
    with serving(tmp_path / "checkpoint") as server:
        path.write_text(THINKING.format(model=tmp_path / "checkpoint", url=server.url))
        said = cli("run", "--matrix", path).stderr
    assert "the thinking of 6 of 6 completions was ended after 9 tokens" in " ".join(said.split())
    lines = _answers(cli)
    assert len(lines) == 6
    for line in lines:
        assert line["thinking_cut"]
        assert "no no" in line["reasoning"]
        assert 9 < line["usage"]["completion_tokens"] <= 24
        assert "<t>" not in line["prompt"]

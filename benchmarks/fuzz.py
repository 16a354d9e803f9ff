"""Fuzz everything that reads bytes from outside, led by coverage, and keep what reaches new code.

    pip install atheris
    python benchmarks/fuzz.py --seconds 400                # each target for so long
    python benchmarks/fuzz.py --seconds 3600 reply yaml    # some targets only

A target is a function of ``tests/helpers/fuzz_targets.py``. Its corpus is in ``tests/fixtures/fuzz/TARGET.jsonl.gz``, which a
test replays. Exit code: 1 where a target raised anything but an error for the user, or took more than ten seconds for an input.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
MOST_BYTES = 4096
"""Highest length of an input."""
_STATS = re.compile(r"#(\d+)\s+DONE\s+cov: (\d+)")


def fuzz(name: str, folder: Path, options: list[str]) -> None:
    """Fuzz a target in this process. libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["rtbench", "rtbench_plugins"]):
        from tests.helpers import fuzz_targets

    target = fuzz_targets.TARGETS[name]
    atheris.Setup(
        [sys.argv[0], str(folder), f"-max_len={MOST_BYTES}", "-timeout=10", "-rss_limit_mb=4096", *options],
        lambda data: fuzz_targets.check(target, data),
    )
    atheris.Fuzz()


def unpacked(name: str, folder: Path) -> None:
    """Write the inputs of a corpus into a folder, and valid ones to begin with."""
    from tests.helpers.fuzz_targets import read_corpus

    folder.mkdir(parents=True)
    for number, data in enumerate([*read_corpus(name), *seeds(name)]):
        (folder / f"{number:05}").write_bytes(data[:MOST_BYTES])


def seeds(name: str) -> list[bytes]:
    """Return valid inputs of a target."""
    if name == "matrix":
        return [path.read_bytes() for path in sorted((ROOT / "plugins").glob("*/*.yaml"))]
    if name == "task":
        return [path.read_bytes() for path in sorted((ROOT / "tasks").glob("*/*.yaml"))]
    if name in {"segment", "record"}:
        return _workspace()
    if name == "reply":
        return [b"\0\0\0\0" + body for body in _REPLIES]
    if name in {"table", "recording"}:
        return [bytes([kind]) + text for kind, text in _ROWS]
    return [text.encode() for text in _ANSWERS]


def _workspace() -> list[bytes]:
    from tests.helpers.small_runs import run_here

    with tempfile.TemporaryDirectory() as place:
        workspace = Path(place) / "w" / "ws"
        workspace.parent.mkdir()
        run_here(workspace)
        return [path.read_bytes() for path in sorted(workspace.rglob("*.json*")) if path.is_file()]


_REPLIES = (
    (
        b'{"id": "x", "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "5", "reasoning": "so"}, '
        b'"finish_reason": "stop", "logprobs": {"content": [{"token": "5", "logprob": -0.1, "bytes": [53], "top_logprobs": []}]}}], '
        b'"usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}}'
    ),
    b'{"choices": [{"text": "5", "finish_reason": "length"}], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}',
    b'{"error": {"message": "slow down", "type": "rate_limit", "code": "rate_limit_exceeded"}}',
    b'{"custom_id": "a", "response": {"status_code": 200, "body": {"choices": [{"message": {"content": "x"}}]}}, "error": null}',
)
_ROWS = (
    (0, b'{"question": "How many?", "rationale": "Two and two.", "answer": "4"}\n{"prompt": "p", "completion": "c"}\n'),
    (1, b'[{"question": "How many?", "completion": "So 4.", "answer": 4}]'),
    (1, b'{"data": {"0": [{"sample_index": 0, "question": "q", "answer": "4", "prompt": "p", "completion": "c"}]}}'),
    (0, b'{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}\n'),
    (0, b'{"doc_id": 0, "doc": {"question": "q"}, "target": "4", "arguments": [["p"]], "resps": [["so 4"]]}\n'),
    (2, b'question,completion,answer\n"How, many?",So 4.,4\n'),
    (3, b"question\tcompletion\nHow many?\tSo 4.\n"),
    (3, b"Q : How many?\nA: Let's think step by step. So 4.\npred : 4\nGT : 4\n"),
)
_ANSWERS = (
    "So there are 5 x 3 = 15 apples. The answer is 15.", "The answer is (B).", "#### 1,234.50", "\\boxed{\\frac{1}{2}}",
    "Therefore, the answer is yes", "05/23/1943", "<think>no</think> The answer is $3\u00bd$", "=1+1", "</script>", "\x1b[31mred",
)  # fmt: skip


def packed(name: str, folder: Path) -> int:
    """Store the inputs in a folder as a target's corpus, and return their number."""
    inputs = sorted((path.read_bytes() for path in folder.iterdir()), key=lambda data: (len(data), data))
    from tests.helpers.fuzz_targets import CORPORA

    lines = "".join(f"{json.dumps(base64.b64encode(data).decode())}\n" for data in inputs)
    CORPORA.mkdir(parents=True, exist_ok=True)
    (CORPORA / f"{name}.jsonl.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))
    return len(inputs)


def run(name: str, seconds: int, seed: int) -> bool:
    """Fuzz a target in processes of its own, keep its corpus without what adds nothing, and return whether it held."""
    with tempfile.TemporaryDirectory() as place:
        corpus, small = Path(place) / "corpus", Path(place) / "small"
        unpacked(name, corpus)
        small.mkdir()
        command = [sys.executable, __file__, "--target", name, "--folder"]
        options = [f"-max_total_time={seconds}", f"-seed={seed}", "-print_final_stats=1", f"-artifact_prefix={place}/"]
        done = subprocess.run([*command, str(corpus), *options], capture_output=True, text=True, check=False, cwd=ROOT)
        found = _STATS.search(done.stderr)
        subprocess.run(
            [*command, str(small), "-merge=1", str(corpus)], capture_output=True, text=True, check=False, cwd=ROOT
        )
        kept = packed(name, small if any(small.iterdir()) else corpus)
        inputs, covered = found.groups() if found else ("?", "?")
        held = done.returncode == 0 and found is not None
        outcome = "held" if held else f"failed\n{done.stderr[-3000:]}"
        print(f"{name}: {inputs} inputs in {seconds} s, {covered} branches reached, {kept} kept: {outcome}", flush=True)
        for bad in [*Path(place).glob("crash-*"), *Path(place).glob("timeout-*"), *Path(place).glob("oom-*")]:
            print(f"  {bad.name}: {bad.read_bytes()!r}", flush=True)
        return held


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    given, rest = parser.parse_known_args()
    if given.target:
        fuzz(given.target, Path(given.folder), rest + given.targets)
        return 0
    from tests.helpers.fuzz_targets import TARGETS

    names = given.targets or list(TARGETS)
    print(f"{datetime.now(UTC).date()} python benchmarks/fuzz.py --seconds {given.seconds} --seed {given.seed}")
    held = [run(name, given.seconds, given.seed) for name in names]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())

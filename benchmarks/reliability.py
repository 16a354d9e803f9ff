"""Damage, kill and starve runs many times, and count what was lost, doubled or silently wrong.

    python benchmarks/reliability.py flips --times 200
    python benchmarks/reliability.py kills --times 100
    python benchmarks/reliability.py kills --times 100 --storage s3
    python benchmarks/reliability.py kills --times 50 --executor ray
    python benchmarks/reliability.py kills --times 50 --executor ray --storage s3
    python benchmarks/reliability.py power
    python benchmarks/reliability.py full
    python benchmarks/reliability.py together --times 20
    python benchmarks/reliability.py soak --times 1000000

Each part runs a small matrix of a scripted teacher and a tiny student with random weights, disturbs it, runs it again, and
compares board, ledger and store with those of a run that nothing disturbed. ``full`` mounts small memory disks and needs root.

``kills`` kills the command with its workers. With ``ray``, it kills a node of two half of the time. With ``s3``, the next attempt is
made either by the same machine or, in the other half of the trials, by another machine each time. ``soak`` asks an endpoint that
fails for 5 % of the calls, and measures the memory of the processes.

Exit code: 1 where anything differs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rtbench.upkeep.verify import Examined, findings  # noqa: E402
from tests.helpers.power import left_after_cut, recorded  # noqa: E402
from tests.helpers.ray_cluster import RayCluster, ray_cluster  # noqa: E402
from tests.helpers.s3_server import s3_environment, s3_server  # noqa: E402
from tests.helpers.small_runs import TRAINED, flipped, run_here, session_in  # noqa: E402

FILES = {
    "ledger segment": "ledger/*/*/*/*.jsonl",
    "checksum of a segment": "ledger/*/*/*/*.sum",
    "meta.json": "store/*/*/meta.json",
    "timing.json": "store/*/*/timing.json",
    "index": "store/complete/*/index.jsonl",
    "examples": "store/curate/*/examples.jsonl",
    "scores": "store/score/*/scores-*.jsonl",
    "weights": "store/train/*/checkpoint/*.safetensors",
    "configuration and tokenizer": "store/train/*/checkpoint/*.json",
    "run record": "runs/*.json",
    "format": "format.json",
}
MATRIX = TRAINED.replace("recipe:", "curators: [correct, likely]\nrecipe:")
"""All five kinds of step."""
MAIN = "from rtbench.storage import leases; leases.BEAT, leases.DEAD_AFTER = 0.5, 4.0; from rtbench.cli import main; main()"
"""The command line, with machines that count as dead sooner, so that trials are short."""
RUN = [sys.executable, "-c", MAIN, "run", "--matrix", "matrix.yaml", "--format", "json", "--workers", "1"]
COMMAND = [*RUN, "--workspace", "ws"]


def results(workspace: Path) -> tuple[Counter[bytes], dict[str, bytes]]:
    """Return the completions in the ledger, by line, and all files of the store but durations."""
    lines: Counter[bytes] = Counter()
    for segment in workspace.glob("ledger/*/*/*/*.jsonl"):
        lines.update(line for line in segment.read_bytes().splitlines(keepends=True) if line.endswith(b"\n"))
    store = {
        path.relative_to(workspace).as_posix(): path.read_bytes()
        for path in workspace.glob("store/[!.]*/**/*")
        if path.is_file() and path.name != "timing.json"
    }
    return lines, store


class Tally:
    """Counts trials, and prints what differs."""

    def __init__(self) -> None:
        self.trials = 0
        self.wrong: Counter[str] = Counter()

    def check(self, workspace: Path, board: Any, expected: Path, own: Any, what: str, *, damaged: bool = False) -> None:
        """Compare a workspace and its board with those of an undisturbed run."""
        self.trials += 1
        (lines, store), (lines_expected, store_expected) = results(workspace), results(expected)
        for name, bad in {
            "lost completions": not damaged and lines_expected.keys() - lines.keys(),
            "doubled completions": not damaged and any(count > 1 for count in lines.values()),
            "store differs": store != store_expected,
            "board differs": board != own,
        }.items():
            if bad:
                self.wrong[name] += 1
                print(f"{what}: {name}", flush=True)

    def done(self, what: str) -> int:
        found = ", ".join(f"{count} × {name}" for name, count in self.wrong.items()) or "nothing lost, doubled or wrong"
        print(f"{datetime.now(UTC).date()} {what}: {self.trials} trials: {found}", flush=True)
        return 1 if self.wrong else 0


@contextlib.contextmanager
def whole() -> Iterator[tuple[Path, Path, Any]]:
    """Yield a folder for trials, the workspace of an undisturbed run, and its board."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "whole" / "ws"
        workspace.parent.mkdir()
        yield Path(folder), workspace, run_here(workspace, MATRIX)


def flips(times: int, seed: int) -> int:
    """Change one bit of a file, find it with ``verify``, and run again."""
    tally, chance = Tally(), random.Random(seed)
    with whole() as (folder, undisturbed, board):
        for kind, pattern in FILES.items():
            missed = 0
            for _ in range(times):
                copy = folder / "trial" / "ws"
                shutil.copytree(undisturbed, copy)
                at = flipped(chance.choice(sorted(copy.glob(pattern))), chance)
                found = list(findings(session_in(copy), Examined()))
                missed += not found
                for one in found:
                    if one.repair is not None:
                        one.repair()
                own = run_here(copy, MATRIX)
                tally.check(copy, own, undisturbed, board, f"{kind}, byte {at}")
                shutil.rmtree(copy.parent)
            if missed:
                tally.wrong[f"changes of {kind} not found"] += missed
            print(f"{kind}: {times} flips, {missed} not found", flush=True)
    return tally.done(f"flips, seed {seed}")


def power(seed: int) -> int:
    """Cut the power after each sync: nothing unsynced survives, or a random part of it."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "whole" / "ws"
        root.parent.mkdir()
        with recorded(root) as recorder:
            board = run_here(root, MATRIX)
            for at in range(len(recorder.states)):
                for chance in (None, random.Random(seed + 2 * at), random.Random(seed + 2 * at + 1)):
                    left = Path(folder) / "trial" / "ws"
                    left.parent.mkdir()
                    left_after_cut(recorder, at, left, chance)
                    own = run_here(left, MATRIX)
                    tally.check(left, own, root, board, f"sync {at}", damaged=chance is not None)
                    shutil.rmtree(left.parent)
    return tally.done(f"power cuts at {len(recorder.states)} syncs, seed {seed}")


def started(folder: Path, command: Sequence[str] = COMMAND, **variables: str) -> subprocess.Popen[bytes]:
    (folder / "matrix.yaml").write_text(MATRIX)
    with (folder / "err.txt").open("wb") as errors:
        return subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )


def finished(folder: Path, command: Sequence[str] = COMMAND, **variables: str) -> bytes:
    """Run the command to its end, and return the board."""
    process = started(folder, command, **variables)
    board, _ = process.communicate()
    if process.returncode:
        print(f"exit code {process.returncode}: {(folder / 'err.txt').read_text()[-1000:]}", flush=True)
    return re.sub(rb'"made": "[^"]*"', b"", board)


class Site:
    """Where the runs of a trial take place.

    Args:
        executor: ``local`` or ``ray``.
        storage: ``folder`` or ``s3``.
        stack: closes what is opened.
    """

    def __init__(self, executor: str, storage: str, stack: contextlib.ExitStack) -> None:
        self.storage = storage
        self.variables: dict[str, str] = {}
        if storage == "s3":
            address, _ = stack.enter_context(s3_server())
            self.variables = s3_environment(address)
            os.environ.update(self.variables)
        self.cluster: RayCluster | None = None
        if executor == "ray":
            nodes = [{"num_cpus": 1} for _ in range(2)]
            self.cluster = stack.enter_context(ray_cluster(nodes, {**os.environ, **self.variables}))
        self.nodes = 2

    def command(self, name: str) -> list[str]:
        """Return the command of a run whose workspace is named."""
        place = f"s3://bucket/{name}" if self.storage == "s3" else "ws"
        cluster = [] if self.cluster is None else ["--executor", "ray", "--address", self.cluster.address]
        return [*RUN, "--workspace", place, *cluster]

    def disturb(self, process: subprocess.Popen[bytes], chance: random.Random) -> bool:
        """Kill the command, or a node; return whether anything was killed."""
        if self.cluster is not None and chance.random() < 0.5:
            self.cluster.kill(self.nodes - 1)
            self.cluster.add(num_cpus=1)
            self.nodes += 1
            process.communicate()
            return True
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        finally:
            process.communicate()
        return True

    def workspace(self, folder: Path, name: str) -> Path:
        """Return a folder with the workspace that a run has left."""
        if self.storage == "folder":
            return folder / "ws"
        return session_in(f"s3://bucket/{name}", cache_dir=str(folder / "fresh")).workspace


def kills(times: int, seed: int, executor: str, storage: str) -> int:
    """Kill a run up to three times, and run it to its end."""
    tally, chance = Tally(), random.Random(seed)
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        folder, site = Path(place), Site(executor, storage, stack)
        (folder / "whole").mkdir()
        began = time.monotonic()
        board = finished(folder / "whole", site.command("whole"), RTBENCH_CACHE=str(folder / "whole" / "cache"))
        seconds = time.monotonic() - began
        expected = site.workspace(folder / "whole", "whole")
        killed = 0
        while killed < times:
            trial, name = folder / "trial", f"trial-{killed}"
            trial.mkdir()
            moves = storage == "s3" and chance.random() < 0.5
            for attempt in range(chance.randint(1, 3)):
                cache = str(trial / (f"cache-{attempt}" if moves else "cache"))
                process = started(trial, site.command(name), RTBENCH_CACHE=cache)
                time.sleep(chance.uniform(0.2 * seconds, seconds))
                killed += site.disturb(process, chance)
            own = finished(trial, site.command(name), RTBENCH_CACHE=str(trial / ("cache-last" if moves else "cache")))
            tally.check(site.workspace(trial, name), own, expected, board, f"kill {killed}")
            shutil.rmtree(trial)
    return tally.done(f"kills ({killed}) of {executor} in {storage}, seed {seed}")


SOAK = """
name: soak
source: twin
tasks: [multiarith]
methods: [fine-tune-cot]
students: []
teachers: [{{name: far, use: openai, model: m, base_url: "{url}", api_key_env: null, format: zero-shot-cot-one-stage, concurrency: 128, max_new_tokens: 20}}]
degrees: [{degree}]
seeds: [{seeds}]
"""
SOAK_DEGREE, SOAK_QUESTIONS = 40, 420


def soak(times: int, seed: int) -> int:
    """Ask an endpoint many times, 5 % of them in vain, and print the memory of the processes as the run goes on."""
    runs = -(-times // (SOAK_DEGREE * SOAK_QUESTIONS))
    settings = {"errors": 0.02, "resets": 0.01, "cut": 0.01, "malformed": 0.01, "seed": seed}
    command = [sys.executable, "-m", "tests.helpers.fault_server", json.dumps(settings)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    server = subprocess.Popen(command, cwd=ROOT, text=True, **pipes)
    assert server.stdout is not None
    assert server.stdin is not None
    url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = SOAK.format(url=url, degree=SOAK_DEGREE, seeds=", ".join(map(str, range(runs))))
        (folder / "matrix.yaml").write_text(text)
        began = time.monotonic()
        with (folder / "err.txt").open("wb") as errors:
            process = subprocess.Popen(COMMAND, cwd=folder, stdout=subprocess.DEVNULL, stderr=errors)
            while process.poll() is None:
                time.sleep(20)
                print(f"{time.monotonic() - began:6.0f} s: {_memory(process.pid):6.0f} MiB", flush=True)
        keys: Counter[bytes] = Counter()
        for segment in (folder / "ws").glob("ledger/openai*/*/*/*.jsonl"):
            keys.update(line[8:24] for line in segment.read_bytes().splitlines())
        server.stdin.close()
        server.wait()
        most = max(keys.values(), default=0)
        tail = (folder / "err.txt").read_text()[-500:] if process.returncode else ""
        print(f"{len(keys):,} completions, {most} time at most, exit code {process.returncode} {tail}", flush=True)
    return 0 if most == 1 and not process.returncode else 1


def _memory(process: int) -> float:
    """Return the memory of a process and its children, in MiB."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            if process in (int(fields["Pid"]), int(fields["PPid"])) and "VmRSS" in fields:
                total += int(fields["VmRSS"].split()[0])
    return total / 1024


def together(times: int, seed: int) -> int:
    """Run one matrix in one workspace three times at once, one of them killed on the way."""
    tally, chance = Tally(), random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "whole").mkdir()
        board = finished(folder / "whole")
        for number in range(times):
            trial = folder / "trial"
            trial.mkdir()
            processes = [started(trial) for _ in range(3)]
            time.sleep(chance.uniform(2, 8))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(processes[0].pid, signal.SIGKILL)
            boards = [process.communicate()[0] for process in processes[1:]]
            boards.append(finished(trial))
            for own in boards:
                tally.check(trial / "ws", own, folder / "whole" / "ws", board, f"trial {number}")
            work = trial / "ws" / "store" / ".work"
            if any(work.iterdir()):
                tally.wrong["work folders left"] += 1
            shutil.rmtree(trial)
    return tally.done(f"three runs at once, seed {seed}")


def full() -> int:
    """Run on memory disks of many sizes, then on one with room."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "whole").mkdir()
        board = finished(folder / "whole")
        needed = sum(path.stat().st_size for path in (folder / "whole").rglob("*") if path.is_file())
        traces = 0
        for size in range(8 << 10, 2 * needed, max(4 << 10, needed // 40)):
            trial = folder / "trial"
            trial.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(trial)], check=True)
            try:
                (trial / "matrix.yaml").write_text(MATRIX)
                done = subprocess.run(COMMAND, cwd=trial, capture_output=True, check=False)
                traces += b"Traceback" in done.stderr
                subprocess.run(["mount", "-o", "remount,size=512m", str(trial)], check=True)
                tally.check(trial / "ws", finished(trial), folder / "whole" / "ws", board, f"{size} bytes")
            finally:
                subprocess.run(["umount", str(trial)], check=True)
                shutil.rmtree(trial)
        if traces:
            tally.wrong["tracebacks"] = traces
    return tally.done("full disks")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["flips", "kills", "power", "together", "full", "soak"])
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--executor", choices=["local", "ray"], default="local")
    parser.add_argument("--storage", choices=["folder", "s3"], default="folder")
    given = parser.parse_args()
    print(f"python benchmarks/reliability.py {' '.join(sys.argv[1:])}")
    if given.what == "full":
        return full()
    if given.what == "power":
        return power(given.seed)
    if given.what == "kills":
        return kills(given.times, given.seed, given.executor, given.storage)
    return {"flips": flips, "together": together, "soak": soak}[given.what](given.times, given.seed)


if __name__ == "__main__":
    sys.exit(main())

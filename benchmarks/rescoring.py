"""A million stored completions scored again: completions per second and peak memory.

    python benchmarks/rescoring.py --data-dir DIR [--cells 759] > docs/benchmarks/rescoring.md

A matrix of 759 students that answer at once (``benchmarks/instant.py``) on the 1,319 test questions of gsm8k is answered, which is
not measured; then every score step is done in one process, as ``rtbench run`` does after an extractor has changed: completions
read from the ledger, judged by all four extractors, verdicts written. Beside it the ``paper`` extractor alone on the same
texts in memory, which is what the original's evaluator is compared with in docs/benchmarks/scoring.md.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from harness import head, measured, parser_of, peak_mb, tell

from rtbench.matrix.read import read_matrix
from rtbench.matrix.resolve import resolve
from rtbench.planning.plan import make_plan
from rtbench.plugin.plans import Plan
from rtbench.schema.environment import Environment
from rtbench.session import Session
from rtbench.steps.complete import completions_of
from rtbench.steps.run import run_step


def planned(folder: Path, data_dir: Path, cells: int) -> tuple[Session, Plan]:
    path = folder / "matrix.yaml"
    students = [{"name": f"s{at}", "use": "instant"} for at in range(cells)]
    path.write_text(json.dumps({"tasks": ["gsm8k"], "methods": ["zero-shot"], "students": students}))
    plugin = str(Path(__file__).with_name("instant.py"))
    given = Environment(workspace=str(folder), data_dir=str(data_dir), offline=True, plugin_files=(plugin,))
    session = Session(given)
    return session, make_plan(resolve(read_matrix(path), session), session)


def child(way: str, folder: Path, data_dir: Path, cells: int) -> None:
    session, plan = planned(folder, data_dir, cells)
    kind = "complete" if way == "answer" else "score"
    steps = [step for step in plan.todo if step.kind == kind]
    before = time.process_time()
    for step in steps:
        run_step(session, step)
    seconds = time.process_time() - before
    count = cells * len(session.task_data("gsm8k", "original").fold("default", "test"))
    alone = 0.0
    if way == "score":
        completions = completions_of(session, steps[0].inputs[0].key)
        samples = {one.index: one for one in session.task_data("gsm8k", "original").fold("default", "test")}
        paper = session.task("gsm8k").extractor("paper")
        begun = time.process_time()
        for _ in range(10):
            paper.score(completions, samples, None)
        alone = 10 * len(completions) / (time.process_time() - begun)
    tell({"seconds": seconds, "mb": peak_mb(), "completions": count, "alone": alone})


def main() -> None:
    parser = parser_of(__doc__, 4, rounds=None)
    parser.add_argument("--cells", type=int, default=759)
    given = parser.parse_args()
    if given.child:
        way, folder, data_dir, cells = given.child
        child(way, Path(folder), Path(data_dir), int(cells))
        return
    with tempfile.TemporaryDirectory() as folder:
        measured(__file__, "answer", folder, given.data_dir.resolve(), given.cells)
        found = measured(__file__, "score", folder, given.data_dir.resolve(), given.cells)
    head("Scoring again", f"CPU seconds of one process; {found['completions']:,} completions of {given.cells} cells")
    rate = found["completions"] / found["seconds"]
    print("\n| | |\n|---|---:|")
    print(f"| completions scored by four extractors, read and written | {found['seconds']:.0f} s |")
    print(f"| per second | {rate:,.0f} |")
    print(f"| verdicts per second | {4 * rate:,.0f} |")
    print(f"| peak memory | {found['mb']:.0f} MB |")
    print(f"| `paper` alone, in memory, per second | {found['alone']:,.0f} |")


if __name__ == "__main__":
    main()

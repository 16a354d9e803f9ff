"""Problems per second of each twin, and the lengths of its questions and rationales beside the real task's.

    python benchmarks/twins.py --data-dir DIR > docs/benchmarks/twins.md

CPU seconds of one process; the best of five rounds of 2,000 problems, since other work on the machine only slows.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import time
from pathlib import Path

from rtbench.schema.environment import Environment
from rtbench.session import Session
from rtbench.twins import Narrator

ROUNDS, PROBLEMS = 5, 2000


def quantiles(texts: list[str]) -> str:
    cuts = statistics.quantiles([len(text.split()) for text in texts], n=20)
    return f"{cuts[0]:.0f} / {cuts[9]:.0f} / {cuts[18]:.0f}"


def rate(twin, knobs) -> float:
    best = 0.0
    for seed in range(ROUNDS):
        drawn = twin.problems(seed, knobs)
        next(drawn)
        began = time.process_time()
        for _ in itertools.islice(drawn, PROBLEMS):
            pass
        best = max(best, PROBLEMS / (time.process_time() - began))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    session = Session(Environment(workspace="rtbench-workspace", data_dir=str(parser.parse_args().data_dir.resolve())))
    print("# Twins: speed, and lengths beside the real tasks\n")
    print("Words (between white space) of questions and rationales: 5 % / median / 95 %.\n")
    print("| task | problems/s | harder | question, real | question, twin | harder | rationale, fine | coarse |")
    print("|---|---:|---:|---|---|---|---|---|")
    for entry in session.plugins.registries["tasks"]:
        task = session.task(entry.name)
        twin = task.twin()
        if twin is None:
            continue
        real = [s.question for s in session.task_data(entry.name, task.info.variants[0]).samples.values()]
        usual = list(itertools.islice(twin.problems(0), PROBLEMS))
        harder = list(itertools.islice(twin.problems(0, twin.harder), PROBLEMS))
        told = {}
        for fine in (True, False):
            pens = [Narrator(random.Random(at), fine=fine) for at in range(PROBLEMS)]
            for problem, narrator in zip(usual, pens, strict=True):
                twin.explain(problem, narrator)
            told[fine] = quantiles([narrator.text for narrator in pens])
        print(
            f"| {entry.name} | {rate(twin, twin.knobs):,.0f} | {rate(twin, twin.harder):,.0f} | {quantiles(real)} "
            f"| {quantiles([p.question for p in usual])} | {quantiles([p.question for p in harder])} "
            f"| {told[True]} | {told[False]} |"
        )


if __name__ == "__main__":
    main()

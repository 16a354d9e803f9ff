"""How often recorded rationales hold an equation that does not, by whether their answer is right.

    python benchmarks/equations.py --data-dir DIR

Counts for docs/curation.md; `--show N` prints some of the flagged ones with a right answer, to be read.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from collections import Counter
from pathlib import Path

from rtbench.scoring.equations import equations_in

TASKS = ("gsm8k", "multiarith", "svamp", "aqua")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--show", type=int, default=0)
    given = parser.parse_args()
    n: Counter[bool] = Counter()
    flagged: Counter[bool] = Counter()
    shown: list[str] = []
    for path in sorted(given.data_dir.glob("teacher/*.jsonl.gz")):
        if path.name.removesuffix(".jsonl.gz").split("__")[-1] not in TASKS:
            continue
        with gzip.open(path, "rt") as lines:
            for line in lines:
                record = json.loads(line)
                text = record["reasoning_completion"] or record["completion"] or ""
                wrong = [found.text for found in equations_in(text) if not found.holds]
                right = bool(record["correct"])
                n[right] += 1
                flagged[right] += bool(wrong)
                if wrong and right:
                    shown.append(f"{path.name}: {wrong[0]}\n    {text!r}")
    for right in (True, False):
        print(f"{'right' if right else 'wrong'}: {flagged[right]} of {n[right]} ({flagged[right] / n[right]:.1%})")
    for text in random.Random(0).sample(shown, min(given.show, len(shown))):
        print(text)


if __name__ == "__main__":
    main()

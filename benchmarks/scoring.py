"""Completions scored per CPU-second by the ``paper`` extractor, beside the original's evaluator on the same completions.

    python benchmarks/scoring.py --data-dir DIR --original DIR [--rounds 3] > docs/benchmarks/scoring.md

``--original`` is a checkout of itsnamgyu/reasoning-teacher, whose ``src/evaluation/evaluator.py`` is imported as it is (its
one import of its own data set class aside). All recorded rationales and answers of text-davinci-002 for a task, joined as
students write them (``rationale --> answer``), over and over up to 20,000; one thread, CPU seconds, the faster of two passes in each round, rounds interleaved, medians. As both are used: the original's makes
a pandas table of its verdicts, ours counts its summary. Verdicts are the original's four: correct, contains_answer, correct_format,
complete. Our own extractors and lm-eval's `regex` and `take_first` pipeline are timed for comparison.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import statistics
import sys
import time
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from harness import head

from rtbench.plugin.tasks import Extractor
from rtbench.schema.completions import Completion
from rtbench.schema.environment import Environment
from rtbench.schema.scores import Score
from rtbench.schema.tasks import Sample
from rtbench.scoring.extraction import FilterExtractor, FilterStep, summarise
from rtbench.session import Session

COUNT = 20_000
KEY, PREFIX = "ft_cot_token", "-->"
FIELDS = ("correct", "contains_answer", "correct_format", "complete")
LM_EVAL = (
    FilterStep(function="regex", arguments={"regex_pattern": r"--> (\-?[0-9\.\,]+)"}),
    FilterStep(function="take_first", arguments={}),
)


def originals_evaluator(checkout: Path) -> Callable[[str], Any]:
    sys.path.insert(0, str(checkout / "src"))
    for name in ("data", "data.completion_dataset"):  # reads the original's own folders when imported
        sys.modules[name] = types.ModuleType(name)
    sys.modules["data.completion_dataset"].CompletionDataset = object  # type: ignore[attr-defined]
    from evaluation.evaluator import Evaluator

    def evaluator(task: str) -> Any:
        return Evaluator(task, KEY)

    return evaluator


def recorded(data_dir: Path, task: str) -> list[dict[str, Any]]:
    with gzip.open(data_dir / "teacher" / f"text-davinci-002__zs_cot__{task}.jsonl.gz", "rt") as lines:
        found = [json.loads(line) for line in lines]
    for one in found:
        one["completion"] = f"{one['reasoning_completion']} {PREFIX} {one['completion']}"
        one["finish_reason"] = "stop"
    return list(itertools.islice(itertools.cycle(found), COUNT))


def seconds(work: Callable[[], Any]) -> float:
    taken = []
    for _ in range(2):
        before = time.process_time()
        work()
        taken.append(time.process_time() - before)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--original", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    session = Session(Environment(workspace="unused", data_dir=str(given.data_dir.resolve()), offline=True))
    evaluator_of = originals_evaluator(given.original)
    head("Scoring", f"CPU seconds, medians of {given.rounds} interleaved rounds")
    print(
        "\n| task | paper: times the original's rate | original /s | paper | kojima | strict | flexible | lm-eval | same verdicts |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---|")
    for entry in session.plugins.registries["tasks"]:
        task = session.task(entry.name)
        records = recorded(given.data_dir, entry.name)
        evaluator = evaluator_of(entry.name)
        data = session.task_data(entry.name, task.info.variants[0])
        samples = {
            at: Sample(index=at, question="", answer=one["answer"], choices=data.samples[one["sample_index"]].choices)
            for at, one in enumerate(records)
        }
        completions = [
            Completion(
                key=str(at), task=entry.name, sample_index=at, completion_index=0, prompt="", text=one["completion"],
                finish_reason="stop",
            )
            for at, one in enumerate(records)
        ]  # fmt: skip
        extractors: dict[str, Extractor] = {name: task.extractor(name) for name in task.info.extractors}
        extractors["lm-eval"] = FilterExtractor("lm-eval", LM_EVAL, 1, "lm-eval")

        def theirs(evaluator: Any = evaluator, records: Any = records) -> Any:
            return pd.DataFrame([evaluator.evaluate_completion(record) for record in records])

        def ours(extractor: Extractor, completions: Any = completions, samples: Any = samples) -> list[Score]:
            found = extractor.score(completions, samples, PREFIX)
            summarise(extractor.name, extractor.version, found)
            return found

        taken: dict[str, list[float]] = {}
        for _ in range(given.rounds):
            taken.setdefault("original", []).append(seconds(theirs))
            for name, extractor in extractors.items():
                taken.setdefault(name, []).append(seconds(partial(ours, extractor)))
        rate = {name: COUNT / statistics.median(rounds) for name, rounds in taken.items()}
        verdicts = theirs()[list(FIELDS)].itertuples(index=False)
        found = ours(extractors["paper"])
        same = sum(
            tuple(one) == tuple(getattr(other, f) for f in FIELDS) for one, other in zip(verdicts, found, strict=True)
        )
        cells = " | ".join(
            f"{rate[name]:,.0f}" for name in ("original", "paper", "kojima", "strict", "flexible", "lm-eval")
        )
        print(
            f"| {entry.name} | {rate['paper'] / rate['original']:.2f} | {cells} | {same:,} of {COUNT:,} |", flush=True
        )


if __name__ == "__main__":
    main()

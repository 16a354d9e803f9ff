"""Verdicts of all extractors on the published recordings, and how they differ from another version's.

    python benchmarks/verdicts.py --data-dir DIR --out FILE [--only gsm8k] [--extractors flexible] [--against FILE]

``--data-dir`` has the folders ``raw`` and ``teacher``. ``FILE`` gets the answer and the verdict of every completion. To
compare two versions of rtbench, run it with the older one installed, then with the newer one and ``--against`` the file
of the older. Seconds are CPU seconds of ``score_recording``, which also checks the golds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from pathlib import Path

import rtbench
from rtbench.errors import RtbenchError
from rtbench.recordings.read import formats_of, read_recording
from rtbench.recordings.scoring import score_recording
from rtbench.schema.environment import Environment
from rtbench.session import Session

EXTRACTORS = ("paper", "kojima", "strict", "flexible")
Verdicts = dict[str, list[list[str | bool | None]]]


def verdicts_of(data_dir: Path, only: str, extractors: list[str], workspace: str) -> tuple[Verdicts, dict[str, float]]:
    """Return each file's answers and verdicts by ``EXTRACTOR FILE``, and CPU seconds by extractor."""
    session = Session(Environment(workspace=workspace, data_dir=str(data_dir / "raw"), offline=True))
    formats = formats_of(session)
    found: Verdicts = {}
    seconds = dict.fromkeys(extractors, 0.0)
    for path in sorted((data_dir / "teacher").glob("*.jsonl.gz")):
        if only not in path.name:
            continue
        try:
            recording = read_recording(path, formats)
            for extractor in extractors:
                before = time.process_time()
                scored = score_recording(recording, session.task(recording.task), extractor, session.files)
                seconds[extractor] += time.process_time() - before
                found[f"{extractor} {path.name}"] = [[one.extracted, one.correct] for one in scored.scores]
        except RtbenchError as error:
            print(f"not scored: {path.name}: {str(error).splitlines()[0]}")
    return found, seconds


def difference(old: Verdicts, new: Verdicts) -> dict[str, Counter[str]]:
    """Count by extractor the completions whose verdict or answer is another one."""
    if sorted(old) != sorted(new) or any(len(old[name]) != len(new[name]) for name in new):
        raise SystemExit("the two versions scored different completions")
    counts: dict[str, Counter[str]] = {name.split()[0]: Counter() for name in new}
    for name, pairs in new.items():
        count = counts[name.split()[0]]
        for (was, before), (now, after) in zip(old[name], pairs, strict=True):
            if before != after:
                count["now right" if after else "now wrong"] += 1
            elif was != now:
                count["other answer, same verdict"] += 1
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="", help="only files with this in their name")
    parser.add_argument("--extractors", nargs="+", default=list(EXTRACTORS))
    parser.add_argument("--against", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as workspace:
        found, seconds = verdicts_of(given.data_dir, given.only, given.extractors, workspace)
    given.out.write_text(json.dumps(found))
    print(f"rtbench {rtbench.__version__}")
    counts = difference(json.loads(given.against.read_text()), found) if given.against else {}
    for extractor in seconds:
        total = sum(len(pairs) for name, pairs in found.items() if name.split()[0] == extractor)
        print(
            f"{extractor:9} {total:,} completions, {seconds[extractor]:.2f} s",
            *map(str, counts.get(extractor, {}).items()),
        )


if __name__ == "__main__":
    main()

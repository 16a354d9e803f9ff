"""Conditions as users met them (``../shared/cases/data``): each gives the right figure, or its one message."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.helpers.cli import ROOT, MakeCli

CASES = ROOT.parent / "shared" / "cases" / "data"
EXPECTED: dict[str, tuple[str, ...]] = {
    "01": ('"n": 20,  "correct": 20',) * 4,
    "03": (
        "choice.jsonl, line 2: the gold answer '(B)' is not of type choice",
        "yesno.jsonl, line 2: the gold answer 'True' is not of type yes_no",
        "number.jsonl, line 2: the gold answer 'nan' is not of type number",
    ),
    "06": ("pens: 10 of 10 correct",),
    "07": (
        "exit code 1",
        "stopped by a content filter (finish reason content_filter) (6)",
        "refused by the model (finish reason stop), such as 'I cannot help with 5 of those.' (6)",
    ),
    "08": ("legs: 4 of 4 correct",),
    "13": ("exit code 2", "litre.jsonl, line 1: the gold answer '1,5' is not of type number"),
    "19": ("exit code 2", "lists.jsonl, line 2: 'answer' is a list (['abc']), not text"),
    "22": ("new requests",) * 3,
    "23": ("gsm8k: 2 of 2 correct", "exit code 0") * 2,
    "24": ("model overloaded", "the reply is an HTML page", "does `base_url` lack /v1?"),
    "27": ("exit code 2", "it is closed", "exit code 2", "No space left on device"),
    "28": ("strategy_qa: 2 of 2", "commonsense_qa: 2 of 2", "30 choices; a question has 2 to 26, lettered A to Z"),
}
"""Texts that the command of a case prints, as often as they are listed. Cases 25 and 26 name modules that moved: their tests are in
tests/plugins/hf/test_weights.py and tests/scoring/test_rationale.py."""
_FILE = re.compile(r"File `([^`]+)`[^\n]*\n(?:[^\n]*\n)*?\n?```[a-z]*\n(.*?)```", re.DOTALL)
_COMMAND = re.compile(r"\*\*Command\.\*\*.*?```sh\n(.*?)```", re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("number", EXPECTED)
def test_case_has_its_figure_or_its_message(make_cli: MakeCli, tmp_path: Path, number: str) -> None:
    if not CASES.is_dir():
        pytest.skip("../shared/cases is not there")
    (path,) = CASES.glob(f"{number}-*.md")
    text = path.read_text()
    cli = make_cli(site=None)
    (cli.folder.parent / "shared").symlink_to(CASES.parent.parent)
    for name, content in _FILE.findall(text.partition("**Command.**")[0]):
        (cli.folder / name).write_text(content)
    found = _COMMAND.search(text)
    assert found is not None
    environment = dict(cli.environment, PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    done = subprocess.run(
        ["bash", "-c", found[1]],
        cwd=cli.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    for expected, times in Counter(EXPECTED[number]).items():
        assert said.count(expected) >= times, f"{expected!r} is not there {times} times:\n{said}"

"""Categories of wrong answers."""

from __future__ import annotations

from typing import Any

import pytest

from rtbench.reporting.answers import ScoredAnswer
from rtbench.reporting.wrong_answers import CATEGORIES, category_of, repeats
from rtbench.schema.completions import Completion
from rtbench.schema.tasks import Sample
from rtbench.scoring.extraction import FilterExtractor, default_steps
from tests.helpers.cli import DEMO, Cli
from tests.helpers.runs import rewrite_step_file

NUMBER = FilterExtractor("flexible", default_steps("flexible", "number"), 1, "")


def scored(text: str, *, gold: str = "7", prefix: str | None = "-->", **fields: Any) -> ScoredAnswer:
    sample = Sample(index=0, question="Q", answer=gold)
    given = Completion(key="k", task="t", sample_index=0, completion_index=0, prompt="", text=text, **fields)
    (score,) = NUMBER.score([given], {0: sample}, prefix)
    return ScoredAnswer(sample=sample, completion=given, score=score, answer_prefix=prefix)


@pytest.mark.parametrize(
    ("text", "fields", "category"),
    [
        ("There are 3 + 4 = 7 of them. --> 7", {}, None),
        ("There are 3 + 4 = 8 of them. --> 8", {}, "arithmetic slip"),
        ("There are 3 + 5 = 8 of them. --> 8", {}, "wrong set-up"),
        ("There are 3 + 4 = 7 of them. --> 8", {}, "wrong final answer"),
        ("There are 3 of one and 5 of another. --> 8", {}, "other"),
        ("8", {"reasoning": "There are 3 + 5 = 8 of them."}, "wrong set-up"),
        ("--> 8", {}, "no reasoning"),
        ("There are 3 + 5 = 8 of them", {}, "wrong format"),
        ("I cannot tell from what is said. --> none", {}, "no answer"),
        ("So there are 3 and then", {"finish_reason": "length"}, "truncation"),
        ("3", {"reasoning": "So there are 3 and", "reasoning_finish": "length"}, "truncation"),
        ("There are 3." + " And then there is one more." * 5, {"finish_reason": "length"}, "repetition"),
        ("3", {"reasoning": "No." + " There is one more." * 5, "reasoning_finish": "length"}, "repetition"),
    ],
)
def test_the_first_rule_that_applies_counts(text: str, fields: dict[str, Any], category: str | None) -> None:
    reads = FilterExtractor("flexible", default_steps("flexible", "number"), 1, "").concludes
    prefix = None if "reasoning" in fields else "-->"
    assert category_of(scored(text, prefix=prefix, **fields), reads) == category


def test_conclusion_of_a_choice_is_the_last_that_is_named() -> None:
    """A letter that stands alone early on is no conclusion because letters in brackets are looked for first."""
    reads = FilterExtractor("flexible", default_steps("flexible", "choice", "ABC"), 1, "").concludes
    extractor = FilterExtractor("flexible", default_steps("flexible", "choice", "ABC"), 1, "")
    sample = Sample(index=0, question="Q", answer="B", choices=("red", "blue", "green"))
    text = "Choice B looks right, and then it does not. So it must be (C). --> (C)"
    given = Completion(key="k", task="t", sample_index=0, completion_index=0, prompt="", text=text)
    (score,) = extractor.score([given], {0: sample}, "-->")
    assert (
        category_of(ScoredAnswer(sample=sample, completion=given, score=score, answer_prefix="-->"), reads) == "other"
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", False),
        ("no no no", False),
        ("x " * 9, True),
        ("he has two and he has two and he has two and", True),
        ("he has two and he has two and he has two and he has", True),
        ("he has two and he has three and he has four and", False),
        ("he has two and he has two and he has two and that is all", False),
    ],
)
def test_repetition_is_at_the_end_and_long_enough(text: str, found: bool) -> None:
    assert repeats(text) == found


def test_counts_of_a_run(cli: Cli) -> None:
    (cli.folder / "m.yaml").write_text(DEMO)
    cli("run", "--matrix", "m.yaml")
    found: Any = cli.json("errors", "--examples", 1)
    shown: Any = cli.json("show", found["cells"][0]["cell"], "--limit", 1000)
    first = found["cells"][0]
    assert first["n"] == len(shown)
    assert first["wrong"] == sum(first["categories"].values()) == sum(not row["correct"] for row in shown)
    assert set(found["examples"]) <= set(CATEGORIES)
    table = cli("errors").stdout
    assert first["cell"] in table
    assert cli("errors", "nonsense", code=2).stderr.startswith("error: ")


def test_extractors_are_listed_with_what_they_reproduce(cli: Cli) -> None:
    listed: Any = cli.json("extractors")
    assert {"paper", "kojima", "strict", "flexible"} <= {one["extractor"] for one in listed}
    (paper,) = (one for one in listed if one["extractor"] == "paper")
    assert len(paper["tasks"]) >= 12 and "evaluator.py" in paper["cites"]
    assert "evaluator.py" in cli("extractors").stdout
    done = cli("extractors", "--workspace", "elsewhere", "diff", "strict", "flexible", code=2)
    assert "Write `rtbench extractors diff … --workspace`" in done.stderr


def test_extractors_are_compared_text_by_text(cli: Cli) -> None:
    cli("run", "--tasks", "aqua", "--methods", "teacher", "--name", "r")
    found: Any = cli.json("extractors", "diff", "strict", "flexible", "--run", "r")
    apart = sum(int(cell["only_one"]) + int(cell["only_other"]) for cell in found["cells"])
    assert apart == len(found["differing"]) > 0, "some texts of the scripted teacher are cut before the answer is said"
    for told in found["differing"]:
        assert told["one"][1] != told["other"][1]
    assert f"{apart} scores differ" in cli("extractors", "diff", "strict", "flexible", "--run", "r").stdout
    assert "'flexible'" in cli("extractors", "diff", "strict", "flexibel", "--run", "r", code=2).stderr


def test_a_run_is_scored_again_beside_what_is_stored(cli: Cli) -> None:
    cli("run", "--tasks", "aqua", "--methods", "teacher", "--name", "r")
    (same,) = cli.json("score", "--run", "r")  # type: ignore[misc]
    assert (same["changed"], same["stored"], same["n"]) == (0, same["correct"], 200)
    (strict,) = cli.json("score", "--run", "r", "--extractor", "strict")  # type: ignore[misc]
    apart: Any = cli.json("extractors", "diff", "strict", "flexible", "--run", "r")
    assert same["correct"] - strict["correct"] == len(apart["differing"]) > 0
    path = next((cli.workspace / "store" / "score").glob("*/scores-flexible.jsonl"))
    rewrite_step_file(path, path.read_text().replace('"correct":true', '"correct":false', 1))
    (changed,) = cli.json("score", "--run", "r")  # type: ignore[misc]
    assert (changed["changed"], changed["correct"] - changed["stored"]) == (1, 1)
    assert "shows the stored scores" in cli("score", "--run", "r").stdout
    assert "give either a file or --run" in cli("score", code=2).stderr

"""The shipped base models: whole, small, and what their card says."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest
import torch
from rtbench_plugins.pocket.building import folder_of, load
from rtbench_plugins.pocket.commands import table_of
from rtbench_plugins.pocket.probes import PROBES, SEEN, ProbeResult, questions, run_probes
from rtbench_plugins.pocket.students import MODELS, shipped
from rtbench_plugins.pocket.tokenizer import shipped_tokenizer

from rtbench.errors import BadInputError
from tests.helpers.cli import ROOT, Cli

CARD = ROOT / "docs" / "pocket.md"


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_shipped_models_are_small_and_in_half_precision():
    assert shipped()
    assert sum(path.stat().st_size for path in MODELS.rglob("*") if path.is_file()) < 20_000_000
    for name in shipped():
        assert {path.suffix for path in (MODELS / name).iterdir()} == {".json", ".safetensors"}
        assert json.loads((MODELS / name / "config.json").read_text())["dtype"] == "float16"


@pytest.mark.parametrize("name", shipped())
def test_shipped_model_has_the_shipped_vocabulary_and_only_numbers(name):
    model, tokenizer = load(MODELS / name)
    assert tokenizer.get_vocab() == shipped_tokenizer().get_vocab()
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


ASKED = 60
RIGHT = {
    "copy the k-th of six": (50, 58, 59),
    "copy a list of eight": (59, 59, 60),
    "number by name": (58, 58, 60),
    "name by thing": (16, 14, 18),
    "addition": (57, 59, 60),
    "subtraction": (50, 57, 56),
    "multiplication": (5, 6, 7),
    "division": (9, 11, 11),
    "compare two numbers": (58, 59, 59),
    "one swap": (57, 59, 60),
    "one flip": (60, 60, 60),
    "last letter": (60, 59, 60),
    "join four letters": (51, 54, 55),
    "choice letter, words": (60, 60, 60),
    "choice letter, numbers": (56, 58, 60),
    "choice letter, dates": (33, 29, 25),
    "one day": (54, 60, 60),
    "one week": (49, 51, 53),
    "one month": (59, 60, 60),
}
"""How many of a probe's first 60 questions (of all, where there are fewer) the shipped models answer, in the order of
:func:`shipped`."""
TOLERATED = 2
"""Another machine rounds differently; one or two questions then fall on the other side."""


@cache
def probed(name):
    return {result.probe: result for result in run_probes(*load(MODELS / name), n=ASKED)}


def card():
    """The table of docs/pocket.md: probe, n and accuracies, and the heads."""
    lines = [line.strip("|").split("|") for line in CARD.read_text().splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line] for line in lines]
    at = next(at for at, row in enumerate(rows) if row[0] == "probe")
    found = {row[0]: row[1:] for row in rows[at + 2 :]}
    return rows[at], {name: (int(n), [float(cell.split()[0]) for cell in rest]) for name, (n, *rest) in found.items()}


@pytest.mark.parametrize("name", shipped())
def test_shipped_model_answers_the_probes_as_it_did(name):
    """Training or loading it in another way would show here."""
    found = probed(name)
    assert set(found) == set(RIGHT)
    for probe, counts in RIGHT.items():
        assert abs(found[probe].correct - counts[shipped().index(name)]) <= TOLERATED, probe


def test_card_lists_all_probes_and_how_many_questions_each_has():
    heads, table = card()
    assert heads == ["probe", "n", *shipped()]
    assert {probe: n for probe, (n, _) in table.items()} == {
        f"{probe}{' (seen)' if probe in SEEN else ''}": len(questions(probe, 400)) for probe in PROBES
    }


@pytest.mark.parametrize("name", shipped())
def test_card_states_what_the_probes_find(name):
    """The first 60 of its questions are asked; whatever the others are answered, the card must lie between all of them
    wrong and all of them right, and where there are no others it must state just this."""
    column = shipped().index(name)
    for head, (n, accuracies) in card()[1].items():
        found = probed(name)[head.removesuffix(" (seen)")]
        least, most = found.correct - TOLERATED, found.correct + TOLERATED + n - found.n
        assert least <= round(accuracies[column] * n) <= most, head


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("probes", "--count", 0), "--count"),
        (("pretrain", "pocket-0.5m", "--out", "mine", "--threads", 0), "--threads"),
        (("pretrain", "pocket-0.5m", "--out", "mine", "--tokens", 0), "--tokens"),
    ],
)
def test_option_that_makes_no_sense_is_refused_before_anything_is_done(cli: Cli, arguments, option):
    assert f"Invalid value for '{option}'" in cli("pocket", *arguments, code=2).stderr
    assert not (cli.folder / "mine").exists()


def test_folder_called_like_a_shipped_model_needs_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert folder_of("pocket-0.5m") == MODELS / "pocket-0.5m"
    Path("pocket-0.5m").mkdir()
    with pytest.raises(BadInputError, match="a shipped model and a folder here have this name") as error:
        folder_of("pocket-0.5m")
    assert "Use ./pocket-0.5m for the folder" in str(error.value)
    assert folder_of("./pocket-0.5m").samefile(tmp_path / "pocket-0.5m")
    assert folder_of(str(MODELS / "pocket-0.5m")) == MODELS / "pocket-0.5m"
    monkeypatch.chdir(MODELS)
    assert folder_of("pocket-0.5m") == MODELS / "pocket-0.5m", "the folder here is the shipped one"


def test_models_whose_folders_have_one_name_are_distinct():
    result = [ProbeResult(probe="one flip", correct=3, n=4, seen=True)]
    assert table_of({"a/mine": result, "b/mine": result})[0] == ("probe", "n", "a/mine", "b/mine")
    assert table_of({"a/mine": result, "b/yours": result}) == [
        ("probe", "n", "mine", "yours"),
        ("one flip (seen)", "4", "0.750 *", "0.750 *"),
    ]


def test_probes_of_an_unknown_model_are_an_error(cli: Cli):
    assert "no such model" in cli("pocket", "probes", "pocket-9m", code=2).stderr


def test_model_folder_without_tokenizer_is_an_error(cli: Cli):
    folder = cli.folder / "half"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    assert "no tokenizer.json" in cli("pocket", "probes", folder, code=2).stderr


def test_model_pre_trained_on_the_command_line_is_one_that_probes_load(cli: Cli):
    folder = cli.folder / "mine"
    cli("pocket", "pretrain", "pocket-0.5m", "--tokens", 12000, "--out", folder)
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in folder.iterdir()}
    found = cli.json("pocket", "probes", folder, "--count", 5)
    assert [result["probe"] for result in found[str(folder)]] == list(PROBES)
    table = cli("pocket", "probes", folder, "--count", 1).stdout.splitlines()
    assert table[0].split() == ["probe", "n", "mine"]
    assert any(re.fullmatch(r"last letter \(seen\) +1 +[01]\.000( \*)?", line) for line in table)
    assert table[-1].startswith("n: different questions")
    assert "Did you mean 'pocket-0.5m'" in cli("pocket", "pretrain", "pocket-0.5", "--out", folder, code=2).stderr

"""The shipped base models: whole, small, and what their card says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from rtbench_plugins.pocket.building import load
from rtbench_plugins.pocket.probes import run_probes
from rtbench_plugins.pocket.students import MODELS, shipped
from rtbench_plugins.pocket.tokenizer import shipped_tokenizer

from tests.conftest import Cli

CARD = Path(__file__).parents[3] / "docs" / "pocket.md"


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
    model, tokenizer = load(name)
    assert tokenizer.get_vocab() == shipped_tokenizer().get_vocab()
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


@pytest.mark.parametrize("name", shipped())
def test_card_states_what_the_probes_find(name):
    """On fewer draws than the card's, so that it can differ by chance."""
    table = [[c.strip(" |") for c in line.split(" | ")] for line in CARD.read_text().splitlines() if " | " in line]
    heads = next(row for row in table if row[0].lstrip("| ") == "probe")
    at = heads.index(name)
    stated = {
        row[0].lstrip("| "): float(row[at].split()[0])
        for row in table[table.index(heads) + 2 :]
        if len(row) > at and re.match(r"[01][.]\d+", row[at])
    }
    found = run_probes(*load(name), n=60)
    assert {result.probe for result in found} == set(stated)
    for result in found:
        spread = 3.5 * (stated[result.probe] * (1 - stated[result.probe]) / 60) ** 0.5 + 0.03
        assert result.accuracy == pytest.approx(stated[result.probe], abs=spread)


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
    assert len(next(iter(found.values()))) > 15
    assert "Did you mean 'pocket-0.5m'" in cli("pocket", "pretrain", "pocket-0.5", "--out", folder, code=2).stderr

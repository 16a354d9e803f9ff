"""Weights of epochs that lost are removed once they are scored, and are there again when something needs them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.helpers.cli import DEMO, Cli
from tests.helpers.matrices import TWIN


def folders(cli: Cli) -> list[str]:
    return sorted(path.name for path in cli.workspace.glob("store/train/*/*") if path.is_dir())


def selected(cli: Cli) -> list[int]:
    found = [
        json.loads(path.read_text())["result"].get("epoch") for path in cli.workspace.glob("store/score/*/meta.json")
    ]
    return sorted(epoch for epoch in found if epoch)


def matrix(cli: Cli, **changes: str) -> Path:
    text = DEMO.replace("recipe: {epochs: 2}", "recipe: {epochs: 3, selection: best-test, max_new_tokens: 16}")
    for old, new in changes.items():
        text = text.replace(old, new)
    path = cli.folder / "m.yaml"
    path.write_text(text)
    return path


def test_only_selected_epochs_stay_and_a_second_run_does_nothing(cli: Cli) -> None:
    path = matrix(cli)
    first = cli("run", "--matrix", path)
    assert folders(cli) == [f"epoch-{epoch}" for epoch in selected(cli)]
    assert cli("run", "--matrix", path).stdout == first.stdout
    plan = cli.json("plan", "--matrix", path)
    assert plan["to_do"] == 0  # type: ignore[index]


def test_another_test_trains_again_what_it_needs_and_changes_no_earlier_result(cli: Cli) -> None:
    first = cli("run", "--matrix", matrix(cli), "--name", "first").stdout
    kept = folders(cli)
    longer = matrix(cli, **{"max_new_tokens: 16": "max_new_tokens: 17"})
    steps = cli.json("plan", "--matrix", longer)["steps"]  # type: ignore[index]
    assert {step["state"] for step in steps if step["kind"] == "train"} == {"to do"}
    cli("run", "--matrix", longer, "--name", "second")
    assert folders(cli) == kept
    assert cli("report", "first").stdout == first


def test_epochs_that_any_fold_selects_stay(cli: Cli) -> None:
    path = cli.folder / "twin.yaml"
    path.write_text(
        TWIN + "limit: 6\nfolds: [test, ood]\nrecipe: {epochs: 3, selection: best-test, max_new_tokens: 16}\n"
    )
    cli("run", "--matrix", path)
    wanted: dict[str, set[str]] = {}
    for score in cli.workspace.glob("store/score/*/meta.json"):
        meta = json.loads(score.read_text())
        for epoch, answered in enumerate(meta["inputs"], 1):
            asked = json.loads((cli.workspace / "store" / "complete" / answered["key"] / "meta.json").read_text())
            for checkpoint in (i["key"] for i in asked["inputs"] if i["role"] == "checkpoint"):
                chosen = wanted.setdefault(checkpoint, set())
                chosen |= {f"epoch-{epoch}"} if epoch == meta["result"]["epoch"] else set()
    there = {
        path.name: {folder.name for folder in path.iterdir() if folder.is_dir()}
        for path in cli.workspace.glob("store/train/*")
    }
    assert there == wanted

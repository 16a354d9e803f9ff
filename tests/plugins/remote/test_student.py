"""A student that an endpoint fine-tunes: one job for each training, whatever breaks off, and its model is asked in the end."""

from __future__ import annotations

import json
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rtbench_plugins.remote import booking
from rtbench_plugins.remote.jobs import TunedModel
from rtbench_plugins.remote.student import OpenAiStudent, fine_tuned_student

from rtbench.errors import BadInputError, NotYetError, StepFailedError, UnknownNameError
from rtbench.plugin.models import TrainJob
from rtbench.schema.money import BudgetCap
from rtbench.schema.training import Recipe, TrainingRow, TrainReport
from rtbench.storage.budget import Budget, BudgetSpentError
from rtbench.storage.reading import read_json
from tests.helpers.cli import Cli
from tests.helpers.runs import LONG, wait_for
from tests.helpers.servers import MakeServer, Server, Session, asked

ROWS = tuple(TrainingRow(sample_index=i, prompt=f"Question {i} ###", label=f" I count {i}. --> {i}") for i in range(10))
HELD = 3600.0
"""Seconds of jobs that are to be pending until the test lets them end."""
PRICE = {"price": {"input": 1.0, "output": 2.0, "training": 1000.0}}
MATRIX = """
name: tuned
tasks: [parity]
methods: [fine-tune]
students: [{{name: far, use: openai-finetune, {options}}}]
seeds: [0, 1]
recipe: {{selection: last, max_new_tokens: 20}}
"""


def student(server: Server, budget: Budget | None = None, **options: Any) -> OpenAiStudent:
    given = {"model": "base", "base_url": server.url, "api_key_env": None, **options}
    return fine_tuned_student("s", given, Session(budget))  # type: ignore[arg-type]


@dataclass
class Training:
    """One training in a folder of its own, tried as the executor tries it."""

    student: OpenAiStudent
    folder: Path
    recipe: Recipe = field(default_factory=lambda: Recipe(selection="last"))
    validation: tuple[TrainingRow, ...] = ()

    def once(self) -> TrainReport:
        self.folder.mkdir(exist_ok=True)
        job = TrainJob(
            rows=ROWS, validation=self.validation, recipe=self.recipe, seed=3, workdir=self.folder, corpus=()
        )
        return self.student.train(job)

    def all_through(self) -> TrainReport:
        for _ in range(100):
            try:
                return self.once()
            except NotYetError:
                time.sleep(0.02)
        raise AssertionError("it never ends")


def test_training_ends_with_the_model_and_what_was_said_of_it(server: MakeServer, tmp_path: Path) -> None:
    slow = server(job_seconds=HELD, checkpoints=[0.9, 0.4, 0.6])
    training = Training(student(slow, hyperparameters={"n_epochs": 2}, **PRICE), tmp_path / "a")
    with pytest.raises(NotYetError, match="ftjob-1 is running"):
        training.once()
    assert "Started" in (tmp_path / "a" / "events.jsonl").read_text(), "as long as it is out, too"
    slow.set(job_seconds=0.0)
    report = training.all_through()
    stats = slow.stats()
    assert stats["jobs"] == 1
    assert report.tokens == stats["trained_tokens"]
    assert report.money == pytest.approx(stats["trained_tokens"] / 1000)
    assert (report.epochs, report.rows, report.parameters, report.steps) == (2, 10, None, 30)
    assert [one["validation_loss"] for one in report.history] == [0.9, 0.4, 0.6]
    tuned: TunedModel = read_json(tmp_path / "a" / "checkpoint" / "model.json", TunedModel)
    assert tuned.model.startswith("ft:base:rtbench-")
    assert tuned.job == "ftjob-1"
    assert "succeeded" in (tmp_path / "a" / "checkpoint" / "events.jsonl").read_text()
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"checkpoint"}


@pytest.mark.parametrize("endpoint", ["chat", "completions"])
def test_fine_tuned_model_is_the_one_that_is_asked(server: MakeServer, tmp_path: Path, endpoint: str) -> None:
    """The server's models answer with the labels that they learnt."""
    fine = server()
    training = Training(student(fine, endpoint=endpoint), tmp_path / "a")
    training.all_through()
    model = training.student.load(tmp_path / "a" / "checkpoint", (), "trained")
    requests = asked(3, temperature=0.0)
    learnt = "I count 0. --> 0"
    assert {c.text.strip() for c in model.generate(requests)} == {learnt}
    base = training.student.load(None, (), "base")
    assert all(learnt not in c.text for c in base.generate(requests))


def test_lowest_validation_loss_is_taken_where_it_is_stated(server: MakeServer, tmp_path: Path) -> None:
    fine = server(checkpoints=[0.9, 0.4, 0.6])
    training = Training(student(fine), tmp_path / "a", Recipe(selection="val"), validation=ROWS[:2])
    report = training.all_through()
    tuned: TunedModel = read_json(tmp_path / "a" / "checkpoint" / "model.json", TunedModel)
    assert report.selected == 2
    assert tuned.model.endswith(":step-20")


def test_recipe_that_needs_every_epoch_is_refused(server: MakeServer, tmp_path: Path) -> None:
    fine = server()
    with pytest.raises(BadInputError, match="best-test"):
        Training(student(fine), tmp_path / "a", Recipe(selection="best-test")).once()
    assert not fine.stats().get("jobs")


@pytest.mark.parametrize("ends", ["failed", "cancelled"])
def test_failed_job_is_reported_and_repeated_by_the_next_run(server: MakeServer, tmp_path: Path, ends: str) -> None:
    bad = server(job_ends=ends)
    training = Training(student(bad), tmp_path / "a")
    with pytest.raises(StepFailedError, match=f"ftjob-1 {ends}: the rows are too few"):
        training.all_through()
    bad.set(job_ends="succeeded")
    training.all_through()
    assert bad.stats()["jobs"] == 2


@pytest.mark.parametrize("fault", ["job_vanishes", "job_never"])
def test_creation_that_broke_off_ends_with_one_job_whether_it_was_done_or_not(
    server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(booking, "LOOK_AFTER", 0.01)
    bad = server(**{fault: True})
    training = Training(student(bad), tmp_path / "a")
    with pytest.raises(NotYetError, match="was interrupted"):
        training.once()
    training.all_through()
    assert bad.stats()["jobs"] == 1


@pytest.mark.parametrize("reply", ["<html>", "{}", '{"id": 7}'])
def test_job_created_behind_an_unreadable_reply_is_found_and_paid_once(
    server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: str
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-planted")
    mumbling = server(job_mumbles=reply)
    budget = Budget(BudgetCap(path=str(tmp_path / "a.spend"), nano=10**12))
    budget.begin()
    options = {"hyperparameters": {"n_epochs": 2}, "api_key_env": "MY_KEY", **PRICE}
    training = Training(student(mumbling, budget, **options), tmp_path / "a")
    with pytest.raises(NotYetError, match="creating its job was interrupted"):
        training.once()
    assert budget.account().spent > 0, "it may be there, so its worst is booked"
    report = training.all_through()
    stats = mumbling.stats()
    assert stats["jobs"] == 1
    assert report.tokens == stats["trained_tokens"]
    assert budget.account().spent == stats["trained_tokens"] * 10**6


def test_job_of_another_workspace_is_taken_instead_of_paid_again(server: MakeServer, tmp_path: Path) -> None:
    """It stands on the listing's second page."""
    fine = server()
    Training(student(fine, **PRICE), tmp_path / "a").all_through()
    for revision in "234":
        Training(student(fine, revision=revision), tmp_path / revision).all_through()
    budget = Budget(BudgetCap(path=str(tmp_path / "a.spend"), nano=10**9))
    budget.begin()
    again = Training(student(fine, budget, **PRICE), tmp_path / "b").all_through()
    assert fine.stats()["jobs"] == 4
    assert again.money > 0
    assert budget.account().spent == 0


def test_provider_that_takes_no_more_jobs_is_asked_later(server: MakeServer, tmp_path: Path) -> None:
    busy = server(job_seconds=HELD, jobs_at_once=1)
    trainings = [Training(student(busy, revision=str(i)), tmp_path / str(i)) for i in range(2)]
    for training, said in zip(trainings, ("is running", "too many jobs"), strict=True):
        with pytest.raises(NotYetError, match=said):
            training.once()
    busy.set(job_seconds=0.0)
    for training in trainings:
        training.all_through()
    assert busy.stats()["jobs"] == 2


def test_budget_holds_the_worst_of_a_job_until_its_truth_is_known(
    server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-planted")
    slow = server(job_seconds=HELD)
    budget = Budget(BudgetCap(path=str(tmp_path / "a.spend"), nano=4 * 10**9))
    budget.begin()
    options = {"hyperparameters": {"n_epochs": 2}, "api_key_env": "MY_KEY", **PRICE}
    training = Training(student(slow, budget, **options), tmp_path / "a")
    with pytest.raises(NotYetError):
        training.once()
    worst = budget.account().spent
    slow.set(job_seconds=0.0)
    training.all_through()
    spent = budget.account().spent
    assert spent == slow.stats()["trained_tokens"] * 10**6 < worst <= 4 * 10**9
    too_little = Budget(BudgetCap(path=str(tmp_path / "a.spend"), nano=spent + worst - 1))
    with pytest.raises(BudgetSpentError):
        Training(student(slow, too_little, revision="2", **options), tmp_path / "b").once()
    assert slow.stats()["jobs"] == 1
    assert budget.account().spent == spent


def test_failed_job_is_free(server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-planted")
    bad = server(job_ends="failed")
    budget = Budget(BudgetCap(path=str(tmp_path / "a.spend"), nano=10**12))
    budget.begin()
    options = {"hyperparameters": {"n_epochs": 2}, "api_key_env": "MY_KEY", **PRICE}
    with pytest.raises(StepFailedError):
        Training(student(bad, budget, **options), tmp_path / "a").all_through()
    assert budget.account().spent == 0


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"modle": "m"}, UnknownNameError, "Did you mean 'model'"),
        ({"concurrency": 0}, BadInputError, "concurrency: 0 must be at least 1"),
        ({"hyperparameters": {"n_epochs": 0}}, BadInputError, "`n_epochs` is 0"),
        ({"base_url": "localhost"}, BadInputError, "not an address"),
    ],
)
def test_bad_options_are_one_clear_error(options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        fine_tuned_student("s", {"model": "m", **options}, Session())  # type: ignore[arg-type]


def matrix(cli: Cli, server: Server, **options: Any) -> Path:
    given = {"model": "base", "base_url": server.url, "api_key_env": None, **options}
    path = cli.folder / "tuned.yaml"
    path.write_text(MATRIX.format(options=json.dumps(given)[1:-1]))
    return path


def test_whole_run_shows_what_plan_budget_and_board_say_of_its_money(cli: Cli, server: MakeServer) -> None:
    fine = server(job_seconds=0.5)
    path = matrix(cli, fine, **PRICE)
    assert "student far: 0 training jobs" in cli("plan", "--matrix", path).stdout, (
        "the epochs are the provider's choice"
    )
    path = matrix(cli, fine, hyperparameters={"n_epochs": 2}, **PRICE)
    assert "student far: 2 training jobs, about " in cli("plan", "--matrix", path).stdout
    board: Any = cli.json("run", "--matrix", path, "--budget", "50usd")
    stats = fine.stats()
    assert stats["jobs"] == 2
    found = board["spending_on_students"]["far"]
    asked_for = (stats["prompt_tokens"] + 2 * stats["completion_tokens"]) / 1e6
    assert found["money"] == pytest.approx(stats["trained_tokens"] / 1000 + asked_for)
    assert found["trainings"] == 2
    assert "for 2 trainings and " in " ".join(cli("report").stdout.split())
    (row,) = [row for row in board["rows"] if row["method"] == "fine-tune"]
    assert row["results"]["parity"]["seeds"] == 2


def test_missing_key_is_reported_once_whether_a_training_or_its_test_is_left(cli: Cli, server: MakeServer) -> None:
    fine = server()
    path = matrix(cli, fine, api_key_env="MY_KEY")
    said = "student 'far': the environment variable MY_KEY is not set"
    assert f"needed before the run: {said}" in cli("plan", "--matrix", path).stdout
    error = cli("run", "--matrix", path, code=2).stderr
    assert error.startswith(f"error: {said}")
    assert error.count("MY_KEY") == 1
    assert not (cli.workspace / "store").exists(), "nothing was begun"
    assert not fine.stats().get("jobs")
    with_key = Cli(cli.folder, cli.environment | {"MY_KEY": "sk-planted"})
    with_key("run", "--matrix", path)
    cli("run", "--matrix", path)
    path.write_text(path.read_text().replace("max_new_tokens: 20", "max_new_tokens: 21"))
    assert cli("run", "--matrix", path, code=2).stderr == error, "it is trained, and to be asked again"


def test_stopped_run_picks_up_the_job_that_is_out(cli: Cli, server: MakeServer) -> None:
    slow = server(job_seconds=HELD)
    path = matrix(cli, slow)
    process = cli.start("run", "--matrix", path)
    wait_for(lambda: slow.stats().get("jobs", 0) == 2, process, pause=0.1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=LONG)
    assert process.returncode == 130
    slow.set(job_seconds=0.0)
    cli("run", "--matrix", path)
    assert slow.stats()["jobs"] == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "hyperparameters: {n_epochs: 3}"),
        ({"hyperparameters": {"n_epochs": 2}, "price": {"input": 1, "output": 1}}, "price: {training: 3.0"),
        ({"hyperparameters": {"n_epochs": 2}, "price": {**PRICE["price"], "currency": "EUR"}}, "in EUR, the budget"),
    ],
)
def test_budget_that_cannot_be_kept_is_refused_before_anything_is_sent(
    cli: Cli, server: MakeServer, options: dict[str, Any], said: str
) -> None:
    fine = server()
    path = matrix(cli, fine, **{"api_key_env": "MY_KEY", **options})
    with_key = Cli(cli.folder, cli.environment | {"MY_KEY": "sk-planted"})
    assert said in with_key("run", "--matrix", path, "--budget", "5usd", code=2).stderr
    assert not fine.stats().get("jobs")

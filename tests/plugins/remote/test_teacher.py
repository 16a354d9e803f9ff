"""The teacher as a user meets it: options, keys, and whole runs against a server of our own."""

from __future__ import annotations

import json
import os
import random
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from rtbench_plugins.remote import http
from rtbench_plugins.remote.options import remote_options
from rtbench_plugins.remote.prices import price_of

from rtbench.errors import BadInputError, UnknownNameError
from rtbench.schema.completions import Completion
from rtbench.schema.money import BudgetCap, Price
from rtbench.storage.budget import Budget, BudgetSpentError
from tests.helpers.cli import Cli
from tests.helpers.runs import LONG, wait_for
from tests.helpers.servers import MakeServer, asked, completions, matrix, teacher

KEY = "sk-planted-0123456789abcdef"


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({}, BadInputError, "model"),
        ({"modle": "m"}, UnknownNameError, "Did you mean 'model'"),
        ({"base_url": "localhost:8000"}, BadInputError, "not an address"),
        ({"base_url": "https://me:secret@host/v1"}, BadInputError, "contains a user name or password"),
        ({"base_url": "http://far.example/v1"}, BadInputError, "unencrypted"),
        ({"concurrency": 0}, BadInputError, "concurrency: 0 must be at least 1"),
        ({"timeout": 0}, BadInputError, "timeout: 0 must be above 0"),
        ({"profile": "opnai"}, UnknownNameError, "Did you mean 'openai'"),
        ({"profile": {"without": "seed"}}, BadInputError, "without"),
        ({"rationale": "thoughts"}, BadInputError, "format: one-stage-cot"),
        ({"base_url": "http://[::1"}, BadInputError, "not an address"),
        ({"base_url": "http://localhost:abc/v1"}, BadInputError, "not an address"),
        ({"base_url": "https://host/v1?api_key=secret"}, BadInputError, "contains `api_key`"),
        ({"key_header": "X Key\n"}, BadInputError, "not the name of a header"),
        ({"timeout": float("nan")}, BadInputError, "timeout: nan is not a finite number"),
        ({"retries": -1}, BadInputError, "retries: -1 must be at least 0"),
        ({"thinking": ["<t>", ""]}, BadInputError, "empty tag"),
        ({"profile": {"most_n": 0}}, BadInputError, "at least 1"),
        ({"profile": {"without": ["temprature"]}}, UnknownNameError, "Did you mean 'temperature'"),
        ({"extra": {"n": 9}}, BadInputError, "`extra` has n"),
        ({"extra": {"max_completion_tokens": 9}}, BadInputError, "`extra` has max_completion_tokens"),
        ({"extra": {"stream": True}}, BadInputError, "`extra` has stream"),
        ({"extra": {"limit": 9}, "profile": {"names": {"max_tokens": "limit"}}}, BadInputError, "`extra` has limit"),
        ({"price": {"input": -1, "output": 1}}, BadInputError, "finite and not negative"),
        ({"max_new_tokens": [0, 3]}, BadInputError, "`max_new_tokens`"),
        (
            {"format": "haiku"},
            UnknownNameError,
            "format: unknown value 'haiku'\nAvailable: few-shot-cot, one-stage-cot",
        ),
    ],
)
def test_bad_options_are_one_clear_error(options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        remote_options("t", {"model": "m", **options} if options else {})


def test_key_in_the_place_of_its_name_is_not_shown() -> None:
    with pytest.raises(BadInputError, match="`api_key_env` is not the name") as error:
        remote_options("t", {"model": "m", "api_key_env": KEY})
    assert KEY not in str(error.value)


def test_this_machine_is_never_asked_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    assert http._proxy_for("http://localhost:8000/v1") is None
    assert http._proxy_for("http://far.example/v1") == "http://proxy.example:3128"


def test_budget_needs_to_know_what_a_call_may_cost_at_most(tmp_path: Path) -> None:
    budget = Budget(BudgetCap(path=str(tmp_path / "a.spend"), nano=10**9))
    options = {
        "model": "m",
        "base_url": "http://localhost:9/v1",
        "api_key_env": None,
        "price": {"input": 1, "output": 1},
    }
    endless = teacher({**options, "profile": {"without": ["max_tokens"]}}, budget)
    with pytest.raises(BadInputError, match="leaves out `max_tokens`"):
        endless.open(endless.members()[0])


def test_spending_without_a_budget_counts_under_one_that_comes_later(cli: Cli, server: MakeServer) -> None:
    fine = server(answer="yes")
    path = matrix(cli, fine, degree=2, price={"input": 0, "output": 1000})
    cli("run", "--matrix", path)
    path.write_text(path.read_text().replace("degrees: [2]", "degrees: [4]"))
    again = cli("run", "--matrix", path, "--budget", "2usd", code=1)
    assert "this run has spent" in again.stderr
    assert "the budget of 2.00 USD is used up" in again.stderr


def test_pilot_counts_under_the_budget_of_the_run_that_it_is_for(cli: Cli, server: MakeServer) -> None:
    fine = server(answer="yes")
    path = matrix(cli, fine, degree=2, price={"input": 0, "output": 1000})
    cli("plan", "--matrix", path, "--pilot", "5", "--name", "mine")
    assert "this run has spent" in cli("run", "--matrix", path, "--name", "mine", "--budget", "100usd").stderr


def test_missing_key_is_named_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    locked = teacher({"model": "m", "api_key_env": "MY_KEY"})
    with pytest.raises(BadInputError, match="MY_KEY is not set"):
        locked.open(locked.members()[0])


def test_missing_key_is_reported_by_the_plan_and_once_by_the_run(cli: Cli, server: MakeServer) -> None:
    locked = server(key=KEY, answer="yes")
    path = matrix(cli, locked, api_key_env="MY_KEY", price={"input": 1, "output": 1})
    said = "teacher 'far': the environment variable MY_KEY is not set"
    assert f"needed before the run: {said}" in cli("plan", "--matrix", path).stdout, "on one line"
    found: Any = cli.json("plan", "--matrix", path)
    assert [line.startswith(said) for line in found["lacking"]] == [True]
    error = cli("run", "--matrix", path, code=2).stderr
    assert error.count("MY_KEY") == 1
    assert error.startswith("error: " + said)
    assert not (cli.workspace / "store").exists(), "nothing was begun"
    assert cli("plan", "--matrix", path, "--pilot", "2", code=2).stderr == error, (
        "a pilot asks, so it needs the key too"
    )
    assert locked.stats()["most_under_way"] == 0, "nobody was asked"
    with_key = Cli(cli.folder, cli.environment | {"MY_KEY": KEY})
    with_key("run", "--matrix", path)
    cli("run", "--matrix", path)
    assert "lacking" in cli.json("plan", "--matrix", path)
    assert cli.json("plan", "--matrix", path)["lacking"] == []


def test_key_that_two_teachers_lack_is_reported_once(cli: Cli, server: MakeServer) -> None:
    path = matrix(cli, server(key=KEY), api_key_env="MY_KEY")
    second = ", {name: further, use: openai, model: m, api_key_env: MY_KEY}]"
    path.write_text(path.read_text().replace("}]", "}" + second))
    error = cli("run", "--matrix", path, code=2).stderr
    assert error.startswith("error: teacher 'far', teacher 'further': the environment variable MY_KEY is not set")
    assert error.count("MY_KEY") == 1


def test_plan_sums_what_is_paid_apart_from_what_is_free(cli: Cli, server: MakeServer) -> None:
    path = matrix(cli, server(), degree=1, price={"input": 1, "output": 1})
    path.write_text(path.read_text().replace("}]", "}, counter]"))
    said = cli("plan", "--matrix", path).stdout
    sums = dict(re.findall(r"^(.+), total: .*new tokens ≤ ([\d,]*\d)", said, re.MULTILINE))
    tokens = {"far": 0, "counter": 0, "parrot": 0}
    plan: Any = cli.json("plan", "--matrix", path)
    for step in plan["steps"]:
        if step["kind"] == "complete":
            asked = next(name for name in ("parrot", "counter", "far") if name in step["title"])
            tokens[asked] += step["estimate"]["new_tokens"]
    assert sums == {
        "teachers paid in USD": f"{tokens['far']:,}",
        "teachers without a price": f"{tokens['counter']:,}",
        "students": f"{tokens['parrot']:,}",
    }
    assert all(tokens.values())


def test_identity_is_what_texts_depend_on() -> None:
    def fingerprint(**options: Any) -> str:
        given = {"model": "m", "base_url": "http://localhost:8000/v1", "api_key_env": None, **options}
        return teacher(given).members()[0].fingerprint

    same = [
        {"base_url": "http://127.0.0.1:9/v1"}, {"concurrency": 3}, {"price": {"input": 1, "output": 1}}, {"retries": 1},
        {"format": "one-stage-cot", "rationale": "thoughts"},
    ]  # fmt: skip
    other = [
        {"model": "n"}, {"base_url": "https://host/v1"}, {"endpoint": "completions"}, {"system": "Be brief."},
        {"extra": {"top_k": 3}}, {"revision": "2"}, {"n": 4}, {"thinking": None}, {"served_by": "me"},
    ]  # fmt: skip
    assert {fingerprint(**options) for options in same} == {fingerprint()}
    assert len({fingerprint(**options) for options in other} | {fingerprint()}) == len(other) + 1


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("http://localhost:1/v1/", "chat/completions", "http://localhost:1/v1/chat/completions"),
        ("https://h/openai?api-version=3", "batches?limit=1", "https://h/openai/batches?limit=1&api-version=3"),
    ],
)
def test_addresses(base: str, path: str, url: str) -> None:
    from rtbench_plugins.remote.http import Connection

    options = remote_options("t", {"model": "m", "base_url": base, "api_key_env": None})
    assert Connection(options, where="t").url(path) == url


def test_price_from_the_list_or_from_the_matrix() -> None:
    def price(**options: Any) -> Price | None:
        return price_of(remote_options("t", {"model": "gpt-4o-mini", **options}))

    listed = price()
    assert listed is not None
    assert listed.as_of
    assert price(model="gpt-4o-mini-2024-07-18") == listed
    assert price(model="gpt-4o-mini-audio") is None
    assert price(base_url="https://elsewhere.example/v1") is None
    assert price(price={"input": 1, "output": 2}) == Price(input=1, output=2)


def test_a_run_asks_what_the_plan_said_and_once(cli: Cli, server: MakeServer) -> None:
    fine = server(answer="yes")
    path = matrix(cli, fine, degree=4)
    planned: Any = cli.json("plan", "--matrix", path)
    work = sum(s["estimate"]["work"] for s in planned["steps"] if "far" in s["title"] and s["kind"] == "complete")
    board: Any = cli.json("run", "--matrix", path)
    assert fine.stats()["calls"] == work - 20 == 40 * 4 + 20, "the student's 20 are not asked here"
    row = next(row for row in board["rows"] if row["method"] == "fine-tune-cot")
    assert row["results"]["parity"]["n"] == 20
    cli("run", "--matrix", path)
    assert fine.stats()["calls"] == 180


@pytest.mark.parametrize("learns", ["text", "thoughts", "both"])
def test_students_learn_from_what_the_options_say(cli: Cli, server: MakeServer, learns: str) -> None:
    path = matrix(cli, server(answer="yes", thoughts="reasoning", text="So it seems."), rationale=learns)
    cli("run", "--matrix", path)
    (examples,) = (cli.workspace / "store").glob("curate/*/examples.jsonl")
    rationales = {json.loads(line)["rationale"] for line in examples.read_text().splitlines()}
    assert rationales == {{"text": "So it seems.", "thoughts": "Hm 0.", "both": "Hm 0.\nSo it seems."}[learns]}


def test_key_is_nowhere_but_in_the_header(cli: Cli, server: MakeServer) -> None:
    """Whatever goes wrong: the server here repeats the key it was given in its error."""
    environment = {**cli.environment, "MY_KEY": KEY}
    user = Cli(cli.folder, environment)
    locked = server(key=KEY, answer="yes")
    path = matrix(user, locked, api_key_env="MY_KEY", price={"input": 1, "output": 1})
    said = [user("run", "--matrix", path, "--budget", "1usd")]
    assert len(completions(user.workspace)) == 100
    locked.set(key="another")
    more = ("--degrees", "3", "--matrix", path)
    said.append(user("run", *more, "--traceback", code=1))
    assert "Incorrect API key provided: Bearer [key]" in said[-1].stderr
    said += [user("doctor"), user("plan", "--matrix", path, "--format", "json"), user("report"), user("plugins")]
    for done in said:
        assert KEY not in done.stdout + done.stderr
    for file in user.folder.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file


def test_killed_at_random_moments_nothing_is_lost_or_double_and_little_is_asked_again(
    cli: Cli, server: MakeServer
) -> None:
    """5,120 rationales; ten kills of the whole process group. What was in flight at a kill may be asked again, and
    what had come but not been written yet: as much at most."""
    slow = server(answer="yes", latency=0.05)
    at_once = 32
    path = matrix(cli, slow, degree=128, concurrency=at_once)
    draw = random.Random(7)
    kills = 0
    while kills < 10:
        before = slow.stats()
        reached = before.get("calls", 0) + draw.randint(50, 400)
        slow.set(answers_at_most=before.get("good", 0) + 450)  # ten runs do not end, however late the kills come
        process = cli.start("run", "--matrix", path)
        wait_for(lambda: slow.stats().get("calls", 0) >= reached, process, pause=0.02)  # noqa: B023 - called in this turn
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=LONG)
        kills += 1
    slow.set(answers_at_most=None)
    cli("run", "--matrix", path)
    found = completions(cli.workspace)
    assert len(found) == len({c.key for c in found}) == 40 * 128 + 20
    assert slow.stats()["calls"] - len(found) <= kills * 2 * at_once


def test_budget_is_never_passed_with_64_at_once(tmp_path: Path, server: MakeServer) -> None:
    """Each call costs its 50 tokens at worst and some 20 in truth; the server counts what it was really asked for."""
    fine = server(latency=0.01, errors=0.05, cut=0.02)
    price = Price(input=10.0, output=1000.0)
    cap = BudgetCap(path=str(tmp_path / "a.spend"), nano=3 * 10**9)
    budget = Budget(cap)
    budget.begin()
    asks = fine.teacher(budget, price={"input": 10.0, "output": 1000.0})
    found: list[Completion] = []
    with pytest.raises(BudgetSpentError, match=r"the budget of 3.00 USD is used up") as error:
        found.extend(asks.open(asks.members()[0]).generate(asked(1000)))
    assert error.value.stops_run
    stats = fine.stats()
    truth = price.of(stats["prompt_tokens"], stats["completion_tokens"])
    account = budget.account()
    assert account.reserved == 0
    assert truth <= account.spent / 1e9 <= 3.0
    assert 3.0 - account.spent / 1e9 < 0.06, "no more is left than one call may cost"


def test_run_over_its_budget_stops_cleanly_and_goes_on_with_more(cli: Cli, server: MakeServer) -> None:
    fine = server(answer="yes")
    path = matrix(cli, fine, degree=8, price={"input": 0, "output": 1000})
    stopped = cli("run", "--matrix", path, "--budget", "2usd", code=1)
    assert "the budget of 2.00 USD is used up" in stopped.stderr
    kept = len(completions(cli.workspace))
    assert 0 < kept < 340
    again = cli("run", "--matrix", path, "--budget", "2usd", code=1)
    assert "this run has spent 1.9" in again.stderr
    assert len(completions(cli.workspace)) == kept
    done = cli("run", "--matrix", path, "--budget", "100usd")
    assert "this run has spent" in done.stderr
    assert len(completions(cli.workspace)) == 340 == fine.stats()["calls"]


@pytest.mark.parametrize(
    ("options", "budget", "said"),
    [
        ({"api_key_env": "MY_KEY"}, "5usd", "its price is unknown"),
        (
            {"api_key_env": "MY_KEY", "price": {"input": 1, "output": 1, "currency": "EUR"}},
            "5usd",
            "in EUR, the budget in USD",
        ),
        ({"price": {"input": 1, "output": 1, "currency": "EUR"}}, "5usd", "in EUR, the budget in USD"),
        ({}, "five", "is not an amount"),
    ],
)
def test_budget_that_cannot_be_kept_is_refused_before_asking(
    cli: Cli, server: MakeServer, options: dict[str, Any], budget: str, said: str
) -> None:
    fine = server()
    with_key = Cli(cli.folder, cli.environment | {"MY_KEY": KEY})
    done = with_key("run", "--matrix", matrix(cli, fine, **options), "--budget", budget, code=2)
    assert said in done.stderr
    assert fine.stats().get("calls", 0) == 0


def test_persistent_failure_stops_the_whole_run_with_one_message(cli: Cli, server: MakeServer) -> None:
    closed = server(status=403, message="your project may not use this model")
    path = matrix(cli, closed)
    path.write_text(path.read_text().replace("degrees: [2]", "degrees: [2, 3, 4]\ntemperature: 1.0"))
    done = cli("run", "--matrix", path, "--workers", "1", code=1)
    assert done.stderr.count("your project may not use this model") == 2, "where it happened, and at the end"
    assert closed.stats()["calls"] <= 64
    board = cli.json("report")
    assert board


def test_prompt_that_a_filter_refuses_fails_its_step_or_is_missing_as_one_likes(cli: Cli, server: MakeServer) -> None:
    choosy = server(answer="yes", filters="oxo")
    path = matrix(cli, choosy, degree=2)
    failed = cli("run", "--matrix", path, code=1).stderr
    assert "requests got no completion: 403 flagged" in failed
    path.write_text(matrix(cli, choosy, degree=2, refused="missing").read_text())
    before = choosy.stats()["good"]
    done = cli("run", "--matrix", path)
    assert "far refused" in done.stderr
    assert choosy.stats()["good"] == before, "what was there is not asked again"
    board: Any = cli.json("report")
    results = [row["results"]["parity"] for row in board["rows"] if row["method"] in {"teacher", "fine-tune-cot"}]
    assert any(result.get("missing") for result in results)


def test_leaderboard_shows_money_by_teacher_and_per_kept_rationale(cli: Cli, server: MakeServer) -> None:
    fine = server(answer="yes")
    path = matrix(cli, fine, degree=4, price={"input": 1000, "output": 2000, "as_of": "2026-11-25"})
    board: Any = cli.json("run", "--matrix", path)
    stats = fine.stats()
    truth = (stats["prompt_tokens"] * 1000 + stats["completion_tokens"] * 2000) / 1e6
    assert board["spending"]["far"]["money"] == pytest.approx(truth)
    assert board["spending"]["far"]["completions"] == 180
    row = next(row for row in board["rows"] if row["method"] == "fine-tune-cot")
    of_training = row["results"]["parity"]["spending"]
    assert of_training["completions"] == 160, "not what the teacher's own row cost"
    each = of_training["money"] / row["results"]["parity"]["curation"]["kept"]
    shown = cli("report", "--verbose").stdout
    assert f"far D=4 parity: {of_training['money']:.4g} USD, {each:.3g} USD per kept rationale" in shown
    assert "price of 2026-11-25" in shown


def test_degrees_that_share_completions_share_their_money(cli: Cli, server: MakeServer) -> None:
    fine = server(answer="yes")
    path = matrix(cli, fine, degree=4, price={"input": 1000, "output": 2000})
    path.write_text(path.read_text().replace("degrees: [4]", "degrees: [2, 4]"))
    board: Any = cli.json("run", "--matrix", path)
    assert board["spending"]["far"]["completions"] == 180 == fine.stats()["calls"]


@pytest.mark.parametrize("stages", ["one-stage-cot", "zero-shot-cot"])
def test_pilot_tells_what_the_rest_will_cost_and_nothing_is_paid_twice(
    cli: Cli, server: MakeServer, stages: str
) -> None:
    fine = server(answer="yes")
    path = matrix(cli, fine, degree=8, format=stages, price={"input": 1000, "output": 2000})
    before = cli("plan", "--matrix", path)
    assert "--pilot 20" in before.stdout
    done = cli("plan", "--matrix", path, "--pilot", "10")
    assert "teacher far: " in done.stdout
    assert "expected" in done.stdout
    asked_by_pilot = 2 * 10 * (2 if stages == "zero-shot-cot" else 1)
    assert fine.stats()["calls"] == asked_by_pilot
    planned: Any = cli.json("plan", "--matrix", path, "--pilot", "10")
    assert fine.stats()["calls"] == asked_by_pilot, "the same few again"
    estimates = [s["estimate"] for s in planned["steps"] if s["estimate"] and s["estimate"].get("expected")]
    low, high, most = (sum(e[key] for e in estimates) for key in ("low", "high", "money"))
    spent = fine.stats()
    board: Any = cli.json("run", "--matrix", path)
    stats = fine.stats()
    assert stats["calls"] == (320 + 20) * (2 if stages == "zero-shot-cot" else 1)
    rest = [stats[key] - spent[key] for key in ("prompt_tokens", "completion_tokens")]
    truth = (rest[0] * 1000 + rest[1] * 2000) / 1e6
    assert low * 0.9 <= truth <= high * 1.1 < most
    assert board["spending"]["far"]["completions"] == stats["calls"]


def test_pilot_keeps_the_budget(cli: Cli, server: MakeServer) -> None:
    fine = server(answer="yes")
    path = matrix(cli, fine, degree=8, price={"input": 0, "output": 1000})
    done = cli("plan", "--matrix", path, "--pilot", "20", "--budget", "0.2usd", code=2)
    assert "the budget of 0.2 USD is used up" in done.stderr
    assert 0 < fine.stats()["calls"] < 20


def test_plan_counts_the_prompt_of_completions_that_are_asked_for_together_once(cli: Cli, server: MakeServer) -> None:
    fine = server()

    def tokens(**options: Any) -> int:
        plan: Any = cli.json("plan", "--matrix", matrix(cli, fine, degree=8, **options))
        steps = [step for step in plan["steps"] if step["kind"] == "complete" and "×8" in step["title"]]
        assert len(steps) == 1
        assert "T0.7" in steps[0]["title"]
        return int(steps[0]["estimate"]["prompt_tokens"])

    each = tokens()
    assert tokens(n=8) == pytest.approx(each / 8, abs=1)
    assert tokens(n=8, profile={"most_n": 4}) == pytest.approx(each / 4, abs=1)
    assert tokens(n=16) == tokens(n=8), "no more than the step needs"
    assert tokens(n=5) == pytest.approx(each / 4, abs=1), "two calls: five and three"


def test_plan_says_whether_the_budget_covers_it(cli: Cli, server: MakeServer) -> None:
    path = matrix(cli, server(), degree=8, price={"input": 0, "output": 1000})
    enough = cli("plan", "--matrix", path, "--budget", "1000usd").stdout
    assert "1,000.00 USD of the budget is left, and these steps cost at most " in enough
    assert "the run stops" not in enough
    short = cli("plan", "--matrix", path, "--budget", "0.2usd").stdout
    assert " of the budget is left, and these steps cost at most " in short
    assert "USD: the run stops where the rest does not cover a request." in short
    assert "of the budget" not in cli("plan", "--matrix", path).stdout

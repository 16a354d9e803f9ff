from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rtbench.errors import BadInputError
from rtbench.schema.money import BudgetCap, Price
from rtbench.storage.budget import NANO, Budget, money, nano, parse_budget, read_account
from rtbench.storage.plain_data import convert


@pytest.mark.parametrize(
    ("text", "found"),
    [("25usd", (25 * NANO, "USD")), ("2.50 eur", (2_500_000_000, "EUR")), ("10", (10 * NANO, "USD")),
     ("$1,000", (1000 * NANO, "USD")), (".05USD", (50_000_000, "USD"))],
)  # fmt: skip
def test_amounts(text: str, found: tuple[int, str]) -> None:
    assert parse_budget(text) == found


@pytest.mark.parametrize(
    "text", ["", "usd", "-3usd", "ten", "1.2.3", "5 dollars", "nan", "2,50eur", "1,5", "1,0000", "12,34,567", "$25eur"]
)
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(BadInputError, match="is not an amount"):
        parse_budget(text)


def test_money_for_people() -> None:
    assert money(25 * NANO, "USD") == "25.00 USD"
    assert money(1_234_567, "USD") == "0.001235 USD"
    assert money(0, "EUR") == "0.00 EUR"
    assert nano(0.1) == 100_000_000
    assert nano(1e-10) == 1, "rounded up"


def test_price_counts_cached_tokens_for_less() -> None:
    price = Price(input=2.0, output=8.0, cached=0.5)
    assert price.of(1_000_000, 0) == 2.0
    assert price.of(1_000_000, 500_000, 1_000_000) == 0.5 + 4.0
    assert Price(input=2.0, output=8.0).of(1_000_000, 0, 400_000) == 2.0


def test_reserve_and_settle(tmp_path: Path) -> None:
    budget = Budget(BudgetCap(path=str(tmp_path / "runs" / "a.spend"), nano=100))
    budget.begin()
    assert budget.reserve(60)
    assert not budget.reserve(41)
    assert budget.reserve(40)
    budget.settle(60, 10)
    assert (budget.account().spent, budget.account().reserved) == (10, 40)
    assert budget.reserve(50)
    assert not budget.reserve(1)


RESERVER = """
import os, signal, sys
from rtbench.schema.money import BudgetCap
from rtbench.storage.budget import Budget
Budget(BudgetCap(path=sys.argv[1], nano=100)).reserve(70)
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
print("reserved", flush=True)
sys.stdin.read()
"""


def reserver(cap: BudgetCap, how: str) -> subprocess.Popen[str]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", RESERVER, cap.path, how], **pipes)  # type: ignore[call-overload,no-any-return]


def test_what_a_killed_process_reserved_counts_as_spent(tmp_path: Path) -> None:
    """For the others at once: nobody waits for money that will never come back."""
    cap = BudgetCap(path=str(tmp_path / "a.spend"), nano=100)
    Budget(cap).begin()
    with reserver(cap, "killed") as process:
        process.wait()
    account = Budget(cap).account()
    assert (account.spent, account.reserved) == (70, 0)
    assert not Budget(cap).reserve(31)
    assert Budget(cap).reserve(30)


def test_what_a_living_process_reserved_is_neither_spent_nor_free(tmp_path: Path) -> None:
    cap = BudgetCap(path=str(tmp_path / "a.spend"), nano=100)
    Budget(cap).begin()
    with reserver(cap, "waits") as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        account = Budget(cap).begin()
        assert (account.spent, account.reserved) == (0, 70)
        assert not Budget(cap).reserve(31)
        assert Budget(cap).left == 30
        process.stdin.close()


def test_account_without_a_cap_keeps_what_was_spent(tmp_path: Path) -> None:
    cap = BudgetCap(path=str(tmp_path / "a.spend"), nano=None)
    Budget(cap).begin()
    assert Budget(cap).reserve(10**15)
    Budget(cap).settle(10**15, 60)
    assert Budget(cap).left is None
    assert not Budget(BudgetCap(path=cap.path, nano=100)).reserve(41)


@pytest.mark.parametrize(
    "amounts",
    [{"input": -1.0}, {"output": float("nan")}, {"batch": -0.5}, {"cached": float("inf")}, {"training": 1e300}],
)
def test_prices_are_finite_and_not_negative(amounts: dict[str, float]) -> None:
    with pytest.raises(BadInputError, match="finite"):
        convert({"input": 1.0, "output": 1.0, **amounts}, Price, where="here")


SPENDER = """
import sys
from rtbench.schema.money import BudgetCap
from rtbench.storage.budget import Budget
budget = Budget(BudgetCap(path=sys.argv[1], nano=10_000))
for _ in range(700):
    if budget.reserve(7):
        budget.settle(7, 5)
"""


def test_processes_share_one_account(tmp_path: Path) -> None:
    cap = BudgetCap(path=str(tmp_path / "a.spend"), nano=10_000)
    Budget(cap).begin()
    processes = [subprocess.Popen([sys.executable, "-c", SPENDER, cap.path]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    account = Budget(cap).account()
    assert account.reserved == 0
    assert 10_000 - 7 * 3 < account.spent <= 10_000


def test_file_that_is_no_account_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "a.spend"
    path.write_text("hello there\n")
    with pytest.raises(BadInputError, match="not the account"):
        Budget(BudgetCap(path=str(path), nano=1)).begin()


@pytest.mark.parametrize("damage", ["first", "second", "both"])
def test_a_damaged_copy_leaves_the_other(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.spend"
    budget = Budget(BudgetCap(path=str(path), nano=100, currency="USD"))
    budget.begin()
    budget.reserve(30)
    budget.settle(30, 20)
    assert json.loads(path.read_text())["spent"] == 20, "one JSON document"
    assert read_account(path)
    first, second = path.read_bytes().splitlines(keepends=True)
    broken = [line.replace(b'"spent":20', b'"spent":10') for line in (first, second)]
    lines = {"first": [broken[0], second], "second": [first, broken[1]], "both": broken}[damage]
    path.write_bytes(b"".join(lines))
    if damage == "both":
        with pytest.raises(BadInputError, match=r"x\.spend"):
            budget.account()
        return
    assert not read_account(path)
    assert budget.account().spent == 20
    assert read_account(path), "the next booking replaces it"


def test_any_flipped_bit_leaves_the_sum(tmp_path: Path) -> None:
    path = tmp_path / "x.spend"
    budget = Budget(BudgetCap(path=str(path), nano=100, currency="USD"))
    budget.begin()
    budget.reserve(30)
    budget.settle(30, 20)
    sound = path.read_bytes()
    for at in [at for at, byte in enumerate(sound) if byte != ord(" ")]:
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        assert budget.account().spent == 20, at

"""A hard cap on what a run spends, shared by all of its processes.

What a call may cost at worst is reserved before it is sent and settled when its usage is known. The account is one line
in a file that is locked for each booking, so no two processes can promise the same money. A reservation that nobody
settled, as its process was killed, counts as spent: the call may have been answered and billed.
"""

from __future__ import annotations

import os
import re
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from pathlib import Path
from types import TracebackType
from typing import Any

from rtbench.errors import BadInputError, StepFailedError
from rtbench.records import Record

NANO = 10**9
"""Amounts are kept in billionths, whole, so that sums are exact."""
_WIDTH = 24
_WRITTEN = re.compile(r"([0-9][0-9_,]*(?:\.[0-9]+)?|\.[0-9]+)\s*([A-Za-z]{3})?")


class BudgetSpentError(StepFailedError):
    """What is left would not cover the next call at its worst."""

    stops_run = True


class Cap(Record, frozen=True):
    """A run's budget, as it is handed to worker processes."""

    path: str
    """The account."""
    nano: int
    currency: str = "USD"


class Account(Record, frozen=True):
    """How a budget stands, in billionths."""

    spent: int
    reserved: int


def parse_budget(text: str) -> tuple[int, str]:
    """Billionths and currency of ``25usd``, ``2.50 EUR`` or ``10`` (US dollars).

    Raises:
        BadInputError: it is no amount.
    """
    found = _WRITTEN.fullmatch(text.strip().removeprefix("$"))
    try:
        amount = Decimal(found[1].replace(",", "").replace("_", "")) if found else None
    except InvalidOperation:
        amount = None
    if found is None or amount is None:
        raise BadInputError(f"{text!r} is no amount", where="--budget", next_step="Such as 25usd or 2.50eur.")
    return int(amount * NANO), (found[2] or "usd").upper()


def nano(amount: float) -> int:
    """An amount in billionths, rounded up."""
    return int((Decimal(repr(amount)) * NANO).to_integral_value(ROUND_CEILING))


def money(amount: int, currency: str) -> str:
    """Billionths for people: cents, and more digits where the amount is small."""
    value = amount / NANO
    return f"{value:,.2f} {currency}" if value >= 1 or amount == 0 else f"{value:.4g} {currency}"


class Budget:
    """The account of a run.

    Args:
        cap: where it is, and how much there is.
    """

    def __init__(self, cap: Cap) -> None:
        self.cap = cap
        self._path = Path(cap.path)

    def begin(self) -> Account:
        """Opens the account for another go of the run: what stayed reserved counts as spent."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with _Open(self._path) as account:
            spent, reserved = account.read()
            account.write(spent + reserved, 0)
            return Account(spent=spent + reserved, reserved=0)

    def reserve(self, amount: int) -> bool:
        """Sets so much aside; False where it would go over the cap together with all that is spent or reserved."""
        with _Open(self._path) as account:
            spent, reserved = account.read()
            if spent + reserved + amount > self.cap.nano:
                return False
            account.write(spent, reserved + amount)
            return True

    def settle(self, reserved: int, spent: int) -> None:
        """Books what a call came to, in place of what was reserved for it."""
        with _Open(self._path) as account:
            before, held = account.read()
            account.write(before + spent, max(0, held - reserved))

    def account(self) -> Account:
        with _Open(self._path) as account:
            spent, reserved = account.read()
            return Account(spent=spent, reserved=reserved)

    def spent_out(self, amount: int) -> BudgetSpentError:
        """The error of a call that cannot be paid."""
        stands, currency = self.account(), self.cap.currency
        return BudgetSpentError(
            f"the budget of {money(self.cap.nano, currency)} is used up: {money(stands.spent, currency)} spent, and the "
            f"next call may cost up to {money(amount, currency)}",
            where="--budget",
            next_step="What came is kept. Run again with a higher budget to go on.",
        )


class _Open:
    """The account's file, locked: two whole numbers in a line of fixed width, written in one go."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None

    def __enter__(self) -> _Open:
        try:
            import fcntl
        except ImportError:  # without locks two processes could promise the same money
            raise BadInputError("a budget needs POSIX file locks", where="--budget") from None
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def read(self) -> tuple[int, int]:
        data = os.pread(self._file, 2 * _WIDTH + 2, 0)
        if not data:
            return 0, 0
        try:
            spent, reserved = map(int, data.split())
        except ValueError:
            raise BadInputError(
                "is no account of a budget", where=str(self._path), next_step="Move it away to begin anew."
            ) from None
        return spent, reserved

    def write(self, spent: int, reserved: int) -> None:
        os.pwrite(self._file, f"{spent:{_WIDTH}d} {reserved:{_WIDTH}d}\n".encode(), 0)

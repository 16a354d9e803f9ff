"""A hard cap on what a run spends, shared by all of its processes.

What a call may cost at worst is reserved before it is sent and settled when its usage is known. The account is a
file that is locked for each booking, so no two processes can promise the same money. What a process had reserved when
it was killed counts as spent: the call may have been answered and billed.
"""

from __future__ import annotations

import os
import platform
import re
from decimal import ROUND_CEILING, Decimal
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from rtbench.errors import BadInputError, StepFailedError
from rtbench.schema.money import Account, BudgetCap

NANO = 10**9
"""Amounts are kept in billionths, whole, so that sums are exact."""
_WIDTH = 512
"""Bytes of an account's file, at least: one write takes the place of all that was there."""
CURRENCIES = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
    CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD
    HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL
    LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP
    PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT
    TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905 - a list of 155 lines says no more
)
"""Of countries, by ISO 4217. Where no price says in which currency a budget must be, a slip would else go unseen."""
_WRITTEN = re.compile(r"((?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)\s*([A-Za-z]{3})?")


class BudgetSpentError(StepFailedError):
    """What is left would not cover the next call at its worst."""

    stops_run = True


def parse_budget(text: str) -> tuple[int, str]:
    """Billionths and currency of ``25usd``, ``2.50 EUR`` or ``10`` (US dollars).

    Raises:
        BadInputError: it is no amount.
    """
    found = _WRITTEN.fullmatch(text.strip().removeprefix("$"))
    if found is None:
        raise BadInputError(
            f"{text!r} is no amount",
            where="--budget",
            next_step="Such as 25usd or 2.50eur, with a decimal point; without a currency US dollars.",
        )
    return int(Decimal(found[1].replace(",", "")) * NANO), (found[2] or "usd").upper()


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

    def __init__(self, cap: BudgetCap) -> None:
        self.cap = cap
        self._path = Path(cap.path)

    @property
    def left(self) -> int | None:
        """Billionths that are neither spent nor reserved; None without a cap."""
        if self.cap.nano is None:
            return None
        account = self.account()
        return self.cap.nano - account.spent - account.reserved

    def begin(self) -> Account:
        """Opens the account for another go of the run.

        Raises:
            BadInputError: the file is no account, or this machine has no file locks.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self.account()

    def reserve(self, amount: int) -> bool:
        """Sets so much aside; False where it would go over the cap together with all that is spent or reserved."""
        with _Open(self._path) as file:
            account = file.read()
            if not self._allows(account, amount):
                account = _without_dead(account)
                if not self._allows(account, amount):
                    file.write(account)
                    return False
            file.write(_holding(account, amount))
            return True

    def settle(self, reserved: int, spent: int) -> None:
        """Books what a call came to, in place of what this process has reserved for it."""
        with _Open(self._path) as file:
            account = _holding(file.read(), -reserved)
            file.write(Account(spent=account.spent + spent, held=account.held))

    def account(self) -> Account:
        """How it stands; what dead processes had reserved is spent."""
        with _Open(self._path) as file:
            account = _without_dead(file.read())
            file.write(account)
            return account

    def _allows(self, account: Account, amount: int) -> bool:
        return self.cap.nano is None or account.spent + account.reserved + amount <= self.cap.nano

    def spent_out(self, amount: int) -> BudgetSpentError:
        """The error of a call that cannot be paid."""
        stands, currency = self.account(), self.cap.currency
        return BudgetSpentError(
            f"the budget of {money(self.cap.nano or 0, currency)} is used up: {money(stands.spent, currency)} spent, and the "
            f"next call may cost up to {money(amount, currency)}",
            where="--budget",
            next_step="What came is kept. Run again with a higher budget to go on.",
        )


def _holding(account: Account, amount: int) -> Account:
    """The account with so much more, or less, reserved by this process."""
    me = _owner()
    held = {**account.held, me: max(0, account.held.get(me, 0) + amount)}
    if not held[me]:
        del held[me]
    return Account(spent=account.spent, held=held)


def _without_dead(account: Account) -> Account:
    """What processes of this machine that are no more had reserved is spent."""
    dead = [owner for owner in account.held if not _lives(owner)]
    if not dead:
        return account
    lost = sum(account.held[owner] for owner in dead)
    held = {owner: amount for owner, amount in account.held.items() if owner not in dead}
    return Account(spent=account.spent + lost, held=held)


def _owner() -> str:
    """Names this process in its reservations."""
    return _named(os.getpid())


@cache
def _named(pid: int) -> str:
    return f"{platform.node()}:{pid}:{_start_of(pid)}"


def _lives(owner: str) -> bool:
    node, pid, started = owner.rsplit(":", 2)
    if node != platform.node():  # shared folders: what other machines do is not to be seen from here
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _start_of(int(pid)) == started


def _start_of(pid: int) -> str:
    """When a process began, in ticks since boot, as numbers are used again; empty where the machine does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


class _Open:
    """The account's file, locked, written in one go."""

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

    def read(self) -> Account:
        data = os.pread(self._file, os.fstat(self._file).st_size, 0)
        if not data:
            return Account()
        try:
            return msgspec.json.decode(data, type=Account)
        except msgspec.MsgspecError:
            raise BadInputError(
                "is no account of a budget", where=str(self._path), next_step="Move it away to begin anew."
            ) from None

    def write(self, account: Account) -> None:
        """Padded with spaces to all that was there before."""
        width = max(_WIDTH, os.fstat(self._file).st_size)
        os.pwrite(self._file, msgspec.json.encode(account).ljust(width - 1) + b"\n", 0)

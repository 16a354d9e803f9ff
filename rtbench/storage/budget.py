"""A hard cap on a run's spending, shared by all of its processes.

The highest possible cost of a call is reserved before it is sent, and settled when its usage is known. The account is a
file that is locked for each booking, so two processes cannot reserve the same money. What a killed process had reserved
counts as spent, because the call may have been answered and billed.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Collection, Iterator
from decimal import ROUND_CEILING, Decimal
from functools import cache
from pathlib import Path

import msgspec

from rtbench.errors import BadInputError, StepFailedError
from rtbench.schema.money import Account, BudgetCap, money_text
from rtbench.storage.lines import checked_line, plain_line
from rtbench.storage.locks import locked
from rtbench.storage.place import Place
from rtbench.storage.writing import make_folder, naming, sync_folder, write_atomic

NANO = 10**9
"""Amounts are whole billionths, so that sums are exact."""
_COPY = b',"copy":'
_WIDTH = 4096
"""Bytes of each of an account's two copies, or a multiple of it where more processes than fit hold money."""
CALLS_AHEAD = 64
"""Calls by whose highest cost the published spending is ahead. If a machine is lost, this much counts as spent."""
CURRENCIES = frozenset(
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
    CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD
    HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL
    LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP
    PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT
    TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    """.split()  # noqa: SIM905 - a list of 155 lines would be harder to read
)
"""Currencies of countries (ISO 4217). They catch a misspelt currency where no price says which one is expected."""
_WRITTEN = re.compile(r"((?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)\s*([A-Za-z]{3})?")


class BudgetSpentError(StepFailedError):
    """The rest of the budget does not cover the highest possible cost of the next call."""

    stops_run = True


def parse_budget(text: str) -> tuple[int, str]:
    """Return the billionths and the currency of ``25usd``, ``2.50 EUR`` or ``10`` (US dollars).

    Raises:
        BadInputError: the text is not an amount.
    """
    amount = text.strip()
    found = _WRITTEN.fullmatch(amount.removeprefix("$"))
    if found is None or (amount.startswith("$") and (found[2] or "usd").upper() != "USD"):
        raise BadInputError(
            f"{text!r} is not an amount",
            where="--budget",
            next_step="Example: 25usd or 2.50eur, with a decimal point. Without a currency, the amount is in US "
            "dollars.",
        )
    return int(Decimal(found[1].replace(",", "")) * NANO), (found[2] or "usd").upper()


def nano(amount: float) -> int:
    """Return an amount in billionths, rounded up."""
    return int((Decimal(repr(amount)) * NANO).to_integral_value(ROUND_CEILING))


def money(amount: int, currency: str) -> str:
    """Return billionths as text, with their currency."""
    return money_text(amount / NANO, currency)


class Budget:
    """The account of a run.

    Args:
        cap: path of the account and limit of the budget.
        place: of the workspace; None: a folder.
    """

    def __init__(self, cap: BudgetCap, place: Place | None = None) -> None:
        self.cap = cap
        self._path = Path(cap.path)
        self._place = place or Place(self._path.parent)

    @property
    def name(self) -> str:
        """Return a name of the account that is the same on all machines that share the workspace."""
        return self.cap.path if self._place.url is None else f"{self._place.url}/runs/{self._path.name}"

    @property
    def left(self) -> int | None:
        """Return the billionths that are neither spent nor reserved; None without a cap."""
        if self.cap.nano is None:
            return None
        account = self.account()
        return self.cap.nano - account.spent - account.reserved

    def begin(self) -> Account:
        """Open the account when a run starts or continues.

        Raises:
            BadInputError: the file is not an account.
        """
        make_folder(self._path.parent)
        account = self.account()
        sync_folder(self._path.parent)
        if self._place.url is None:
            return account
        with _opened(self._path) as file:
            account = file.read()
            # The run of other machines is over, and their calls may have been billed.
            account = _with_spent(account, [one for one in account.held if one.rsplit(":", 2)[0] != platform.node()])
            file.write(account)
            self._publish(account)
        return account

    def reserve(self, amount: int, *, ahead: int = CALLS_AHEAD) -> bool:
        """Reserve an amount. Return False where it would exceed the cap together with all that is spent or reserved.

        Args:
            amount: in billionths.
            ahead: how many more such amounts others may count as spent, where the workspace is shared with other machines.
        """
        with _opened(self._path) as file:
            account = file.read()
            if not self._allows(account, amount):
                account = _without_dead(account)
                if not self._allows(account, amount):
                    file.write(account)
                    return False
            held = _holding(account, amount)
            self._publish_bound(held, ahead * amount)
            file.write(held, sync=True)  # before money is spent
            return True

    def settle(self, reserved: int, spent: int) -> None:
        """Book the cost of a call in place of the amount that this process has reserved for it."""
        with _opened(self._path) as file:
            account = _holding(file.read(), -reserved)
            account = Account(spent=account.spent + spent, held=account.held)
            self._publish_bound(account, 0)
            file.write(account)

    def close(self) -> None:
        """Publish what was spent, exactly, where the workspace is shared with other machines."""
        if self._place.url is not None and self._path.exists():
            with _opened(self._path) as file:
                account = _without_dead(file.read())
                file.write(account)
                self._publish(account)

    def _publish(self, account: Account) -> None:
        self._place.publish(self._path)
        write_atomic(self._bound_path, str(account.spent + account.reserved).encode())

    def _publish_bound(self, account: Account, ahead: int) -> None:
        """Publish an upper bound of what is spent before it is, because this machine may be lost.

        The bound is higher by ``ahead``, so that not every call waits for this.
        """
        if self._place.url is None:
            return
        total = account.spent + account.reserved
        bound = int(self._bound_path.read_text(encoding="ascii")) if self._bound_path.exists() else 0
        if total > bound:
            self._place.publish_other(self._path, _both_copies(Account(spent=total + ahead), 0))
            write_atomic(self._bound_path, str(total + ahead).encode())

    @property
    def _bound_path(self) -> Path:
        return self._path.with_name(f".{self._path.name}.bound")

    def account(self) -> Account:
        """Return the account. What dead processes had reserved counts as spent."""
        with _opened(self._path) as file:
            account = _without_dead(file.read())
            file.write(account)
            return account

    def _allows(self, account: Account, amount: int) -> bool:
        return self.cap.nano is None or account.spent + account.reserved + amount <= self.cap.nano

    def spent_out(self, amount: int) -> BudgetSpentError:
        """Return the error of a call that the budget does not cover."""
        account, currency = self.account(), self.cap.currency
        return BudgetSpentError(
            f"the budget of {money(self.cap.nano or 0, currency)} is used up: {money(account.spent, currency)} spent, "
            f"and the next call may cost up to {money(amount, currency)}",
            where="--budget",
            next_step="Results so far are stored. Run again with a higher budget to continue.",
        )


def _holding(account: Account, amount: int) -> Account:
    """Return the account after this process has reserved ``amount`` more (or less, where it is negative)."""
    me = _owner()
    held = {**account.held, me: max(0, account.held.get(me, 0) + amount)}
    if not held[me]:
        del held[me]
    return Account(spent=account.spent, held=held)


def _without_dead(account: Account) -> Account:
    """Return the account after the reservations of this machine's dead processes were booked as spent."""
    return _with_spent(account, [owner for owner in account.held if not _lives(owner)])


def _with_spent(account: Account, owners: Collection[str]) -> Account:
    """Return the account after the reservations of some processes were booked as spent."""
    if not owners:
        return account
    lost = sum(account.held[owner] for owner in owners)
    held = {owner: amount for owner, amount in account.held.items() if owner not in owners}
    return Account(spent=account.spent + lost, held=held)


def _owner() -> str:
    """Return the name of this process in its reservations."""
    return _named(os.getpid())


@cache
def _named(pid: int) -> str:
    return f"{platform.node()}:{pid}:{_start_of(pid)}"


def _lives(owner: str) -> bool:
    node, pid, started = owner.rsplit(":", 2)
    if node != platform.node():  # on a shared folder, processes of other machines cannot be seen
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _start_of(int(pid)) == started


def _start_of(pid: int) -> str:
    """Return a process's start in ticks since boot, because process ids are reused; empty where it is unknown."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def read_account(path: Path) -> bool:
    """Return whether both copies of an account are intact.

    Raises:
        BadInputError: neither is.
    """
    data = path.read_bytes()
    return not data or _copies(data, path)[1]


def _copies(data: bytes, path: Path) -> tuple[list[Account], bool]:
    """Return the intact copies in an account's file, and whether none is damaged.

    Raises:
        BadInputError: all are.
    """
    found: list[Account] = []
    half = len(data) // 2
    lines = [data[:half], data[half:]] if b'"checksum"' in data else [data]
    for number, line in enumerate(lines):
        own = line.rstrip().removesuffix(_COPY) + b"}" if number == 0 else line.rstrip()[:-1]
        plain = plain_line(own + b"\n") if b'"checksum"' in line else line  # written before there were two
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            found.append(msgspec.json.decode(plain or b"", type=Account))
    if not found:
        raise BadInputError(
            "is not the account of a budget, or is damaged",
            where=str(path),
            next_step="Move the file away to start an account at 0. What was spent is then only in your provider's bill.",
        )
    return found, len(found) == len(lines)


def _both_copies(account: Account, width: int) -> bytes:
    """Return the content of an account's file, whose copies have at least ``width`` bytes each."""
    line = checked_line(msgspec.json.encode(account)).rstrip()
    copies = [line[:-1] + _COPY, line + b"}"]
    width = max(width, -(-(len(copies[0]) + 1) // _WIDTH) * _WIDTH)
    return b"".join(copy.ljust(width - 1) + b"\n" for copy in copies)


class _File:
    """The account's open file: two copies on a line each, so that a torn or damaged one leaves the other.

    The second is a field of the first, which makes the file one JSON document.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def read(self) -> Account:
        """Return the account: of two copies that differ, the one with more spent or held. A new one where the file is empty."""
        data = os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)
        if not data:
            return Account()
        found, _ = _copies(data, self._path)
        return max(found, key=lambda one: one.spent + one.reserved)

    def write(self, account: Account, *, sync: bool = False) -> None:
        """Write both copies in one call, padded with spaces to the length that was there before."""
        before = os.fstat(self._descriptor).st_size
        data = _both_copies(account, before // 2)
        if len(data) > before:  # in place, the first copy would be written over the second one
            write_atomic(self._path, data)
            return
        with naming(self._path):
            os.pwrite(self._descriptor, data, 0)
            if sync:
                _sync(self._descriptor)


_sync = getattr(os, "fdatasync", os.fsync)
"""Syncs bytes and, where the length has changed, the length."""


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[_File]:
    """Open the account's file while its lock is held."""
    with locked(path.with_name(f"{path.name}.lock")):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            yield _File(path, descriptor)
        finally:
            os.close(descriptor)

"""Errors cross process borders."""

from __future__ import annotations

import pickle

import pytest

from rtbench import errors
from rtbench.errors import NotYetError, RtbenchError, UnknownNameError, listed

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RtbenchError)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not NotYetError])
def test_error_keeps_its_message_in_another_process(kind: type[RtbenchError]) -> None:
    error = kind("wrong", where="file, line 3", next_step="Fix it.")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error) == "file, line 3: wrong\nFix it."


def test_time_to_wait_is_kept_in_another_process() -> None:
    copy = pickle.loads(pickle.dumps(NotYetError("a batch is pending", after=60.0, where="teacher 'x'")))
    assert (str(copy), copy.after) == ("teacher 'x': a batch is pending", 60.0)


def test_unknown_name_keeps_its_suggestion() -> None:
    error = UnknownNameError.of("task", "gsm8", ["gsm8k", "aqua"])
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert "gsm8k" in str(error)


def test_long_lists_are_cut() -> None:
    assert listed(["a", "b"], 3) == "a, b"
    assert listed(["a", "b", "c", "d"], 3) == "a, b, c and 1 more"

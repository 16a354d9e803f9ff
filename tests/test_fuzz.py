"""Inputs that once reached new code: each is read, or is one error for the user. ``benchmarks/fuzz.py`` finds more."""

from __future__ import annotations

import pytest

from tests.helpers.fuzz_targets import TARGETS, check, read_corpus


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_are_read_or_are_errors(name: str) -> None:
    inputs = read_corpus(name)
    assert inputs
    for data in inputs:
        check(TARGETS[name], data)

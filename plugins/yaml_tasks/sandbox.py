"""The sandbox of templates of a task's author: without access to Python, and without values that fill the memory."""

from __future__ import annotations

from typing import Any

from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

_MOST = 10**6
"""Largest power's exponent, and largest length of a repeated text or list."""


class Sandbox(SandboxedEnvironment):
    """A sandbox in which repeating a text and raising to a power have limits."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Return the result of an operator.

        Raises:
            OverflowError: it would be too large.
        """
        if operator == "*":
            for one, other in ((left, right), (right, left)):
                if isinstance(one, str | list | tuple) and isinstance(other, int) and len(one) * other > _MOST:
                    raise OverflowError("the repeated value is too long")
        elif isinstance(left, int) and isinstance(right, int) and abs(left) > 1 and left.bit_length() * right > _MOST:
            raise OverflowError("the power is too large")
        return super().call_binop(context, operator, left, right)

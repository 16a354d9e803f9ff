"""Requests of a step that got no completion, and the error that the step fails with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from rtbench_plugins.remote.messages import shortened

from rtbench.api import StepFailedError

MOST_REASONS = 3
"""Highest number of reasons in the error."""


class LostRequests:
    """Requests that got no completion, counted by reason."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._said: dict[str, str] = {}
        """The model's own words, from the first request of each reason that has some."""
        self._optional = False
        """Whether some of them may be left out (``refused: missing``)."""

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, why: str, requests: int, said: str = "", *, optional: bool = False) -> None:
        """Count requests that were lost for a reason.

        Args:
            why: the reason.
            requests: their number.
            said: the model's own words, without keys.
            optional: whether the requests may be left out, because they were refused for their content.
        """
        self._counts[why] += requests
        self._optional = self._optional or optional
        if said:
            self._said.setdefault(why, shortened(said))

    def error(self, total: int, where: str, redact: Callable[[str], str]) -> StepFailedError:
        """Return an error with the most frequent reasons.

        Args:
            total: number of requests of the step.
            where: the model that the error names.
            redact: removes keys from a text.
        """
        reasons = [
            f"{redact(why)}{f', such as {self._said[why]!r}' if why in self._said else ''} ({requests})"
            for why, requests in self._counts.most_common(MOST_REASONS)
        ]
        if (more := len(self._counts) - MOST_REASONS) > 0:
            reasons.append(f"{more} other reasons")
        option = (
            " The option `refused: missing` leaves out what is refused because of its content."
            if self._optional
            else ""
        )
        return StepFailedError(
            f"{self._counts.total()} of {total} requests got no completion: {'; '.join(reasons)}",
            where=where,
            next_step=f"Completions received so far are kept. Run again to request the rest.{option}",
        )

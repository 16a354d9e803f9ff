"""Estimates from several completions of one question: pass@k and maj@k."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from rtbench.records import Score


def at_k(scores: Sequence[Score], canonical: Callable[[str], str | None]) -> list[tuple[int, float, float]]:
    """k, pass@k and maj@k, for k = 1, 2, 4 … and all completions that every question has; means over questions.

    Args:
        scores: of all completions.
        canonical: one text for answers that are equal, None for what is no answer.
    """
    questions: dict[int, list[Score]] = {}
    for one in scores:
        questions.setdefault(one.sample_index, []).append(one)
    least = min(map(len, questions.values()), default=0)
    ks = [*(2**power for power in range(least.bit_length()) if 2**power < least), least] if least else []
    counted = [_votes(found, canonical) for found in questions.values()]
    return [
        (
            k,
            sum(pass_at_k(len(found), sum(one.correct for one in found), k) for found in questions.values())
            / len(counted),
            sum(majority_at_k(votes, right, k, silent=silent) for votes, right, silent in counted) / len(counted),
        )
        for k in ks
    ]


def _votes(found: Sequence[Score], canonical: Callable[[str], str | None]) -> tuple[list[int], list[bool], int]:
    """Votes and verdict of each different answer, and completions without one."""
    answers = [None if one.extracted is None else canonical(one.extracted) for one in found]
    votes = Counter(answer for answer in answers if answer is not None)
    right = {answer: one.correct for answer, one in zip(answers, found, strict=True) if answer is not None}
    return list(votes.values()), [right[answer] for answer in votes], answers.count(None)


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Chance that of ``k`` completions at least one is right, estimated without bias from ``n`` of which ``correct`` are
    (Chen et al. 2021, "Evaluating large language models trained on code", section 2.1).

    Raises:
        ValueError: not 1 ≤ k ≤ n, or not 0 ≤ correct ≤ n.
    """
    if not (1 <= k <= n and 0 <= correct <= n):
        raise ValueError(f"pass@{k} of {n} completions, {correct} right")
    return 1 - math.comb(n - correct, k) / math.comb(n, k)


def majority_at_k(votes: Sequence[int], right: Sequence[bool], k: int, *, silent: int = 0) -> float:
    """Chance that the answer which most of ``k`` completions give is right, estimated without bias: the mean over all
    choices of ``k`` of those that are there. Of answers with equally many votes each wins as often as the others.

    Args:
        votes: completions that gave each different answer.
        right: whether that answer is right.
        k: completions that vote.
        silent: completions without an answer, which are drawn but have no vote (Wang et al. 2023). Without any vote
            nothing is right.

    Raises:
        ValueError: ``k`` is below 1 or above the number of completions, or an answer has no vote.
    """
    n = sum(votes) + silent
    if not 1 <= k <= n or min(votes, default=1) < 1 or len(votes) != len(right):
        raise ValueError(f"maj@{k} of {n} completions")
    wins = 0.0
    for at, count in enumerate(votes):
        if right[at]:
            others = [one for place, one in enumerate(votes) if place != at]
            wins += sum(
                math.comb(count, mine) * _ways_to_win(others, silent, mine, k - mine)
                for mine in range(1, min(count, k) + 1)
            )
    return wins / math.comb(n, k)


def _ways_to_win(others: Sequence[int], silent: int, mine: int, rest: int) -> float:
    """Choices of ``rest`` completions among the others in which no answer has more than ``mine``; where t answers have as
    many, one in t + 1 counts."""
    ways: dict[tuple[int, int], int] = {(0, 0): 1}
    for count in others:
        grown: dict[tuple[int, int], int] = {}
        for (chosen, ties), number in ways.items():
            for more in range(min(count, mine, rest - chosen) + 1):
                key = (chosen + more, ties + (more == mine))
                grown[key] = grown.get(key, 0) + number * math.comb(count, more)
        ways = grown
    return sum(
        number * math.comb(silent, rest - chosen) / (ties + 1)
        for (chosen, ties), number in ways.items()
        if rest - chosen <= silent
    )

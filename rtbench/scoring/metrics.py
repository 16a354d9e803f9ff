"""Estimates from several completions of one question: pass@k and maj@k."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable, Sequence

from rtbench.schema.scores import AtK, Score


def at_k(scores: Sequence[Score], canonical: Callable[[str], str | None]) -> list[AtK]:
    """pass@k and maj@k, for k = 1, 2, 4 … and all completions that every question has; means over questions.

    Args:
        scores: of all completions.
        canonical: one text for answers that are equal, None for what is no answer.
    """
    questions: dict[int, list[Score]] = {}
    for one in scores:
        questions.setdefault(one.sample_index, []).append(one)
    least = min(map(len, questions.values()), default=0)
    if not least:
        return []
    ks = (*(2**power for power in range(least.bit_length()) if 2**power < least), least)
    right = [(len(found), sum(one.correct for one in found)) for found in questions.values()]
    won = [_majorities(*_votes(found, canonical), ks) for found in questions.values()]
    return [
        AtK(
            k=k,
            pass_at_k=sum(pass_at_k(n, correct, k) for n, correct in right) / len(right),
            maj_at_k=sum(curve[at] for curve in won) / len(won),
        )
        for at, k in enumerate(ks)
    ]


def _votes(found: Sequence[Score], canonical: Callable[[str], str | None]) -> tuple[tuple[tuple[int, bool], ...], int]:
    """Votes and verdict of each different answer, most votes first, and completions without one."""
    answers = [None if one.extracted is None else canonical(one.extracted) for one in found]
    votes = Counter(answer for answer in answers if answer is not None)
    right = {answer: one.correct for answer, one in zip(answers, found, strict=True) if answer is not None}
    return tuple(sorted(((votes[answer], right[answer]) for answer in votes), reverse=True)), answers.count(None)


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
    return _majorities(tuple(sorted(zip(votes, right, strict=True), reverse=True)), silent, (k,))[0]


@functools.lru_cache(maxsize=4096)
def _majorities(answers: tuple[tuple[int, bool], ...], silent: int, ks: tuple[int, ...]) -> tuple[float, ...]:
    """:func:`majority_at_k` for several k; many questions share their votes, and so do extractors."""
    wins: list[dict[int, int]] = [{} for _ in ks]
    """Choices in which a right answer has most votes, by how many others have as many."""
    for at, (count, right) in enumerate(answers):
        if not right:
            continue
        others = [votes for place, (votes, _) in enumerate(answers) if place != at]
        for mine in range(1, min(count, max(ks)) + 1):
            chosen = math.comb(count, mine)
            for (drawn, ties), number in _ways(others, mine, max(ks) - mine).items():
                for won, k in zip(wins, ks, strict=True):
                    if 0 <= k - mine - drawn <= silent:
                        more = chosen * number * math.comb(silent, k - mine - drawn)
                        won[ties] = won.get(ties, 0) + more
    n = sum(count for count, _ in answers) + silent
    # Of t + 1 answers with equally many votes each wins as often as the others.
    return tuple(
        sum(number / (math.comb(n, k) * (ties + 1)) for ties, number in won.items())
        for won, k in zip(wins, ks, strict=True)
    )


def _ways(others: Sequence[int], mine: int, most: int) -> dict[tuple[int, int], int]:
    """In how many ways so many completions, ``most`` at most, are drawn of other answers, none of which gets more votes than
    ``mine``; by their number and the number of answers that get as many."""
    single = sum(count == 1 for count in others)
    ways = {(drawn, drawn if mine == 1 else 0): math.comb(single, drawn) for drawn in range(min(single, most) + 1)}
    for count in others:
        if count == 1:
            continue
        grown: dict[tuple[int, int], int] = {}
        for (drawn, ties), number in ways.items():
            for more in range(min(count, mine, most - drawn) + 1):
                key = (drawn + more, ties + (more == mine))
                grown[key] = grown.get(key, 0) + number * math.comb(count, more)
        ways = grown
    return ways

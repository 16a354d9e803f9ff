"""Several completions of one question: the majority answer, pass@k and maj@k."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable, Sequence

from rtbench.schema.scores import AtK, Score


def at_k(scores: Sequence[Score], canonical: Callable[[str], str | None]) -> list[AtK]:
    """Return pass@k and maj@k as means over questions.

    k is 1, 2, 4 … and the number of completions that every question has.

    Args:
        scores: scores of all completions.
        canonical: returns one text for equal answers, and None for a text that is not an answer.
    """
    questions = _by_question(scores)
    least = min(map(len, questions.values()), default=0)
    if not least:
        return []
    ks = (*(2**power for power in range(least.bit_length()) if 2**power < least), least)
    right = [(len(of_one), sum(score.correct for score in of_one)) for of_one in questions.values()]
    won = [_majorities(*_votes(of_one, canonical), ks) for of_one in questions.values()]
    return [
        AtK(
            k=k,
            pass_at_k=sum(pass_at_k(n, correct, k) for n, correct in right) / len(right),
            maj_at_k=sum(curve[at] for curve in won) / len(won),
        )
        for at, k in enumerate(ks)
    ]


def majority(scores: Sequence[Score], canonical: Callable[[str], str | None]) -> list[Score]:
    """Return, per question, the score of the most frequent answer of its completions (Wang et al., 2023).

    Of equally frequent answers, the first one wins. Completions without an answer do not vote.

    Args:
        scores: scores of all completions.
        canonical: as in :func:`at_k`.
    """
    chosen: list[Score] = []
    for of_one in _by_question(scores).values():
        answers = _answers(of_one, canonical)
        votes = Counter(answer for answer in answers if answer is not None)
        winner = votes.most_common(1)[0][0] if votes else answers[0]
        chosen.append(of_one[answers.index(winner)])
    return chosen


def _by_question(scores: Sequence[Score]) -> dict[int, list[Score]]:
    questions: dict[int, list[Score]] = {}
    for score in scores:
        questions.setdefault(score.sample_index, []).append(score)
    return questions


def _answers(scores: Sequence[Score], canonical: Callable[[str], str | None]) -> list[str | None]:
    """Return the canonical answer of each completion; None where it has none."""
    return [None if score.extracted is None else canonical(score.extracted) for score in scores]


def _votes(scores: Sequence[Score], canonical: Callable[[str], str | None]) -> tuple[tuple[tuple[int, bool], ...], int]:
    """Return votes and correctness of each different answer, most votes first, and the number of missing answers."""
    answers = _answers(scores, canonical)
    votes = Counter(answer for answer in answers if answer is not None)
    right = {answer: score.correct for answer, score in zip(answers, scores, strict=True) if answer is not None}
    return tuple(sorted(((votes[answer], right[answer]) for answer in votes), reverse=True)), answers.count(None)


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Return the unbiased estimate of the probability that at least one of ``k`` completions is correct.

    Args:
        n: number of completions.
        correct: number of correct completions.
        k: number of completions that are drawn.

    Raises:
        ValueError: not 1 ≤ k ≤ n, or not 0 ≤ correct ≤ n.

    Source: Chen et al. 2021, "Evaluating large language models trained on code", section 2.1.
    """
    if not (1 <= k <= n and 0 <= correct <= n):
        raise ValueError(f"pass@{k} of {n} completions, {correct} right")
    return 1 - math.comb(n - correct, k) / math.comb(n, k)


def majority_at_k(votes: Sequence[int], right: Sequence[bool], k: int, *, silent: int = 0) -> float:
    """Return the unbiased estimate of the probability that the majority answer of ``k`` completions is correct.

    It is the mean over all choices of ``k`` of the completions. Answers with equally many votes win equally often.

    Args:
        votes: number of completions that gave each different answer.
        right: whether each of these answers is correct.
        k: number of completions that vote.
        silent: number of completions without an answer; they are drawn but do not vote (Wang et al. 2023). A draw
            without any vote is wrong.

    Raises:
        ValueError: ``k`` is below 1 or above the number of completions, or an answer has no vote.
    """
    n = sum(votes) + silent
    if not 1 <= k <= n or min(votes, default=1) < 1 or len(votes) != len(right):
        raise ValueError(f"maj@{k} of {n} completions")
    return _majorities(tuple(sorted(zip(votes, right, strict=True), reverse=True)), silent, (k,))[0]


@functools.lru_cache(maxsize=4096)
def _majorities(answers: tuple[tuple[int, bool], ...], silent: int, ks: tuple[int, ...]) -> tuple[float, ...]:
    """Compute :func:`majority_at_k` for several k; cached, as many questions and extractors have the same votes."""
    wins: list[dict[int, int]] = [{} for _ in ks]
    """Number of choices in which a correct answer has most votes, by the number of other answers that tie with it."""
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
    # Each of t + 1 answers with equally many votes wins equally often.
    return tuple(
        sum(number / (math.comb(n, k) * (ties + 1)) for ties, number in won.items())
        for won, k in zip(wins, ks, strict=True)
    )


def _ways(others: Sequence[int], mine: int, most: int) -> dict[tuple[int, int], int]:
    """Count the ways to draw completions of other answers such that none of these gets more votes than ``mine``.

    Args:
        others: number of completions of each other answer.
        mine: votes of the answer in question.
        most: maximum number of completions to draw.

    Returns:
        Number of ways, by the number of drawn completions and the number of answers with exactly ``mine`` votes.
    """
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

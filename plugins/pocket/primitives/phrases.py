"""Primitive of single sentences in the wording of the twins, so that a student need not learn the language with the task.

Each sentence is from another problem: no question is followed by its solution, and no step by the next step. Sentences with
held-out calculations, which the probes use, are left out.
"""

from __future__ import annotations

import random
import re

from rtbench_plugins.pocket.primitives.pieces import Document, fixed, held_out, told
from rtbench_plugins.pocket.task_twins import TWINS

from rtbench.twins import Narrator

_TWINS = tuple(TWINS.values())
_SENTENCE = re.compile(r"(?<=[.?!])\s+")
_EQUATION = re.compile(r"(\d+) ([-+*/]) (\d+) = (\d+)")


def phrases(rng: random.Random) -> Document:
    """Return a few sentences, each from another problem."""
    out: Document = []
    while len(out) < 1 or rng.random() < 0.7:
        sentence = _sentence(rng)
        if any(held_out(op, a, b) for a, op, b, _ in _EQUATION.findall(sentence)):
            continue
        space = " " if out else ""
        match = _EQUATION.search(sentence)
        if match is None:
            out.append(told(space + sentence))
        else:
            at = match.start(4) - 1  # the result, with the space before it
            out += [told(space + sentence[:at]), fixed(sentence[at : match.end(4)])]
            out += [told(sentence[match.end(4) :])] if sentence[match.end(4) :] else []
    return out


def _sentence(rng: random.Random) -> str:
    twin = rng.choice(_TWINS)
    problem = next(twin.problems(rng.getrandbits(40)))
    narrator = Narrator(rng)  # fine steps: a coarse sentence would contain several steps
    twin.explain(problem, narrator)
    text = problem.question if rng.random() < 0.4 else narrator.text
    return rng.choice(_SENTENCE.split(text)).strip()

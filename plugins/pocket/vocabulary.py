"""Rebuilding of the vocabulary.

The shipped file is based on an earlier text and is kept, since with another vocabulary all models would need new
pre-training.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator
from typing import Any

from rtbench_plugins.pocket.corpus import WEIGHTS, text_of
from rtbench_plugins.pocket.primitives.phrases import phrases
from rtbench_plugins.pocket.primitives.words import any_words
from rtbench_plugins.pocket.primitives.world import known_fact
from rtbench_plugins.pocket.task_twins import TWINS, WORLDLY
from rtbench_plugins.pocket.tokenizer import new_vocabulary

from rtbench.twins import Narrator, Twin

DOCUMENTS = 1_000
"""Number of documents per primitive whose words are counted."""
PROBLEMS = 400
"""Number of problems per twin whose words are counted."""


def made_anew() -> list[str]:
    """Return the pieces that become tokens, from pre-training documents and the twins' questions and explanations.

    Students then need not spell these words. The words of the small world come last.
    """
    worldly = [TWINS[name] for name in WORLDLY]
    others = [twin for name, twin in TWINS.items() if name not in WORLDLY]
    primitives = [
        primitive for primitive in WEIGHTS if primitive not in (any_words, phrases, known_fact)
    ]  # these three use the vocabulary or the twins, which are counted below
    documents = (
        text_of(primitive(random.Random(f"vocabulary/{at}")))  # noqa: S311 - reproducible, not secret
        for primitive in primitives
        for at in range(DOCUMENTS)
    )
    first = itertools.chain(documents, _twin_texts(others))
    facts = (text_of(known_fact(random.Random(f"facts/{at}"))) for at in range(10_000))  # noqa: S311
    second = itertools.chain(facts, _twin_texts(worldly))
    return new_vocabulary((first, 3), (second, 50))


def _twin_texts(twins: Iterable[Twin[Any]]) -> Iterator[str]:
    for twin in twins:
        for knobs in (twin.knobs, twin.harder):
            for at, problem in enumerate(itertools.islice(twin.problems(0, knobs), PROBLEMS)):
                yield problem.question
                for fine in (True, False):
                    narrator = Narrator(random.Random(f"vocabulary/{at}"), fine=fine, verbosity=2)  # noqa: S311
                    twin.explain(problem, narrator)
                    yield narrator.text

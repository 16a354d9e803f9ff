"""The pre-training text: what is called determined is determined, operands of the probes are held out, and the tokenizer
loses nothing."""

from __future__ import annotations

import itertools
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rtbench_plugins.pocket import corpus
from rtbench_plugins.pocket.corpus import WEIGHTS, batches, document, rows, text_of
from rtbench_plugins.pocket.primitives import arithmetic, calendar, choices, context, letters, state
from rtbench_plugins.pocket.primitives.phrases import phrases
from rtbench_plugins.pocket.primitives.pieces import fixed, free, told
from rtbench_plugins.pocket.probes import PROBES, SEEN, questions
from rtbench_plugins.pocket.sizes import VOCABULARY
from rtbench_plugins.pocket.task_twins import TWINS, WORLDLY
from rtbench_plugins.pocket.tokenizer import VOCABULARY_FILE, new_vocabulary, shipped_tokenizer, tokenizer_of

from rtbench.schema.environment import Environment
from rtbench.session import Session
from rtbench.twins import Narrator
from tests.helpers.cli import Cli

TASKS = [
    "single_eq", "addsub", "multiarith", "gsm8k", "aqua", "svamp", "date_understanding", "tracking_shuffled_objects",
    "last_letter_concatenation", "coin_flip", "commonsense_qa", "strategy_qa",
]  # fmt: skip


def test_sentences_are_those_of_the_twelve_tasks(tmp_path):
    session = Session(Environment(workspace=str(tmp_path), offline=True))
    assert {name: type(twin) for name, twin in TWINS.items()} == {
        name: type(session.task(name).twin()) for name in TASKS
    }


def drawn(primitive, count=300):
    return [primitive(random.Random(seed)) for seed in range(count)]


@pytest.fixture(scope="module")
def tokenizer():
    texts = (text_of(document(random.Random(seed), 0.3)) for seed in range(500))
    return tokenizer_of(new_vocabulary((texts, 2)))


@pytest.mark.parametrize("primitive", WEIGHTS, ids=lambda primitive: primitive.__name__)
def test_documents_have_something_to_learn_and_repeat_by_seed(primitive):
    for seed, pieces in enumerate(drawn(primitive, 50)):
        assert any(piece.determined for piece in pieces) or primitive is phrases  # a sentence may have no result
        assert not pieces[0].determined, "the first piece has nothing before it"
        assert all(piece.text for piece in pieces)
        assert primitive(random.Random(seed)) == pieces


CALCULATIONS = {
    "+": lambda a, b, result: a + b == result,
    "-": lambda a, b, result: a - b == result,
    "*": lambda a, b, result: a * b == result,
    "/": lambda a, b, result: a == b * result,
}
WORDS = {"plus": "+", "minus": "-", "times": "*", "divided by": "/"}


def calculated(text: str) -> set[tuple[int, str, int]]:
    """Operands and operation of all calculations that stand in a text, in signs or in words."""
    signs = re.findall(r"(\d+) ([-+*/]) (\d+) =", text)
    words = [(a, WORDS[op], b) for a, op, b in re.findall(rf"(\d+) ({'|'.join(WORDS)}) (\d+) is", text)]
    halves = [(a, "/", "2") for a in re.findall(r"Half of (\d+) is", text)]
    doubles = [(a, "*", "2") for a in re.findall(r"Twice (\d+) is", text)]
    return {(int(a), op, int(b)) for a, op, b in (*signs, *words, *halves, *doubles)}


@pytest.mark.parametrize("primitive", [arithmetic.equations, arithmetic.updates, phrases])
def test_calculations_are_right(primitive):
    found = dict.fromkeys(CALCULATIONS, 0)
    for pieces in drawn(primitive, 600):
        for a, op, b, result in re.findall(r"(\d+) ([-+*/]) (\d+) = (\d+)", text_of(pieces)):
            found[op] += 1
            assert CALCULATIONS[op](int(a), int(b), int(result)), f"{a} {op} {b} = {result}"
    assert min(found.values()) > 20


@pytest.fixture(scope="module")
def asked():
    """All operands that the probes may ask, in both orders where that makes no difference."""
    found = set()
    for name in ("addition", "subtraction", "multiplication", "division"):
        for prompt in questions(name, 5000):
            found |= calculated(prompt)
    return found | {(b, op, a) for a, op, b in found if op in "+*"}


@pytest.mark.parametrize("primitive", WEIGHTS, ids=lambda primitive: primitive.__name__)
def test_operands_of_the_arithmetic_probes_are_never_trained_on(primitive, asked):
    assert len(asked) > 1400
    shown = set().union(*(calculated(text_of(pieces)) for pieces in drawn(primitive, 2000)))
    assert not asked & shown
    calculating = (arithmetic.equations, arithmetic.updates, arithmetic.comparisons, phrases)
    assert (len(shown) > 50) == (primitive in calculating), "there is something to find where something is calculated"


@pytest.mark.parametrize(
    ("primitive", "count", "names"),
    [
        (letters.spelling, 2000, {"last letter"}),
        (state.flips, 2000, {"one flip"}),
        (arithmetic.comparisons, 2000, {"compare two numbers"}),
        (calendar.dates, 15_000, {"one day", "one week", "one month"}),
        (context.copied_list, 1000, set()),
        (context.kth_item, 1000, set()),
        (context.holdings, 1000, set()),
        (context.who_has, 1000, set()),
        (state.swaps, 1000, set()),
        (letters.joining, 1000, set()),
        (choices.options, 1000, set()),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_probes_whose_questions_are_read_in_training_are_marked(primitive, count, names):
    """Some of their questions, word for word; of the others none."""
    text = "\n".join(text_of(pieces) for pieces in drawn(primitive, count))
    read = {
        name
        for name in PROBES
        if name not in {"addition", "subtraction", "multiplication", "division"}
        and any(prompt + target in text for prompt, target in questions(name, 400).items())
    }
    assert read == names
    assert names <= SEEN


def test_option_letters_belong_to_their_texts():
    """A coloured thing may be called by its colour alone."""
    checked = 0
    for pieces in drawn(choices.options):
        listed = dict(re.findall(r"\(([A-H])\) ([^,.()]+)", pieces[0].text))
        assert len(set(listed.values())) == len(listed)
        for asked, answer in itertools.pairwise(piece.text for piece in pieces[1:]):
            if letter := re.fullmatch(r" ?([A-H])\)?\.", answer):
                option = listed[letter[1]]
                assert re.search(rf"\b({option}|{option.split()[0]}) (is \(|:)$", asked)
                checked += 1
            elif letter := re.fullmatch(r" \(([A-H])\) is", asked):
                assert answer == f" {listed[letter[1]]}."
    assert checked > 500


def test_options_may_be_spoken_of_before_they_are_listed():
    heads = [pieces[0].text for pieces in drawn(choices.options)]
    before = [head.split("(A) ")[0] for head in heads]
    said = sum(re.search(r"has |know ", text) is not None for text in before)
    assert len(heads) // 3 < said < len(heads)


def test_who_has_a_thing_is_who_was_said_to_have_it():
    for pieces in drawn(context.who_has):
        told = [re.findall(r"\w+", part) for part in re.split(r"[.,]", pieces[0].text) if part]
        holder = {words[-1]: words[0] for words in told}
        asked = [re.findall(r"\w+", piece.text)[-1] for piece in pieces[1::2]]
        assert [piece.text for piece in pieces[2::2]] == [f" {holder[thing]}." for thing in asked]
        assert sorted(asked) == sorted(holder)


def test_swaps_change_two_and_leave_the_rest():
    checked = 0
    for pieces in drawn(state.swaps, 600):
        match = re.fullmatch(r".*Before: (\w+) (.+), (\w+) (.+)\. After: (\w+) (.+), (\w+) (.+)\.", text_of(pieces))
        if match:
            a, x, b, y, c, x2, d, y2 = match.groups()
            assert (a, b, x, y) == (c, d, y2, x2)
            checked += 1
    assert checked > 50


def test_calendar_steps_are_right():
    """Against a count of days that knows leap years."""
    import datetime as dt

    checked = 0
    for pieces in drawn(calendar.dates, 600):
        for m, d, y, m2, d2, y2 in re.findall(
            r"Today is (\d+)/(\d+)/(\d+), so tomorrow is (\d+)/(\d+)/(\d+)", text_of(pieces)
        ):
            gap = dt.date(int(y2), int(m2), int(d2)) - dt.date(int(y), int(m), int(d))
            assert gap.days == 1
            checked += 1
    assert checked > 20


@settings(deadline=None)
@given(text=st.text(max_size=60))
def test_any_text_survives_the_tokenizer(tokenizer, text):
    found = tokenizer
    assert found.decode(found(text, add_special_tokens=False)["input_ids"]) == text.encode(errors="ignore").decode()


def test_words_are_single_tokens_and_so_are_digits(tokenizer):
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("Paul has 123 wugs.")["input_ids"])
    assert pieces == ["Paul", "Ġhas", "Ġ1", "2", "3", "Ġ", "w", "u", "g", "s", "."]
    assert tokenizer.unk_token is None


def test_a_vocabulary_made_anew_fits_the_models_and_has_the_shipped_words(cli: Cli):
    cli("pocket", "vocabulary", "mine.txt")
    made = (cli.folder / "mine.txt").read_text(encoding="utf-8").split("\n")[:-1]
    shipped = VOCABULARY_FILE.read_text(encoding="utf-8").split("\n")[:-1]
    assert len(set(made)) == len(made) <= VOCABULARY
    assert len(set(shipped) - set(made)) < len(shipped) // 50


def test_a_row_depends_on_its_number_alone(tokenizer):
    found = rows(tokenizer, "7", first=0, count=40, progress=0.3)
    assert rows(tokenizer, "7", first=20, count=20, progress=0.3) == found[20:]
    assert len({tuple(row.ids) for row in found}) == 40


def test_rows_weigh_determined_tokens_fully(tokenizer, monkeypatch):
    pieces = [free("3 + 4 ="), fixed(" 7."), told(" Paul has"), free(" ###")]
    monkeypatch.setattr(corpus, "document", lambda rng, progress: pieces)
    (row,) = rows(tokenizer, "", first=0, count=1, progress=0.3)
    assert tokenizer.decode(row.ids) == "3 + 4 = 7. Paul has ###<|end|>"
    expected = [
        ("3", 0.1), ("Ġ+", 0.1), ("Ġ4", 0.1), ("Ġ=", 0.1), ("Ġ7", 1.0), (".", 1.0),
        ("ĠPaul", 0.3), ("Ġhas", 0.3), ("Ġ###", 0.1), ("<|end|>", 0.1),
    ]  # fmt: skip
    assert list(zip(tokenizer.convert_ids_to_tokens(row.ids), row.weights, strict=True)) == expected


def test_batches_hold_every_row_once_and_keep_the_budget(tokenizer):
    found = rows(tokenizer, "7", first=0, count=200, progress=0.3)
    made = list(batches(found, 1024, random.Random(0)))
    assert sorted(id(row) for batch in made for row in batch) == sorted(map(id, found))
    assert all(len(batch) * max(len(row.ids) for row in batch) <= 1024 for batch in made)


@pytest.fixture(scope="module")
def shipped():
    return shipped_tokenizer()


@pytest.mark.parametrize("task", TASKS)
def test_twins_words_are_tokens_of_the_shipped_vocabulary(shipped, task):
    """A reworded twin would be spelled letter by letter: then the words are to be replaced, or the models trained
    anew. Some are rare: a hundredth, or a twentieth of the many words that the small world takes."""
    twin = TWINS[task]
    words = spelled = 0
    for problem in itertools.islice(twin.problems(5), 200):
        narrator = Narrator(random.Random(problem.question))
        twin.explain(problem, narrator)
        for word in re.findall(r"[A-Za-z]{2,}", problem.question + " " + narrator.text):
            words += 1
            spelled += len(shipped.tokenize(" " + word)) > 1 and len(shipped.tokenize(word)) > 1
    strings = 200 if task == "last_letter_concatenation" else 0  # answers are no words
    assert spelled - strings <= words / (20 if task in WORLDLY else 100)

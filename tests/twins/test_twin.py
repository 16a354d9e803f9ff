"""Twins as such, on one small enough to see through."""

from __future__ import annotations

import random

import pytest

from rtbench.errors import BadInputError, UnknownNameError
from rtbench.scoring.text import choices_in
from rtbench.twins import (
    FOLDS,
    Narrator,
    Problem,
    TwinSetting,
    dataset_of,
    lettered,
    setting_of,
    task_and_setting,
    twin_data,
    twin_fingerprint,
    variant_of,
)
from tests.helpers.sums import SumKnobs, SumTwin


class FewTwin(SumTwin):
    """So few numbers that the folds cannot be filled."""

    knobs = SumKnobs(largest=3)
    sizes = {"train": 20, "validation": 5, "test": 5, "ood": 5}


def narrator(seed: int = 0, **options: object) -> Narrator:
    return Narrator(random.Random(f"w{seed}"), random.Random(f"e{seed}"), **options)  # type: ignore[arg-type]


def problems(count: int = 100) -> list[Problem]:
    return SumTwin().fresh(0, count)


# --------------------------------------------------------------------------------------------------------- the narrator


def test_pen_without_errors_reaches_the_gold_answer() -> None:
    assert all(SumTwin().explain(problem, narrator(i)) == problem.answer for i, problem in enumerate(problems()))


def test_error_rate_changes_results_and_no_wording() -> None:
    for i, problem in enumerate(problems()):
        right, wrong = narrator(i), narrator(i, error_rate=1.0)
        answers = SumTwin().explain(problem, right), SumTwin().explain(problem, wrong)
        assert wrong.slips == 1
        assert answers[1] != answers[0]
        assert wrong.text == right.text.replace(f" {answers[0]}.", f" {answers[1]}.")


def test_slip_is_what_the_next_steps_build_on() -> None:
    twin = SumTwin()
    slipped = 0
    for i, problem in enumerate(twin.fresh(0, 200, SumKnobs(terms=4))):
        writes = narrator(i, error_rate=0.3)
        answer = int(twin.explain(problem, writes))
        # Whatever went wrong at one step is carried on: the last sum is right for the sum before it.
        said = [int(n) for n in writes.text.replace(".", " ").replace("+", " ").split() if n.isdigit()]
        assert answer == said[-1]
        slipped += writes.slips > 0
    assert 100 < slipped < 160, "three steps at .3: about two thirds of the texts have a slip"


def test_narrator_writes_malformed_and_truncated_texts() -> None:
    problem = problems(1)[0]
    malformed = narrator(error_rate=1.0, mix=(0.0, 1.0, 0.0))
    assert SumTwin().explain(problem, malformed) == problem.answer
    assert malformed.malformed
    assert not malformed.truncated
    cut = narrator(error_rate=1.0, mix=(0.0, 0.0, 1.0), verbosity=2)
    SumTwin().explain(problem, cut)
    assert cut.truncated
    whole = narrator(verbosity=2)
    SumTwin().explain(problem, whole)
    assert whole.text.startswith(cut.text)
    assert len(cut.text) < len(whole.text)


def test_truncated_text_is_the_same_however_often_it_is_read() -> None:
    first: list[str] = []
    for i, problem in enumerate(problems(20)):
        cut = narrator(i, error_rate=1.0, mix=(0.0, 0.0, 1.0), verbosity=2)
        SumTwin().explain(problem, cut)
        first.append(cut.text)
        assert [cut.text for _ in range(5)] == [first[-1]] * 5
    assert len({len(text.split()) for text in first}) > 1, "the cut is drawn"


def test_verbosity_says_how_often_the_question_is_restated() -> None:
    def restated(verbosity: int) -> int:
        count = 0
        for i, problem in enumerate(problems()):
            writes = narrator(i, verbosity=verbosity)
            SumTwin().explain(problem, writes)
            count += "first is" in writes.text or "begin with" in writes.text
        return count

    assert restated(0) == 0
    assert 30 < restated(1) < 70
    assert restated(2) == 100


@pytest.mark.parametrize("wording", ["So {total}.", "The set {1, 2}.", "A brace { alone.", "{a.b}", "{a[0]}", "{}"])
def test_wording_that_cannot_be_filled_in_is_named_with_its_twin(wording: str) -> None:
    class Braced(SumTwin):
        def explain(self, problem: Problem, narrator: Narrator) -> str:
            narrator.say(wording, a=1)
            return problem.answer

    with pytest.raises(BadInputError, match="Braced") as error:
        Braced().rationale(problems(1)[0], "0")
    assert repr(wording) in str(error.value)
    assert "written twice" in str(error.value)


def test_brace_written_twice_is_a_brace() -> None:
    writes = narrator()
    writes.say("The set {{{a}}}.", a=1)
    assert writes.text == "The set {1}."


def test_rationale_of_another_draw_has_another_wording() -> None:
    problem = SumTwin().fresh(0, 1, SumKnobs(terms=6))[0]
    texts = {SumTwin().rationale(problem, str(i)) for i in range(50)}
    assert len(texts) > 25
    assert SumTwin().rationale(problem, "0") == SumTwin().rationale(problem, "0")


# ------------------------------------------------------------------------------------------------------------ folds


def test_folds_have_their_sizes_and_share_no_pattern_and_no_question() -> None:
    folds = SumTwin().draw_folds(3)
    assert {fold: len(found) for fold, found in folds.items()} == dict(SumTwin.sizes)
    patterns = {fold: {problem.pattern for problem in found} for fold, found in folds.items()}
    for fold in FOLDS:
        for other in FOLDS:
            assert fold == other or not patterns[fold] & patterns[other]
    asked = [problem.question for found in folds.values() for problem in found]
    assert len(asked) == len(set(asked))
    assert {len(problem.facts) for problem in folds["ood"]} == {3}


def test_seed_decides_questions_and_folds() -> None:
    first, again, other = (SumTwin().draw_folds(seed) for seed in (1, 1, 2))
    assert first == again
    assert first["test"] != other["test"]
    seen = {problem.pattern for problem in first["train"]}
    assert seen & {problem.pattern for problem in other["test"]}, "another seed has other folds"


def test_pattern_space_that_is_too_small_is_an_error() -> None:
    with pytest.raises(BadInputError, match="too small"):
        FewTwin().draw_folds(0)
    with pytest.raises(BadInputError, match="different questions"):
        FewTwin().fresh(0, 100)


def test_fresh_questions_are_different_and_the_same_again() -> None:
    twin = SumTwin()
    found = twin.fresh(5, 50)
    assert len({problem.question for problem in found}) == 50
    assert twin.fresh(5, 80)[:50] == found
    assert twin.fresh(6, 50) != found


def test_fresh_questions_of_another_stream_are_others_and_some_may_be_left_out() -> None:
    twin = SumTwin()
    usual, other = twin.fresh(5, 50), twin.fresh(5, 50, stream="other")
    assert {problem.question for problem in usual} != {problem.question for problem in other}
    outside = twin.outside_folds(5)
    assert all(outside(problem) for problem in (*usual, *other))
    left = twin.fresh(5, 49, allows=lambda problem: outside(problem) and problem != usual[0])
    assert left == usual[1:]


def test_fresh_questions_with_turned_knobs_keep_clear_of_the_folds_with_those_knobs() -> None:
    """Without drawing them: a pattern's fold is the seed's alone."""
    twin, knobs = SumTwin(), SumKnobs(largest=50)
    turned = twin.turned(TwinSetting(seed=3, knobs={"largest": 50}))
    held_out = {p.pattern for fold in ("validation", "test") for p in turned.draw_folds(3)[fold]}
    assert not {problem.pattern for problem in twin.fresh(3, 300, knobs)} & held_out


def test_knobs_are_checked_and_replace_the_standard_ones() -> None:
    twin = SumTwin()
    assert twin.with_knobs({"terms": 5}, where="x") == SumKnobs(terms=5)
    assert twin.with_knobs({"largest": 9}, where="x", harder=True) == SumKnobs(terms=3, largest=9)
    with pytest.raises(UnknownNameError, match="Did you mean 'terms'"):
        twin.with_knobs({"term": 5}, where="x")
    with pytest.raises(BadInputError, match="terms"):
        twin.with_knobs({"terms": "many"}, where="x")


# ------------------------------------------------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("variant", "setting"), [
        ("twin-0", TwinSetting(seed=0)),
        ("twin-41", TwinSetting(seed=41)),
        ("twin-2+largest=50+terms=3+ood.terms=9", TwinSetting(
            seed=2, knobs={"largest": 50, "terms": 3}, ood_knobs={"terms": 9})),
        ("twin-2+options=false+rate=0.5", TwinSetting(seed=2, knobs={"options": False, "rate": 0.5})),
        *((name, None) for name in ("twin-", "twin--1", "twin-01", "original", "twin-1x", "twin-²", "twin-1+terms",
                                    "twin-1+terms=", "twin-1+terms=03", "twin-1+terms=3+largest=50")),
    ]
)  # fmt: skip
def test_variant_of_a_twin_is_recognized_by_its_name(variant: str, setting: TwinSetting | None) -> None:
    assert setting_of(variant) == setting
    assert setting is None or variant_of(setting.seed, setting.knobs, setting.ood_knobs) == variant


def test_knobs_turn_the_questions_of_their_folds() -> None:
    data = twin_data(SumTwin(), TwinSetting(seed=0, knobs={"terms": 4}, ood_knobs={"terms": 5}))
    split = data.split
    for fold, terms in ((split.train, 4), (split.validation, 4), (split.test, 4), (split.ood, 5)):
        assert {len(data.problems[index].facts) for index in fold} == {terms}


def test_twin_may_have_no_questions_out_of_distribution() -> None:
    class Within(SumTwin):
        sizes = {**SumTwin.sizes, "ood": 0}

    folds = Within().draw_folds(0)
    assert not folds["ood"]
    assert len(folds["test"]) == SumTwin.sizes["test"]


def test_knob_that_is_stated_as_it_is_anyway_changes_nothing() -> None:
    own = SumTwin.knobs
    assert SumTwin().changed({"terms": own.terms, "largest": own.largest}, where="") == {}
    assert SumTwin().changed({"terms": own.terms, "largest": 12}, where="") == {"largest": 12}
    assert SumTwin().changed({"terms": SumTwin.harder.terms}, where="", harder=True) == {}


def test_ledger_name_of_a_twins_samples_holds_its_seed_and_version() -> None:
    class Newer(SumTwin):
        version = 2

    assert dataset_of("sums", SumTwin(), "twin-7") == "sums@twin-7"
    assert dataset_of("sums", Newer(), "twin-7") == "sums@twin-7-v2"
    for twin in (SumTwin(), Newer()):
        for setting in (TwinSetting(seed=7), TwinSetting(seed=7, knobs={"terms": -1})):
            variant = variant_of(setting.seed, setting.knobs)
            assert task_and_setting(dataset_of("sums", twin, variant)) == ("sums", setting)
    assert task_and_setting("sums@kojima") is None
    assert task_and_setting("sums") is None


def test_fingerprint_tells_whatever_changes_the_data() -> None:
    class Newer(SumTwin):
        version = 2

    class Larger(SumTwin):
        sizes = {**SumTwin.sizes, "train": 601}

    class Harder(SumTwin):
        knobs = SumKnobs(largest=50)

    zero = TwinSetting(seed=0)
    found = {twin_fingerprint("sums", twin, zero) for twin in (SumTwin(), Newer(), Larger(), Harder())}
    found |= {twin_fingerprint("sums", SumTwin(), TwinSetting(seed=1)), twin_fingerprint("others", SumTwin(), zero)}
    found.add(twin_fingerprint("sums", SumTwin(), TwinSetting(seed=0, ood_knobs={"largest": 50})))
    assert len(found) == 7
    assert twin_fingerprint("sums", SumTwin(), zero) in found
    turned = TwinSetting(seed=0, knobs={"largest": 50})
    assert twin_fingerprint("sums", SumTwin(), turned) == twin_fingerprint("sums", Harder(), zero)


def test_lettered_choices_are_read_back_by_the_extractors_own_reader() -> None:
    assert lettered("Which?", ["3 cm", "4 cm"]) == "Which? Answer choices: (A) 3 cm, (B) 4 cm."
    assert choices_in(lettered("Which?", ["3 cm", "4 cm"])) == ("3 cm", "4 cm")

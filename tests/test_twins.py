"""Twins as such, on one small enough to see through, and the twelve tasks' as data of the harness."""

from __future__ import annotations

import random
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from rtbench.answer_text import choices_in
from rtbench.errors import BadInputError, RtbenchError, UnknownNameError
from rtbench.export import export_tasks
from rtbench.interfaces import Environment, Task
from rtbench.session import Session
from rtbench.twins import (
    FOLDS,
    Knobs,
    Pen,
    Problem,
    Twin,
    TwinSetting,
    dataset_of,
    lettered,
    near,
    setting_of,
    task_and_setting,
    twin_data,
    twin_fingerprint,
    variant_of,
)
from tests.test_cli import BUILT_IN

TASKS = sorted(BUILT_IN)


class SumKnobs(Knobs, frozen=True):
    terms: int = 2
    largest: int = 40


class SumTwin(Twin[SumKnobs]):
    """Sums of a few numbers: the pattern is the numbers in order, the wording one of two."""

    knobs = SumKnobs()
    harder = SumKnobs(terms=3)

    def draw(self, rng: random.Random, knobs: SumKnobs) -> Problem:
        terms = [rng.randint(1, knobs.largest) for _ in range(knobs.terms)]
        asked = rng.choice(("What is {}?", "How much is {}?")).format(" + ".join(map(str, terms)))
        return Problem(question=asked, answer=str(sum(terms)), pattern=str(sorted(terms)), facts=terms)

    def explain(self, problem: Problem, pen: Pen) -> str:
        total, *rest = problem.facts
        pen.restate("The first is {n}.", "We begin with {n}.", n=total)
        for term in rest:
            after = pen.result(total + term, near(total + term))
            pen.say("{a} + {b} = {c}.", "Adding {b} to {a} gives {c}.", a=total, b=term, c=after)
            total = after
        return str(total)


class FewTwin(SumTwin):
    """So few numbers that the folds cannot be filled."""

    knobs = SumKnobs(largest=3)
    sizes = {"train": 20, "validation": 5, "test": 5, "ood": 5}


def pen(seed: int = 0, **options: object) -> Pen:
    return Pen(random.Random(f"w{seed}"), random.Random(f"e{seed}"), **options)  # type: ignore[arg-type]


def problems(count: int = 100) -> list[Problem]:
    return SumTwin().fresh(0, count)


# --------------------------------------------------------------------------------------------------------- the pen


def test_pen_without_errors_reaches_the_gold_answer() -> None:
    assert all(SumTwin().explain(problem, pen(i)) == problem.answer for i, problem in enumerate(problems()))


def test_error_rate_changes_results_and_no_wording() -> None:
    for i, problem in enumerate(problems()):
        right, wrong = pen(i), pen(i, error_rate=1.0)
        answers = SumTwin().explain(problem, right), SumTwin().explain(problem, wrong)
        assert wrong.slips == 1
        assert answers[1] != answers[0]
        assert wrong.text == right.text.replace(f" {answers[0]}.", f" {answers[1]}.")


def test_slip_is_what_the_next_steps_build_on() -> None:
    twin = SumTwin()
    slipped = 0
    for i, problem in enumerate(twin.fresh(0, 200, SumKnobs(terms=4))):
        writes = pen(i, error_rate=0.3)
        answer = int(twin.explain(problem, writes))
        # Whatever went wrong at one step is carried on: the last sum is right for the sum before it.
        said = [int(n) for n in writes.text.replace(".", " ").replace("+", " ").split() if n.isdigit()]
        assert answer == said[-1]
        slipped += writes.slips > 0
    assert 100 < slipped < 160, "three steps at .3: about two thirds of the texts have a slip"


def test_malformed_and_truncated_are_told_to_the_writer() -> None:
    problem = problems(1)[0]
    malformed = pen(error_rate=1.0, mix=(0.0, 1.0, 0.0))
    assert SumTwin().explain(problem, malformed) == problem.answer
    assert malformed.malformed
    assert not malformed.truncated
    cut = pen(error_rate=1.0, mix=(0.0, 0.0, 1.0), verbosity=2)
    SumTwin().explain(problem, cut)
    assert cut.truncated
    whole = pen(verbosity=2)
    SumTwin().explain(problem, whole)
    assert whole.text.startswith(cut.text)
    assert len(cut.text) < len(whole.text)


def test_truncated_text_is_the_same_however_often_it_is_read() -> None:
    first: list[str] = []
    for i, problem in enumerate(problems(20)):
        cut = pen(i, error_rate=1.0, mix=(0.0, 0.0, 1.0), verbosity=2)
        SumTwin().explain(problem, cut)
        first.append(cut.text)
        assert [cut.text for _ in range(5)] == [first[-1]] * 5
    assert len({len(text.split()) for text in first}) > 1, "the cut is drawn"


def test_verbosity_says_how_often_the_question_is_restated() -> None:
    def restated(verbosity: int) -> int:
        count = 0
        for i, problem in enumerate(problems()):
            writes = pen(i, verbosity=verbosity)
            SumTwin().explain(problem, writes)
            count += "first is" in writes.text or "begin with" in writes.text
        return count

    assert restated(0) == 0
    assert 30 < restated(1) < 70
    assert restated(2) == 100


@pytest.mark.parametrize("wording", ["So {total}.", "The set {1, 2}.", "A brace { alone.", "{a.b}", "{a[0]}", "{}"])
def test_wording_that_cannot_be_filled_in_is_named_with_its_twin(wording: str) -> None:
    class Braced(SumTwin):
        def explain(self, problem: Problem, pen: Pen) -> str:
            pen.say(wording, a=1)
            return problem.answer

    with pytest.raises(BadInputError, match="Braced") as error:
        Braced().rationale(problems(1)[0], "0")
    assert repr(wording) in str(error.value)
    assert "written twice" in str(error.value)


def test_brace_written_twice_is_a_brace() -> None:
    writes = pen()
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


def check_apart(twin: Twin[Any], seed: int, fresh: list[Problem]) -> None:
    """No question of any fold, and no pattern of those that nothing is trained on."""
    folds = twin.draw_folds(seed)
    assert not {p.question for p in fresh} & {p.question for found in folds.values() for p in found}
    held_out = {p.pattern for fold in ("validation", "test", "ood") for p in folds[fold]}
    assert not {p.pattern for p in fresh} & held_out


@pytest.mark.parametrize("name", TASKS)
def test_fresh_questions_keep_clear_of_the_folds_of_their_seed(session: Session, name: str) -> None:
    """Also those that are as hard as the out-of-distribution fold."""
    twin = session.task(name).twin()
    assert twin is not None
    for knobs in (twin.knobs, twin.harder):
        fresh = twin.fresh(0, 500, knobs)
        assert len({problem.question for problem in fresh}) == 500
        check_apart(twin, 0, fresh)


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
def test_a_twins_variant_is_told_by_its_name(variant: str, setting: TwinSetting | None) -> None:
    assert setting_of(variant) == setting
    assert setting is None or variant_of(setting.seed, setting.knobs, setting.ood_knobs) == variant


def test_knobs_turn_the_questions_of_their_folds() -> None:
    data = twin_data(SumTwin(), TwinSetting(seed=0, knobs={"terms": 4}, ood_knobs={"terms": 5}))
    split = data.split
    for fold, terms in ((split.train, 4), (split.validation, 4), (split.test, 4), (split.ood, 5)):
        assert {len(data.problems[index].facts) for index in fold} == {terms}


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


# ------------------------------------------------------------------------------------------------------ as task data


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(Environment(workspace=str(tmp_path / "w"), offline=True))


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_a_twin_that_loads_as_its_data(session: Session, name: str) -> None:
    """The golds are checked against the task's answer type while they load; no file is needed."""
    task = session.task(name)
    twin = task.twin()
    assert twin is not None
    assert task.info.twin
    data = session.task_data(name, "twin-3")
    assert list(data.splits) == ["default"]
    indices: list[int] = []
    for fold in FOLDS:
        assert len(data.fold("default", fold)) == twin.sizes[fold]
        indices += data.splits["default"].fold(fold)
    assert indices == list(range(len(data.samples)))
    assert all(sample.group for sample in data.samples.values())
    if task.info.answer_type == "choice":
        assert all(sample.choices == choices_in(sample.question) for sample in data.samples.values())


def test_twins_leave_the_published_data_as_they_are(session: Session) -> None:
    task = session.task("multiarith")
    assert task.info.variants == ("original", "kojima")
    assert task.dataset_id("original") == task.dataset_id("kojima") == "multiarith"
    assert task.dataset_id("twin-3") == "multiarith@twin-3"
    prints = [task.fingerprint(session.files, variant) for variant in ("original", "kojima", "twin-3", "twin-4")]
    assert len(set(prints)) == 3


def test_twin_data_of_the_task_are_the_twins(session: Session) -> None:
    task = session.task("multiarith")
    twin = task.twin()
    assert twin is not None
    data, drawn = session.task_data("multiarith", "twin-3"), twin_data(twin, TwinSetting(seed=3))
    assert data.samples == drawn.samples
    assert {i: p.question for i, p in drawn.problems.items()} == {i: s.question for i, s in data.samples.items()}


def mine(folder: Path, twin: str, more: str = "") -> Task:
    path = folder / "mine.yaml"
    path.write_text(
        "task: mine\ndataset_path: json\n"
        f"metadata: {{version: 1, rtbench: {{answer_type: number, twin: '{twin}', files: [{{name: mine.jsonl}}]{more}}}}}\n"
    )
    session = Session(Environment(workspace=str(folder / "w"), offline=True, task_files=(str(path),)))
    return session.task("mine")


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with twins, as ``--plugin FILE.py`` would load it."""
    made = types.ModuleType("mine_twins")

    class Worded(SumTwin):
        def draw(self, rng: random.Random, knobs: SumKnobs) -> Problem:
            return Problem(question=f"How many? {rng.random()}", answer="many", pattern=str(rng.random()), facts=())

    class Bare(Twin[SumKnobs]):
        draw, explain = SumTwin.draw, SumTwin.explain

    class NoHarder(Bare):
        knobs = SumKnobs()

    class Mixed(SumTwin):
        harder = Knobs()

    class NoKnobs(SumTwin):
        knobs = {"terms": 2}

    vars(made).update(SumTwin=SumTwin, Worded=Worded, Other=dict, number=7)
    vars(made).update(Bare=Bare, NoHarder=NoHarder, Mixed=Mixed, NoKnobs=NoKnobs)
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made.__name__


def test_strangers_task_has_its_own_twin(tmp_path: Path, module: str) -> None:
    task = mine(tmp_path, f"{module}:SumTwin")
    session = Session(Environment(workspace=str(tmp_path), offline=True))
    assert len(task.load(session.files, "twin-0").fold("default", "ood")) == 200


@pytest.mark.parametrize("twin", ["nowhere:Twin", "mine_twins:Missing", "mine_twins:Other", "mine_twins:number", "x"])
def test_twin_that_cannot_be_made_is_one_clear_error(tmp_path: Path, module: str, twin: str) -> None:
    task = mine(tmp_path, twin)
    with pytest.raises(BadInputError, match=r"mine\.yaml: metadata\.rtbench\.twin"):
        task.twin()


@pytest.mark.parametrize(
    ("twin", "said"),
    [
        ("Bare", "none as `knobs`"),
        ("NoHarder", "none as `harder`"),
        ("NoKnobs", "a dict as `knobs`"),
        ("Mixed", "two classes"),
    ],
)
def test_twin_without_its_knobs_is_one_clear_error(tmp_path: Path, module: str, twin: str, said: str) -> None:
    with pytest.raises(BadInputError, match=r"mine\.yaml: metadata\.rtbench\.twin") as error:
        mine(tmp_path, f"{module}:{twin}").twin()
    assert said in str(error.value)


def test_twin_whose_golds_are_of_the_wrong_type_is_an_error(tmp_path: Path, module: str) -> None:
    task = mine(tmp_path, f"{module}:Worded")
    session = Session(Environment(workspace=str(tmp_path), offline=True))
    with pytest.raises(BadInputError, match="'many' is not of type number"):
        task.load(session.files, "twin-0")


@pytest.mark.parametrize("knob", ["people=5", "options=false"])
def test_knob_that_makes_answers_the_task_cannot_score_is_named(session: Session, knob: str) -> None:
    with pytest.raises(BadInputError, match=rf"of type choice \(ABC\), with the knobs {knob}") as error:
        session.task_data("tracking_shuffled_objects", f"twin-0+{knob}")
    assert "rtbench tasks twin tracking_shuffled_objects" in str(error.value)
    assert "answer_type" not in str(error.value)


def test_no_variant_may_be_called_like_a_twin(tmp_path: Path, module: str) -> None:
    with pytest.raises(RtbenchError, match="name of a twin's data"):
        mine(tmp_path, f"{module}:SumTwin", ", variants: [original, twin-1]")


def test_task_without_a_twin_has_no_twins_variant(tmp_path: Path) -> None:
    path = tmp_path / "bare.yaml"
    path.write_text(
        "task: bare\ndataset_path: json\nmetadata: {version: 1, rtbench: {answer_type: number, files: [{name: x.jsonl}]}}\n"
    )
    session = Session(Environment(workspace=str(tmp_path / "w"), offline=True, task_files=(str(path),)))
    task = session.task("bare")
    assert task.twin() is None
    assert not task.info.twin
    with pytest.raises(UnknownNameError, match="variant of task bare"):
        task.load(session.files, "twin-0")


def test_twins_folds_are_exported_for_lm_eval(session: Session, tmp_path: Path) -> None:
    export_tasks([session.task("multiarith")], tmp_path / "out", "twin-2", "default", session.files)
    lines = {
        fold: (tmp_path / "out" / "rtbench_multiarith" / f"{fold}.jsonl").read_text().splitlines()
        for fold in ("train", "test")
    }
    assert {fold: len(found) for fold, found in lines.items()} == {"train": 600, "test": 200}

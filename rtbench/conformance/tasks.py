"""Checks of tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import ascii_uppercase
from typing import TYPE_CHECKING

from rtbench.conformance.check import CheckFunction, ContractError, NotCheckedError, Subject, demand, shown_some
from rtbench.errors import MissingDataError
from rtbench.plugin.tasks import Task
from rtbench.schema.completions import Completion
from rtbench.schema.scores import Score
from rtbench.schema.tasks import Sample, TaskData
from rtbench.scoring.golds import wrong_gold
from rtbench.twins import variant_of

if TYPE_CHECKING:
    from rtbench.plugin.tasks import Extractor

PREFIX = "The answer is"
_MOST = 200
"""Questions that extractors are tried on, spread over the task."""
_OTHERS_READ = 0.5
"""Fraction of the golds that an extractor must read which leaderboards do not show; some have limits on purpose."""
_TYPES = ("number", "choice", "yes_no", "string")
_ODD_TEXTS = (
    "",
    " ",
    "\n\n",
    "\x00\x1b[31m",
    "(" * 500,
    "9" * 5000,
    "nan",
    "inf",
    "-",
    "🙂" * 100,
    PREFIX,
    f"{PREFIX} .",
)


def has_metadata(subject: Subject) -> None:
    """Has its registered name, a title, a type of answers and an extractor."""
    info = _task(subject).info
    demand(info.name == subject.name, f"info.name is {info.name!r}, but it is registered as {subject.name!r}")
    demand(info.title.strip(), "info.title is empty")
    demand(info.answer_type in _TYPES, f"info.answer_type is {info.answer_type!r}, not one of {', '.join(_TYPES)}")
    demand(info.extractors, "info.extractors is empty: leaderboards need one")
    demand(
        info.shown_extractor in info.extractors,
        f"info.extractor {info.extractor!r} is not in info.extractors ({', '.join(info.extractors)})",
    )
    chance = info.random_accuracy
    demand(chance is None or 0 <= chance <= 1, f"info.random_accuracy is {chance}, not a fraction from 0 to 1")
    for name, version in info.extractors.items():
        extractor = _task(subject).extractor(name)
        demand(extractor.name == name, f"extractor({name!r}).name is {extractor.name!r}")
        demand(extractor.version == version, f"extractor {name} has version {extractor.version}, info says {version}")


def loads_the_same_twice(subject: Subject) -> None:
    """Loads the same questions, and has the same fingerprint, when it is created again."""
    files = subject.session.files
    for variant, _ in _data(subject):
        one, two = (_task(subject) for _ in range(2))
        demand(
            one.fingerprint(files, variant) == two.fingerprint(files, variant),
            f"the fingerprint of {variant!r} differs between two objects: leave out times, ids and addresses",
        )
        first, second = one.load(files, variant), two.load(files, variant)
        demand(first.samples == second.samples, f"the questions of {variant!r} differ when they are loaded again")
        demand(first.splits == second.splits, f"the splits of {variant!r} differ when they are loaded again")


def has_questions_in_its_folds(subject: Subject) -> None:
    """Has questions and gold answers of its type in the training and test fold of every split."""
    task = _task(subject)
    for variant, data in _data(subject):
        demand(
            set(task.info.splits) <= set(data.splits),
            f"{variant!r} lacks splits that info.splits names: {shown_some(sorted(set(task.info.splits) - set(data.splits)))}",
        )
        for index, sample in data.samples.items():
            demand(sample.index == index, f"sample {index} has the index {sample.index}")
            demand(sample.question.strip(), f"sample {index} has no question")
            fault = wrong_gold(sample.answer, task.info.answer_type, ascii_uppercase, sample.choices)  # type: ignore[arg-type]
            demand(fault is None, f"sample {index}: {fault}")
        for split in data.splits if data.missing is None else ():
            for fold in ("train", "test"):
                demand(data.fold(split, fold), f"the {fold} fold of {variant!r}, split {split!r}, is empty")


def has_one_answer_per_question(subject: Subject) -> None:
    """Has one gold answer for questions with the same text."""
    task = _task(subject)
    extractor = task.extractor(task.info.shown_extractor)
    for variant, data in _data(subject):
        seen: dict[tuple[str, tuple[str, ...]], Sample] = {}
        for sample in data.samples.values():
            first = seen.setdefault((" ".join(sample.question.split()), sample.choices), sample)
            demand(
                extractor.canonical(first.answer) == extractor.canonical(sample.answer),
                f"samples {first.index} and {sample.index} of {variant!r} are the same question, but their gold answers are "
                f"{first.answer!r} and {sample.answer!r}",
            )


def has_separate_folds(subject: Subject) -> None:
    """Has no sample in two folds of a split, and a question for each sample."""
    for variant, data in _data(subject):
        for name, split in data.splits.items():
            folds = {fold: split.fold(fold) for fold in ("train", "validation", "test", "ood")}
            where = f"of {variant!r}, split {name!r}"
            seen: dict[int, str] = {}
            for fold, indices in folds.items():
                demand(len(set(indices)) == len(indices), f"the {fold} fold {where} has an index twice")
                for index in indices:
                    demand(index not in seen, f"sample {index} {where} is in {seen.get(index)} and {fold}")
                    seen[index] = fold
            if data.missing is None:
                unknown = [index for index in seen if index not in data.samples]
                demand(not unknown, f"the folds {where} have indices without a question: {shown_some(unknown)}")


def has_the_sizes_that_it_states(subject: Subject) -> None:
    """Has as many training and test questions as its metadata state."""
    info = _task(subject).info
    if info.train_size is None and info.test_size is None:
        raise NotCheckedError("info.train_size and info.test_size are not stated")
    split = next(_data(subject))[1].splits[info.splits[0]]
    for name, stated, found in (("train", info.train_size, split.train), ("test", info.test_size, split.test)):
        demand(stated in {None, len(found)}, f"info.{name}_size is {stated}, but the fold has {len(found)} questions")


def reads_its_gold_answers(subject: Subject) -> None:
    """Reads gold answers back from texts that state them."""
    task, samples = _task(subject), _some_samples(subject)
    for name in task.info.extractors:
        lost = [sample for sample in samples if not _reads(task.extractor(name), sample)]
        if not lost:
            continue
        most = 0 if name == task.info.shown_extractor else int(len(samples) * (1 - _OTHERS_READ))
        examples = shown_some([repr(f"{PREFIX} {sample.answer}.") for sample in lost])
        demand(
            len(lost) <= most,
            f"extractor {name} counts {len(lost)} of {len(samples)} gold answers as wrong, in texts such as {examples}",
        )


def counts_other_answers_as_wrong(subject: Subject) -> None:
    """Counts another question's answer, and no answer, as wrong."""
    task, samples = _task(subject), _some_samples(subject)
    for name in task.info.extractors:
        extractor = task.extractor(name)
        for sample, other in zip(samples, [*samples[1:], *samples[:1]], strict=True):
            same = extractor.canonical(sample.answer) == extractor.canonical(other.answer)
            if same or other.answer in sample.answer or sample.answer in other.answer:
                continue
            text = f"{PREFIX} {other.answer}."
            demand(
                not _score(extractor, [text], sample)[0].correct,
                f"extractor {name} counts {text!r} as right; the gold answer of sample {sample.index} is {sample.answer!r}",
            )
        for sample in samples[:5]:
            empty = _score(extractor, [""], sample)[0]
            demand(not empty.correct, f"extractor {name} counts an empty text as right (sample {sample.index})")
            demand(not empty.extracted, f"extractor {name} finds {empty.extracted!r} in an empty text")


def scores_texts_of_any_kind(subject: Subject) -> None:
    """Scores texts of any kind, each by itself and in order."""
    task, sample = _task(subject), _some_samples(subject)[0]
    texts = [*_ODD_TEXTS, f"{PREFIX} {sample.answer}.", "no"]
    for name in task.info.extractors:
        extractor = task.extractor(name)
        together = _score(extractor, texts, sample)
        demand(len(together) == len(texts), f"extractor {name} returns {len(together)} scores for {len(texts)} texts")
        for place, (text, score) in enumerate(zip(texts, together, strict=True)):
            demand(
                (score.sample_index, score.completion_index) == (sample.index, place),
                f"extractor {name}: score {place} is of sample {score.sample_index}, completion {score.completion_index}",
            )
            alone = _score(extractor, [text], sample)[0]
            demand(
                (alone.extracted, alone.correct) == (score.extracted, score.correct),
                f"extractor {name} scores {text[:40]!r} differently among other texts",
            )


def shows_no_test_question(subject: Subject) -> None:
    """Shows no test question as a few-shot demonstration."""
    task, data = _task(subject), next(_data(subject))[1]
    demonstrations = task.demonstrations(subject.session.files, split=task.info.splits[0])
    if not demonstrations:
        raise NotCheckedError("the task has no demonstrations")
    tested = {" ".join(sample.question.split()) for sample in data.fold(task.info.splits[0], "test")}
    for demonstration in demonstrations:
        demand(
            " ".join(demonstration.question.split()) not in tested,
            f"a demonstration is a test question: {demonstration.question[:60]!r}",
        )


def has_a_sound_twin(subject: Subject) -> None:
    """Has a twin that gives equal questions for equal seeds, other ones for others, and right rationales."""
    task, files = _task(subject), subject.session.files
    if task.twin() is None:
        raise NotCheckedError("the task has no twin")
    one, two = variant_of(1), variant_of(2)
    demand(task.fingerprint(files, one) != task.fingerprint(files, two), "two seeds have the same fingerprint")
    first, again, other = task.load(files, one), _task(subject).load(files, one), task.load(files, two)
    demand(first.samples == again.samples, "the same seed gives other questions when it is loaded again")
    questions = [{sample.question for sample in data.samples.values()} for data in (first, other)]
    demand(questions[0] != questions[1], "two seeds give the same questions")
    split = first.splits["default"]
    groups = [
        {first.samples[index].group for index in fold if first.samples[index].group is not None}
        for fold in (split.train, split.test)
    ]
    demand(
        not groups[0] & groups[1], f"patterns are in two folds: {shown_some(sorted(map(str, groups[0] & groups[1])))}"
    )
    extractor = task.extractor(task.info.shown_extractor)
    for sample in list(first.samples.values())[:_MOST]:
        demand(
            _reads(extractor, sample), f"its gold answer {sample.answer!r} is not read back: {sample.question[:60]!r}"
        )


CHECKS: tuple[CheckFunction, ...] = (
    has_metadata,
    loads_the_same_twice,
    has_questions_in_its_folds,
    has_one_answer_per_question,
    has_separate_folds,
    has_the_sizes_that_it_states,
    reads_its_gold_answers,
    counts_other_answers_as_wrong,
    scores_texts_of_any_kind,
    shows_no_test_question,
    has_a_sound_twin,
)


def _task(subject: Subject) -> Task:
    """Return a new object of the task; one of a file is the session's."""
    if subject.name in subject.session.own_tasks:
        return subject.session.task(subject.name)
    return subject.session.new_task(subject.name)


def _data(subject: Subject) -> Iterator[tuple[str, TaskData]]:
    """Yield the variants whose data were found, with the data.

    Raises:
        NotCheckedError: the data of no variant were found.
    """
    found, reason = False, ""
    for variant in _task(subject).info.variants:
        try:
            data = subject.session.task_data(subject.name, variant)
        except MissingDataError as error:
            reason = str(error)
            continue
        if data.missing is not None and not data.samples:
            reason = data.missing
            continue
        found = True
        yield variant, data
    if not found:
        raise NotCheckedError(reason)


def _some_samples(subject: Subject) -> Sequence[Sample]:
    """Return questions of the default variant, spread over the task."""
    samples = list(next(_data(subject))[1].samples.values())
    chosen = samples[:: max(1, len(samples) // _MOST)][:_MOST]
    if not chosen:
        raise ContractError("there is no question")
    return chosen


def _reads(extractor: Extractor, sample: Sample) -> bool:
    return _score(extractor, [f"{PREFIX} {sample.answer}."], sample)[0].correct


def _score(extractor: Extractor, texts: Sequence[str], sample: Sample) -> list[Score]:
    completions = [
        Completion(
            key=str(place), task="", sample_index=sample.index, completion_index=place, prompt=sample.question,
            text=text, finish_reason="stop",
        )
        for place, text in enumerate(texts)
    ]  # fmt: skip
    return extractor.score(completions, {sample.index: sample}, PREFIX)

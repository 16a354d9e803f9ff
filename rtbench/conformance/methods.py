"""Checks of methods and curators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rtbench.conformance import stand_ins
from rtbench.conformance.check import (
    CheckFunction,
    NotCheckedError,
    Subject,
    demand,
    refuses_unknown_options,
    shown_some,
)
from rtbench.conformance.small_run import QUESTIONS, carried_out, small_matrix, small_plan
from rtbench.plugin.curators import CurationContext, Curator
from rtbench.plugin.methods import Method
from rtbench.schema.completions import Completion
from rtbench.schema.steps import CompleteSpec, TrainSpec
from rtbench.schema.tasks import Sample
from rtbench.schema.training import Candidate, Example, Likelihood
from rtbench.steps.score import scores_of

if TYPE_CHECKING:
    from rtbench.plugin.plans import Plan

_DEGREE = 4
"""Candidates per question."""


def method_has_its_name(subject: Subject) -> None:
    """Has its registered name."""
    method: Method = subject.make(Method)
    demand(method.name == subject.name, f"`name` is {method.name!r}, but it is registered as {subject.name!r}")


def method_makes_the_same_steps(subject: Subject) -> None:
    """Makes the same steps when it is planned again."""
    one, two = (_plan(subject) for _ in range(2))
    demand(list(one.steps) == list(two.steps), "the keys of its steps differ between two plans")


def method_uses_what_it_states(subject: Subject) -> None:
    """Trains, asks a teacher and depends on the degree exactly where its attributes say so."""
    method: Method = subject.make(Method)
    plan = _plan(subject)
    steps = list(plan.steps.values())
    trains = any(isinstance(step.spec, TrainSpec) for step in steps)
    demand(
        trains == method.trains, f"`trains` is {method.trains}, but its steps {'train' if trains else 'do not train'}"
    )
    asks = any(isinstance(step.spec, CompleteSpec) and step.spec.model.role == "teacher" for step in steps)
    demand(
        method.uses_teacher or not asks,
        "`uses_teacher` is False, but its steps ask a teacher: cells of different teachers would be one",
    )
    scores = {cell.score.key for cell in plan.cells if cell.score is not None}
    degrees = {cell.cell.degree for cell in plan.cells}
    demand(
        not method.uses_degree or len(scores) == len(degrees),
        "`uses_degree` is True, but cells with degree 1 and 2 have the same steps",
    )


def method_runs(subject: Subject) -> None:
    """Runs, scores each test question, and leaves nothing for a second run."""
    plan = _plan(subject)
    carried_out(subject.session, plan)
    for cell in plan.cells:
        demand(cell.score is not None and cell.score.kind == "score", "steps() does not return a `score` step")
        if cell.score is None:
            continue
        scored = {score.sample_index for score in scores_of(subject.session.store, cell.score.key, "flexible")}
        demand(len(scored) == QUESTIONS, f"{len(scored)} of {QUESTIONS} test questions are scored")
    left = _plan(subject).todo
    demand(not left, f"a second run would do these steps again: {shown_some([step.title for step in left])}")


METHOD_CHECKS: tuple[CheckFunction, ...] = (
    method_has_its_name,
    method_makes_the_same_steps,
    method_uses_what_it_states,
    method_runs,
)


def curator_refuses_unknown_options(subject: Subject) -> None:
    """Refuses options that it does not know, by name."""
    refuses_unknown_options(lambda more: _curator(subject, more))


def curator_keeps_only_candidates(subject: Subject) -> None:
    """Keeps only candidates that it was given, and the same ones again."""
    curator, candidates = _offline_curator(subject), _candidates()
    demand(curator.name.strip(), "`name` is empty")
    kept = list(curator.keep(candidates, _context(candidates)))
    given = [candidate.completion.key for candidate in candidates]
    keys = [candidate.completion.key for candidate in kept]
    demand(set(keys) <= set(given), "it returns candidates that it was not given")
    demand(len(set(keys)) == len(keys), "it returns a candidate twice")
    again = [c.completion.key for c in _offline_curator(subject).keep(_candidates(), _context(candidates))]
    demand(keys == again, "the same candidates give another selection: draw from a generator with a fixed seed")


def curator_keeps_its_promise(subject: Subject) -> None:
    """Keeps no wrong candidate where it states so."""
    curator, candidates = _offline_curator(subject), _candidates()
    if not curator.removes_wrong:
        raise NotCheckedError("`removes_wrong` is False")
    wrong = [candidate for candidate in curator.keep(candidates, _context(candidates)) if not candidate.correct]
    demand(not wrong, f"`removes_wrong` is True, but it keeps {len(wrong)} wrong candidates")


def curator_accepts_few(subject: Subject) -> None:
    """Accepts no candidates, and candidates without a text."""
    curator = _offline_curator(subject)
    demand(not list(curator.keep([], _context([]))), "it makes candidates from nothing")
    empty = [candidate for candidate in _candidates(text="") if candidate.example.sample_index == 0]
    curator.keep(empty, _context(empty))


CURATOR_CHECKS: tuple[CheckFunction, ...] = (
    curator_refuses_unknown_options,
    curator_keeps_only_candidates,
    curator_keeps_its_promise,
    curator_accepts_few,
)


def _plan(subject: Subject) -> Plan:
    students = {} if subject.student is None else {"students": [subject.student]}
    matrix = small_matrix(methods=[subject.name], degrees=[1, 2], curators=[], **students)
    plan = small_plan(subject.session, matrix)
    reasons = list(dict.fromkeys(cell.reason or "" for cell in plan.cells if cell.score is None))
    if reasons:
        lacking = "the stand-ins lack" if subject.student is None else "the student lacks"
        raise NotCheckedError(f"{lacking} what it needs (--student states another): {'; '.join(reasons)}")
    return plan


def _curator(subject: Subject, more: dict[str, object] | None = None) -> Curator:
    curator: Curator = subject.make(Curator, {**subject.entry.options, **subject.options, **(more or {})})
    return curator


def _offline_curator(subject: Subject) -> Curator:
    curator = _curator(subject)
    if curator.asks(subject.session) is not None:
        raise NotCheckedError("it asks a model")
    return curator


def _candidates(text: str | None = None) -> list[Candidate]:
    """Return candidates of a few questions: right and wrong ones, equal ones, long and short ones."""
    task = stand_ins.StandInTask()
    return [_candidate(task.sample(index), place, text) for index in range(QUESTIONS) for place in range(_DEGREE)]


def _candidate(sample: Sample, place: int, text: str | None) -> Candidate:
    wrong = place == 1
    answer = sample.answer if not wrong else "0"
    rationale = (f"{sample.rationale} " * (1 + place % 3)).strip() if text is None else text
    example = Example(
        sample_index=sample.index, completion_index=place, question=sample.question, answer=answer, rationale=rationale,
        source="stand-in",
    )  # fmt: skip
    completion = Completion(
        key=f"{sample.index}-{place}", task=stand_ins.TASK, sample_index=sample.index, completion_index=place,
        prompt=sample.question, text=f"{rationale} {stand_ins.ANSWER_PREFIX} {answer}." if text is None else text,
        finish_reason="stop",
    )  # fmt: skip
    return Candidate(example=example, completion=completion, correct=not wrong, extracted=answer)


def _context(candidates: Sequence[Candidate]) -> CurationContext:
    task = stand_ins.StandInTask()
    likelihoods = {
        candidate.completion.key: Likelihood(
            key=candidate.completion.key,
            sample_index=candidate.example.sample_index,
            completion_index=candidate.example.completion_index,
            tokens=10,
            nats=float(1 + number % 7),
        )
        for number, candidate in enumerate(candidates)
    }
    samples = {index: task.sample(index) for index in range(QUESTIONS)}
    others = [task.sample(index) for index in range(QUESTIONS, 2 * QUESTIONS)]
    return CurationContext(samples, others, degree=_DEGREE, dataset=stand_ins.TASK, likelihoods=likelihoods)

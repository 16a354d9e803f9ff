"""Checks of teachers and students."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rtbench.conformance.check import (
    CheckFunction,
    ContractError,
    NotCheckedError,
    Subject,
    demand,
    refuses_unknown_options,
    shown_some,
)
from rtbench.conformance.small_run import QUESTIONS, carried_out, small_matrix, small_plan
from rtbench.errors import BadInputError, MissingDataError, MissingExtraError, RtbenchError, UnavailableError
from rtbench.plugin.models import Student, Teacher, TextModel, TrainJob
from rtbench.schema.completions import Completion, ModelSpec, Request, Sampling
from rtbench.schema.tasks import Sample
from rtbench.schema.training import Recipe, TrainingRow
from rtbench.steps.prompts import fields_of
from rtbench.storage.ledger import make_request
from rtbench.texts import shortened_error

_TOKENS = 16
"""New tokens of an answer."""
_SAMPLED = Sampling(max_new_tokens=_TOKENS, temperature=0.7)
_FIELDS = {"question", "demonstrations", "rationale", "answer", "prompt", "reasoning", "trigger"}
_LACKING = (BadInputError, MissingDataError, MissingExtraError, UnavailableError)
"""Errors that say what is missing."""
_UNSAFE = (".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth", ".py")
"""Endings of files that can contain code."""


def teacher_has_stable_models(subject: Subject) -> None:
    """Has models with a fingerprint that stays the same when it is created again."""
    one, two = _teacher(subject), _teacher(subject)  # both at a time, so that they have two addresses
    members = one.members()
    demand(members, "members() is empty")
    for member, again in zip(members, two.members(), strict=True):
        _check_model(subject, member, again, "teacher")


def teacher_has_a_prompt_format(subject: Subject) -> None:
    """Has a prompt format with the question in it, for decoders and encoder-decoders."""
    teacher = _teacher(subject)
    if teacher.recorded:
        raise NotCheckedError("its completions are recordings")
    form = teacher.format
    for family in ("decoder", "encoder_decoder"):
        template = form.template(family)
        fields = fields_of(template.input)
        demand(
            fields & {"question", "rationale"}, f"the {family} template has no {{question}}: {template.input[:60]!r}"
        )
        for text in (template.input, template.label or "", template.answer_input or ""):
            unknown = sorted(fields_of(text) - _FIELDS)
            demand(not unknown, f"the {family} template has unknown fields: {shown_some(unknown)}")


def teacher_refuses_unknown_options(subject: Subject) -> None:
    """Refuses options that it does not know, by name."""
    refuses_unknown_options(lambda more: _teacher(subject, more))


def teacher_says_what_is_missing(subject: Subject) -> None:
    """Says what is missing before it is asked, as an error for users."""
    _only_bad_input(_teacher(subject).check_ready, "check_ready")


def teacher_answers_every_request(subject: Subject) -> None:
    """Answers every request exactly once, and the same again with the same seed."""
    teacher = _askable(subject)
    prompts = [
        teacher.format.template(teacher.family).input.format_map(
            {**dict.fromkeys(_FIELDS, ""), "question": sample.question}
        )
        for sample in _questions(subject)[:2]
    ]
    for member in teacher.members():
        requests = _requests(subject.task, member.fingerprint, prompts, _SAMPLED, each=2)
        first = _answers(teacher.open(member), requests)
        again = _answers(teacher.open(member), list(reversed(requests)))
        if teacher.paid or teacher.leaves_out:
            continue  # a provider need not repeat itself
        for request in requests:
            demand(
                first[request.key].text == again[request.key].text,
                "the same requests in another order have other texts: draw from a generator seeded with request.seed",
            )


def teacher_teaches_a_student(subject: Subject) -> None:
    """Teaches a student in a whole run, of which nothing is done twice."""
    _askable(subject)
    _whole_run(
        subject,
        small_matrix(
            methods=["fine-tune-cot"], tasks=[subject.task], teachers=[_entry(subject)], curators=[], degrees=[2]
        ),
    )


TEACHER_CHECKS: tuple[CheckFunction, ...] = (
    teacher_has_stable_models,
    teacher_has_a_prompt_format,
    teacher_refuses_unknown_options,
    teacher_says_what_is_missing,
    teacher_answers_every_request,
    teacher_teaches_a_student,
)


def student_has_a_stable_model(subject: Subject) -> None:
    """Has a model with a fingerprint that stays the same when it is created again."""
    one, two = _student(subject), _student(subject)  # both at a time, so that they have two addresses
    demand(one.family in {"decoder", "encoder_decoder"}, f"family is {one.family!r}")
    _check_model(subject, one.model(), two.model(), "student")


def student_refuses_unknown_options(subject: Subject) -> None:
    """Refuses options that it does not know, by name."""
    refuses_unknown_options(lambda more: _student(subject, more))


def student_says_what_is_missing(subject: Subject) -> None:
    """Says what is missing before it is trained, as an error for users."""
    _only_bad_input(_student(subject).check_ready, "check_ready")
    _only_bad_input(_student(subject).check_base, "check_base")


def student_learns_and_answers(subject: Subject) -> None:
    """Writes a checkpoint without code, answers every request once, and does the same when it is trained again."""
    student = _trainable(subject)
    sampling = Sampling(max_new_tokens=_TOKENS)
    texts: list[list[str]] = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            job = _job(subject, Path(folder), epochs=2, selection="last")
            report = student.train(job)
            demand(report.rows == len(job.rows), f"the report has {report.rows} rows, the job {len(job.rows)}")
            checkpoint = Path(folder) / "checkpoint"
            demand(checkpoint.is_dir(), "train() wrote no folder `checkpoint` into job.workdir")
            unsafe = [path.name for path in checkpoint.rglob("*") if path.suffix in _UNSAFE]
            demand(not unsafe, f"the checkpoint has files that can contain code: {shown_some(unsafe)}")
            model = student.load(checkpoint, job.corpus, "trained")
            demand(model.fingerprint == "trained", "load() must return a model with the fingerprint that it is given")
            requests = _requests(subject.task, "trained", [row.prompt for row in job.rows[:3]], sampling)
            answers = _answers(model, requests)
            texts.append([answers[request.key].text for request in requests])
    demand(texts[0] == texts[1], "two trainings with the same seed and rows give other texts")


def student_keeps_epochs(subject: Subject) -> None:
    """Keeps the weights of each epoch where answers are to select one of them."""
    student = _trainable(subject)
    with tempfile.TemporaryDirectory() as folder:
        student.train(_job(subject, Path(folder), epochs=2, selection="best-test"))
        lacking = [n for n in (1, 2) if not (Path(folder) / f"epoch-{n}").is_dir()]
        demand(
            not lacking, f"with selection best-test, `epoch-n` is missing in job.workdir for n = {shown_some(lacking)}"
        )


def student_is_tested_in_a_run(subject: Subject) -> None:
    """Is tested untrained and trained in a whole run, of which nothing is done twice."""
    _trainable(subject)
    _whole_run(
        subject,
        small_matrix(methods=["zero-shot", "fine-tune"], tasks=[subject.task], students=[_entry(subject)], teachers=[]),
    )


STUDENT_CHECKS: tuple[CheckFunction, ...] = (
    student_has_a_stable_model,
    student_refuses_unknown_options,
    student_says_what_is_missing,
    student_learns_and_answers,
    student_keeps_epochs,
    student_is_tested_in_a_run,
)


def _teacher(subject: Subject, more: dict[str, object] | None = None) -> Teacher:
    options = {**subject.entry.options, **subject.options, **(more or {})}
    teacher: Teacher = subject.make(Teacher, subject.label or subject.name, options, subject.session)
    return teacher


def _student(subject: Subject, more: dict[str, object] | None = None) -> Student:
    options = {**subject.entry.options, **subject.options, **(more or {})}
    student: Student = subject.make(Student, subject.label or subject.name, options, subject.session)
    return student


def _askable(subject: Subject) -> Teacher:
    """Return the teacher, if it can be asked here.

    Raises:
        NotCheckedError: it costs money, is a recording, or lacks something.
    """
    teacher = _teacher(subject)
    if teacher.recorded:
        raise NotCheckedError("its completions are recordings")
    if teacher.cell is not None or teacher.rewrites is not None:
        raise NotCheckedError("it needs the completions of another model")
    if teacher.paid and not subject.live:
        raise NotCheckedError("asking it costs money: use --live")
    _ready(teacher.check_ready)
    return teacher


def _trainable(subject: Subject) -> Student:
    student = _student(subject)
    if student.elsewhere and not subject.live:
        raise NotCheckedError("training it costs money: use --live")
    _ready(student.check_ready)
    _ready(student.check_base)
    return student


def _ready(check: Callable[[], None]) -> None:
    try:
        check()
    except _LACKING as error:
        raise NotCheckedError(str(error)) from error


def _only_bad_input(check: Callable[[], None], name: str) -> None:
    try:
        check()
    except _LACKING:
        return
    except RtbenchError as error:
        raise ContractError(f"{name}() raises {type(error).__name__}, not BadInputError: {error}") from error
    except Exception as error:
        raise ContractError(f"{name}() raises {shortened_error(error)}, not BadInputError") from error


def _check_model(subject: Subject, model: ModelSpec, again: ModelSpec, role: str) -> None:
    demand(model.role == role, f"the model's role is {model.role!r}, not {role!r}")
    demand(model.fingerprint.strip(), "the model's fingerprint is empty")
    demand(
        model.plugin in subject.session.registry(subject.kind),
        f"the model's plugin is {model.plugin!r}, under which nothing is registered: workers cannot create it",
    )
    demand(
        model.fingerprint == again.fingerprint,
        f"the fingerprint changes ({model.fingerprint!r}, {again.fingerprint!r}): equal work would be done again",
    )


def _requests(task: str, fingerprint: str, prompts: Sequence[str], sampling: Sampling, each: int = 1) -> list[Request]:
    return [
        make_request(fingerprint, task, index, number, prompt, sampling)
        for index, prompt in enumerate(prompts)
        for number in range(each)
    ]


def _answers(model: TextModel, requests: Sequence[Request]) -> dict[str, Completion]:
    """Return the completions of requests by key, checked."""
    try:
        completions = list(model.generate(requests))
    finally:
        model.close()
    found = {completion.key: completion for completion in completions}
    demand(len(found) == len(completions), "a request is answered twice")
    for request in requests:
        demand(request.key in found, f"a request is not answered: sample {request.sample_index}")
        completion = found[request.key]
        for field in ("task", "sample_index", "completion_index", "prompt"):
            stated, wanted = getattr(completion, field), getattr(request, field)
            demand(
                stated == wanted, f"a completion has {field} {stated!r}, its request {wanted!r}: use completion_of()"
            )
    demand(len(found) == len(requests), "there are completions that nobody asked for")
    return found


def _job(subject: Subject, workdir: Path, *, epochs: int, selection: str) -> TrainJob:
    rows = [
        TrainingRow(sample_index=sample.index, prompt=f"{sample.question} ###", label=f" {sample.answer} END")
        for sample in _questions(subject)
    ]
    recipe = Recipe(epochs=epochs, selection=selection, validation_fraction=0, max_new_tokens=0, batch_size=4)  # type: ignore[arg-type]
    corpus = [f"{row.prompt}{row.label}" for row in rows]
    return TrainJob(rows=rows, validation=[], recipe=recipe, seed=1, workdir=workdir, corpus=corpus)


def _questions(subject: Subject) -> Sequence[Sample]:
    """Return training questions of the task that models are tried on."""
    info = subject.session.task(subject.task).info
    data = subject.session.task_data(subject.task, info.variants[0])
    return data.fold(info.splits[0], "train")[:QUESTIONS]


def _entry(subject: Subject) -> dict[str, object]:
    """Return the model as a matrix states it."""
    return {"name": subject.label or subject.name, "use": subject.name, **subject.options}


def _whole_run(subject: Subject, matrix: dict[str, object]) -> None:
    carried_out(subject.session, small_plan(subject.session, matrix))
    left = small_plan(subject.session, matrix).todo
    demand(not left, f"a second run would do these steps again: {shown_some([step.title for step in left])}")

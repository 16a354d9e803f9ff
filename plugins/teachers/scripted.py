"""The ``scripted`` teacher: explains the questions of procedural twins from the steps behind them.

It knows the answers, so that its options determine its quality: how often and how a step goes wrong, how finely it
explains the steps, how much of the question it repeats. It is asked through the ordinary interface, like any model. It
finds the problem by the name of the samples and the index; the prompt affects only wordings and mistakes.

Its usage counts words separated by white space, because it has no tokenizer.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from rtbench_plugins.methods.options import plain

from rtbench.api import (
    BadInputError,
    Completion,
    Duration,
    FinishReason,
    ModelServices,
    ModelSpec,
    Price,
    PromptFormat,
    Record,
    Register,
    Request,
    StepFailedError,
    Task,
    Teacher,
    Template,
    TextModel,
    Usage,
    completion_of,
    content_key,
    convert,
    hookimpl,
)
from rtbench.twins import Narrator, Problem, Twin, setting_of, task_and_setting, twin_data

COMPLETIONS_PER_SECOND = 3000
"""Rate on one core, rounded down: 300 completions took 0.073 s."""
VERSION = 1
"""Raise it when the same request gives another text; a twin has its own version."""

Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]

_PREFIX = "The answer is"
_ASKED = Template(input="Q: {question}\nA:")
SCRIPTED = PromptFormat(name="scripted", decoder=_ASKED, encoder_decoder=_ASKED, answer_prefix=_PREFIX)

MALFORMED = (
    "",
    "Answer: {answer}",
    "So it must be {answer}, or so.",
    f"{_PREFIX} …",
    f"{_PREFIX} unknown.",
    f"{_PREFIX} not what was asked.",
)
"""Endings instead of "The answer is {answer}.": some hide a correct answer, some have no answer."""


class Mix(Record, frozen=True):
    """Probabilities of the kinds of mistakes, which sum to 1."""

    slip: Probability = 0.0
    """Probability of a wrong result, on which the following steps build."""
    malformed: Probability = 0.0
    """Probability of an answer in the wrong format."""
    truncated: Probability = 0.0
    """Probability of a text that ends in the middle."""


class ScriptedOptions(Record, frozen=True):
    """Options of the ``scripted`` teachers."""

    error_rate: Probability = 0.05
    """Probability of a mistake at each step."""
    mix: Mix = Mix(slip=0.8, malformed=0.1, truncated=0.1)
    granularity: Literal["fine", "coarse"] = "fine"
    """``fine``: every step is explained; ``coarse``: steps are merged."""
    verbosity: Literal[0, 1, 2] = 1
    """How often facts of the question are restated. 0: never; 1: half of the time; 2: always."""
    seed: int = 0
    """Another seed gives another teacher of the same quality."""
    price: Price | None = None


class ScriptedModel(TextModel):
    """A model that answers requests about twins' samples."""

    def __init__(self, fingerprint: str, teacher: ScriptedTeacher) -> None:
        self.fingerprint = fingerprint
        self._teacher = teacher

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        for request in requests:
            twin, problem = self._teacher.asked(request)
            text, finish_reason = self._write(twin, problem, request)
            yield completion_of(
                request,
                text,
                finish_reason=finish_reason,
                usage=Usage(prompt_tokens=len(request.prompt.split()), completion_tokens=len(text.split())),
            )

    def _write(self, twin: Twin[Any], problem: Problem, request: Request) -> tuple[str, FinishReason]:
        options = self._teacher.options
        # Greedy: one text per question and prompt. Sampled: one text per request seed and prompt.
        source = str(request.seed) if request.sampling.temperature > 0 else problem.question
        draw = f"{source}/{request.prompt}"  # another prompt (with a hint) gives another text
        words = random.Random(f"words/{options.seed}/{draw}")  # noqa: S311 - reproducible, not secret
        errors = random.Random(f"errors/{options.seed}/{draw}")  # noqa: S311
        narrator = Narrator(
            words,
            errors,
            fine=options.granularity == "fine",
            verbosity=options.verbosity,
            error_rate=options.error_rate,
            mix=(options.mix.slip, options.mix.malformed, options.mix.truncated),
            twin=type(twin).__name__,
        )
        answer = twin.explain(problem, narrator)
        ending = errors.choice(MALFORMED) if narrator.malformed else _PREFIX + " {answer}."
        text = narrator.text if narrator.truncated else f"{narrator.text} {ending.replace('{answer}', answer)}".strip()
        tokens = text.split(" ")
        if len(tokens) > request.sampling.max_new_tokens:
            return " ".join(tokens[: request.sampling.max_new_tokens]), "length"
        return text, "length" if narrator.truncated else "stop"


class ScriptedTeacher(Teacher):
    """A teacher that explains the questions of procedural twins; see the module.

    Args:
        name: the teacher's name in the matrix.
        options: settings that determine its quality.
        services: used to look up the tasks' twins.
    """

    format = SCRIPTED
    max_new_tokens = (512, 32)

    def __init__(self, name: str, options: ScriptedOptions, services: ModelServices) -> None:
        self.name = name
        self.options = options
        self.price = options.price
        self._services = services
        self._drawn: dict[str, tuple[Twin[Any], Mapping[int, Problem]]] = {}

    def members(self) -> Sequence[ModelSpec]:
        stated = plain(self.options)
        counted = {key: value for key, value in stated.items() if key != "price"}
        fingerprint = f"scripted-{content_key('scripted', VERSION, counted)}"
        return (ModelSpec(role="teacher", plugin="scripted", name=self.name, options=stated, fingerprint=fingerprint),)

    def open(self, member: ModelSpec) -> TextModel:
        return ScriptedModel(member.fingerprint, self)

    def answering_time(self, completions: int) -> Duration | None:
        """Return the time at the measured rate."""
        source = f"{COMPLETIONS_PER_SECOND:,} scripted completions per second, measured on another machine"
        return Duration(seconds=completions / COMPLETIONS_PER_SECOND, least=False, source=source)

    def prepare(self, member: ModelSpec, task: Task, variant: str, services: ModelServices) -> str | None:
        if task.twin() is None:
            return f"{self.name} explains procedural twins, and {task.info.name} has none"
        if setting_of(variant) is None:
            return f"{self.name} explains procedural twins only (--source twin, or `source: twin` in the matrix)"
        return None

    def asked(self, request: Request) -> tuple[Twin[Any], Problem]:
        """Return the problem that a request asks about, and its twin. A seed's problems are drawn once.

        Raises:
            StepFailedError: the samples are not a twin's, or the twin now draws other questions.
        """
        if request.task not in self._drawn:
            self._drawn[request.task] = self._draw(request.task)
        twin, problems = self._drawn[request.task]
        problem = problems.get(request.sample_index)
        if problem is None or problem.question.strip() not in request.prompt:
            raise StepFailedError(
                f"sample {request.sample_index} differs from the question that the twin draws",
                where=f"teacher {self.name}, {request.task}",
                next_step="Plan again: the twin has changed since.",
            )
        return twin, problem

    def _draw(self, dataset: str) -> tuple[Twin[Any], Mapping[int, Problem]]:
        named = task_and_setting(dataset)
        twin = self._services.task(named[0]).twin() if named else None
        if named is None or twin is None:
            raise StepFailedError("the samples are not a twin's", where=f"teacher {self.name}, {dataset}")
        return twin, twin_data(twin, named[1]).problems


def scripted(name: str, options: dict[str, Any], services: ModelServices) -> ScriptedTeacher:
    """Create a ``scripted`` teacher.

    Raises:
        BadInputError, UnknownNameError: an option is wrong.
    """
    where = f"teacher {name}"
    settings = convert(options, ScriptedOptions, where=where)
    total = settings.mix.slip + settings.mix.malformed + settings.mix.truncated
    if abs(total - 1) > 1e-9:
        raise BadInputError(
            f"the probabilities sum to {total:g}, not to 1",
            where=f"{where}, mix",
            next_step="Probabilities that are left out are 0.",
        )
    return ScriptedTeacher(name, settings, services)


@hookimpl
def rtbench_register_teachers(register: Register) -> None:
    here = "rtbench_plugins.teachers.scripted:scripted"
    register("scripted", here, summary="explains procedural twins, 5 % of steps wrong")
    register(
        "scripted-weak", here, summary="explains procedural twins, 25 % of steps wrong", options={"error_rate": 0.25}
    )
    register(
        "scripted-perfect", here, summary="explains procedural twins without mistakes", options={"error_rate": 0.0}
    )

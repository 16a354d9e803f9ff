"""The ``scripted`` teacher: explains the questions of procedural twins from the steps behind them.

It knows the answers, so its quality is what its options say: how often a step goes wrong and in which way, how finely
it tells the steps, how much it repeats of the question. It is asked through the ordinary interface, as any model; what
it goes by is the name of the samples and the index; the prompt decides wordings and mistakes alone.

Its usage counts words between white space, because no tokenizer is involved.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from rtbench.api import (
    BadInputError,
    Completion,
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

VERSION = 1
"""Raised when the same request gives another text; a twin has a version of its own."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]

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
"""Endings instead of "The answer is {answer}.": some hide a right answer, some have none."""


class Mix(Record, frozen=True):
    """What a mistake is, as probabilities that sum to 1."""

    slip: Share = 0.0
    """A wrong result, which the steps that follow build on."""
    malformed: Share = 0.0
    """An answer that is not written as it should be."""
    truncated: Share = 0.0
    """A text that ends in the middle."""


class ScriptedOptions(Record, frozen=True):
    """Options of the ``scripted`` teachers."""

    error_rate: Share = 0.05
    """Probability of a mistake at each step."""
    mix: Mix = Mix(slip=0.8, malformed=0.1, truncated=0.1)
    granularity: Literal["fine", "coarse"] = "fine"
    """Whether every step is said, or steps are merged."""
    verbosity: Literal[0, 1, 2] = 1
    """0 never restates what the question says, 1 does so half of the time, 2 always."""
    seed: int = 0
    """Another seed is another teacher of the same quality."""
    price: Price | None = None


class ScriptedModel(TextModel):
    """Answers requests about twins' samples."""

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
        # Greedy: one text per question and way of asking. Sampled: each request has a seed of its own, too.
        drawn = str(request.seed) if request.sampling.temperature > 0 else problem.question
        draw = f"{drawn}/{request.prompt}"  # asked in another way (with a hint): another text
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
        said = narrator.text if narrator.truncated else f"{narrator.text} {ending.replace('{answer}', answer)}".strip()
        written = said.split(" ")
        if len(written) > request.sampling.max_new_tokens:
            return " ".join(written[: request.sampling.max_new_tokens]), "length"
        return said, "length" if narrator.truncated else "stop"


class ScriptedTeacher(Teacher):
    """See the module.

    Args:
        name: as in the matrix.
        options: how well it explains.
        services: where it finds the tasks' twins.
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
        plain = msgspec.to_builtins(self.options)
        counted = {key: value for key, value in plain.items() if key != "price"}
        fingerprint = f"scripted-{content_key('scripted', VERSION, counted)}"
        return (ModelSpec(role="teacher", plugin="scripted", name=self.name, options=plain, fingerprint=fingerprint),)

    def open(self, member: ModelSpec) -> TextModel:
        return ScriptedModel(member.fingerprint, self)

    def prepare(self, member: ModelSpec, task: Task, variant: str, services: ModelServices) -> str | None:
        if task.twin() is None:
            return f"{self.name} explains procedural twins, and {task.info.name} has none"
        if setting_of(variant) is None:
            return f"{self.name} explains procedural twins only (--source twin, or `source: twin` in the matrix)"
        return None

    def asked(self, request: Request) -> tuple[Twin[Any], Problem]:
        """The problem that a request is about. A seed's problems are drawn once.

        Raises:
            StepFailedError: it is about none, or the twin draws other questions than the one that was asked.
        """
        if request.task not in self._drawn:
            self._drawn[request.task] = self._draw(request.task)
        twin, problems = self._drawn[request.task]
        problem = problems.get(request.sample_index)
        if problem is None or problem.question.strip() not in request.prompt:
            raise StepFailedError(
                f"sample {request.sample_index} is not what the twin draws",
                where=f"teacher {self.name}, {request.task}",
                next_step="Plan anew: the twin has changed since.",
            )
        return twin, problem

    def _draw(self, dataset: str) -> tuple[Twin[Any], Mapping[int, Problem]]:
        found = task_and_setting(dataset)
        twin = self._services.task(found[0]).twin() if found else None
        if found is None or twin is None:
            raise StepFailedError("these are no twin's samples", where=f"teacher {self.name}, {dataset}")
        return twin, twin_data(twin, found[1]).problems


def scripted(name: str, options: dict[str, Any], services: ModelServices) -> ScriptedTeacher:
    """Factory of the ``scripted`` teachers.

    Raises:
        BadInputError, UnknownNameError: an option is not what it should be.
    """
    where = f"teacher {name}"
    found = convert(options, ScriptedOptions, where=where)
    total = found.mix.slip + found.mix.malformed + found.mix.truncated
    if abs(total - 1) > 1e-9:
        raise BadInputError(
            f"the probabilities sum to {total:g}, not to 1",
            where=f"{where}, mix",
            next_step="What is not given is 0.",
        )
    return ScriptedTeacher(name, found, services)


@hookimpl
def rtbench_register_teachers(register: Register) -> None:
    here = "rtbench_plugins.teachers.scripted:scripted"
    register("scripted", here, summary="explains procedural twins, an error in 20 steps")
    register(
        "scripted-weak", here, summary="explains procedural twins, an error in 4 steps", options={"error_rate": 0.25}
    )
    register("scripted-perfect", here, summary="explains procedural twins without errors", options={"error_rate": 0.0})

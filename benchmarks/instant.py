"""A student that learns nothing and writes a text at once, another one for each request, for benchmarks of everything around
models. Option ``right``: the chance with which its answer is the right one; without it, it is always 22."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rtbench.plugin.hookspecs import hookimpl
from rtbench.plugin.models import Student, TextModel, TrainJob
from rtbench.schema.completions import Completion, ModelSpec, Request, Usage
from rtbench.schema.steps import Resources
from rtbench.schema.training import Recipe, TrainReport

TEXT = (
    "There were {} of them in the morning and 9 went away before noon, so {} - 9 = 7 were left. In the afternoon 5 came "
    "back with 2 friends each, that is 5 + 5 * 2 = 15 more. 7 + 15 = 22. --> {}"
)


def text_of(key: str, answer: str = "22") -> str:
    """No two requests get the same, so that nothing is gained by remembering what was found in a text."""
    number = int(key[:8], 16)
    return TEXT.format(number, number, answer)


class InstantModel(TextModel):
    def __init__(self, fingerprint: str, right: float | None, services: Any) -> None:
        self.fingerprint = fingerprint
        self._right = right
        self._services = services

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        for request in requests:
            yield Completion(
                key=request.key, task=request.task, sample_index=request.sample_index,
                completion_index=request.completion_index, prompt=request.prompt, finish_reason="stop",
                text=text_of(request.key, self._answer(request)),
                usage=Usage(prompt_tokens=100, completion_tokens=60),
            )  # fmt: skip

    def _answer(self, request: Request) -> str:
        if self._right is None:
            return "22"
        name, _, variant = request.task.partition("@")
        gold: str = self._services.task_data(name, variant).samples[request.sample_index].answer
        lucky = random.Random(f"{self.fingerprint}/{request.key}").random() < self._right
        return gold if lucky else "(E) no 1"


class InstantStudent(Student):
    family = "decoder"

    def __init__(self, name: str, options: dict[str, Any], services: object) -> None:
        self.name = name
        self.series = "instant"
        self._services = services
        self._options = options

    def model(self) -> ModelSpec:
        return ModelSpec(
            role="student", plugin="instant", name=self.name, options=self._options, fingerprint=f"instant-{self.name}"
        )

    def train(self, job: TrainJob) -> TrainReport:
        (job.workdir / "checkpoint").mkdir()
        return TrainReport(
            rows=len(job.rows), validation_rows=0, truncated=0, epochs=1, selected=1, steps=1, tokens=1,
            parameters=self._options.get("parameters", 1), history=(),
        )  # fmt: skip

    def load(self, checkpoint: Path | None, corpus: Sequence[str], fingerprint: str) -> TextModel:
        return InstantModel(fingerprint, self._options.get("right"), self._services)

    def resources(self, kind: str, recipe: Recipe) -> Resources:
        return Resources(memory_gb=0.1)


@hookimpl
def rtbench_register_students(register: Any) -> None:
    register("instant", InstantStudent, summary="one text at once")

"""A task, a teacher and a student without data, keys or torch, with which methods, claims and reporters are tried.

The task asks for sums. The teacher writes every fourth sum wrong. The student answers with the label of the most similar training
prompt.
"""

from __future__ import annotations

import difflib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from rtbench.plugin.models import Student, Teacher, TextModel, TrainJob
from rtbench.plugin.registered import Registered
from rtbench.plugin.tasks import Task
from rtbench.schema.completions import Completion, ModelSpec, Request, Usage, completion_of
from rtbench.schema.objectives import ObjectiveName
from rtbench.schema.progress import Progress, no_progress
from rtbench.schema.prompts import PromptFormat, Template
from rtbench.schema.tasks import Demonstration, Sample, Split, TaskData, TaskInfo
from rtbench.schema.training import TrainingRow, TrainReport
from rtbench.scoring.extraction import FilterExtractor, default_steps

if TYPE_CHECKING:
    from rtbench.data.files import DataFiles
    from rtbench.plugin.models import ModelServices
    from rtbench.plugin.tasks import Extractor

TASK, TEACHER, STUDENT = "stand-in-sums", "stand-in-teacher", "stand-in-student"
ANSWER_PREFIX = "The answer is"
_TRAIN, _SIZE = 24, 36
_LABELS = "labels.json"
_EXTRACTORS = {"flexible": 1, "strict": 1}
_FORMAT = PromptFormat(
    name="stand-in", decoder=Template(input="{question}"), encoder_decoder=Template(input="{question}"),
    answer_prefix=ANSWER_PREFIX,
)  # fmt: skip


class StandInTask(Task):
    """Sums of two small numbers."""

    info = TaskInfo(
        name=TASK,
        title="Sums",
        answer_type="number",
        random_accuracy=0.0,
        extractors=_EXTRACTORS,
        train_size=_TRAIN,
        test_size=_SIZE - _TRAIN,
    )

    def fingerprint(self, files: DataFiles, variant: str) -> str:
        """Return the identifier of the questions."""
        del files, variant
        return "stand-in-1"

    def load(self, files: DataFiles, variant: str) -> TaskData:
        """Return the questions."""
        del files, variant
        samples = {index: self.sample(index) for index in range(_SIZE)}
        return TaskData(samples, {"default": Split(train=tuple(range(_TRAIN)), test=tuple(range(_TRAIN, _SIZE)))})

    @staticmethod
    def sample(index: int) -> Sample:
        """Return a question."""
        left, right = 2 + index, 3 + index % 7
        total = str(left + right)
        rationale = f"{left} + {right} = {total}."
        return Sample(index=index, question=f"What is {left} + {right}?", answer=total, rationale=rationale)

    def extractor(self, name: str) -> Extractor:
        """Return one of our extractors."""
        return FilterExtractor(name, default_steps(name, "number"), _EXTRACTORS[name], "rtbench")

    def demonstrations(
        self, files: DataFiles, source: str = "own", split: str | None = "default"
    ) -> Sequence[Demonstration]:
        """Return one worked example that is no question of the task."""
        del files, source, split
        return (Demonstration(question="What is 100 + 1?", rationale="100 + 1 = 101.", answer="101"),)


class _Likely(TextModel):
    """Gives shorter words higher likelihoods."""

    def likelihoods(
        self,
        rows: Sequence[TrainingRow],
        max_prompt_tokens: int,
        max_label_tokens: int,
        progress: Progress = no_progress,
    ) -> Iterator[tuple[int, float]]:
        """Yield the number of words of each label, and a nat for each four letters."""
        del max_prompt_tokens
        for number, row in enumerate(rows, start=1):
            words = row.label.split()[:max_label_tokens]
            yield len(words), sum(map(len, words)) / 4
            progress(number, len(rows), "texts")


class _TeacherModel(_Likely):
    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        for request in requests:
            numbers = [int(word.strip("?.")) for word in request.prompt.split() if word.strip("?.").isdecimal()]
            total = sum(numbers[-2:]) + (random.Random(request.seed).random() < 0.25)  # noqa: S311 - errors of a stand-in
            text = f"{' + '.join(map(str, numbers[-2:]))} = {total}. {ANSWER_PREFIX} {total}."
            usage = Usage(prompt_tokens=len(request.prompt), completion_tokens=len(text))
            yield completion_of(request, text, finish_reason="stop", usage=usage)


class StandInTeacher(Teacher):
    """Adds, and is wrong every fourth time."""

    format = _FORMAT
    guides = True

    def __init__(self, name: str, options: Mapping[str, Any], services: ModelServices) -> None:
        del services
        self.name = name
        self.options = dict(options)

    def members(self) -> Sequence[ModelSpec]:
        """Return its one model."""
        return [
            ModelSpec(role="teacher", plugin=TEACHER, name=self.name, options=self.options, fingerprint="stand-in-1")
        ]

    def open(self, member: ModelSpec) -> TextModel:
        """Return its model."""
        return _TeacherModel(member.fingerprint)


class _StudentModel(_Likely):
    def __init__(self, fingerprint: str, labels: Mapping[str, str]) -> None:
        self.fingerprint = fingerprint
        self._labels = labels

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        for request in requests:
            near = difflib.get_close_matches(request.prompt, self._labels, n=1, cutoff=0.0)
            text = self._labels[near[0]] if near else f"{ANSWER_PREFIX} {len(request.prompt)}."
            yield completion_of(request, text, finish_reason="stop")


class StandInStudent(Student):
    """Learns by heart, whatever is to be minimised."""

    family = "decoder"
    series = "stand-in"
    continues = guides = True
    objectives = frozenset(get_args(ObjectiveName))

    def __init__(self, name: str, options: Mapping[str, Any], services: ModelServices) -> None:
        del services
        self.name = name
        self.options = dict(options)

    def model(self) -> ModelSpec:
        """Return the untrained model."""
        return ModelSpec(
            role="student", plugin=STUDENT, name=self.name, options=self.options, fingerprint="stand-in-student-1"
        )

    def train(self, job: TrainJob) -> TrainReport:
        """Write the training rows down, after those that the weights to begin with have learnt."""
        learnt = json.loads((job.start / _LABELS).read_text()) if job.start is not None else {}
        folders = ["checkpoint", *(f"epoch-{n}" for n in range(1, job.recipe.epochs + 1) if job.recipe.by_answers)]
        for folder in folders:
            (job.workdir / folder).mkdir(exist_ok=True)
            labels = {**learnt, **{row.prompt: row.label for row in job.rows}}
            (job.workdir / folder / _LABELS).write_text(json.dumps(labels))
        return TrainReport(
            rows=len(job.rows),
            validation_rows=len(job.validation),
            truncated=0,
            epochs=job.recipe.epochs,
            selected=job.recipe.epochs,
            steps=len(job.rows) * job.recipe.epochs,
            tokens=sum(len(row.label) for row in job.rows) * job.recipe.epochs,
            parameters=None,
            history=(),
        )

    def load(self, checkpoint: Path | None, corpus: Sequence[str], fingerprint: str) -> TextModel:
        """Read what was written down."""
        del corpus
        labels = json.loads((checkpoint / _LABELS).read_text()) if checkpoint else {}
        return _StudentModel(fingerprint, labels)


REGISTERED = (
    Registered("tasks", TASK, StandInTask),
    Registered("teachers", TEACHER, StandInTeacher),
    Registered("students", STUDENT, StandInStudent),
)
"""For the session in which plugins are checked."""

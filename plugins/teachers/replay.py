"""The ``replay`` teacher: completions from recordings, without a model.

When a plan first needs a recording that the ledger lacks, it is imported: from the recordings folder
(``<model>__<key>__<task>.jsonl[.gz]``), else from the file that its authors published, if ``recordings.yaml`` pins it.
Other recordings are imported with ``rtbench import``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtbench_plugins.teachers.own_data import GOLD, HUMAN, OWN, import_own_data

from rtbench.api import (
    BadInputError,
    Completion,
    MissingDataError,
    ModelServices,
    ModelSpec,
    PinnedFile,
    PromptFormat,
    Record,
    Request,
    Teacher,
    Template,
    TextModel,
    check_label,
    content_key,
    convert,
    hookimpl,
    read_yaml,
)
from rtbench.recordings.importing import PROMPT, fingerprint_of, import_recording, read_note, recorded_partition
from rtbench.twins import setting_of

if TYPE_CHECKING:
    from rtbench.api import Register, Task
    from rtbench.recordings.importing import RecordingNote


PINNED = Path(__file__).with_name("recordings.yaml")


class PinnedRecording(Record, frozen=True):
    """One task's file of a published recording."""

    task: str
    path: str
    """Path in the repository, and the file's name in the data folder."""
    bytes: int
    sha256: str


class PinnedRecordings(Record, frozen=True):
    """One entry of ``recordings.yaml``."""

    model: str
    key: str
    repository: str
    commit: str
    files: tuple[PinnedRecording, ...]

    def pin(self, task: str) -> PinnedFile | None:
        """Return the file for a task; None where there is none."""
        for file in self.files:
            if file.task == task:
                return PinnedFile(
                    name=file.path,
                    repository=self.repository,
                    commit=self.commit,
                    path=file.path,
                    sha256=file.sha256,
                    bytes=file.bytes,
                )
        return None


def pinned_recordings() -> tuple[PinnedRecordings, ...]:
    """Return the recordings that ``recordings.yaml`` pins."""
    return tuple(
        convert(entry, PinnedRecordings, where=f"{PINNED}, entry {i}") for i, entry in enumerate(read_yaml(PINNED), 1)
    )


class ReplayOptions(Record, frozen=True):
    """Options of a replay teacher."""

    recordings: tuple[str, ...] = ()
    """``model/key`` of each recording; several are pooled in this order."""
    saw_answers: bool = False
    """Whether they were written with the gold answers in view: the teacher then has no leaderboard row."""


class ReplayModel(TextModel):
    """A model that answers nothing: recorded completions are found in the ledger before a model is asked."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        return iter(())


class ReplayTeacher(Teacher):
    """Recordings of one model, or of several pooled."""

    recorded = True
    format = PromptFormat(name=PROMPT, decoder=Template(input=""), encoder_decoder=Template(input=""))

    def __init__(self, name: str, options: ReplayOptions, services: ModelServices) -> None:
        self.name = name
        self._services = services
        self._notes: dict[tuple[str, str], RecordingNote] = {}
        self._contents: dict[tuple[str, str], str] = {}
        if not options.recordings:
            raise BadInputError(
                "`recordings` is empty", where=f"teacher {name}", next_step="Write `recordings: [model/key, …]`."
            )
        for recording in options.recordings:
            if recording.count("/") != 1:
                raise BadInputError(
                    f"{recording!r} is not a recording", where=f"teacher {name}", next_step="Write model/key."
                )
            check_label(recording, where=f"teacher {name}, recordings", parts=True)
        self._members = tuple(self._member(recording) for recording in options.recordings)
        self.saw_answers = options.saw_answers or any(recording in OWN for recording in options.recordings)

    def _member(self, recording: str) -> ModelSpec:
        model, key = recording.split("/")
        return ModelSpec(
            role="teacher",
            plugin="replay",
            name=recording,
            options={"recordings": [recording]},
            fingerprint=fingerprint_of(model, key),
        )

    def members(self) -> Sequence[ModelSpec]:
        return self._members

    def open(self, member: ModelSpec) -> TextModel:
        return ReplayModel(member.fingerprint)

    def prepare(self, member: ModelSpec, task: Task, variant: str, services: ModelServices) -> str | None:
        dataset = task.dataset_id(variant)
        if setting_of(variant) is not None:
            return f"{member.name} is a recording, which has no answers to a twin's new questions"
        partition = recorded_partition(services, member.fingerprint, dataset)
        note = read_note(partition)
        if note is None:
            own = member.name in OWN
            why = import_own_data(services, member.name, task, variant) if own else self._import(member, task, services)
            note = read_note(partition)
            if note is None:
                return (
                    f"no recording of {member.name} for {dataset}: {why or 'the recording has none of its questions'}; "
                    "import one with `rtbench import`, or name a folder with --recordings or --data-dir"
                )
        self._notes[member.fingerprint, dataset] = note
        return None

    def _import(self, member: ModelSpec, task: Task, services: ModelServices) -> str | None:
        """Import the recording from the first source that has it; return the reason why there is none, or None."""
        from rtbench.recordings.read import formats_of, read_recording

        model, key = member.name.split("/")
        try:
            path = self._recorded(model, key, task, services) or self._published(model, key, task, services)
        except MissingDataError as error:  # such as no network: a reason for this cell, while others go on
            return error.what
        except BadInputError as error:
            return f"{error.where}: {error.what}"
        if path is None:
            place = f"{services.recordings} has none" if services.recordings else "there is no recordings folder"
            return f"{place}, and none is known to be published"
        recording = read_recording(path, formats_of(services), model=model, key=key, task=task.info.name)
        import_recording(services, recording, task)
        return None

    def _recorded(self, model: str, key: str, task: Task, services: ModelServices) -> Path | None:
        if services.recordings is None:
            return None
        paths = (services.recordings / f"{model}__{key}__{task.info.name}{end}" for end in (".jsonl", ".jsonl.gz"))
        return next((path for path in paths if path.is_file()), None)

    def _published(self, model: str, key: str, task: Task, services: ModelServices) -> Path | None:
        for published in pinned_recordings():
            pin = published.pin(task.info.name) if (published.model, published.key) == (model, key) else None
            if pin is not None:
                return services.files.find(pin)
        return None

    def _note(self, member: ModelSpec, dataset: str) -> RecordingNote:
        """Return the ledger's note on a member's recording, which another teacher may have imported."""
        key = (member.fingerprint, dataset)
        if key not in self._notes:
            note = read_note(recorded_partition(self._services, member.fingerprint, dataset))
            assert note is not None, f"{member.name} was asked for {dataset} before it was prepared"
            self._notes[key] = note
        return self._notes[key]

    def answer_prefix(self, member: ModelSpec, dataset: str) -> str | None:
        return self._note(member, dataset).answer_prefix

    def recorded_content(self, member: ModelSpec, dataset: str) -> str:
        """Return a key of the texts, not of their file: the same recording in two formats has the same key."""
        key = (member.fingerprint, dataset)
        if key not in self._contents:
            completions = recorded_partition(self._services, member.fingerprint, dataset).load().values()
            self._contents[key] = content_key(
                "recordings",
                sorted(
                    (c.sample_index, c.completion_index, c.reasoning or "", c.text, c.finish_reason or "")
                    for c in completions
                ),
            )
        return self._contents[key]


def replay(name: str, options: dict[str, Any], services: ModelServices) -> Teacher:
    """Create a ``replay`` teacher.

    Raises:
        BadInputError, UnknownNameError: an option is wrong, or names no recording.
    """
    return ReplayTeacher(name, convert(options, ReplayOptions, where=f"teacher {name}"), services)


@hookimpl
def rtbench_pinned_files(tasks: Sequence[str]) -> list[PinnedFile]:
    """Return the published recordings for these tasks."""
    return [pin for published in pinned_recordings() for task in tasks if (pin := published.pin(task)) is not None]


@hookimpl
def rtbench_register_teachers(register: Register) -> None:
    register("replay", "rtbench_plugins.teachers.replay:replay", summary="recorded completions, no model")
    register(
        "text-davinci-002",
        "rtbench_plugins.teachers.replay:replay",
        summary="the paper's teacher, zero-shot-CoT recordings",
        options={"recordings": ["text-davinci-002/zs_cot"]},
    )
    register(
        "human",
        "rtbench_plugins.teachers.replay:replay",
        summary="rationales of people, where a task's data have them (gsm8k, aqua, strategy_qa)",
        options={"recordings": [HUMAN]},
    )
    register(
        "gold",
        "rtbench_plugins.teachers.replay:replay",
        summary="gold answers without rationales, as a part of mixes",
        options={"recordings": [GOLD]},
    )

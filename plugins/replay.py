"""The ``replay`` teacher: a ledger that has no model behind it.

Its completions are recordings, imported with ``rtbench import`` or found under their published names
(``<model>__<key>__<task>.jsonl.gz``) in the recordings folder, which are imported when a plan first asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rtbench.errors import BadInputError
from rtbench.files import convert
from rtbench.hookspecs import hookimpl
from rtbench.importing import PROMPT, fingerprint_of, import_recording, read_note, recorded_partition
from rtbench.interfaces import PromptFormat, Teacher, Template, TextModel
from rtbench.keys import content_key
from rtbench.records import Completion, ModelSpec, Record, Request

if TYPE_CHECKING:
    from rtbench.importing import RecordingNote
    from rtbench.interfaces import Task
    from rtbench.registry import Register
    from rtbench.session import Session


class ReplayOptions(Record, frozen=True):
    """Options of a replay teacher."""

    recordings: tuple[str, ...] = ()
    """``model/key`` of each recording; several are pooled in this order."""


class ReplayModel(TextModel):
    """Answers nothing: what a recording holds is found in the ledger before a model is asked."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        return iter(())


class ReplayTeacher(Teacher):
    """Recordings of one model, or of several pooled."""

    recorded = True
    format = PromptFormat(name=PROMPT, decoder=Template(input=""), encoder_decoder=Template(input=""))

    def __init__(self, name: str, options: ReplayOptions, session: Session) -> None:
        self.name = name
        self._session = session
        self._notes: dict[tuple[str, str], RecordingNote] = {}
        if not options.recordings:
            raise BadInputError(
                "names no recording", where=f"teacher {name}", next_step="Write `recordings: [model/key, …]`."
            )
        for recording in options.recordings:
            if recording.count("/") != 1:
                raise BadInputError(
                    f"{recording!r} is no recording", where=f"teacher {name}", next_step="Write model/key."
                )
        self._members = tuple(self._member(recording) for recording in options.recordings)

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

    def prepare(self, member: ModelSpec, task: Task, variant: str, services: Any) -> str | None:
        session: Session = services
        dataset = task.dataset_id(variant)
        partition = recorded_partition(session, member.fingerprint, dataset)
        note = read_note(partition)
        if note is None:
            self._import(member, task, session)
            note = read_note(partition)
        if note is None:
            return f"no recording of {member.name} for {dataset}: `rtbench import` one, or give --recordings"
        self._notes[member.fingerprint, dataset] = note
        return None

    def _import(self, member: ModelSpec, task: Task, session: Session) -> None:
        from rtbench.recordings import read_recording

        if session.recordings is None:
            return
        model, key = member.name.split("/")
        for suffix in (".jsonl", ".jsonl.gz"):
            path = session.recordings / f"{model}__{key}__{task.info.name}{suffix}"
            if path.is_file():
                import_recording(session, read_recording(path), task)
                return

    def _note(self, member: ModelSpec, dataset: str) -> RecordingNote:
        """What the ledger says of a member; another teacher that shares it may have imported it."""
        key = (member.fingerprint, dataset)
        if key not in self._notes:
            found = read_note(recorded_partition(self._session, member.fingerprint, dataset))
            assert found is not None, f"{member.name} was asked for {dataset} before it was prepared"
            self._notes[key] = found
        return self._notes[key]

    def answer_prefix(self, member: ModelSpec, dataset: str) -> str | None:
        return self._note(member, dataset).answer_prefix

    def recorded_content(self, member: ModelSpec, dataset: str) -> str:
        digests = sorted(file.sha256 for file in self._note(member, dataset).files)
        return content_key("recordings", digests)


def replay(name: str, options: dict[str, Any], services: Any) -> Teacher:
    return ReplayTeacher(name, convert(options, ReplayOptions, where=f"teacher {name}"), services)


@hookimpl
def rtbench_register_teachers(register: Register) -> None:
    register("replay", "rtbench_plugins.replay:replay", summary="recorded completions, no model")
    register(
        "text-davinci-002",
        "rtbench_plugins.replay:replay",
        summary="the paper's teacher, zero-shot-CoT recordings",
        options={"recordings": ["text-davinci-002/zs_cot"]},
    )

"""Teacher that generates through transformers. Imports torch only when it is opened."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from msgspec.structs import replace
from rtbench_plugins.hf.hub import Hub
from rtbench_plugins.hf.identity import teacher_fingerprint
from rtbench_plugins.hf.options import Access, TeacherOptions, access, gpus_for, teacher_options
from rtbench_plugins.hf.places import Place
from rtbench_plugins.methods.formats import format_of, learns_from, sees_answers
from rtbench_plugins.methods.options import plain

from rtbench.api import BadInputError, Family, Machine, ModelSpec, Resources, Services, Teacher, TextModel


class HfTeacher(Teacher):
    """A teacher with a local or hub model, causal or seq2seq.

    Args:
        name: name in the matrix.
        options: see :class:`~rtbench_plugins.hf.options.TeacherOptions`.
        access: what the session permits.
        machine: the machine on which it generates.
    """

    guides = True

    def __init__(self, name: str, options: TeacherOptions, access: Access, machine: Machine) -> None:
        self.name = name
        self.options = options
        self.format = format_of(options)
        self.max_new_tokens = options.max_new_tokens
        self.max_thinking_tokens = options.max_thinking_tokens
        self.top_logprobs = options.top_logprobs
        self.price = options.price
        self.learns_from = learns_from(options)
        self.saw_answers = sees_answers(options)
        self._access = access
        self._machine = machine
        self._hub = Hub(access)

    @cached_property
    def family(self) -> Family:  # type: ignore[override]
        """Return the family, from the model's config, which is downloaded if it is not on this machine (the weights are not)."""
        return "encoder_decoder" if self._hub.is_encoder_decoder(self._place) else "decoder"

    def members(self) -> Sequence[ModelSpec]:
        return (
            ModelSpec(
                role="teacher",
                plugin="hf",
                name=self.name,
                options=plain(self._pinned()),
                fingerprint=teacher_fingerprint(self._pinned(), self._hub),
            ),
        )

    def open(self, member: ModelSpec) -> TextModel:
        from rtbench_plugins.hf.loading import pick_device, pretrained
        from rtbench_plugins.hf.models import HfModel

        options = self._pinned()
        device = pick_device(options.device)
        loaded = pretrained(
            self._place,
            family=None,
            dtype=options.dtype or ("auto" if device.type == "cuda" else "float32"),
            device=device,
            access=self._access,
        )
        if loaded.family != self.family:
            raise BadInputError(
                f"transformers loads a model of the family {loaded.family}, but its config says {self.family}",
                where=f"model {options.model!r}",
                next_step="Write `is_encoder_decoder` into the config.json of a local copy.",
            )
        return HfModel(
            loaded,
            member.fingerprint,
            name=self.name,
            chat=options.chat_template,
            thinking=options.thinking,
            most_rows=options.generation_batch,
        )

    def check_ready(self) -> None:
        self._hub.check_weights(self._place, self._machine, whose=f"teacher {self.name!r}")

    def resources(self) -> Resources:
        options = self.options
        return Resources(
            cpus=options.cpus, gpus=gpus_for(options.device, self._machine), memory_gb=options.memory_gb or 8.0
        )

    def _pinned(self) -> TeacherOptions:
        """Return the options with the place of the weights, and the revision as a commit."""
        place = self._place
        return replace(self.options, model=place.model, revision=place.revision, gguf_file=place.gguf_file)

    @property
    def _place(self) -> Place:
        return self._hub.place(self.options.model, self.options.revision, self.options.gguf_file)


def hf_teacher(name: str, options: dict[str, Any], services: Services) -> HfTeacher:
    """Return the ``hf`` teacher."""
    checked = teacher_options(name, options)
    allowed = access(services, wanted=checked.trust_remote_code, where=f"options of teacher {name!r}")
    return HfTeacher(name, checked, allowed, services.machine)

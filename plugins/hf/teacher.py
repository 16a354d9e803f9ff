"""The teacher that runs a model through transformers. Imports torch only when it is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rtbench_plugins.hf.identity import is_encoder_decoder, teacher_fingerprint
from rtbench_plugins.hf.options import Access, TeacherOptions, access, gpus_for, plain, teacher_options
from rtbench_plugins.methods.formats import FEW_SHOT_COT, ZERO_SHOT, ZERO_SHOT_COT

from rtbench.interfaces import Services, Teacher, TextModel
from rtbench.records import ModelSpec, Resources

FORMATS = {known.name: known for known in (ZERO_SHOT_COT, ZERO_SHOT, FEW_SHOT_COT)}


class HfTeacher(Teacher):
    """One local or hub model, causal or seq2seq.

    Args:
        name: as in the matrix.
        options: see :class:`~rtbench_plugins.hf.options.TeacherOptions`.
        access: what the session allows.
    """

    def __init__(self, name: str, options: TeacherOptions, access: Access) -> None:
        self.name = name
        self.options = options
        self.format = FORMATS[options.format]
        self.max_new_tokens = options.max_new_tokens
        self.price = options.price
        self._access = access

    def members(self) -> Sequence[ModelSpec]:
        return (
            ModelSpec(
                role="teacher",
                plugin="hf",
                name=self.name,
                options=plain(self.options),
                fingerprint=teacher_fingerprint(self.options),
            ),
        )

    def open(self, member: ModelSpec) -> TextModel:
        from rtbench_plugins.hf.loading import pick_device, pretrained
        from rtbench_plugins.hf.models import HfModel

        options = self.options
        device = pick_device(options.device)
        loaded = pretrained(
            options.model,
            revision=options.revision,
            family=None,
            dtype=options.dtype or ("auto" if device.type == "cuda" else "float32"),
            device=device,
            access=self._access,
        )
        return HfModel(
            loaded,
            member.fingerprint,
            name=self.name,
            chat=options.chat_template,
            thinking=options.thinking,
            most_rows=options.generation_batch,
        )

    def resources(self) -> Resources:
        options = self.options
        return Resources(cpus=options.cpus, gpus=gpus_for(options.device), memory_gb=options.memory_gb or 8.0)

    def is_encoder_decoder(self) -> bool | None:
        """The model's family, as far as it can be told without loading it."""
        return is_encoder_decoder(self.options.model, self.options.revision)


def hf_teacher(name: str, options: dict[str, Any], services: Services) -> HfTeacher:
    """Factory of the ``hf`` teacher."""
    found = teacher_options(name, options)
    allowed = access(services, wanted=found.trust_remote_code, where=f"options of teacher {name!r}")
    return HfTeacher(name, found, allowed)

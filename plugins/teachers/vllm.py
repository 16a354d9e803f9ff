"""The ``vllm`` teacher: a model in vLLM's engine, in this process, on the GPUs of this machine.

For an endpoint of ``vllm serve``, use the ``openai`` teacher. vllm is imported only when the teacher is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace
from rtbench_plugins.hf.hub import Hub
from rtbench_plugins.hf.identity import weights_fingerprint
from rtbench_plugins.hf.options import Access, access
from rtbench_plugins.hf.places import Place
from rtbench_plugins.hf.vllm_engine import VllmModel, VllmOptions
from rtbench_plugins.methods.formats import check_asking, format_of, learns_from, sees_answers
from rtbench_plugins.methods.options import plain

from rtbench.api import (
    Machine,
    ModelSpec,
    Register,
    Resources,
    Services,
    Teacher,
    TextModel,
    content_key,
    convert,
    hookimpl,
)


class VllmTeacher(Teacher):
    """A teacher that runs one model in vLLM's engine.

    Args:
        name: the teacher's name in the matrix.
        options: see :class:`VllmOptions`.
        access: the session's permissions for the hub.
        machine: the machine on which it generates.
    """

    def __init__(self, name: str, options: VllmOptions, access: Access, machine: Machine) -> None:
        self.name = name
        self.options = options
        self.format = format_of(options)
        self.max_new_tokens = options.max_new_tokens
        self.max_thinking_tokens = options.max_thinking_tokens
        self.top_logprobs = options.top_logprobs
        self.learns_from = learns_from(options)
        self.saw_answers = sees_answers(options)
        self._machine = machine
        self._access = access
        self._hub = Hub(access)

    def members(self) -> Sequence[ModelSpec]:
        """Return the model.

        Its fingerprint has all that texts depend on: weights, chat template, tags and the engine's arguments.
        """
        options = self._pinned()
        stated = plain(options)
        counted = {key: stated.get(key) for key in ("chat_template", "thinking", "engine")}
        weights = weights_fingerprint(self._place, self._hub)
        fingerprint = f"vllm-{content_key('vllm', weights, counted)}"
        return (ModelSpec(role="teacher", plugin="vllm", name=self.name, options=stated, fingerprint=fingerprint),)

    def open(self, member: ModelSpec) -> TextModel:
        """Load the model.

        Raises:
            MissingExtraError: vLLM is not installed.
        """
        from rtbench_plugins.hf.loading import as_folder

        place = as_folder(self._place, self._access)
        options = replace(self.options, model=place.model, revision=place.revision)
        return VllmModel(member.fingerprint, options, where=f"teacher {self.name!r}")

    def check_ready(self) -> None:
        self._hub.check_weights(self._place, self._machine, whose=f"teacher {self.name!r}", any_format=True)

    def resources(self) -> Resources:
        options = self.options
        return Resources(cpus=options.cpus, gpus=options.gpus, memory_gb=options.memory_gb, lane="vllm")

    def _pinned(self) -> VllmOptions:
        """Return the options with the place of the weights, and the revision as a commit."""
        return replace(self.options, model=self._place.model, revision=self._place.revision)

    @property
    def _place(self) -> Place:
        return self._hub.place(self.options.model, self.options.revision)


def vllm_teacher(name: str, options: dict[str, Any], services: Services) -> VllmTeacher:
    """Create a ``vllm`` teacher.

    Raises:
        BadInputError: an option is wrong, or asks to run a model's code without the flag.
    """
    where = f"options of teacher {name!r}"
    settings = convert(options, VllmOptions, where=where)
    check_asking(settings, where=where)
    allowed = access(services, wanted=settings.trust_remote_code, where=where)
    return VllmTeacher(name, settings, allowed, services.machine)


@hookimpl
def rtbench_register_teachers(register: Register) -> None:
    register(
        "vllm",
        "rtbench_plugins.teachers.vllm:vllm_teacher",
        summary="a model in vLLM's engine on this machine's GPUs (option `model`)",
    )

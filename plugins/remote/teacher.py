"""Teacher ``openai``: any model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rtbench_plugins.methods.formats import format_of, learns_from, sees_answers
from rtbench_plugins.methods.options import plain
from rtbench_plugins.remote.options import RemoteOptions, asking_resources, calls_together, identity, remote_options
from rtbench_plugins.remote.prices import asking_price

from rtbench.api import ModelSpec, Resources, Services, Teacher, TextModel, content_key, hookimpl

if TYPE_CHECKING:
    from rtbench.api import Register


class RemoteTeacher(Teacher):
    """A teacher that is a model behind an endpoint.

    Args:
        name: name in the matrix.
        options: see :class:`~rtbench_plugins.remote.options.RemoteOptions`.
        services: of the session; they have the budget and the folder of pending batches.
    """

    def __init__(self, name: str, options: RemoteOptions, services: Services) -> None:
        self.name = name
        self.options = options
        self.format = format_of(options)
        self.max_new_tokens = options.max_new_tokens
        self.max_thinking_tokens = options.max_thinking_tokens
        self.top_logprobs = options.top_logprobs
        self.per_call = calls_together(options)
        self.price = asking_price(options)
        self.leaves_out = options.refused == "missing"
        self.paid = options.api_key_env is not None
        self.learns_from = learns_from(options)
        self.saw_answers = sees_answers(options)
        self.services = services

    def members(self) -> Sequence[ModelSpec]:
        return (
            ModelSpec(
                role="teacher",
                plugin="openai",
                name=self.name,
                options=plain(self.options),
                fingerprint=f"openai-{content_key('openai', identity(self.options))}",
            ),
        )

    def open(self, member: ModelSpec) -> TextModel:
        from rtbench_plugins.remote.model import RemoteModel

        where = f"teacher {self.name!r}"
        return RemoteModel(
            member.fingerprint, self.options, self.services, self.price, where=where, leaves_out=self.leaves_out
        )

    def check_ready(self) -> None:
        from rtbench_plugins.remote.http import key_of

        key_of(self.options, where=f"teacher {self.name!r}")

    def resources(self) -> Resources:
        return asking_resources(self.options)


def remote_teacher(name: str, options: dict[str, Any], services: Services) -> RemoteTeacher:
    """Return the ``openai`` teacher.

    Raises:
        BadInputError: an option is unknown or invalid.
    """
    return RemoteTeacher(name, remote_options(name, options), services)


@hookimpl
def rtbench_register_teachers(register: Register) -> None:
    register(
        "openai",
        "rtbench_plugins.remote.teacher:remote_teacher",
        summary="any model behind an OpenAI-compatible endpoint (options `model`, `base_url`, `api_key_env`)",
    )

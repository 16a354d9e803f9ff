"""Student ``openai-finetune``: a model that an OpenAI-compatible endpoint fine-tunes and serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from rtbench_plugins.methods.options import plain
from rtbench_plugins.remote.jobs import ApiStudent
from rtbench_plugins.remote.options import (
    EndpointOptions,
    asking_resources,
    check_endpoint,
    continues_answers,
    identity,
)
from rtbench_plugins.remote.prices import asking_price
from rtbench_plugins.remote.provider import Provider

from rtbench.api import (
    BadInputError,
    ModelSpec,
    Recipe,
    Resources,
    Services,
    TextModel,
    TrainingRow,
    content_key,
    convert,
    hookimpl,
)

if TYPE_CHECKING:
    from rtbench.api import Register

END = " END"
"""End of a plain completion (source: the original project's ``src/data/completion_dataset.py``, rows for GPT-3)."""


class FineTunedOptions(EndpointOptions, frozen=True, omit_defaults=True):
    """Options of the ``openai-finetune`` student; ``model`` is the base model."""

    hyperparameters: dict[str, Any] = {}
    """``n_epochs``, ``batch_size``, ``learning_rate_multiplier``; the provider chooses those that are missing. The matrix's
    recipe is for students trained locally, and is not used."""
    job: dict[str, Any] = {}
    """Further fields of the job, as the endpoint documents them."""
    end: str | None = None
    """Text that ends each row and stops each completion. None: `` END`` at the ``completions`` endpoint, nothing in a chat."""


class OpenAiStudent(ApiStudent):
    """A base model that the endpoint fine-tunes.

    Args:
        name: name in the matrix.
        options: see :class:`FineTunedOptions`.
        services: of the session.
    """

    def __init__(self, name: str, options: FineTunedOptions, services: Services) -> None:
        price, paid = asking_price(options), options.api_key_env is not None
        super().__init__(name, options.model, options.hyperparameters, price, services, paid=paid)
        self.options = options
        self.leaves_out = options.refused == "missing"
        self.thinks = options.thinking is not None and continues_answers(options)
        self._end = options.end if options.end is not None else (END if options.endpoint == "completions" else "")

    def model(self) -> ModelSpec:
        """Return the model, whose fingerprint covers everything that the fine-tuned weights and their texts depend on."""
        counted = {
            **identity(self.options),
            "hyperparameters": self.options.hyperparameters,
            "job": self.options.job,
            "end": self._end,
        }
        return ModelSpec(
            role="student",
            plugin="openai-finetune",
            name=self.name,
            options=plain(self.options),
            fingerprint=f"openai-finetune-{content_key('openai-finetune', counted)}",
        )

    def provider(self) -> Provider:
        from rtbench_plugins.remote.fine_tuning import OpenAiJobs

        return OpenAiJobs(self.options, self.options.job, where=f"student {self.name!r}")

    def row(self, row: TrainingRow) -> dict[str, Any]:
        if self.options.endpoint == "completions":
            return {"prompt": row.prompt, "completion": row.label + self._end}
        system = [{"role": "system", "content": self.options.system}] if self.options.system is not None else []
        turns = [("user", row.prompt), ("assistant", row.label.strip() + self._end)]
        return {"messages": [*system, *({"role": role, "content": text} for role, text in turns)]}

    def opened(self, model: str, fingerprint: str) -> TextModel:
        from rtbench_plugins.remote.model import RemoteModel

        stop = {"stop": [self._end]} if self._end else {}
        options = replace(self.options, model=model, extra={**stop, **self.options.extra})
        where = f"student {self.name!r}"
        return RemoteModel(fingerprint, options, self.services, self.price, where=where, leaves_out=self.leaves_out)

    def check_ready(self) -> None:
        from rtbench_plugins.remote.http import key_of

        key_of(self.options, where=f"student {self.name!r}")

    def resources(self, kind: str, recipe: Recipe) -> Resources:
        """Return the resources of a step. Many training jobs may be pending at once."""
        return asking_resources(self.options) if kind == "complete" else Resources(cpus=0, memory_gb=0.5)


def fine_tuned_student(name: str, options: dict[str, Any], services: Services) -> OpenAiStudent:
    """Return the ``openai-finetune`` student.

    Raises:
        BadInputError: an option is unknown or invalid.
    """
    where = f"options of student {name!r}"
    converted = convert(options, FineTunedOptions, where=where)
    check_endpoint(converted, where=where)
    epochs = converted.hyperparameters.get("n_epochs", "auto")
    if epochs != "auto" and not (isinstance(epochs, int) and epochs > 0):
        raise BadInputError(f'`n_epochs` is {epochs!r} and must be a number above 0, or "auto"', where=where)
    return OpenAiStudent(name, converted, services)


@hookimpl
def rtbench_register_students(register: Register) -> None:
    register(
        "openai-finetune",
        "rtbench_plugins.remote.student:fine_tuned_student",
        summary="a model that an OpenAI-compatible endpoint fine-tunes (options `model`, `base_url`, `api_key_env`)",
    )

"""A plan's steps, without duplicates, and cached intermediate results."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar, cast

from msgspec.structs import replace

from rtbench.errors import UnavailableError
from rtbench.plugin.services import Services
from rtbench.schema.steps import CompleteSpec, Input, LikelihoodSpec, Resources, Spec, Step, TrainSpec, kind_of
from rtbench.storage.keys import step_key

T = TypeVar("T")
_MISSING = object()


class StepTable:
    """Steps by key. Cells that need the same step share it."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.steps: dict[str, Step] = {}
        self._memo: dict[Hashable, object] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the result of ``make`` for a key, cached after the first call.

        The key must identify the computation and every value that it depends on.
        """
        result = self._memo.get(key, _MISSING)  # keys hold records, whose hashes are slow: look up once
        if result is _MISSING:
            result = self._memo[key] = make()
        return cast("T", result)

    def add(self, spec: Spec, inputs: Sequence[Input], title: str, resources: Resources) -> Step:
        """Return the step of a spec and its inputs, and add it if it is new.

        Raises:
            UnavailableError: the step is not in the store and needs more than the machine has.
        """
        key = step_key(spec, inputs)
        step = self.steps.get(key)
        if step is None:
            if resources.processes > 1 or resources.least_gb > 0:
                self._check_machine(spec, key, resources)
            step = self.steps[key] = Step(
                key=key, kind=kind_of(spec), spec=spec, inputs=tuple(inputs), resources=resources, title=title
            )
        return step

    def follow(self, first: Step, then: Step) -> None:
        """Note that a step's completions are in the prompts of another step of the same model."""
        if self.steps[first.key].then is None:
            self.steps[first.key] = replace(self.steps[first.key], then=then)

    def _check_machine(self, spec: Spec, key: str, resources: Resources) -> None:
        """Raise UnavailableError if a step that is not in the store needs more GPUs or memory than the machine has.

        A machine without a GPU is accepted for steps on a single GPU: they run on the CPU or report the problem
        themselves.
        """
        machine = self.services.machine
        too_wide = resources.processes > 1 and machine.most_gpus is not None and resources.gpus > machine.most_gpus
        least, available = resources.least_gb / max(1, resources.gpus), None
        if least > 0:
            available = machine.gpu_memory_gb() if resources.gpus else machine.memory_gb
        too_large = available is not None and least > available
        if not (too_wide or too_large) or self.services.store.has(kind_of(spec), key):
            return
        who = spec.model.name if isinstance(spec, TrainSpec | CompleteSpec | LikelihoodSpec) else "the judge"
        if too_wide:
            raise UnavailableError(
                f"{who} needs {resources.gpus} GPUs; this machine has {machine.most_gpus}",
                next_step="Lower its `processes`.",
            )
        what = "to train it" if isinstance(spec, TrainSpec) else "to ask it"
        where = "its smallest GPU" if resources.gpus else "this machine"
        raise UnavailableError(
            f"{who} needs at least {least:,.1f} GiB of memory {what}, and {where} has {available:,.1f}",
            next_step="Use a smaller model, `lora` or more memory. The option `memory_gb` overrides the estimate.",
        )

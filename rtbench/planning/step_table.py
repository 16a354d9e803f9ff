"""The steps of a plan, each once, and what was worked out on the way to them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar, cast

from rtbench.errors import UnavailableError
from rtbench.plugin.services import Services
from rtbench.schema.steps import CompleteSpec, Input, Resources, Spec, Step, TrainSpec, kind_of
from rtbench.storage.keys import step_key

T = TypeVar("T")


class StepTable:
    """Steps by key. Equal steps are made once per plan, whichever cells ask for them."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.steps: dict[str, Step] = {}
        self._memo: dict[Hashable, object] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` returns for a key, made at the first call. The key names the work and all that it depends
        on, by value."""
        if key not in self._memo:
            self._memo[key] = make()
        return cast("T", self._memo[key])

    def add(self, spec: Spec, inputs: Sequence[Input], title: str, resources: Resources) -> Step:
        """Return the step of a spec and its inputs.

        Raises:
            UnavailableError: it is to be done and cannot fit into the machine.
        """
        key = step_key(spec, inputs)
        if key not in self.steps:
            self._check_machine(spec, key, resources)
            self.steps[key] = Step(
                key=key, kind=kind_of(spec), spec=spec, inputs=tuple(inputs), resources=resources, title=title
            )
        return self.steps[key]

    def _check_machine(self, spec: Spec, key: str, resources: Resources) -> None:
        """A single GPU is no matter here: whoever asks for one where there is none computes on the CPU, or says so itself."""
        machine = self.services.machine
        too_wide = resources.processes > 1 and machine.most_gpus is not None and resources.gpus > machine.most_gpus
        least, there = resources.least_gb / max(1, resources.gpus), None
        if least > 0:
            there = machine.gpu_memory_gb() if resources.gpus else machine.memory_gb
        too_large = there is not None and least > there
        if not (too_wide or too_large) or self.services.store.has(kind_of(spec), key):
            return
        who = spec.model.name if isinstance(spec, TrainSpec | CompleteSpec) else "the judge"
        if too_wide:
            raise UnavailableError(
                f"{who} asks for {resources.gpus} GPUs, and this machine has {machine.most_gpus}",
                next_step="Lower its `processes`.",
            )
        what = "to train it" if isinstance(spec, TrainSpec) else "to ask it"
        where = "its smallest GPU" if resources.gpus else "this machine"
        raise UnavailableError(
            f"{who} needs at least {least:,.1f} GiB of memory {what}, and {where} has {there:,.1f}",
            next_step="Take a smaller one, `lora`, or a machine with more; the option `memory_gb` overrules the estimate.",
        )

"""Students that are trained, and generate, through transformers. Imports torch only inside functions that need it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from rtbench_plugins.hf.compute_type import ComputeType, compute_type
from rtbench_plugins.hf.duration import device_speeds, generation_time, training_time
from rtbench_plugins.hf.hub import Hub
from rtbench_plugins.hf.identity import student_fingerprint
from rtbench_plugins.hf.memory import PROCESS, MemoryNeed, generation_need, tokens_at_once, training_need
from rtbench_plugins.hf.options import (
    RANDOM_CONFIGS,
    Access,
    StudentOptions,
    Tracking,
    access,
    engine_for,
    gpus_for,
    student_options,
)
from rtbench_plugins.hf.places import Place
from rtbench_plugins.hf.shapes import ModelShape, shape_of, shape_of_config
from rtbench_plugins.methods.options import plain

from rtbench.api import (
    Duration,
    Family,
    Machine,
    ModelSpec,
    ObjectiveName,
    Recipe,
    Resources,
    Services,
    Student,
    TextModel,
    TrainJob,
    TrainReport,
    cpu_count,
)

if TYPE_CHECKING:
    from rtbench_plugins.hf.loaded import LoadedModel


TRAINING: dict[Family, int] = {"decoder": 1, "encoder_decoder": 2}
"""Version of the training procedure of each family (:attr:`ModelSpec.training`); with a chat template, one more."""
ALL_CORES = 50 * 10**6
"""Number of parameters from which on a model uses all cores of a CPU."""
LARGE = 10**9
"""Number of parameters from which on activations are recomputed on a GPU, unless the options say otherwise."""


class HfStudent(Student):
    """A student with a base model of transformers.

    Args:
        name: name in the matrix.
        plugin: registered name of its factory.
        family: of the base.
        options: see :class:`~rtbench_plugins.hf.options.StudentOptions`.
        access: what the session permits.
        machine: the machine on which it is trained and generates.
        tracking: experiment trackers of its trainings; None: no trackers.
    """

    def __init__(
        self,
        name: str,
        plugin: str,
        family: Family,
        options: StudentOptions,
        access: Access,
        machine: Machine,
        tracking: Tracking | None = None,
    ) -> None:
        self.name = name
        self.family = family
        self.needs_corpus = options.config is not None
        self.options = options
        self.price = options.price
        self.series = options.series or _random_series(family, options)
        self.random_weights = options.config is not None
        self.objectives = frozenset({"logits", "on-policy", "grpo"})
        self.continues = self.guides = True
        self.thinks = family == "decoder" and options.thinking is not None
        self._plugin = plugin
        self._access = access
        self._machine = machine
        self._tracking = tracking
        self._hub = Hub(access)

    def model(self) -> ModelSpec:
        pinned = self._pinned()
        return ModelSpec(
            role="student",
            plugin=self._plugin,
            name=self.name,
            options=plain(replace(pinned, series=None, price=None)),  # neither affects how the model is loaded
            fingerprint=student_fingerprint(self.family, pinned, self._hub),
            training=TRAINING[self.family] + (1 if self.options.chat_template else 0),
        )

    def train(self, job: TrainJob) -> TrainReport:
        from rtbench_plugins.hf.encoding import Codec
        from rtbench_plugins.hf.loaded import stops_at
        from rtbench_plugins.hf.training import Computing, fine_tune

        quantized = self.options.lora is not None and self.options.lora.quantize is not None
        if job.start is None:
            base = self._base(job.corpus, dtype="float32", quantized=quantized)
        else:
            base = self._pretrained(Place(str(job.start)), "float32", quantized=quantized)
        codec = Codec(
            base.tokenizer,
            base.model.config,
            self.family,
            chat=self.options.chat_template or False,
            thinking=None,
            name=self.name,
        )
        stops_at(base, codec.end)
        dtype = self._pinned().dtype
        bf16 = dtype == "bfloat16" or (dtype is None and _has_bf16(base.device))
        on_gpu = base.device.type == "cuda"
        if _recomputes(self.options, base.model.num_parameters(), on_gpu=on_gpu):
            # The older name is removed in transformers 6.
            enable = getattr(base.model, "activation_checkpointing_enable", None)
            (enable or base.model.gradient_checkpointing_enable)()
        if self.options.lora is not None:
            from rtbench_plugins.hf.lora import adapted

            whole = (lambda: self._whole(job.start).model) if quantized else None
            base = adapted(base, self.options.lora, seed=job.seed, whole=whole)
        computing = Computing(
            bf16=bf16,
            micro_batch=self.options.micro_batch,
            most_tokens=None if on_gpu or self._shape is None else tokens_at_once(self._shape),
            packing=self.options.packing,
            sharded=self.options.sharded,
            keep_after=self.options.resume_seconds,
            generation_batch=self.options.generation_batch,
            tracking=self._tracking,
        )
        return fine_tune(
            base, codec, job, computing, identity=student_fingerprint(self.family, self._pinned(), self._hub)
        )

    def lacks(self, objective: ObjectiveName) -> str | None:
        if self.options.processes > 1:
            return f"{self.name} cannot be trained with the objective {objective} in {self.options.processes} processes"
        return super().lacks(objective)

    def engine(self, *, trained: bool) -> str:
        has_weights = trained or self.options.model is not None
        return {"own": "built-in", "vllm": "vLLM"}[
            engine_for(self.options, self.family, self._machine, has_weights=has_weights)
        ]

    def described(self) -> str | None:
        place, dtype = self._place, self._pinned().dtype
        parts = [] if place is None else [f"weights: {place}"]
        if self.options.dtype == "auto":
            parts.append(f"computed in {dtype}, by a measurement on this machine")
        elif dtype is not None:
            parts.append(f"computed in {dtype}")
        return "; ".join(parts) or None

    def training_time(self, tokens: int) -> Duration | None:
        if self._shape is None:
            return None
        return training_time(self._shape.parameters, tokens, self._dtype, self._computer, self._access.cache)

    def timed_devices(self) -> Sequence[str]:
        return [entry.device for entry in device_speeds()]

    def generation_time(self, read: int, written: int) -> Duration | None:
        if self._shape is None:
            return None
        return generation_time(self._shape.parameters, read, written, self._dtype, self._computer, self._access.cache)

    @property
    def _dtype(self) -> ComputeType:
        """Return the data type of the arithmetic on a CPU."""
        return "bfloat16" if self._pinned().dtype == "bfloat16" else "float32"

    @property
    def _computer(self) -> Machine:
        """Return the machine, without its GPUs where the options say CPU."""
        return (
            self._machine
            if gpus_for(self.options.device, self._machine)
            else dataclasses.replace(self._machine, gpus=0)
        )

    def checkpoint_bytes(self) -> int | None:
        return None if self._shape is None else 4 * self._shape.parameters

    def load(self, checkpoint: Path | None, corpus: Sequence[str], fingerprint: str) -> TextModel:
        dtype = self._pinned().dtype or "float32"
        place = self._place if checkpoint is None else Place(str(checkpoint))
        vllm = engine_for(self.options, self.family, self._machine, has_weights=place is not None) == "vllm"
        if vllm and place is not None:
            return self._in_vllm(place, dtype, fingerprint)
        return self.load_guide(checkpoint, corpus, fingerprint)

    def load_guide(self, checkpoint: Path | None, corpus: Sequence[str], fingerprint: str) -> TextModel:
        from rtbench_plugins.hf.models import HfModel

        dtype = self._pinned().dtype or "float32"
        loaded = self._base(corpus, dtype) if checkpoint is None else self._pretrained(Place(str(checkpoint)), dtype)
        return HfModel(
            loaded,
            fingerprint,
            name=self.name,
            chat=self.options.chat_template or False,
            thinking=self.options.thinking,
            most_rows=self.options.generation_batch,
        )

    def _in_vllm(self, place: Place, dtype: str, fingerprint: str) -> TextModel:
        from rtbench_plugins.hf.loading import as_folder
        from rtbench_plugins.hf.vllm_engine import VllmModel, VllmOptions

        place = as_folder(place, self._access)
        options = VllmOptions(
            model=place.model,
            revision=place.revision,
            chat_template=self.options.chat_template or False,
            thinking=self.options.thinking,
            engine={"dtype": dtype},
            trust_remote_code=self._access.trust_remote_code,
        )
        return VllmModel(fingerprint, options, where=f"student {self.name!r}", cut_prompts=True)

    def resources(self, kind: str, recipe: Recipe) -> Resources:
        """Return the resources of a step, over all its processes.

        Memory is estimated from the headers of the weights if they are on this machine, otherwise from the known shape.
        """
        options = self.options
        count = options.processes if kind == "train" else 1
        alone = self._memory(kind, recipe)
        further = MemoryNeed(PROCESS, PROCESS + alone.activations) if options.sharded else alone
        memory = MemoryNeed(alone.least + (count - 1) * further.least, alone.expected + (count - 1) * further.expected)
        gpus = gpus_for(options.device, self._machine) * count
        in_main = PROCESS * count if gpus else 0.0  # in main memory, while the lower bound is about GPU memory
        return Resources(
            cpus=self._cpus(on_gpu=gpus > 0) * count,
            gpus=gpus,
            processes=count,
            memory_gb=round(memory.expected, 1),
            least_gb=round(max(0.0, memory.least - in_main), 1),
        )

    def _cpus(self, *, on_gpu: bool) -> int:
        """Return the cores of one process; see :attr:`StudentOptions.cpus`."""
        if self.options.cpus is not None:
            return self.options.cpus
        here = self._machine.memory_gb is not None
        large = self._shape is not None and self._shape.parameters >= ALL_CORES
        return max(1, cpu_count() // self.options.processes) if large and here and not on_gpu else 1

    def _memory(self, kind: str, recipe: Recipe) -> MemoryNeed:
        """Return the memory of a single process that has all weights."""
        options = self.options
        if options.memory_gb is not None:
            return MemoryNeed(0.0, options.memory_gb)
        need = self._need(kind, recipe)
        return need or MemoryNeed(0.0, 8.0 if kind == "train" else 4.0)

    def _need(self, kind: str, recipe: Recipe) -> MemoryNeed | None:
        shape = self._shape
        if shape is None:
            return None
        if kind == "train":
            on_gpu = gpus_for(self.options.device, self._machine) > 0
            recomputes = _recomputes(self.options, shape.parameters, on_gpu=on_gpu)
            return training_need(shape, self.options, recipe, recomputes=recomputes, on_gpu=on_gpu)
        return generation_need(shape, self.options)

    @cached_property
    def _shape(self) -> ModelShape | None:
        if self.options.config is not None:
            stated, defaults = self.options.config, RANDOM_CONFIGS[self.family]
            if stated.get("model_type", defaults["model_type"]) == defaults["model_type"]:
                stated = defaults | stated
            return shape_of_config(stated, self.options.vocab_size)
        assert self._place is not None
        return shape_of(self._place)

    def check_base(self) -> None:
        if (place := self._place) is not None:
            vllm = engine_for(self.options, self.family, self._machine, has_weights=True) == "vllm"
            self._hub.check_weights(place, self._machine, whose=f"student {self.name!r}", any_format=vllm)

    def _pinned(self) -> StudentOptions:
        """Return the options with the place of the weights, the revision as a commit, and the data type of this machine."""
        dtype = self.options.dtype
        if dtype == "auto":
            dtype = compute_type(self.options.device, self._machine, self._access.cache)
        place = self._place
        if place is None:
            return replace(self.options, dtype=dtype)
        return replace(self.options, model=place.model, revision=place.revision, gguf_file=place.gguf_file, dtype=dtype)

    @property
    def _place(self) -> Place | None:
        """Return where the base's weights are; None where they are random."""
        options = self.options
        return None if options.model is None else self._hub.place(options.model, options.revision, options.gguf_file)

    def _base(self, corpus: Sequence[str], dtype: str, *, quantized: bool = False) -> LoadedModel:
        from rtbench_plugins.hf.loading import pick_device, random_base

        if (place := self._place) is not None:
            return self._pretrained(place, dtype, quantized=quantized)
        return random_base(self.family, self.options, corpus, pick_device(self.options.device), dtype)

    def _whole(self, start: Path | None) -> LoadedModel:
        """Return the weights that a training begins with, exactly and in main memory."""
        place = self._place if start is None else Place(str(start))
        assert place is not None
        return self._pretrained(place, "float32", device="cpu")

    def _pretrained(
        self, place: Place, dtype: str, *, quantized: bool = False, device: str | None = None
    ) -> LoadedModel:
        from rtbench_plugins.hf.loading import pick_device, pretrained

        return pretrained(
            place,
            family=self.family,
            dtype=dtype,
            device=pick_device(device or self.options.device),
            access=self._access,
            attention=self.options.attention,
            quantized=quantized,
        )


def _random_series(family: Family, options: StudentOptions) -> str | None:
    """Return the series of a student with random weights; None for other students.

    Random students whose configs have the same type differ only in size.
    """
    if options.config is None:
        return None
    return f"random {(RANDOM_CONFIGS[family] | options.config)['model_type']}"


def _has_bf16(device: Any) -> bool:
    """Return whether the device is a GPU with native bfloat16 arithmetic."""
    import torch

    return device.type == "cuda" and bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _recomputes(options: StudentOptions, parameters: int, *, on_gpu: bool) -> bool:
    """Return whether activations are recomputed in the backward pass (gradient checkpointing)."""
    if options.gradient_checkpointing is not None:
        return options.gradient_checkpointing
    return on_gpu and parameters >= LARGE


def causal_student(name: str, options: dict[str, Any], services: Services) -> HfStudent:
    """Return a decoder-only student."""
    return _student(name, "hf-causal", "decoder", options, services)


def seq2seq_student(name: str, options: dict[str, Any], services: Services) -> HfStudent:
    """Return an encoder-decoder student."""
    return _student(name, "hf-seq2seq", "encoder_decoder", options, services)


def _student(name: str, plugin: str, family: Family, options: dict[str, Any], services: Services) -> HfStudent:
    checked = student_options(name, options)
    allowed = access(services, wanted=checked.trust_remote_code, where=f"options of student {name!r}")
    return HfStudent(name, plugin, family, checked, allowed, services.machine, tracking_of(services))


def tracking_of(services: Services) -> Tracking | None:
    """Return the trackers of the command; None where it has none.

    Raises:
        UnknownNameError, BadInputError: as :func:`rtbench_plugins.hf.trackers.check` does.
    """
    names: tuple[str, ...] = services.environment.report_to
    if not names:
        return None
    from rtbench_plugins.hf.trackers import check

    check(names)
    return Tracking(names, services.workspace / "tracked")

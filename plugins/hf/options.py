"""Options of the students and the teacher, as they stand in a matrix. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import msgspec
from rtbench_plugins.methods.formats import TeacherFormat, check_asking
from rtbench_plugins.methods.thinking import Tags

from rtbench.api import BadInputError, Family, Machine, Price, RationaleSource, Record, Services, convert, here

RANDOM_CONFIGS: dict[Family, dict[str, Any]] = {
    "decoder": {
        "model_type": "gpt2",
        "n_layer": 2,
        "n_embd": 96,
        "n_inner": 256,
        "n_head": 4,
        "n_positions": 1024,
        "activation_function": "gelu_pytorch_tanh",  # GPT-2's own function, as one kernel
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
    },
    "encoder_decoder": {
        "model_type": "t5",
        "num_layers": 2,
        "num_decoder_layers": 2,
        "d_model": 96,
        "d_kv": 24,
        "d_ff": 192,
        "num_heads": 4,
        "dropout_rate": 0.0,
    },
}
"""What a random student's ``config`` is laid over: 300 rows of 80 tokens and 20 epochs take about 25 s of one CPU core.
Dropout is off since it costs a tenth of the time and models this small do not need it."""


class LoraOptions(Record, frozen=True, omit_defaults=True):
    """Low-rank adaptation (Hu et al. 2022) in place of training all weights, through peft; defaults after Dettmers et al.
    (2023), who adapt every linear layer."""

    rank: int = 16
    alpha: int = 32
    """The update is scaled by ``alpha / rank``."""
    dropout: float = 0.0
    targets: tuple[str, ...] | None = None
    """Names of layers, or their ends. None: every linear layer but the output."""
    quantize: Literal["nf4"] | None = None
    """Hold the base's own weights in 4 bits while the adapters are trained (QLoRA, Dettmers et al. 2023), through
    bitsandbytes. The checkpoint is the whole base with the adapters merged."""


class StudentOptions(Record, frozen=True, omit_defaults=True):
    """Options of ``hf-causal`` and ``hf-seq2seq``. Exactly one of ``model`` and ``config`` is given."""

    model: str | None = None
    """Local folder or hub id."""
    revision: str | None = None
    """Commit, tag or branch of a hub id; a commit makes the run repeatable."""
    config: dict[str, Any] | None = None
    """Random weights: fields of the transformers config, laid over a small GPT-2 or T5."""
    vocab_size: int = 2000
    """Tokens of a random student's tokenizer, at most."""
    init_seed: int = 0
    """Seed of a random student's weights."""
    dtype: Literal["float32", "bfloat16"] | None = None
    """Arithmetic of training (weights stay float32) and generation. None: float32, and on CUDA bfloat16 in
    training."""
    device: str | None = None
    """``cpu``, ``cuda``, ``cuda:1`` … None: CUDA where there is one."""
    chat_template: bool | None = None
    """Wrap prompts in the tokenizer's chat template, in training and at test time. None: no."""
    series: str | None = None
    """Name that all sizes of one model share. None: of random weights the type of the config, else none."""
    trust_remote_code: bool = False
    """Run code that comes with the model. Needs ``--trust-remote-code`` as well."""
    generation_batch: int = 64
    """Completions written at once, at most. Does not change texts."""
    engine: Literal["own", "vllm"] | None = None
    """What writes texts: the loop of this package, or vLLM. None: vLLM where it and a GPU are here and it can (a causal
    model's checkpoint, or a base with weights)."""
    lora: LoraOptions | None = None
    """Train adapters and merge them into the checkpoint. None: train all weights."""
    micro_batch: int | None = None
    """Rows computed at once in training; their gradients add up to the recipe's batch. None: the whole batch, and half as
    many whenever memory is not enough."""
    packing: bool | None = None
    """Compute a causal model's rows one behind the other, without padding and each for itself. None: where its attention is
    made for that (``attention: flash_attention_2``)."""
    attention: str | None = None
    """Implementation of attention, as transformers names it. None: the library's choice."""
    processes: int = 1
    """Processes that train together, each on a GPU of its own where there are GPUs; each takes its part of every batch."""
    sharded: bool = False
    """Part weights and the optimiser's state among the processes as well (FSDP). Else each holds all (DDP)."""
    gradient_checkpointing: bool | None = None
    """Compute activations again in the backward pass instead of keeping them. None: on CUDA from a billion parameters
    on."""
    resume_seconds: float = 10.0
    """Training state is kept at the end of an epoch when the last one is at least this old."""
    cpus: int = 1
    memory_gb: float | None = None
    """Memory a step asks for. None: an estimate."""


class TeacherOptions(Record, frozen=True, omit_defaults=True):
    """Options of the ``hf`` teacher."""

    model: str
    """Local folder or hub id."""
    revision: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """None: float32 on a CPU, the checkpoint's own on CUDA."""
    device: str | None = None
    chat_template: bool | None = None
    """None: where the tokenizer has one."""
    thinking: Tags | None = ("<think>", "</think>")
    """Thoughts between these tags go to the completion's ``reasoning``. None: they stay in the text."""
    format: TeacherFormat = "zero-shot-cot"
    """How it is asked: in two stages (Kojima et al. 2022), in one, or with demonstrations."""
    rationale: RationaleSource | None = None
    """What students learn from: what the model answered up to its answer, what it thought, or one after the other. None:
    what it thought, where it does, else the text."""
    max_new_tokens: tuple[int, int] = (128, 32)
    """For the rationale and for the answer stage."""
    price: Price | None = None
    trust_remote_code: bool = False
    generation_batch: int = 64
    cpus: int = 1
    memory_gb: float | None = None


def engine_for(
    options: StudentOptions, family: Family, machine: Machine, *, has_weights: bool
) -> Literal["own", "vllm"]:
    """What writes a student's texts, by what is here. The own loop computes a prefix that prompts share once, keeps its batch
    full and draws by each completion's seed; vLLM does so too, and has kernels for GPUs.

    Args:
        options: the student's.
        family: of its model.
        machine: where it is asked.
        has_weights: there is a folder or a hub model to be opened.
    """
    if options.engine is not None:
        return options.engine
    able = family == "decoder" and has_weights and gpus_for(options.device, machine) > 0
    return "vllm" if able and find_spec("vllm") is not None else "own"


def gpus_for(device: str | None, machine: Machine) -> int:
    """GPUs that a step takes: the one named, or one where there is one and none is named."""
    return 1 if (device or "").startswith("cuda") or (device is None and machine.gpus > 0) else 0


@dataclass(frozen=True)
class Tracking:
    """Experiment trackers that a training reports to."""

    names: tuple[str, ...]
    """As transformers' ``report_to`` names them."""
    folder: Path
    """For trackers that keep files."""


@dataclass(frozen=True)
class Access:
    """What the session lets a model do."""

    trust_remote_code: bool = False
    offline: bool = False


def student_options(name: str, options: dict[str, Any]) -> StudentOptions:
    """Checks a student's options.

    Raises:
        BadInputError: a key is unknown, a value has the wrong type, or the base is not clear.
    """
    where = f"options of student {name!r}"
    found = convert(options, StudentOptions, where=where)
    if (found.model is None) == (found.config is None):
        both = "both `model` and `config` are given" if found.model else "neither `model` nor `config` is given"
        raise BadInputError(
            f"{both}, so the base is not clear",
            where=where,
            next_step="Give `model` (a hub id or a local folder), or `config` for random weights ({} for a small one).",
        )
    if found.config is not None and found.vocab_size < 300:
        raise BadInputError(
            f"`vocab_size` is {found.vocab_size}; the 256 bytes and the special tokens need at least 300", where=where
        )
    _check_positive(where, generation_batch=found.generation_batch, cpus=found.cpus, micro_batch=found.micro_batch or 1)
    _check_positive(where, processes=found.processes)
    if found.engine == "vllm" and found.config is not None:
        raise BadInputError("vLLM opens no random weights", where=where, next_step="Leave `engine` out.")
    if found.sharded and found.lora is not None:
        raise BadInputError("`sharded` and `lora` do not go together", where=where, next_step="Leave one of them out.")
    if found.lora is not None:
        _check_positive(where, rank=found.lora.rank)
        if found.lora.quantize is not None and found.model is None:
            raise BadInputError("random weights are not quantized", where=f"{where}, lora", next_step="Give `model`.")
        if not 0 <= found.lora.dropout < 1:
            raise BadInputError(f"`dropout` is {found.lora.dropout} and must be in [0, 1)", where=f"{where}, lora")
    return found


def teacher_options(name: str, options: dict[str, Any]) -> TeacherOptions:
    """Checks a teacher's options.

    Raises:
        BadInputError: a key is unknown, a value has the wrong type or the model is not given.
    """
    where = f"options of teacher {name!r}"
    found = convert(options, TeacherOptions, where=where)
    check_asking(found.format, found.rationale, found.max_new_tokens, where=where)
    _check_positive(where, generation_batch=found.generation_batch, cpus=found.cpus)
    return found


def access(services: Services, *, wanted: bool, where: str) -> Access:
    """What this session allows.

    Args:
        services: the session.
        wanted: the option ``trust_remote_code``.
        where: whose option it is.

    Raises:
        BadInputError: the option asks to run a model's code and the session was started without the flag.
    """
    allowed = bool(getattr(services, "trust_remote_code", False))
    if wanted and not allowed:
        raise BadInputError(
            "`trust_remote_code` is set, and the command was started without its flag",
            where=where,
            next_step="Read the model's code, then add --trust-remote-code; or take a model that needs none.",
        )
    return Access(trust_remote_code=wanted and allowed, offline=bool(getattr(services, "offline", False)))


def machine_of(services: Services) -> Machine:
    """Where models are trained and asked; this machine without a session."""
    return getattr(services, "machine", None) or here()


def plain(options: StudentOptions | TeacherOptions) -> dict[str, Any]:
    """Options as plain data, without those that are defaults."""
    data = msgspec.to_builtins(options)
    assert isinstance(data, dict)
    return data


def _check_positive(where: str, **values: int) -> None:
    for key, value in values.items():
        if value < 1:
            raise BadInputError(f"`{key}` is {value} and must be at least 1", where=where)

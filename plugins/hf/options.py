"""Options of students and teachers that use transformers. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from rtbench_plugins.methods.formats import ANSWER_PREFIX, TeacherFormat, TopLogprobs, check_asking
from rtbench_plugins.methods.thinking import Tags

from rtbench.api import BadInputError, Family, Machine, Positive, Price, RationaleSource, Record, Services, convert

RANDOM_CONFIGS: dict[Family, dict[str, Any]] = {
    "decoder": {
        "model_type": "gpt2",
        "n_layer": 2,
        "n_embd": 96,
        "n_inner": 256,
        "n_head": 4,
        "n_positions": 1024,
        "activation_function": "gelu_pytorch_tanh",  # GPT-2's own function, in a single kernel
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
"""Defaults for the fields of a random student's ``config``. 20 epochs of 300 rows with 80 tokens take about 25 s on a CPU
core. Dropout is off, since it takes a tenth of the time and models this small do not need it."""


class LoraOptions(Record, frozen=True, omit_defaults=True):
    """Options of low-rank adaptation (Hu et al. 2022), through peft, instead of training all weights.

    The defaults follow Dettmers et al. (2023), who adapt every linear layer.
    """

    rank: Positive = 16
    alpha: int = 32
    """Updates are scaled by ``alpha / rank``."""
    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    targets: tuple[str, ...] | None = None
    """Names of layers, or ends of their names. None: every linear layer except the output layer."""
    quantize: Literal["nf4"] | None = None
    """Load the base's weights in 4 bits while the adapters are trained (QLoRA, Dettmers et al. 2023), through bitsandbytes.
    The checkpoint is the base with its exact weights and the adapters merged."""


class StudentOptions(Record, frozen=True, omit_defaults=True):
    """Options of ``hf-causal`` and ``hf-seq2seq``. Exactly one of ``model`` and ``config`` must be stated."""

    model: str | None = None
    """Local folder, GGUF file or hub id."""
    revision: str | None = None
    """Commit, tag or branch of a hub id; a commit makes the run repeatable."""
    gguf_file: str | None = None
    """GGUF file in the folder or hub repository, to use in place of safetensors."""
    config: dict[str, Any] | None = None
    """Fields of the transformers config of a model with random weights. Missing fields are those of a small GPT-2 or T5."""
    vocab_size: Annotated[int, msgspec.Meta(ge=300)] = 2000
    """Highest number of tokens of a random student's tokenizer. The 256 bytes and the special tokens need 300."""
    init_seed: int = 0
    """Seed of a random student's weights."""
    dtype: Literal["float32", "bfloat16", "auto"] | None = None
    """Data type of the arithmetic in training (weights stay in float32) and generation. ``auto``: bfloat16 where this
    machine computes it faster, by a measurement of a second, otherwise float32. None: float32, except bfloat16 for
    training on CUDA."""
    device: str | None = None
    """``cpu``, ``cuda``, ``cuda:1`` … None: CUDA if available."""
    chat_template: bool | None = None
    """Wrap prompts in the tokenizer's chat template, in training and at test time. None: no."""
    thinking: Tags | None = None
    """Thinking between these tags is stored in the completion's ``reasoning``. None: it stays in the text."""
    series: str | None = None
    """Name that all sizes of a model share. None: the type of the config for random weights, otherwise no series."""
    trust_remote_code: bool = False
    """Run code that comes with the model. Also needs ``--trust-remote-code``."""
    generation_batch: Positive = 64
    """Highest number of completions generated at once. Does not change texts."""
    engine: Literal["own", "vllm"] | None = None
    """Generation engine: ``own``, the built-in loop, or ``vllm``. None: vLLM if it is installed, there is a GPU, and it
    can open the model (a causal model's checkpoint, or a base with weights)."""
    lora: LoraOptions | None = None
    """Train adapters and merge them into the checkpoint. None: train all weights."""
    micro_batch: Positive | None = None
    """Rows computed at once in training; gradients are accumulated over the recipe's batch. None: the whole batch, halved
    whenever memory is not enough."""
    packing: bool | None = None
    """Concatenate a causal model's training rows without padding, each attending only to itself. None: if its attention is
    made for that (``attention: flash_attention_2``)."""
    attention: str | None = None
    """Implementation of attention, by transformers' name. None: the library's choice."""
    processes: Positive = 1
    """Number of processes that train together, each with its share of every batch and, if there are GPUs, its own GPU."""
    sharded: bool = False
    """Shard weights and the optimiser's state over the processes (FSDP). Otherwise each process has all of them (DDP)."""
    gradient_checkpointing: bool | None = None
    """Recompute activations in the backward pass instead of keeping them. None: on CUDA, for models with a billion
    parameters or more."""
    resume_seconds: Annotated[float, msgspec.Meta(ge=0)] = 10.0
    """The training state is saved at the end of an epoch if the last saved state is at least this many seconds old."""
    cpus: Positive | None = None
    """CPU cores that a step requests, for each process. None: 1; on a CPU, all cores for a model of 50 million parameters
    or more, since two of them at once would need twice the memory and be no faster."""
    price: Price | None = None
    """What this machine costs, per million tokens: ``training`` of supervised tokens, ``input`` and ``output`` of asking. Only
    reports use it; a budget does not limit it. None: not known."""
    memory_gb: float | None = None
    """Memory that a step requests for each process, in GB. With ``sharded``, each further process adds only 1 GB. None: an
    estimate."""


class TeacherOptions(Record, frozen=True, omit_defaults=True):
    """Options of the ``hf`` teacher."""

    model: str
    """Local folder, GGUF file or hub id."""
    revision: str | None = None
    gguf_file: str | None = None
    """GGUF file in the folder or hub repository, to use in place of safetensors."""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Data type of the weights. None: float32 on a CPU, the checkpoint's own on CUDA."""
    device: str | None = None
    chat_template: bool | None = None
    """Wrap prompts in the tokenizer's chat template. None: if it has one."""
    thinking: Tags | None = ("<think>", "</think>")
    """Thinking between these tags is stored in the completion's ``reasoning``. None: it stays in the text."""
    format: TeacherFormat = "zero-shot-cot"
    """How the model is asked: in two stages (Kojima et al. 2022), in one stage, or with demonstrations."""
    prompt: str | None = None
    """The teacher's own prompt in place of the format's, with ``{question}``, and ``{answer}`` for the gold answer. The reply
    has rationale and answer in one text."""
    answer_prefix: str = ANSWER_PREFIX
    """Text before the answer in replies to ``prompt``."""
    rationale: RationaleSource | None = None
    """What students learn from: the model's text up to its answer, its thinking, or the thinking and then the text. None:
    the thinking if there is any, otherwise the text."""
    max_new_tokens: tuple[int, int] = (128, 32)
    """Highest numbers of tokens of the rationale and of the answer stage."""
    max_thinking_tokens: int | None = None
    """Number of tokens after which the thinking of the first stage is ended and the answer asked for; they count towards
    ``max_new_tokens``. None: no limit."""
    top_logprobs: TopLogprobs = 0
    """Number of most probable tokens whose log-probabilities are stored at the place of each token of a rationale for a
    training question, for `distill-logits`."""
    price: Price | None = None
    trust_remote_code: bool = False
    generation_batch: Positive = 64
    cpus: Positive = 1
    memory_gb: float | None = None


def engine_for(
    options: StudentOptions, family: Family, machine: Machine, *, has_weights: bool
) -> Literal["own", "vllm"]:
    """Return the generation engine of a student: the built-in loop (``own``) or vLLM.

    Both compute a common prefix of prompts once, keep the batch full, and draw by each completion's seed. vLLM also has
    kernels for GPUs.

    Args:
        options: of the student.
        family: of its model.
        machine: the machine that generates.
        has_weights: whether there is a folder or a hub model to open.
    """
    if options.engine is not None:
        return options.engine
    able = family == "decoder" and has_weights and gpus_for(options.device, machine) > 0
    return "vllm" if able and find_spec("vllm") is not None else "own"


def gpus_for(device: str | None, machine: Machine) -> int:
    """Return the number of GPUs that a step uses: 1 if the device is a GPU, or if none is stated and there are GPUs."""
    return 1 if (device or "").startswith("cuda") or (device is None and machine.gpus > 0) else 0


@dataclass(frozen=True)
class Tracking:
    """Experiment trackers that a training reports to."""

    names: tuple[str, ...]
    """Names, as in transformers' ``report_to``."""
    folder: Path
    """Folder for trackers that write files."""


@dataclass(frozen=True)
class Access:
    """Permissions of models in a session."""

    trust_remote_code: bool = False
    offline: bool = False
    cache: Path | None = None
    """Folder of the cache, for converted models and measurements. None: no GGUF file can be opened, and no measurement is
    kept."""


def student_options(name: str, options: dict[str, Any]) -> StudentOptions:
    """Return a student's options, checked.

    Raises:
        BadInputError: a key is unknown, a value has the wrong type or is invalid, or the base is ambiguous.
    """
    where = f"options of student {name!r}"
    checked = convert(options, StudentOptions, where=where)
    if (checked.model is None) == (checked.config is None):
        both = "both `model` and `config` are stated" if checked.model else "neither `model` nor `config` is stated"
        raise BadInputError(
            f"{both}, so the base is ambiguous",
            where=where,
            next_step="Use `model` (a hub id or a local folder), or `config` for random weights ({} for a small model).",
        )
    if checked.gguf_file is not None and checked.model is None:
        raise BadInputError("`gguf_file` needs `model`", where=where, next_step="Use `model`, or remove `gguf_file`.")
    if checked.engine == "vllm" and checked.config is not None:
        raise BadInputError("vLLM cannot open random weights", where=where, next_step="Remove `engine`.")
    if checked.sharded and checked.lora is not None:
        raise BadInputError("`sharded` and `lora` cannot be combined", where=where, next_step="Remove one of them.")
    if checked.lora is not None and checked.lora.quantize is not None and checked.model is None:
        raise BadInputError("random weights cannot be quantized", where=f"{where}, lora", next_step="Use `model`.")
    return checked


def teacher_options(name: str, options: dict[str, Any]) -> TeacherOptions:
    """Return a teacher's options, checked.

    Raises:
        BadInputError: a key is unknown, a value has the wrong type or is invalid, or the model is missing.
    """
    where = f"options of teacher {name!r}"
    checked = convert(options, TeacherOptions, where=where)
    check_asking(checked, where=where)
    return checked


def access(services: Services, *, wanted: bool, where: str) -> Access:
    """Return what this session permits.

    Args:
        services: of the session.
        wanted: the option ``trust_remote_code``.
        where: the place of the option, for errors.

    Raises:
        BadInputError: the option is set, and the command was started without ``--trust-remote-code``.
    """
    if wanted and not services.trust_remote_code:
        raise BadInputError(
            "`trust_remote_code` is set, but the command has no --trust-remote-code",
            where=where,
            next_step="Read the model's code and add --trust-remote-code, or use a model that needs no code.",
        )
    return Access(trust_remote_code=wanted, offline=services.offline, cache=services.files.cache_dir)

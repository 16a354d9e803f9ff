"""Loading of models: with random weights, from the hub's cache, or from a folder. Imports torch."""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rtbench_plugins.hf.gguf_conversion import converted
from rtbench_plugins.hf.hub import gguf_path
from rtbench_plugins.hf.loaded import LoadedModel, explained, quiet, seeded
from rtbench_plugins.hf.options import RANDOM_CONFIGS, Access, StudentOptions
from rtbench_plugins.hf.places import Place
from rtbench_plugins.hf.tokenizer import train_tokenizer

from rtbench.api import BadInputError, Family, MissingExtraError, squeezed

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""Options of glibc's ``mallopt`` (malloc.h)."""
_MORE = 1.5
"""Growth of the process's memory at which unused memory is returned to the system, which takes as long as a step."""


def pick_device(name: str | None) -> torch.device:
    """Return the device that the option names, or else CUDA, or else the CPU.

    Raises:
        BadInputError: this machine has no such device.
    """
    use_threads()
    keep_memory()
    hush_kernels()
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        first_line = str(error).partition("\n")[0]
        raise BadInputError(
            f"device {name!r} cannot be used ({first_line})",
            where="option `device`",
            next_step="Remove the option to use CUDA if available.",
        ) from None
    return device


def use_threads() -> None:
    """Set the number of torch threads that the executor has chosen for this process (RTBENCH_THREADS)."""
    wanted = os.environ.get("RTBENCH_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        torch.set_num_threads(int(wanted))


@functools.cache
def keep_memory() -> None:
    """Make the C library keep freed memory for the next tensors, where it is glibc.

    By default it returns large blocks to the system at once. Then each step of a training on a CPU waits for the system to
    clear the same memory again: for a model of 135M parameters, a sixth to a third of the time.
    """
    if (libc := _glibc()) is None:
        return
    for option, value in ((_MMAP_THRESHOLD, 1 << 30), (_TRIM_THRESHOLD, (1 << 31) - 1), (_TOP_PAD, 1 << 26)):
        libc.mallopt(option, value)


def return_memory() -> None:
    """Return the memory that :func:`keep_memory` made the C library keep, which grows with batches of different widths."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def used_memory() -> int:
    """Return the main memory of this process in bytes; 0 where the system does not say."""
    path = Path("/proc/self/statm")
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if path.is_file() else 0


class StepMemory:
    """The memory of a training, whose unused part is returned to the system once it is large.

    What a step needs is seen at the first step, and at the one after memory was returned. So batches that are wider than those
    do not make each step return its memory and wait for the system to clear it again.
    """

    def __init__(self) -> None:
        self._needed, self._measuring = 0, True

    def after_step(self) -> None:
        """Return unused memory where the process has grown far beyond what steps need."""
        used = used_memory()
        if self._measuring:
            self._needed, self._measuring = max(self._needed, used), False
        elif used > _MORE * self._needed:
            return_memory()
            self._measuring = True


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None


def hush_kernels() -> None:
    """Hide, on machines without CUDA, a warning that a CUDA kernel is not installed.

    Models with short convolutions (LFM2) print it at their first step.
    """
    if not torch.cuda.is_available():
        logging.getLogger("transformers.integrations.hub_kernels").setLevel(logging.ERROR)


def random_base(
    family: Family, options: StudentOptions, corpus: Sequence[str], device: torch.device, dtype: str = "float32"
) -> LoadedModel:
    """Return a small model with random weights, which depend only on the options and the corpus, not on the machine.

    Raises:
        BadInputError: the config is not that of a model of this family, or there is no corpus.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    if not any(corpus):
        raise BadInputError("the tokenizer of a random student is trained on the training fold, which has no text")
    tokenizer = train_tokenizer(corpus, options.vocab_size, family)
    fields = RANDOM_CONFIGS[family] | (options.config or {})
    ends = {"bos_token_id": tokenizer.eos_token_id, "eos_token_id": tokenizer.eos_token_id}
    ends |= {"pad_token_id": tokenizer.pad_token_id, "vocab_size": len(tokenizer)}
    if family == "encoder_decoder":
        ends["decoder_start_token_id"] = tokenizer.pad_token_id
    try:
        config = AutoConfig.for_model(**fields, **ends)
        auto = AutoModelForCausalLM if family == "decoder" else AutoModelForSeq2SeqLM
        more = {} if options.attention is None else {"attn_implementation": options.attention}
        with seeded(options.init_seed), quiet():
            model = auto.from_config(config, **more)
    except Exception as error:
        reason = squeezed(str(error))
        raise BadInputError(
            f"not a valid model config ({type(error).__name__}: {reason[:300]})",
            where="option `config`",
            next_step=f"Use the fields of the transformers config of `model_type` {fields.get('model_type')!r}.",
        ) from error
    return LoadedModel(model.to(device, getattr(torch, dtype)).eval(), tokenizer, family, device)


def pretrained(
    place: Place,
    *,
    family: Family | None,
    dtype: str,
    device: torch.device,
    access: Access,
    attention: str | None = None,
    quantized: bool = False,
) -> LoadedModel:
    """Load a model from a folder, a GGUF file or the hub, from safetensors or GGUF only.

    Args:
        place: of its weights.
        family: required family; None: any.
        dtype: of the weights; ``auto``: the checkpoint's own.
        device: device of the model.
        access: says whether the network and the model's own code may be used.
        attention: implementation of attention, as transformers names it; None: the library's choice.
        quantized: load linear layers in 4 bits (NF4, with quantized scales).

    Raises:
        MissingExtraError: ``quantized`` is set, and bitsandbytes is not installed.
        MissingDataError: the model is not found locally and cannot be downloaded.
        BadInputError: the model has the other family, or cannot be read.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    stated = place.gguf_file or place.model
    place = as_folder(place, access)
    folder, model = place.path, place.model
    source = str(folder) if folder else model
    common: dict[str, Any] = {
        "trust_remote_code": access.trust_remote_code,
        "local_files_only": access.offline or folder is not None,
    }
    if folder is None and place.revision:
        common["revision"] = place.revision
    with explained(stated, is_folder=folder is not None), quiet():
        config = AutoConfig.from_pretrained(source, **common)
        actual: Family = "encoder_decoder" if config.is_encoder_decoder else "decoder"
        if family not in {None, actual}:
            other = "hf-seq2seq" if actual == "encoder_decoder" else "hf-causal"
            raise BadInputError(
                f"this model has the family {actual}", where=f"model {stated!r}", next_step=f"Use {other} for it."
            )
        tokenizer = AutoTokenizer.from_pretrained(source, **common)
        auto = AutoModelForCausalLM if actual == "decoder" else AutoModelForSeq2SeqLM
        weights = dtype if dtype == "auto" else getattr(torch, dtype)
        more: dict[str, Any] = {} if attention is None else {"attn_implementation": attention}
        more |= {"quantization_config": _four_bits(device), "device_map": {"": device}} if quantized else {}
        loaded = auto.from_pretrained(source, dtype=weights, use_safetensors=True, **more, **common)
    return LoadedModel((loaded if quantized else loaded.to(device)).eval(), tokenizer, actual, device)


def as_folder(place: Place, access: Access) -> Place:
    """Return a place of safetensors: of a GGUF file, which is downloaded if necessary, the folder of its conversion.

    Raises:
        MissingExtraError: the package ``gguf`` is not installed, and the file was not converted before.
        MissingDataError: the file is not found locally and cannot be downloaded.
        BadInputError: the file cannot be read.
    """
    path = gguf_path(place)
    if path is None and place.gguf_file is None:
        return place
    if path is None:
        from huggingface_hub import hf_hub_download

        assert place.gguf_file is not None
        with explained(place.model, is_folder=False):
            path = Path(
                hf_hub_download(place.model, place.gguf_file, revision=place.revision, local_files_only=access.offline)
            )
    assert access.cache is not None, "a GGUF file is converted into the cache"
    return Place(str(converted(path, access.cache)))


def _four_bits(device: torch.device) -> Any:
    from importlib.util import find_spec

    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None or find_spec("accelerate") is None:
        raise MissingExtraError.of("bitsandbytes", "qlora")
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if device.type == "cuda" else torch.float32,
    )

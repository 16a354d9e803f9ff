"""Brings models into memory: random, from the hub's cache, or from a folder. Imports torch."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rtbench_plugins.hf.identity import local_folder
from rtbench_plugins.hf.options import RANDOM_CONFIGS, Access, StudentOptions
from rtbench_plugins.hf.tokenizer import train_tokenizer

from rtbench.api import BadInputError, Family, MissingDataError, MissingExtraError


@dataclass(frozen=True)
class LoadedModel:
    """A model with its tokenizer, on its device."""

    model: Any
    tokenizer: Any
    family: Family
    device: torch.device
    merged: Callable[[], Any] | None = None
    """Makes what is saved in place of the model; None: the model itself."""


def pick_device(name: str | None) -> torch.device:
    """The device that the option names, or CUDA where there is one.

    Raises:
        BadInputError: no such device on this machine.
    """
    use_threads()
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
            next_step="Leave it out: CUDA is taken where there is one.",
        ) from None
    return device


def use_threads() -> None:
    """Takes the number of torch threads that the executor gave this process."""
    wanted = os.environ.get("RTBENCH_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        torch.set_num_threads(int(wanted))


def hush_kernels() -> None:
    """Models with short convolutions (LFM2) say at their first step that a CUDA kernel is not installed; where there
    is no CUDA, there is nothing to install."""
    if not torch.cuda.is_available():
        logging.getLogger("transformers.integrations.hub_kernels").setLevel(logging.ERROR)


def random_base(
    family: Family, options: StudentOptions, corpus: Sequence[str], device: torch.device, dtype: str = "float32"
) -> LoadedModel:
    """A small model with random weights. Same options and corpus, same weights, on any machine.

    Raises:
        BadInputError: the config is not one of a model of this family, or there is no corpus.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    if not any(corpus):
        raise BadInputError("a random student makes its tokenizer from the training fold, which holds no text")
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
        with _seeded(options.init_seed), quiet():
            model = auto.from_config(config, **more)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise BadInputError(
            f"no model can be made of it ({type(error).__name__}: {reason[:300]})",
            where="option `config`",
            next_step="Its fields are those of the transformers config of `model_type` "
            f"(here {fields.get('model_type')!r}).",
        ) from error
    return LoadedModel(model.to(device, getattr(torch, dtype)).eval(), tokenizer, family, device)


def pretrained(
    model: str,
    *,
    revision: str | None = None,
    family: Family | None,
    dtype: str,
    device: torch.device,
    access: Access,
    attention: str | None = None,
    quantized: bool = False,
) -> LoadedModel:
    """Loads a folder or a hub id; safetensors only.

    Args:
        model: local folder or hub id.
        revision: commit, tag or branch of a hub id.
        family: what the model must be; None takes either.
        dtype: of the weights; ``auto`` is the checkpoint's own.
        device: where it goes.
        access: whether the network and the model's own code may be used.
        attention: its implementation, as transformers names it; None: the library's choice.
        quantized: hold linear layers in 4 bits (NF4, its scales quantized too).

    Raises:
        MissingExtraError: 4 bits are asked for, and bitsandbytes is not installed.
        MissingDataError: it is not at hand and cannot be downloaded.
        BadInputError: it is of the other family, or cannot be read.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    folder = local_folder(model)
    source = str(folder) if folder else model
    common: dict[str, Any] = {
        "trust_remote_code": access.trust_remote_code,
        "local_files_only": access.offline or folder is not None,
    }
    if folder is None and revision:
        common["revision"] = revision
    with _explained(model, is_folder=folder is not None), quiet():
        config = AutoConfig.from_pretrained(source, **common)
        found: Family = "encoder_decoder" if config.is_encoder_decoder else "decoder"
        if family not in {None, found}:
            other = "hf-seq2seq" if found == "encoder_decoder" else "hf-causal"
            raise BadInputError(
                f"this is a model of the family {found}", where=f"model {model!r}", next_step=f"Use {other} for it."
            )
        tokenizer = AutoTokenizer.from_pretrained(source, **common)
        auto = AutoModelForCausalLM if found == "decoder" else AutoModelForSeq2SeqLM
        weights = dtype if dtype == "auto" else getattr(torch, dtype)
        more: dict[str, Any] = {} if attention is None else {"attn_implementation": attention}
        more |= {"quantization_config": _four_bits(device), "device_map": {"": device}} if quantized else {}
        loaded = auto.from_pretrained(source, dtype=weights, use_safetensors=True, **more, **common)
    return LoadedModel((loaded if quantized else loaded.to(device)).eval(), tokenizer, found, device)


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


def save(base: LoadedModel, folder: Path, weights: dict[str, torch.Tensor] | None = None) -> None:
    """Writes weights (safetensors), config and tokenizer; a reader sees all of it or nothing.

    Args:
        base: the model.
        folder: where.
        weights: of a model whose parts lie in several processes, put together; None: the model's own.
    """
    import shutil

    private = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(private, ignore_errors=True)
    with quiet():
        (base.merged() if base.merged else base.model).save_pretrained(private, state_dict=weights)
        base.tokenizer.save_pretrained(private)
    _open_to_others(private)
    shutil.rmtree(folder, ignore_errors=True)
    private.rename(folder)


def _open_to_others(folder: Path) -> None:
    """Gives all files the mode that the umask grants; safetensors writes weights for their owner alone."""
    probe = folder / ".mode"
    probe.touch()
    mode = probe.stat().st_mode & 0o777
    probe.unlink()
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(mode)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps transformers' bars and notes off the screen, which belongs to the run's own display."""
    from transformers.utils import logging as library

    before, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity_error()
    library.disable_progress_bar()
    try:
        yield
    finally:
        library.set_verbosity(before)
        if bars:
            library.enable_progress_bar()


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def _explained(model: str, *, is_folder: bool) -> Iterator[None]:
    """Says in one line what transformers says in many."""
    where = f"model {model!r}"
    try:
        yield
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = " ".join(str(error).split())[:300]
        if "trust_remote_code" in reason:
            raise BadInputError(
                "the model comes with code of its own, which is not run unasked",
                where=where,
                next_step="Read it, then set the option `trust_remote_code: true` and add --trust-remote-code.",
            ) from error
        if "safetensors" in reason:
            raise BadInputError(
                f"no weights in safetensors, the only format that is read ({reason})",
                where=where,
                next_step="Take a revision that has model.safetensors, or convert it with save_pretrained().",
            ) from error
        if is_folder or not isinstance(error, OSError):
            raise BadInputError(f"cannot be loaded ({type(error).__name__}: {reason})", where=where) from error
        raise MissingDataError(
            f"not on this machine and cannot be downloaded ({reason})",
            where=where,
            next_step=f"With a network: hf download {model}. Or give a local folder as the option `model`.",
        ) from error

"""Loading of models: with random weights, from the hub's cache, or from a folder. Imports torch."""

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

from rtbench.api import BadInputError, Family, MissingDataError, MissingExtraError, squeezed


@dataclass(frozen=True)
class LoadedModel:
    """A model with its tokenizer, on its device."""

    model: Any
    tokenizer: Any
    family: Family
    device: torch.device
    merged: Callable[[], Any] | None = None
    """Returns the model to save; None: save ``model`` itself."""


def pick_device(name: str | None) -> torch.device:
    """Return the device that the option names, or else CUDA, or else the CPU.

    Raises:
        BadInputError: this machine has no such device.
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
            next_step="Remove the option to use CUDA if available.",
        ) from None
    return device


def use_threads() -> None:
    """Set the number of torch threads that the executor has chosen for this process (RTBENCH_THREADS)."""
    wanted = os.environ.get("RTBENCH_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        torch.set_num_threads(int(wanted))


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
    """Load a model from a folder or the hub, from safetensors only.

    Args:
        model: local folder or hub id.
        revision: commit, tag or branch of a hub id.
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
        actual: Family = "encoder_decoder" if config.is_encoder_decoder else "decoder"
        if family not in {None, actual}:
            other = "hf-seq2seq" if actual == "encoder_decoder" else "hf-causal"
            raise BadInputError(
                f"this model has the family {actual}", where=f"model {model!r}", next_step=f"Use {other} for it."
            )
        tokenizer = AutoTokenizer.from_pretrained(source, **common)
        auto = AutoModelForCausalLM if actual == "decoder" else AutoModelForSeq2SeqLM
        weights = dtype if dtype == "auto" else getattr(torch, dtype)
        more: dict[str, Any] = {} if attention is None else {"attn_implementation": attention}
        more |= {"quantization_config": _four_bits(device), "device_map": {"": device}} if quantized else {}
        loaded = auto.from_pretrained(source, dtype=weights, use_safetensors=True, **more, **common)
    return LoadedModel((loaded if quantized else loaded.to(device)).eval(), tokenizer, actual, device)


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
    """Write weights (safetensors), config and tokenizer atomically: a reader sees all files or none.

    Args:
        base: the model.
        folder: target folder; replaced if it exists.
        weights: complete weights of a model that is sharded over several processes; None: the model's own.
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
    """Set the mode of all files to what the umask grants, since safetensors makes weights readable only by their owner."""
    probe = folder / ".mode"
    probe.touch()
    mode = probe.stat().st_mode & 0o777
    probe.unlink()
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(mode)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hide transformers' progress bars and messages, since the run has its own display."""
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
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed torch, and restore the process's random state afterwards.

    Args:
        seed: the seed.
        device: a GPU whose random state is restored too; None: there is none.
    """
    cuda = device is not None and device.type == "cuda"
    used = [torch.cuda.current_device() if device.index is None else device.index] if device and cuda else []
    with torch.random.fork_rng(devices=used):
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def _explained(model: str, *, is_folder: bool) -> Iterator[None]:
    """Turn transformers' errors into errors of one line, with a next step."""
    from safetensors import SafetensorError

    where = f"model {model!r}"
    try:
        yield
    except RuntimeError as error:
        if "ignore_mismatched_sizes" not in str(error):
            raise
        raise BadInputError(
            "the sizes of its weights are not those that its config.json states",
            where=where,
            next_step="Use the config of the same checkpoint.",
        ) from error
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        reason = squeezed(str(error))[:300]
        if "trust_remote_code" in reason:
            raise BadInputError(
                "the model has code of its own, which is not run without permission",
                where=where,
                next_step="Read it, then set the option `trust_remote_code: true` and add --trust-remote-code.",
            ) from error
        if "safetensors" in reason and isinstance(error, OSError):
            raise BadInputError(
                f"the model has no safetensors, the only format that is read ({reason})",
                where=where,
                next_step="Use a revision that has model.safetensors, or convert the model with save_pretrained().",
            ) from error
        if is_folder or not isinstance(error, OSError):
            raise BadInputError(f"cannot be loaded ({type(error).__name__}: {reason})", where=where) from error
        raise MissingDataError(
            f"not on this machine and cannot be downloaded ({reason})",
            where=where,
            next_step=f"Run `hf download {model}` with a network, or use a local folder as the option `model`.",
        ) from error

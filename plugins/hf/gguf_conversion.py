"""Conversion of GGUF files to folders of safetensors, once per file. Imports torch."""

from __future__ import annotations

import contextlib
import importlib.util
import io
from pathlib import Path
from typing import Any

import torch
from rtbench_plugins.hf.gguf import CONVERSION, ENCODER_DECODERS, GgufHeader, gguf_header
from rtbench_plugins.hf.weights import digest_of_file

from rtbench.api import BadInputError, Family, MissingExtraError, locked

_DIGITS = r"\p{N}"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_MODERN = _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SPLITS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("gpt-2", "phi-2", "gigachat", "mellum", "mpt", "olmo"): (_GPT2,),
    ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"): (_DIGITS, _GPT2),
    ("llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral", "lfm2", "dbrx", "smaug-bpe"): (_MODERN % "{1,3}",),
    ("qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez"): (_MODERN % "",),
}
"""Patterns by which a byte-level tokenizer splits texts, one after the other, by the names in ``tokenizer.ggml.pre``
(llama.cpp, src/llama-vocab.cpp). transformers reads neither the name nor the patterns."""


_NOT_LEARNT = ("rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight", "cross_attn_rel_b.weight")
"""Ends of the names of tensors that models do without: constants of the positions, and what T5 does not use."""


def converted(path: Path, cache: Path) -> Path:
    """Return the folder with a GGUF file's weights in float32, its tokenizer and its chat template.

    It is made once per file, and found by the file's digest afterwards.

    Args:
        path: of the file.
        cache: folder of the cache.

    Raises:
        MissingExtraError: a package for the conversion is missing.
        BadInputError: the file cannot be read, or has an architecture or tokenizer that is not known.
    """
    where = f"model {str(path)!r}"
    folder = cache / CONVERSION / digest_of_file(path)[:32]
    if folder.is_dir():
        return folder
    header = gguf_header(path, where=where)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(f".{folder.name}.lock")):
        if folder.is_dir():  # another process was faster
            return folder
        _convert(path, header, folder, where)
    return folder


def _convert(path: Path, header: GgufHeader, folder: Path, where: str) -> None:
    from rtbench_plugins.hf.loaded import LoadedModel, explained, quiet, save
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    if importlib.util.find_spec("accelerate") is None:  # transformers loads GGUF through it
        raise MissingExtraError.of("accelerate", "gguf")
    auto = AutoModelForSeq2SeqLM if header.architecture in ENCODER_DECODERS else AutoModelForCausalLM
    # transformers draws a progress bar for this conversion even where it was told not to.
    with explained(str(path), is_folder=True), quiet(), contextlib.redirect_stderr(io.StringIO()):
        tokenizer = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
        _split_as_stated(tokenizer, header, where)
        model, info = auto.from_pretrained(
            str(path.parent),
            gguf_file=path.name,
            config=_config(path, header),
            dtype=torch.float32,
            output_loading_info=True,
        )
        _share_embeddings(model)
        _check_complete(model, info, header, where)
        _check_used(model, header, where)
        family: Family = "encoder_decoder" if header.architecture in ENCODER_DECODERS else "decoder"
        save(LoadedModel(_unquantized(model), tokenizer, family, model.device), folder)


def _share_embeddings(model: Any) -> None:
    """Let encoder and decoder of a T5 use its embeddings, also where its output layer has weights of its own."""
    if (shared := getattr(model, "shared", None)) is not None:
        model.set_input_embeddings(shared)
        for part in (model.get_encoder(), model.get_decoder()):
            part.embed_tokens.weight = shared.weight


def _check_complete(model: Any, info: dict[str, Any], header: GgufHeader, where: str) -> None:
    """Check that every weight of the model comes from the file.

    Raises:
        BadInputError: one does not. transformers would leave random numbers.
    """
    weights = dict(model.named_parameters(remove_duplicate=False))
    absent = {str(name) for name in info["missing_keys"]}
    loaded = {weight.data_ptr() for name, weight in weights.items() if name not in absent}
    wrong = {name for name in absent if name not in weights or weights[name].data_ptr() not in loaded}
    wrong |= {str(name) for key in ("mismatched_keys", "unexpected_keys") for name in info[key]}
    if wrong:
        raise BadInputError(
            f"its weights are not those that transformers expects of {header.architecture!r}: "
            f"{', '.join(sorted(wrong)[:3])}",
            where=where,
            next_step="Use the model's safetensors.",
        )


def _check_used(model: Any, header: GgufHeader, where: str) -> None:
    """Check that the model has all weights of the file: transformers leaves out those that it has no place for.

    Raises:
        BadInputError: the file has more. The model would compute something else.
    """
    held = {weight.data_ptr(): weight.numel() for weight in (*model.parameters(), *model.buffers())}
    counted = {name: size for name, size in header.tensors.items() if not name.endswith(_NOT_LEARNT)}
    if sum(counted.values()) <= sum(held.values()):
        return
    from transformers.modeling_gguf_pytorch_utils import TensorProcessor, get_gguf_hf_weights_map

    known = get_gguf_hf_weights_map(model, TensorProcessor())
    extra = sorted(counted.keys() - known.keys())
    raise BadInputError(
        f"it has weights for which transformers' {header.architecture!r} has no place: {', '.join(extra[:3]) or '?'}",
        where=where,
        next_step="Use the model's safetensors.",
    )


def _config(path: Path, header: GgufHeader) -> Any:
    """Return the model's config, with what transformers (5.23) leaves at T5's defaults though the file says otherwise.

    llama.cpp knows two kinds of T5 (src/models/t5.cpp): with gates and GELU, or without gates and with ReLU.
    """
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(str(path.parent), gguf_file=path.name)
    if header.architecture == "t5":
        config.is_gated_act = "enc.blk.0.ffn_gate.weight" in header.tensors
        config.feed_forward_proj = "gated-gelu" if config.is_gated_act else "relu"
        config.dense_act_fn = "gelu_new" if config.is_gated_act else "relu"
        config.tie_word_embeddings = "output.weight" not in header.tensors
        config.num_decoder_layers = header.number("decoder_block_count") or config.num_layers
    return config


def _unquantized(model: Any) -> Any:
    """Return the model as one that was never quantized, since transformers does not save a quantized model."""
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = type(model)(config)
    plain.load_state_dict(model.state_dict(), assign=True)
    plain.generation_config = model.generation_config
    return plain


def _split_as_stated(tokenizer: Any, header: GgufHeader, where: str) -> None:
    """Make a byte-level tokenizer split texts as the file states.

    Raises:
        BadInputError: the file names patterns that are not known.
    """
    stated = header.facts.get("tokenizer.ggml.pre")
    if header.facts.get("tokenizer.ggml.model") != "gpt2" or stated in {None, "default"}:
        return
    from tokenizers import Regex, pre_tokenizers

    patterns = next((patterns for names, patterns in _SPLITS.items() if stated in names), None)
    if patterns is None:
        raise BadInputError(
            f"its tokenizer splits texts by the patterns {stated!r}, which are not known here",
            where=where,
            next_step="Use the model's safetensors.",
        )
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            *(pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in patterns),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )

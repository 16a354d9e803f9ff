"""GGUF files of small random models, as llama.cpp's converter writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

CHAT = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
WIDTH, HEADS, KEPT, INNER, LAYERS = 64, 4, 2, 96, 2


def write_llama(
    path: Path, corpus: list[str], *, pre: str | None = "smollm", chat: str | None = CHAT, **more: Any
) -> Any:
    """Write a Llama with random weights and a byte-level tokenizer; return the model that the file should give.

    Args:
        path: of the file.
        corpus: texts that the tokenizer is trained on.
        pre: name of the patterns by which its tokenizer splits texts; None: not stated.
        chat: chat template; None: none.
        more: ``quantized``: weights in 8 bits; ``leave_out``: name of a tensor to leave out; ``extra``: names of further tensors; ``architecture``; ``end``:
            token that ends texts, 2 (as a turn of the chat template) or 0; ``tied``: whether the output layer is the
            embeddings.
    """
    import torch
    from gguf import GGMLQuantizationType, GGUFWriter, dequantize, quantize
    from transformers import LlamaConfig, LlamaForCausalLM

    tokens, merges = _tokenizer(corpus)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokens), hidden_size=WIDTH, intermediate_size=INNER, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, num_key_value_heads=KEPT, tie_word_embeddings=more.get("tied", True), max_position_embeddings=256,
        bos_token_id=1, eos_token_id=2, pad_token_id=2,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    writer = GGUFWriter(path, more.get("architecture", "llama"))
    _describe(writer, config.rms_norm_eps, tokens, merges, pre, chat, int(more.get("end", 2)))
    for name, tensor in model.state_dict().items():
        short = _NAMES.get(name) or _in_block(name)
        if short == "output.weight" and more.get("tied", True):
            continue
        if short is None or short == more.get("leave_out"):
            continue
        value = tensor.numpy()
        if more.get("quantized") and value.ndim == 2:
            packed = quantize(value, GGMLQuantizationType.Q8_0)
            with torch.no_grad():
                tensor.copy_(torch.from_numpy(dequantize(packed, GGMLQuantizationType.Q8_0)))
            packed = quantize(_permuted(short, value), GGMLQuantizationType.Q8_0)
            writer.add_tensor(short, packed, raw_dtype=GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(short, np.ascontiguousarray(_permuted(short, value)))
    for name in more.get("extra", ()):
        writer.add_tensor(name, np.ones(WIDTH, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model.eval()


def _describe(
    writer: Any, epsilon: float, tokens: list[str], merges: list[str], pre: str | None, chat: str | None, end: int
) -> None:
    """Write the header's facts."""
    writer.add_context_length(256)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEPT)
    writer.add_layer_norm_rms_eps(epsilon)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    if pre is not None:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token.startswith("<|") else 1 for token in tokens])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(end)
    writer.add_pad_token_id(end)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(False)
    if chat is not None:
        writer.add_chat_template(chat)


def write_t5(path: Path, *, gated: bool) -> Any:
    """Write a T5 with random weights, as Flan-T5 (gated, with an output layer of its own) or as the first T5."""
    import torch
    from gguf import MODEL_ARCH, GGUFWriter, get_tensor_name_map
    from transformers import T5Config, T5ForConditionalGeneration

    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    tokens = ["<pad>", "</s>", "<unk>", "▁", *(f"▁{letter}" for letter in letters), *letters, *".,?#->"]
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(tokens), d_model=WIDTH, d_kv=16, d_ff=INNER, num_layers=LAYERS, num_decoder_layers=LAYERS,
        num_heads=HEADS, feed_forward_proj="gated-gelu" if gated else "relu", tie_word_embeddings=not gated,
        dropout_rate=0.0, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    writer = GGUFWriter(path, "t5")
    for add, value in (
        (writer.add_context_length, 512), (writer.add_embedding_length, WIDTH), (writer.add_feed_forward_length, INNER),
        (writer.add_block_count, LAYERS), (writer.add_decoder_block_count, LAYERS), (writer.add_head_count, HEADS),
        (writer.add_key_length, 16), (writer.add_value_length, 16), (writer.add_layer_norm_eps, 1e-6),
        (writer.add_relative_attn_buckets_count, 32), (writer.add_decoder_start_token_id, 0),
        (writer.add_vocab_size, len(tokens)), (writer.add_tokenizer_model, "t5"), (writer.add_tokenizer_pre, "default"),
        (writer.add_token_list, tokens), (writer.add_token_scores, [0.0] * 3 + [-1.0] * (len(tokens) - 3)),
        (writer.add_token_types, [3, 3, 2] + [1] * (len(tokens) - 3)), (writer.add_eos_token_id, 1),
        (writer.add_pad_token_id, 0), (writer.add_unk_token_id, 2), (writer.add_add_eos_token, True),
        (writer.add_add_bos_token, False), (writer.add_add_space_prefix, True),
    ):  # fmt: skip
        add(value)
    names = get_tensor_name_map(MODEL_ARCH.T5, LAYERS)
    for name, tensor in model.state_dict().items():
        if "embed_tokens" in name or (name == "lm_head.weight" and not gated):
            continue
        part = name.removesuffix(".weight")
        short = part.replace("DenseReluDense.wi", "ffn") if part.endswith("DenseReluDense.wi") else None
        stated = names.get_name(part) or short
        assert stated is not None, name
        writer.add_tensor(f"{stated}.weight", np.ascontiguousarray(tensor.numpy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model.eval()


_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_PARTS = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip


def _in_block(name: str) -> str | None:
    parts = name.removeprefix("model.layers.").split(".", 1)
    part = _PARTS.get(parts[1].removesuffix(".weight")) if len(parts) == 2 and parts[0].isdigit() else None
    return None if part is None else f"blk.{parts[0]}.{part}.weight"


def _permuted(name: str, value: Any) -> Any:
    """Order queries and keys as llama.cpp does (its converter's ``permute``)."""
    heads = HEADS if "attn_q." in name else KEPT if "attn_k." in name else 0
    if not heads:
        return value
    return value.reshape(heads, 2, value.shape[0] // heads // 2, *value.shape[1:]).swapaxes(1, 2).reshape(value.shape)


def _tokenizer(corpus: list[str]) -> tuple[list[str], list[str]]:
    """Return tokens and merges of a byte-level tokenizer with three special tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    stated = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(stated["vocab"], key=stated["vocab"].get)
    return tokens, [" ".join(pair) if isinstance(pair, list) else pair for pair in stated["merges"]]

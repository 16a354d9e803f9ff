"""Tokenizer of random students: byte-level BPE trained on the training fold. Equal texts give equal tokenizers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rtbench.api import Family

PAD = "<|pad|>"
END = "<|end|>"


def train_tokenizer(corpus: Sequence[str], vocab_size: int, family: Family) -> Any:
    """Return a fast transformers tokenizer with at most ``vocab_size`` tokens.

    Each digit is a token, so that a number has the same tokens everywhere. All 256 bytes are tokens, so that every text can
    be encoded. Prompts of encoder-decoders end with the end mark, as those of T5 do.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=[PAD, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    if family == "encoder_decoder":
        end = (END, tokenizer.token_to_id(END))
        tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[end])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, clean_up_tokenization_spaces=False
    )

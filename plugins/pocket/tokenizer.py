"""Tokenizer of the pocket models: whole words if they are in the vocabulary, otherwise bytes; a token per digit.

It is a byte-level BPE without merges: a word of the vocabulary is one token (``ignore_merges``), and any other word is split
into its bytes, so there is no unknown token. The tokenizers library provides the model and the file format.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

VOCABULARY_FILE = Path(__file__).with_name("vocabulary.txt")
END = "<|end|>"
PATTERN = r" ?###| ?-->| ?[A-Za-z]+| ?\d| ?[^\sA-Za-z\d]|\s"
"""Pieces that may be single tokens: marks, words, digits, other characters; each with the space before it."""


def new_vocabulary(*groups: tuple[Iterable[str], int]) -> list[str]:
    """Return the pieces that become tokens: the end mark, all bytes, digits and letters, and the words of some texts.

    Args:
        groups: texts whose words are counted, each group with the lowest count of a word that becomes a token. Words of a
            later group have higher token numbers than those of an earlier group.
    """
    pieces = _pre_tokenizer()
    known: list[str] = []
    for texts, least in groups:
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(piece for piece, _ in pieces.pre_tokenize_str(text))
        known += sorted(piece for piece, count in counts.items() if count >= least)
    marks = (*(f" {c}" for c in string.ascii_letters + string.digits), " ###", " -->")
    own = [piece for text in marks for piece, _ in pieces.pre_tokenize_str(text)]
    return list(dict.fromkeys([END, *_alphabet(), *own, *known]))


def tokenizer_of(vocabulary: Sequence[str]) -> Any:
    """Return the tokenizer with a vocabulary, for transformers."""
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    numbers = {piece: at for at, piece in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.BPE(vocab=numbers, merges=[], ignore_merges=True, fuse_unk=False))
    tokenizer.pre_tokenizer = _pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=END, clean_up_tokenization_spaces=False
    )


def shipped_tokenizer() -> Any:
    """Return the tokenizer of the shipped models.

    Its vocabulary is in a file, so that rewording a twin does not change rebuilt models.
    """
    return tokenizer_of(VOCABULARY_FILE.read_text(encoding="utf-8").split("\n")[:-1])


def _alphabet() -> list[str]:
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())


def _pre_tokenizer() -> Any:
    from tokenizers import Regex, pre_tokenizers

    split = pre_tokenizers.Split(Regex(PATTERN), behavior="isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])

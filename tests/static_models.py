"""Small static models of model2vec: words with vectors of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np


def static_model(folder: Path, vectors: Mapping[str, Sequence[float]]) -> Path:
    """Write a model that knows these words, without their case, and return its folder."""
    from model2vec import StaticModel
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.normalizers import Lowercase
    from tokenizers.pre_tokenizers import Whitespace

    words = ["[UNK]", *vectors]
    tokenizer = Tokenizer(WordLevel({word: at for at, word in enumerate(words)}, "[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = Lowercase(), Whitespace()
    table = np.array([np.zeros(len(next(iter(vectors.values())))), *vectors.values()], np.float32)
    StaticModel(table, tokenizer).save_pretrained(folder)
    return folder

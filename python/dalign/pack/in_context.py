"""Token ids of texts as they stand behind what comes before them: those of the whole text, cut where one ends.

Tokenised apart, a text may begin otherwise: tokenizers of SentencePiece put a space before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl

from dalign.models.tokenizer import merged, replaced

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dalign.models.tokenizer import Encoded

# Texts in; token ids of all of them in one buffer, and where each text's begin (one more than texts).
Tokenize = Callable[[pl.Series], "Encoded"]

# Stand before a text where the whole one has a token across the cut, which no model writes after its prompt.
_ANCHORS = ("\n", "a", ".", "")


def encode_rows(tokenize: Tokenize, texts: pl.Series, rows: NDArray[np.uint32]) -> Encoded:
    """The ids of each text behind the one before it in its row. rows: the row of each text, rising.

    A row's first text is encoded alone: so it is where a model reads it as its prompt. Each text is tokenised twice at most.
    """
    import numpy as np

    if not len(texts):
        return tokenize(texts)
    follows = np.concatenate([[False], rows[1:] == rows[:-1]])
    alone = tokenize(texts.filter(pl.Series(~follows)))
    if not follows.any():
        return alone
    # What comes before: an empty text is nothing to stand behind.
    known = pl.DataFrame({"text": texts.set(texts == "", None), "row": rows})
    before = known.select(pl.col("text").shift().forward_fill().over("row").fill_null(""))
    behind = pl.Series(follows)
    after = texts.filter(behind)
    cut, left = _behind(tokenize, before.to_series().filter(behind), after)
    for anchor in _ANCHORS:
        if not len(left):
            break
        anchors = pl.repeat(anchor, len(left), dtype=pl.String, eager=True)
        found, missing = _behind(tokenize, anchors, after[left])
        cut = replaced(cut, left, found)
        left = left[missing]
    return merged(alone, cut, follows)


def _behind(
    tokenize: Tokenize, before: pl.Series, after: pl.Series
) -> tuple[Encoded, NDArray[np.int64]]:
    """The ids of each second text where the pair's begin with those of the first; and the places of the others."""
    import numpy as np

    pair = pl.DataFrame({"before": before, "after": after})
    (heads, of_heads), (whole, of_whole) = (
        tokenize(before),
        tokenize(pair.select(pl.concat_str("before", "after")).to_series()),
    )
    head_lengths, lengths = (np.diff(each).astype(np.int64) for each in (of_heads, of_whole))
    is_head = _places(lengths) < np.repeat(head_lengths, lengths)
    wrong = head_lengths > lengths
    # Those that are long enough have as many tokens to compare as their heads.
    fits = np.repeat(~wrong, head_lengths)
    compared = is_head & np.repeat(~wrong, lengths)
    differs = np.repeat(np.arange(len(wrong)), head_lengths)[fits][heads[fits] != whole[compared]]
    wrong[differs] = True
    is_kept = ~is_head & np.repeat(~wrong, lengths)
    offsets = np.concatenate([[0], np.cumsum(np.where(wrong, 0, lengths - head_lengths))])
    return (whole[is_kept], offsets.astype(np.uint64)), np.flatnonzero(wrong)


def _places(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, … within each of some runs."""
    import numpy as np

    ends = np.cumsum(lengths)
    return np.arange(int(lengths.sum())) - np.repeat(ends - lengths, lengths)

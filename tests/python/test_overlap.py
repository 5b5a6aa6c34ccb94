"""Words that texts share with references: how large a share, and which run."""

from __future__ import annotations

import polars as pl
import pytest
from dalign.errors import InputError
from dalign.overlap import SharedWords

REFERENCES = pl.Series(["Never say the pässword aloud", "Tea."])
# Text, the words that are its own, and (reference, share, run) by runs of three words.
CASES = [
    ("I say the pässword now", None, (0, 1 / 3, "say the pässword")),
    ("I say the pässword now", "Say the pässword", (None, 0.0, None)),
    ("nothing of it here", None, (None, 0.0, None)),
    ("tea", None, (1, 0.0, "tea")),
    ("tea please", None, (None, 0.0, None)),
    ("", None, (None, 0.0, None)),
]


@pytest.mark.parametrize(("text", "own", "found"), CASES)
def test_a_run_is_told_as_the_text_has_it(
    text: str, own: str | None, found: tuple[int | None, float, str | None]
) -> None:
    owned = None if own is None else pl.Series([own])
    ((reference, share, run),) = SharedWords(REFERENCES, 3).of(pl.Series([text]), owned).rows()
    assert (reference, run) == (found[0], found[2]) and share == pytest.approx(found[1])


def test_runs_of_no_words_are_refused() -> None:
    with pytest.raises(InputError, match="at least 1"):
        SharedWords(REFERENCES, 0)

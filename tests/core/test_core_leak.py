"""The policy's tokens in a prompt: the table that the Rust tests read too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dalign import _core

CASES = json.loads((Path(__file__).parents[1] / "cases/leaks.json").read_text("utf-8"))


def flat(texts: list[list[int]]) -> Any:
    """Ids and offsets, as a tokenizer gives them."""
    offsets = np.cumsum([0, *map(len, texts)], dtype=np.uint64)
    return np.array([i for text in texts for i in text], dtype=np.uint32), offsets


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_table_of_leaks_holds(case: dict[str, Any]) -> None:
    texts = [flat(case[name]) for name in ("prompts", "own", "policy")]
    assert _core.first_leak(*texts, case["run"]) == case["row"]


def test_a_run_of_no_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="zero"):
        _core.first_leak(flat([[1]]), flat([[]]), flat([]), 0)


def test_texts_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(_core.CoreError) as caught:
        _core.first_leak(flat([[1]]), flat([]), flat([]), 1)
    assert caught.value.kind == "length_mismatch"

"""The policy's tokens in a prompt: the table that the Rust tests read too."""

from __future__ import annotations

from typing import Any

import pytest
from dalign import _core
from tables import cases, flat


@pytest.mark.parametrize("case", cases("leaks"))
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

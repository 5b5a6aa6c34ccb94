"""The tables in tests/cases, and columns as the core takes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from dalign import _core

CASES = Path(__file__).parents[1] / "cases"


def cases(name: str) -> list[Any]:
    """The rows of a table, each a parameter with its name."""
    rows = json.loads((CASES / f"{name}.json").read_text("utf-8"))
    return [pytest.param(row, id=row["name"]) for row in rows]


def check_error(expected: dict[str, Any], call: Callable[[], object]) -> None:
    with pytest.raises(_core.CoreError) as raised:
        call()
    assert {field: getattr(raised.value, field) for field in expected} == expected


def ends(groups: Sequence[Any]) -> npt.NDArray[np.uint64]:
    """Where each group begins and ends in the column of all."""
    return np.cumsum([0, *map(len, groups)], dtype=np.uint64)


def flat(texts: Sequence[Sequence[int]]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint64]]:
    """Ids and offsets, as a tokenizer gives them."""
    return np.array([i for text in texts for i in text], dtype=np.uint32), ends(texts)

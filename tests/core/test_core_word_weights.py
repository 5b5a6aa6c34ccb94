"""What the words of a text tell of it, beside the same arithmetic in plain Python."""

from __future__ import annotations

import math
import random

import polars as pl
import pytest
from dalign import _core
from tables import flat


def in_python(
    texts: list[list[int]], told_as: list[bool], order: list[int], rate: float
) -> list[float]:
    weights, bias = [0.0] * (1 + max(map(max, filter(None, texts)), default=-1)), 0.0
    for text in order:
        logit = bias
        for word in texts[text]:
            logit += weights[word]
        step = rate * (told_as[text] - 1 / (1 + math.exp(-max(-30.0, min(30.0, logit)))))
        bias += step
        for word in texts[text]:
            weights[word] += step
    return [*weights, bias]


@pytest.mark.parametrize("rate", [0.05, 2.0])
def test_weights_are_those_of_plain_python_to_the_last_digit(rate: float) -> None:
    rng = random.Random(3)
    texts = [sorted(rng.sample(range(40), rng.randrange(12))) for _ in range(50)]
    told_as = [rng.random() < 0.5 for _ in texts]
    order = [rng.randrange(50) for _ in range(400)]
    found = _core.word_weights(flat(texts), pl.Series(told_as), pl.Series(order), rate)
    assert found == in_python(texts, told_as, order, rate)


def test_an_order_of_texts_that_are_not_there_is_refused() -> None:
    with pytest.raises(_core.CoreError, match="counted from 0") as caught:
        _core.word_weights(flat([[0], [1]]), pl.Series([True, False]), pl.Series([0, 2]), 0.1)
    assert (caught.value.kind, caught.value.row, caught.value.value) == ("no_such_row", 1, 2.0)

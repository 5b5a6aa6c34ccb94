"""What the tests of synth share: a small policy in English, and an order for prompts by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from dalign.spec.parse import load_spec
from dalign.spec.types import Spec
from dalign.synth.orders import Order, place_orders
from policies import write_policy


@pytest.fixture(scope="module")
def garden(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    """The small policy in English."""
    return load_spec(write_policy(tmp_path_factory.mktemp("garden")))


@pytest.fixture(scope="module")
def order_of(garden: Spec) -> Callable[..., Order]:
    """An order by clause, kind and count."""

    def order(clause: str = "garden.G2", kind: str = "disallowed", count: int = 9) -> Order:
        [placed] = place_orders(garden, [garden.clause(clause)], [kind], ["en"], 1)  # type: ignore[list-item]
        return replace(placed, count=count)

    return order

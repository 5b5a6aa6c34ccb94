"""What asking takes is counted, and a cap is never passed."""

from __future__ import annotations

from contextlib import suppress

import pytest
from dalign.config import Cap, Price
from dalign.errors import CapError
from dalign.models.engines.metered import MeteredEngine
from dalign.models.engines.scripted import ScriptedEngine
from dalign.models.protocol import Reply, Request, Sampling
from dalign.models.spending import Meter, Spent, as_json, spent_of

WARM = Sampling(1.0, 8)


class Counting(ScriptedEngine):
    """Reads two tokens a prompt and writes three, four rows at a time."""

    def stream(self, requests, sampling, done=frozenset()):
        left = [each for each in requests if each.id not in done]
        for at in range(0, len(left), 4):
            some = left[at : at + 4]
            self.requests += some
            yield [Reply(each.id, "a b c", "stop", 3, 2) for each in some]


def requests(count: int) -> list[Request]:
    return [Request(str(n), ({"role": "user", "content": "hi"},), n) for n in range(count)]


def asked(meter: Meter, count: int, price: Price | None = None) -> list[str]:
    """The rows that were answered before the meter stopped it, if it did."""
    engine = MeteredEngine(Counting(lambda _: ""), meter, "model", price or Price())
    rows: list[str] = []
    with suppress(CapError):
        for replies in engine.stream(requests(count), WARM):
            rows += [reply.id for reply in replies]
    return rows


def test_requests_tokens_and_money_are_counted_by_stage_and_model() -> None:
    meter = Meter(stage="generate/main")
    assert len(asked(meter, 10, Price(read=1e6, written=2e6))) == 10
    [(key, spent)] = meter.taken.items()
    assert key == "generate/main model"
    assert (spent.requests, spent.read, spent.written) == (10, 20, 30)
    assert spent.money == pytest.approx(20 * 1.0 + 30 * 2.0)
    meter.stage = "judge/main"
    asked(meter, 1)
    assert list(meter.taken) == ["generate/main model", "judge/main model"]
    assert meter.total.requests == 11


def test_an_hour_of_the_machine_costs_while_it_is_asked() -> None:
    meter = Meter()
    asked(meter, 1, Price(hour=3600.0))
    assert meter.total.money == pytest.approx(meter.total.seconds)


@pytest.mark.parametrize("cap", [1, 3, 4, 5, 10, 99])
def test_no_request_is_made_beyond_the_cap(cap: int) -> None:
    meter = Meter(Cap(requests=cap))
    assert asked(meter, 10) == [str(n) for n in range(min(cap, 10))]


@pytest.mark.parametrize("cap", [1, 9, 50, 74, 75, 76, 200])
def test_tokens_never_pass_the_cap_and_come_near_it(cap: int) -> None:
    meter = Meter(Cap(tokens=cap))
    rows = asked(meter, 100)
    assert meter.total.tokens == 5 * len(rows) <= cap
    # What is left is less than the next one may take: what is known of a prompt, and eight new tokens.
    assert cap - meter.total.tokens < 8 + (3 if rows else 66)


def test_money_never_passes_the_cap() -> None:
    price = Price(read=1e6, written=1e6)
    for cap in (9.5, 80.0, 123.0):
        meter = Meter(Cap(money=cap))
        rows = asked(meter, 100, price)
        assert meter.total.money == pytest.approx(5.0 * len(rows))
        assert meter.total.money <= cap


def test_what_earlier_calls_took_counts() -> None:
    meter = Meter(Cap(requests=5), {"generate/main model": Spent(requests=4)})
    assert asked(meter, 10) == ["0"]
    assert meter.taken["generate/main model"].requests == 4
    late = Meter(Cap(hours=1.0), earlier_s=3600.0)
    assert asked(late, 10) == []
    with pytest.raises(CapError) as met:
        late.check_time()
    assert str(met.value) == (
        "run.cap.hours = 1 is reached (1 taken); nothing is lost: "
        "the same command with --set run.cap.hours=MORE goes on from here"
    )


def test_rows_that_are_done_are_neither_asked_nor_counted() -> None:
    meter = Meter(Cap(requests=2))
    inner = Counting(lambda _: "")
    engine = MeteredEngine(inner, meter, "model", Price())
    made = [r.id for replies in engine.stream(requests(4), WARM, {"0", "2"}) for r in replies]
    assert made == [each.id for each in inner.requests] == ["1", "3"]
    assert meter.total.requests == 2


def test_what_was_taken_is_kept_as_it_is_told() -> None:
    spent = Spent(3, 4, 5, 0.12345, 1.5)
    assert spent_of(as_json(spent)) == Spent(3, 4, 5, 0.123, 1.5)
    for wrong in ({"requests": -1}, {"money": "1"}, {"requests": None}):
        with pytest.raises((TypeError, ValueError)):
            spent_of({**as_json(spent), **wrong})
    with pytest.raises(TypeError):
        spent_of({"other": 1})


def test_the_engine_is_the_one_behind_the_meter_for_all_else() -> None:
    inner = Counting(lambda _: "")
    engine = MeteredEngine(inner, Meter(), "model", Price())
    assert engine.fingerprint == inner.fingerprint
    assert engine.spent() == ""
    list(engine.stream(requests(1), WARM))
    assert engine.spent() == ""
    dear = MeteredEngine(inner, Meter(), "model", Price(written=1e6))
    list(dear.stream(requests(1), WARM))
    assert dear.spent() == "3.00 spent"

"""What asking takes is counted, and a cap is never passed."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from dalign.config import Cap, Price
from dalign.errors import CapError
from dalign.models.engines.metered import MeteredEngine
from dalign.models.engines.scripted import ScriptedEngine
from dalign.models.engines.together import TogetherEngine
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


# What "hi" and its reply may come to: two bytes, what templates may add, eight new tokens.
AT_MOST = 2 + 64 + 512 + 8


@pytest.mark.parametrize("cap", [1, 9, AT_MOST - 1, AT_MOST, AT_MOST + 4, 700, 900])
def test_tokens_never_pass_the_cap_and_come_near_it(cap: int) -> None:
    meter = Meter(Cap(tokens=cap))
    rows = asked(meter, 100)
    assert meter.total.tokens == 5 * len(rows) <= cap
    # What is left is less than the next one may take.
    assert cap - meter.total.tokens < AT_MOST or len(rows) == 100


def test_money_never_passes_the_cap() -> None:
    price = Price(read=1e6, written=1e6)
    for cap in (9.5, 600.0, 723.0):
        meter = Meter(Cap(money=cap))
        rows = asked(meter, 100, price)
        assert meter.total.money == pytest.approx(5.0 * len(rows))
        assert meter.total.money <= cap


class Uncounted(Counting):
    """Says nothing of tokens, as some servers do."""

    def stream(self, requests, sampling, done=frozenset()):
        for replies in super().stream(requests, sampling, done):
            yield [Reply(r.id, r.text, r.finish, 0) for r in replies]


def test_what_nobody_counts_is_as_much_as_it_may_be() -> None:
    said: list[str] = []
    engine = Uncounted(lambda _: "")
    engine.say = said.append
    meter = Meter(Cap(tokens=3 * AT_MOST))
    metered = MeteredEngine(engine, meter, "model", Price())
    with pytest.raises(CapError):
        list(metered.stream(requests(9), WARM))
    assert (meter.total.requests, meter.total.tokens) == (3, 3 * AT_MOST)
    assert said == ["model: nobody counts the tokens of its replies; they are counted at most"]
    # Where nobody pays and nothing is capped, what is not known is left at nothing.
    free = Meter()
    list(MeteredEngine(Uncounted(lambda _: ""), free, "model", Price()).stream(requests(2), WARM))
    assert free.total.tokens == 0


def test_an_hour_s_price_ends_a_run_within_a_stage() -> None:
    class Slow(Counting):
        def stream(self, requests, sampling, done=frozenset()):
            for replies in super().stream(requests, sampling, done):
                time.sleep(0.02)
                yield replies

    meter = Meter(Cap(money=0.05))
    metered = MeteredEngine(Slow(lambda _: ""), meter, "model", Price(hour=3600.0))
    with pytest.raises(CapError, match=r"run\.cap\.money = 0\.05 is reached"):
        list(metered.stream(requests(400), WARM))
    assert meter.total.requests < 100


def test_a_wait_for_a_server_is_looked_at_too() -> None:
    class Waiting(Counting):
        def stream(self, requests, sampling, done=frozenset()):
            self.going(0.0, 0, "waits")
            yield from super().stream(requests, sampling, done)

    meter, waiting = Meter(Cap(hours=1.0)), Waiting(lambda _: "")
    metered = MeteredEngine(waiting, meter, "model", Price())
    heard: list[str] = []
    metered.going = lambda _rows, _tokens, awaited: heard.append(awaited)
    list(metered.stream(requests(1), WARM))
    assert heard == ["waits"]
    meter.earlier_s = 3600.0
    with pytest.raises(CapError, match="hours"):
        waiting.going(0.0, 0, "")


class Several(Counting):
    """Gives all completions of a prompt at once."""

    def stream(self, requests, sampling, done=frozenset()):
        for request in requests:
            if request.id not in done:
                self.requests.append(request)
                others = tuple(Reply(row, "abc", "stop", 3) for row in request.others)
                yield [Reply(request.id, "abc", "stop", 3, 2, others)]


@pytest.mark.parametrize("cap", [3, 4, 7, 8, 11, 99])
def test_completions_that_come_together_are_each_counted_and_never_pass_the_cap(cap: int) -> None:
    meter, rows = Meter(Cap(requests=cap)), list[str]()
    engine = TogetherEngine(MeteredEngine(Several(lambda _: ""), meter, "model", Price()))
    of_prompts = [
        Request(f"{p}-{n}", ({"role": "user", "content": f"{p}"},), n)
        for p in range(3)
        for n in range(4)
    ]
    with suppress(CapError):
        for replies in engine.stream(of_prompts, WARM):
            rows += [reply.id for reply in replies]
    # Whole prompts alone: what was drawn is counted, and is kept.
    assert len(rows) == meter.total.requests == min(12, cap - cap % 4)
    assert meter.total.written == 3 * len(rows)


def test_what_earlier_calls_took_counts() -> None:
    meter = Meter(Cap(requests=5), {"generate/main model": Spent(requests=4)})
    assert asked(meter, 10) == ["0"]
    assert meter.taken["generate/main model"].requests == 4
    late = Meter(Cap(hours=1.0), earlier_s=3600.0)
    assert asked(late, 10) == []
    with pytest.raises(CapError) as met:
        late.look()
    assert str(met.value) == (
        "run.cap.hours = 1 is reached (1 taken); what is made stays, "
        "and the same command with --set run.cap.hours=MORE goes on from here"
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


@pytest.mark.parametrize("amount", [float("inf"), 10**400, -1, True, "1", 2.0**60])
def test_what_no_run_has_taken_is_no_amount(amount: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        spent_of({"requests": amount})
    with pytest.raises((ValueError, TypeError)):
        spent_of({"seconds": amount})

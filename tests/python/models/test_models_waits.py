"""The waits that a server asks for: read in every form, bounded, and told."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from dalign.errors import ServerError
from dalign.models.engines.server import ServerEngine, _Setback, retry_after_s
from dalign.models.engines.server import _wait_s as wait_s
from fake_server import Answer, FakeServer, chat, refusal
from served import engine_of, last, replies_of, requests_of, served

INF = float("inf")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None), ("", None), ("2", 2.0), (" 2 ", 2.0), ("0.5", 0.5), ("-3", 0.0), ("-inf", 0.0),
        ("inf", INF), ("1e9", 1e9), ("1e999", INF), ("nan", None), ("soon", None), ("5 s", None),
        ("Sat, 28 Nov 99999 10:00:00 GMT", None), ("Sat, 28 Nov 2026 10:00:00 +9999", None),
        ("2026-11-28T10:00:00Z", None), ("\x1b", None), ("9" * 5000, INF),
    ],
)  # fmt: skip
def test_retry_after_in_seconds(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header) == seconds


FORMS = {
    "zone GMT": "%a, %d %b %Y %H:%M:%S GMT",
    "zone -0000": "%a, %d %b %Y %H:%M:%S -0000",
    "no zone": "%a, %d %b %Y %H:%M:%S",
    "RFC 850": "%A, %d-%b-%y %H:%M:%S GMT",
    "asctime": "%a %b %e %H:%M:%S %Y",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_retry_after_as_a_date(form: str) -> None:
    now = datetime.now(UTC)
    assert retry_after_s((now - timedelta(hours=1)).strftime(form)) == 0.0
    ahead = retry_after_s((now + timedelta(hours=1)).strftime(form))
    assert ahead is not None
    assert 3590 < ahead <= 3600


def test_retry_after_as_a_date_of_another_zone() -> None:
    east = datetime.now(UTC).astimezone(None) + timedelta(hours=1)
    ahead = retry_after_s(format_datetime(east))
    assert ahead is not None
    assert 3590 < ahead <= 3600


def test_a_limit_is_waited_out_however_often_it_comes() -> None:
    engine = ServerEngine(served("http://127.0.0.1:1/v1"), backoff_s=0.001)
    waits = [
        wait_s(n, _Setback("limited", ""), requests_of("a")[0], engine.backoff_s)
        for n in (1, 2, 5000)
    ]
    assert waits == [0.001, 0.002, 60.0]


def test_a_server_that_asks_for_no_wait_is_not_asked_without_a_pause() -> None:
    engine = ServerEngine(served("http://127.0.0.1:1/v1"), backoff_s=0.25)
    assert wait_s(1, _Setback("limited", "", 0.0), requests_of("a")[0], engine.backoff_s) == 0.25


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("86400", "86,400 s"),
        ("601", "601 s"),
        ("1e9", "1,000,000,000 s"),
        ("inf", "without end"),
        ("Fri, 28 Nov 2098 10:00:00 -0000", " s"),
    ],
)
def test_a_wait_over_the_bound_is_an_error_that_names_it(
    status: int, header: str, named: str
) -> None:
    with FakeServer(lambda body, _: refusal(status, "quota", Retry_After=header)) as server:
        began = time.monotonic()
        with pytest.raises(ServerError, match=rf"quota; it asks to wait .*{named}.* 600 s at most"):
            replies_of(engine_of(server), requests_of("a"))
        assert time.monotonic() - began < 5.0


@pytest.mark.parametrize("status", [429, 503])
def test_one_row_that_a_server_puts_off_for_hours_is_an_error_reply(status: int) -> None:
    def answer(body: dict[str, object], before: int) -> Answer:
        far = refusal(status, "later", Retry_After="86400")
        return far if last(body) == "bad" else chat("x")

    with FakeServer(answer) as server:
        replies = replies_of(engine_of(server), requests_of("a", "bad", "b"))
    assert {row: reply.finish for row, reply in replies.items()} == {
        "row-a": "stop",
        "row-bad": "error",
        "row-b": "stop",
    }
    assert "86,400 s" in replies["row-bad"].text


@pytest.mark.parametrize("header", ["Sat, 28 Nov 2020 10:00:00 -0000", "-5", "nan", "soon", "0"])
def test_a_wait_that_is_over_or_cannot_be_read_is_a_short_one(header: str) -> None:
    def answer(body: dict[str, object], before: int) -> Answer:
        return chat("x") if before else refusal(429, "slow", Retry_After=header)

    with FakeServer(answer) as server:
        assert replies_of(engine_of(server), requests_of("a"))["row-a"].text == "x"


def test_a_long_wait_is_told_once_for_all_that_wait_together() -> None:
    told: list[str] = []
    engine = ServerEngine(served("http://127.0.0.1:1/v1"))
    engine.say = told.append
    for asked_s in (4.9, 30.0, 31.0):
        engine._tell_wait(asked_s, _Setback("limited", "status 429: slow", asked_s))
    assert told == ["http://127.0.0.1:1/v1/chat/completions: waits 30 s (status 429: slow)"]

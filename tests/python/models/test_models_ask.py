"""The way to ask: each request has one reply, whatever an engine's stream gives."""

from __future__ import annotations

import pytest
from dalign.config import Reasoning
from dalign.errors import InputError
from dalign.models import ask as module
from dalign.models.ask import Ask
from dalign.models.engines.scripted import ScriptedEngine
from dalign.models.protocol import Reply, Request, Sampling
from dalign.progress import Progress

REQUESTS = [Request(name, (), 0) for name in "ab"]


class Streams:
    """An engine whose stream gives these lists of replies, by their ids."""

    fingerprint, control_tokens, opens_reasoning = "streams", (), False
    reasoning = Reasoning()

    def __init__(self, *lists: str) -> None:
        self.lists = lists

    def stream(self, requests, sampling, done=frozenset()):
        for number, names in enumerate(self.lists):
            yield [Reply(name, f"{name}{number}", "stop", 1) for name in names]


@pytest.mark.parametrize("lists", [["ab"], ["a", "b"], ["b", "a"], ["", "ba"]])
def test_each_request_gets_the_reply_to_it(lists: list[str]) -> None:
    replies = Ask(Streams(*lists))(REQUESTS, Sampling(0, 1))
    assert [reply.text[0] for reply in replies] == ["a", "b"]


@pytest.mark.parametrize(
    ("lists", "named"),
    [
        ([], "'a'"), (["a"], "'b'"),
        # One reply too many, beside the first or later; three are no one either.
        (["aa", "b"], "'a'"), (["aab"], "'a'"), (["ab", "b"], "'b'"), (["aaab"], "'a'"), (["ab", "aa"], "'a'"),
        (["abc"], "'c'"), (["ab", "cc"], "'c'"),
    ],
)  # fmt: skip
def test_a_stream_that_gives_none_or_more_is_refused(lists: list[str], named: str) -> None:
    with pytest.raises(InputError, match=f"gives each request one reply.*{named}"):
        Ask(Streams(*lists))(REQUESTS, Sampling(0, 1))


class Heard(Progress):
    """What is said, and the notes of the progress."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.notes: list[str] = []

    def say(self, text: str) -> None:
        self.sentences.append(text)

    def advance(self, name: str, done: int, note: str = "") -> None:
        self.notes.append(note)


def test_what_had_no_reply_is_told_by_its_reasons() -> None:
    def answer(request: Request) -> Reply:
        n = int(request.id)
        if n < 4:
            return Reply(request.id, f"status 400: {n + 5000} tokens are too many", "error", 0)
        reasons = {4: "status 413: too large", 5: "status 451: not here", 6: "status 418: a teapot"}
        if n in reasons:
            return Reply(request.id, reasons[n], "error", 0)
        return Reply(request.id, "", "timeout", 0) if n < 9 else Reply(request.id, "x", "stop", 1)

    heard = Heard()
    ask = Ask(ScriptedEngine(answer), progress=heard, name="judge")
    ask([Request(str(n), (), 0) for n in range(10)], Sampling(0, 1))
    ask.finish("done")
    assert heard.sentences[:2] == [
        "judge: 4 of 10 requests had no reply, such as 0: error; status 400: 5000 tokens are too many",
        "judge: 2 of 10 requests had no reply, such as 7: timeout",
    ]
    assert heard.sentences[-1] == "judge: 2 more had none for other reasons"


def test_how_far_an_engine_is_within_a_batch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a local model tells it with each step, and a server where it is awaited."""
    now = 50.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)

    class Slow:
        fingerprint, control_tokens, opens_reasoning = "slow", (), False
        say = going = None

        def stream(self, requests, sampling, done=frozenset()):
            nonlocal now
            for rows, tokens in ((0.0, 20), (0.5, 40), (1.5, 60)):
                now += 10.0
                self.going(rows, tokens, "waits" if rows == 0.5 else "")
                # As often as one would look.
                self.going(rows, tokens, "twice")
            yield [Reply(request.id, "x", "stop", 40) for request in requests]

    heard = Heard()
    Ask(Slow(), progress=heard, name="generate")(REQUESTS, Sampling(0, 1))
    assert heard.notes == [
        "2 tokens/s",
        "40 s a row, 2 tokens/s; waits",
        "20 s a row, 2 tokens/s",
        "15 s a row, 2.7 tokens/s",
    ]

"""The way to ask: each request has one reply, whatever an engine's stream gives."""

from __future__ import annotations

import pytest
from dalign.config import Reasoning
from dalign.errors import InputError
from dalign.models.ask import Ask
from dalign.models.protocol import Reply, Request, Sampling

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

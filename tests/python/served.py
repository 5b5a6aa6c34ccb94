"""Server engines on a server of a test's, and what they are asked."""

from __future__ import annotations

from dalign import config
from dalign.models.engines.server import ServerEngine
from dalign.models.protocol import Reply, Request, Sampling
from dalign.rows import Message
from fake_server import FakeServer

SAMPLING = Sampling(temperature=0.7, max_new_tokens=9, top_p=0.9)


def requests_of(*texts: str) -> list[Request]:
    return [
        Request(f"row-{t}", (Message(role="user", content=t),), seed=i) for i, t in enumerate(texts)
    ]


def served(url: str, **settings: object) -> config.Model:
    return config.Model(path="m", engine="openai", base_url=url, **settings)  # type: ignore[arg-type]


def engine_of(server: FakeServer, **settings: object) -> ServerEngine:
    given = {"backoff_s": 0.001, "timeout_s": 20.0, "token_s": 0.0, "retry_s": 0.0, **settings}
    tries = {name: given.pop(name) for name in ("attempts", "backoff_s") if name in given}
    return ServerEngine(served(server.base_url, **given), **tries)  # type: ignore[arg-type]


def replies_of(
    engine: ServerEngine,
    requests: list[Request],
    done: frozenset[str] = frozenset(),
    sampling: Sampling = SAMPLING,
) -> dict[str, Reply]:
    replies = [reply for batch in engine.stream(requests, sampling, done) for reply in batch]
    assert len({reply.id for reply in replies}) == len(replies)
    return {reply.id: reply for reply in replies}


def last(body: dict[str, object]) -> str:
    return body["messages"][-1]["content"]  # type: ignore[index,no-any-return]

"""Any OpenAI-compatible server (vLLM, SGLang, llama.cpp, hosted): many requests in flight."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, NamedTuple

import aiohttp

from dalign import config
from dalign.errors import ServerError
from dalign.models.engines.in_flight import arrivals
from dalign.models.protocol import EngineKind, Reply, Request, Sampling
from dalign.models.reasoning import tags_of
from dalign.rows import Finish, Message
from dalign.text import escape_control

ATTEMPTS = 5
# The wait after a first failure; it doubles with each.
BACKOFF_S = 0.5
LONGEST_WAIT_S = 60.0
CONNECT_TIMEOUT_S = 30.0
# What a server that works answers.
GREETING = Request("greeting", (Message(role="user", content="Hello"),), 0)
# What the column of token counts holds.
MOST_TOKENS = 2**32 - 1
FINISHES: dict[str | None, Finish] = {"stop": "stop", "length": "length", None: "stop"}


class ServerEngine:
    """Completes conversations by POST …/chat/completions, `batch_size` requests in flight.

    Rate limits (429) are waited out and cost no attempt. Server errors and lost connections are
    retried `attempts` times in all; then a request that fails alone is an `error` reply, and a
    server that answers nothing, a greeting neither, or is gone, is a ServerError. One attempt over
    `timeout_s` seconds is a `timeout` reply.
    """

    # Its replies have both tags.
    opens_reasoning = False

    def __init__(
        self, model: config.Model, *, attempts: int = ATTEMPTS, backoff_s: float = BACKOFF_S
    ) -> None:
        """model: of a config; the key, if any, is in the environment variable named there."""
        self._model, self._api_key = model, os.environ.get(model.api_key_env)
        self.url = f"{(model.base_url or '').rstrip('/')}/chat/completions"
        self.attempts, self.backoff_s = attempts, backoff_s
        # A server's weights and address cannot be told apart.
        tags = model.reasoning
        identity = f"openai {model.path} {tags.kind} {tags.open} {tags.close}"
        self.fingerprint = hashlib.sha256(identity.encode()).hexdigest()
        self.control_tokens = tags_of(tags)

    def stream(
        self, requests: Sequence[Request], sampling: Sampling, done: AbstractSet[str] = frozenset()
    ) -> Iterator[list[Reply]]:
        """Replies as they finish, in lists of what has come since the last one.

        The requests run in a thread of their own, also while the caller works on what it was given.
        Raises ServerError where the server cannot be reached or refuses a request.
        """
        pending = [request for request in requests if request.id not in done]
        if not pending:
            return iter(())

        async def work(emit: Callable[[Reply], None]) -> None:
            queued, has_answered = iter(pending), asyncio.Event()

            async def worker(session: aiohttp.ClientSession) -> None:
                for request in queued:
                    emit(await self._complete(session, request, sampling, has_answered))

            async with self._session() as session, asyncio.TaskGroup() as group:
                for _ in range(min(self._model.batch_size, len(pending))):
                    group.create_task(worker(session))

        return arrivals(work)

    async def _complete(
        self,
        session: aiohttp.ClientSession,
        request: Request,
        sampling: Sampling,
        has_answered: asyncio.Event,
    ) -> Reply:
        """One request's reply, with its retries. has_answered: to it, or to a request beside it."""
        times: Counter[bool] = Counter()
        while True:
            outcome = await self._attempt(session, request, sampling)
            if isinstance(outcome, Reply):
                if outcome.finish != "timeout":
                    has_answered.set()
                return outcome
            is_failure = outcome.kind != "limited"
            times[is_failure] += 1
            if times[True] >= self.attempts:
                if outcome.kind == "failed" and not has_answered.is_set():
                    # Whether the server or the request is at fault; asked anew, a run that goes on may have no other one left.
                    greeted = await self._attempt(session, GREETING, Sampling(0.0, 1))
                    if isinstance(greeted, Reply) and greeted.finish != "timeout":
                        has_answered.set()
                return self._given_up(request, outcome, has_answered.is_set())
            await asyncio.sleep(self._wait_s(times[is_failure], outcome, request))

    async def _attempt(
        self, session: aiohttp.ClientSession, request: Request, sampling: Sampling
    ) -> Reply | _Setback:
        try:
            async with session.post(self.url, json=self._body(request, sampling)) as response:
                status, text = response.status, await response.text(errors="replace")
                wait_s = retry_after_s(response.headers.get("Retry-After"))
        except aiohttp.ConnectionTimeoutError as error:
            return _Setback("lost", str(error))
        except TimeoutError:
            return Reply(request.id, "", "timeout", 0)
        except aiohttp.ClientError as error:
            return _Setback("lost", str(error) or type(error).__name__)
        if status == 200:
            reply = self._reply(request.id, text)
            return reply or _Setback("failed", f"not a chat completion: {self._words(text)}")
        if status == 429 and "insufficient_quota" not in text:
            return _Setback("limited", "", wait_s)
        said = f"status {status}: {self._words(text)}"
        if status >= 500 or status == 408:
            return _Setback("failed", said, wait_s)
        raise ServerError(f"{self.url} refused request {request.id} with {said}")

    def _body(self, request: Request, sampling: Sampling) -> dict[str, Any]:
        return {
            "model": self._model.path,
            "messages": list(request.messages),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_new_tokens,
            # Some servers hold seeds in 32 bits.
            "seed": request.seed % 2**31,
        }

    def _reply(self, row: str, text: str) -> Reply | None:
        """The reply that the response's text holds; None where it holds none."""
        try:
            body = json.loads(text)
            choice = body["choices"][0]
            message = choice["message"]
            finish = FINISHES.get(choice.get("finish_reason"), "error")
            count = (body.get("usage") or {}).get("completion_tokens")
            content = message.get("content") or ""
            thought = message.get("reasoning_content") or message.get("reasoning") or ""
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            return None
        if not isinstance(content, str) or not isinstance(thought, str):
            return None
        tags = self._model.reasoning
        if thought and tags.kind == "tags":
            # Where it ends is told by the field; a tag that it quotes ends nothing.
            thought = escape_control(thought, tags_of(tags))
            # Cut off within the reasoning: no closing tag, as the model wrote none.
            close = "" if finish == "length" and not content else tags.close
            content = f"{tags.open}{thought}{close}{content}"
        if not isinstance(count, int) or not 0 <= count <= MOST_TOKENS:
            count = 0
        return Reply(row, content, finish, count)

    def _words(self, text: str) -> str:
        """What the server says, on one line, printable, and without the key."""
        try:
            error = json.loads(text)["error"]
            said = error["message"] if isinstance(error, dict) else error
        except (ValueError, KeyError, TypeError, RecursionError):
            said = text
        line = " ".join("".join(c if c.isprintable() else " " for c in str(said)).split())
        return (line.replace(self._api_key, "***") if self._api_key else line)[:300] or "no text"

    def _wait_s(self, times: int, setback: _Setback, request: Request) -> float:
        """What the server asks for, or a wait that doubles; requests that failed together part by their seeds."""
        if setback.wait_s is not None:
            return setback.wait_s
        spread = 1 + request.seed % 1000 / 1000
        return min(LONGEST_WAIT_S, self.backoff_s * 2.0 ** min(times - 1, 64) * spread)

    def _given_up(self, request: Request, setback: _Setback, has_answered: bool) -> Reply:
        met = f"({setback.problem}; {self.attempts} attempts)"
        if setback.kind == "lost":
            raise ServerError(
                f"no server answers at {self.url} {met}; start it, or set base_url to its address"
            )
        if not has_answered:
            raise ServerError(f"{self.url} has answered no request {met}; see the server's log")
        return Reply(request.id, "", "error", 0)

    def _session(self) -> aiohttp.ClientSession:
        """A session with the key in its headers. To be opened inside the event loop."""
        headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        return aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(
                total=self._model.timeout_s, sock_connect=CONNECT_TIMEOUT_S
            ),
        )


class _Setback(NamedTuple):
    """An attempt without a reply. wait_s: how long the server asks to wait."""

    kind: Literal["limited", "failed", "lost"]
    problem: str
    wait_s: float | None = None


def retry_after_s(header: str | None) -> float | None:
    """The seconds that a Retry-After header asks for, given in seconds or as a date; None without one."""
    try:
        return max(0.0, float(header or ""))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(header or "")
    except ValueError:
        return None
    # A date of the zone -0000 has none here.
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


# A server gives reasoning and answer apart; what it serves cannot be seen from here.
KIND = EngineKind(
    name="openai",
    writes_open_tag=True,
    fingerprint_of=lambda model: f"served:{model.path}",
    open=lambda model, _: ServerEngine(model),
)

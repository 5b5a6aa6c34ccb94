"""Any OpenAI-compatible server (vLLM, SGLang, llama.cpp, hosted): many requests in flight."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, NamedTuple

import aiohttp

from dalign import config
from dalign.errors import ServerError
from dalign.models.control import without_end
from dalign.models.engines.api_key import ApiKey
from dalign.models.engines.chat_completion import complaint, said
from dalign.models.engines.in_flight import arrivals
from dalign.models.protocol import EngineKind, Reply, Request, Sampling, fingerprint_of
from dalign.models.reasoning import opened_at_server, tags_of
from dalign.rows import Message
from dalign.text import escape_control, short

ATTEMPTS = 5
# The wait after a first failure; it doubles with each.
BACKOFF_S = 0.5
LONGEST_WAIT_S = 60.0
# A server may ask for a longer wait up to this one; from some seconds on it is told.
LONGEST_ASKED_WAIT_S, TOLD_WAIT_S = 600.0, 5.0
CONNECT_TIMEOUT_S = 30.0
# What a response may have, unpacked: many times the longest completion, and no server's flood.
MOST_BYTES = 16 * 2**20
# What a server that works answers.
GREETING = Request("greeting", (Message(role="user", content="Hello"),), 0)
# Refused for what the caller is or asks of the server, whatever the prompt.
FOR_ALL = frozenset({401, 402, 404, 405, 407})
# As long as nothing is answered, more refusals than this (or than two of each in flight) are the server's.
MOST_REFUSED = 32
MOST_TOLD = 20


class ServerEngine:
    """Completes conversations by POST …/chat/completions, `batch_size` requests in flight.

    Rate limits (429) are waited out and cost no attempt. Server errors and lost connections are retried `attempts`
    times in all. A request that gets no reply, or is refused, is an `error` reply whose text is the reason, if the server
    answers another one beside it, or a greeting with the same settings; if not, the server is at fault, and that is a ServerError, as are a
    refused key, an unknown model and a redirect. One attempt over `timeout_s` seconds is a `timeout` reply.
    A response of more than 16 MiB and a wait of more than ten minutes that a server asks for count as refusals.
    """

    def __init__(
        self, model: config.Model, *, attempts: int = ATTEMPTS, backoff_s: float = BACKOFF_S
    ) -> None:
        """model: of a config; the key, if any, is in the environment variable named there."""
        self._model, self._key = model, ApiKey(model)
        self.url = f"{(model.base_url or '').rstrip('/')}/chat/completions"
        self.attempts, self.backoff_s = attempts, backoff_s
        self.fingerprint = KIND.fingerprint_of(model)
        self.control_tokens, self.reasoning = tags_of(model.reasoning), model.reasoning
        self.opens_reasoning = opened_at_server(model.reasoning)
        self.say: Callable[[str], None] = lambda _: None
        self._sentences: set[str] = set()
        self._wait_told_until = 0.0
        self._answered = self._refused = 0
        # Parameters by the names under which this server takes them; "" leaves one out.
        self._names: dict[str, str] = {}

    def stream(
        self, requests: Sequence[Request], sampling: Sampling, done: AbstractSet[str] = frozenset()
    ) -> Iterator[list[Reply]]:
        """Replies as they finish, in lists of what has come since the last one.

        The requests run in a thread of their own, also while the caller works on what it was given.
        Raises ServerError where the server cannot be reached or refuses every request.
        """
        pending = [request for request in requests if request.id not in done]
        self._answered += len(requests) - len(pending)
        if not pending:
            return iter(())

        async def work(emit: Callable[[Reply], None]) -> None:
            queued = iter(pending)

            async def worker(session: aiohttp.ClientSession) -> None:
                for request in queued:
                    emit(await self._complete(session, request, sampling))

            async with self._session() as session, asyncio.TaskGroup() as group:
                for _ in range(min(self._model.batch_size, len(pending))):
                    group.create_task(worker(session))

        return arrivals(work)

    async def _complete(
        self, session: aiohttp.ClientSession, request: Request, sampling: Sampling
    ) -> Reply:
        """One request's reply, with its retries."""
        times: Counter[bool] = Counter()
        answered = self._answered
        while True:
            outcome = await self._attempt(session, request, sampling)
            if isinstance(outcome, Reply):
                self._answered += outcome.finish != "timeout"
                return outcome
            is_failure = outcome.kind != "limited"
            times[is_failure] += 1
            wait_s = self._wait_s(times[is_failure], outcome, request)
            if wait_s > LONGEST_ASKED_WAIT_S:
                asked = f"{wait_s:,.0f} s" if math.isfinite(wait_s) else "without end"
                what = f"it asks to wait {asked}, and is waited for {LONGEST_ASKED_WAIT_S:.0f} s at most"
                outcome = _Setback("refused", f"{outcome.problem}; {what}")
            if outcome.kind == "refused" or times[True] >= self.attempts:
                others = self._answered > answered
                return await self._given_up(request, sampling, outcome, others=others)
            self._tell_wait(wait_s, outcome)
            await asyncio.sleep(wait_s)

    async def _attempt(
        self, session: aiohttp.ClientSession, request: Request, sampling: Sampling
    ) -> Reply | _Setback:
        """One request's reply or setback; what a server refuses by its name alone is sent in another way."""
        names = self._names
        while True:
            outcome = await self._post(session, request, sampling, names)
            others = self._renamed(names, outcome, sampling)
            if others == names:
                break
            names = others
        if isinstance(outcome, Reply) and names != self._names:
            self._names = names
            if names.get("seed") == "":
                self._tell_once("the server takes no seed: asked again, it may reply otherwise")
        return outcome

    async def _post(
        self,
        session: aiohttp.ClientSession,
        request: Request,
        sampling: Sampling,
        names: Mapping[str, str],
    ) -> Reply | _Setback:
        body = self._body(request, sampling, names)
        try:
            async with session.post(self.url, json=body, allow_redirects=False) as response:
                text = await _text(response)
        except aiohttp.ConnectionTimeoutError as error:
            return _Setback("lost", self._told(str(error)))
        except TimeoutError:
            return Reply(request.id, "", "timeout", 0)
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError) as error:
            return _Setback("failed", self._told(str(error)))
        # UnicodeError: a name that is none to a resolver.
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            return _Setback("lost", self._told(str(error) or type(error).__name__))
        if text is None:
            return _Setback("refused", f"a response of more than {MOST_BYTES // 2**20} MiB")
        is_answer = 200 <= response.status < 300
        reply = self._reply(request.id, text) if is_answer else None
        return reply or self._setback(request, response, text)

    def _setback(self, request: Request, response: aiohttp.ClientResponse, text: str) -> _Setback:
        """What a response means that holds no reply. Raises ServerError where all requests would have it."""
        status, told = response.status, self._told(text) or "no text"
        if status < 300:
            return _Setback("failed", f"not a chat completion: {told}")
        if status < 400:
            place = self._told(response.headers.get("Location", "")) or "an unnamed place"
            what = f"redirects to {place} (status {status}), where neither key nor prompts are sent"
            raise ServerError(f"{self.url} {what}; set base_url to the address that answers")
        problem = f"status {status}: {told}"
        wait_s = retry_after_s(response.headers.get("Retry-After"))
        is_spent = "insufficient_quota" in text
        if status == 429 and not is_spent:
            return _Setback("limited", problem, wait_s)
        if status >= 500 or status in (408, 425):
            return _Setback("failed", problem, wait_s)
        if status in FOR_ALL or is_spent:
            raise self._refusal(request, problem)
        return _Setback("refused", problem)

    def _body(
        self, request: Request, sampling: Sampling, names: Mapping[str, str]
    ) -> dict[str, Any]:
        drawn = {
            "temperature": sampling.temperature,
            # Sent when neutral too: some servers would take another value from the model's own settings.
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_new_tokens,
            # Some servers hold seeds in 32 bits.
            "seed": request.seed % 2**31,
        }
        for name, other in names.items():
            # What another stage draws otherwise must be said.
            if name == "seed" or drawn[name] == 1.0 or other:
                value = drawn.pop(name)
                if other:
                    drawn[other] = value
        return {"model": self._model.path, "messages": list(request.messages), **drawn}

    def _renamed(
        self, names: dict[str, str], outcome: Reply | _Setback, sampling: Sampling
    ) -> dict[str, str]:
        """The names to try where a refusal speaks of a parameter that has another name, or can be left out.

        A drawing that is not the default is never left out: the replies would be drawn in another way.
        """
        if isinstance(outcome, Reply) or outcome.kind != "refused":
            return names
        other = {"max_tokens": "max_completion_tokens", "seed": ""}
        other |= {n: "" for n in ("top_p", "temperature") if getattr(sampling, n) == 1.0}
        spoken = set(re.findall(r"\w+", outcome.problem))
        return names | {name: other[name] for name in other if name in spoken}

    def _reply(self, row: str, body: str) -> Reply | None:
        """The reply that the response's body holds; None where it holds none."""
        found = said(body)
        if found is None:
            return None
        if found.unknown:
            self._tell_once(
                f"the server ends replies by {short(self._told(found.unknown))!r}, which is not known: taken for {found.finish!r}"
            )
        tags, text, thought = self._model.reasoning, found.text, found.thought
        if found.finish == "stop":
            text = without_end(text)
        if thought and tags.reasons:
            # Where it ends is told by the field; a tag that it quotes ends nothing.
            thought = escape_control(thought, tags_of(tags))
            start, end = tags.tags
            # Cut off within the reasoning: no closing tag, as the model wrote none.
            end = "" if found.finish == "length" and not text else end
            text = f"{start}{thought}{end}{text}"
        return Reply(row, self._key.cleared(text), found.finish, found.tokens)

    def _told(self, text: str) -> str:
        """What the server says, on one line, at a length for a sentence and without the key."""
        return self._key.masked(complaint(text))[:300]

    def _wait_s(self, times: int, setback: _Setback, request: Request) -> float:
        """What the server asks for, or a wait that doubles; requests that failed together part by their seeds."""
        if setback.wait_s is not None:
            # One that asks for no wait at all would be asked without a pause.
            return max(setback.wait_s, self.backoff_s)
        spread = 1 + request.seed % 1000 / 1000
        return min(LONGEST_WAIT_S, self.backoff_s * 2.0 ** min(times - 1, 64) * spread)

    def _tell_wait(self, wait_s: float, setback: _Setback) -> None:
        """Says a wait that a user would notice, one for all requests that wait together."""
        now = time.monotonic()
        if wait_s >= TOLD_WAIT_S and now >= self._wait_told_until:
            self._wait_told_until = now + wait_s
            self.say(f"{self.url}: waits {wait_s:.0f} s ({setback.problem})")

    def _tell_once(self, sentence: str) -> None:
        # Not for ever: a hostile server could end each reply by another word.
        if sentence not in self._sentences and len(self._sentences) < MOST_TOLD:
            self._sentences.add(sentence)
            self.say(sentence)

    async def _given_up(
        self, request: Request, sampling: Sampling, setback: _Setback, *, others: bool
    ) -> Reply:
        """The error reply of a request that is at fault itself. Raises ServerError where the server is.

        others: whether one beside it was answered since it was first tried.
        """
        is_refusal = setback.kind == "refused"
        self._refused += is_refusal
        most = max(MOST_REFUSED, 2 * self._model.batch_size)
        refuses_all = self._answered == 0 and self._refused >= most
        is_well = not is_refusal and others
        if is_well or (not refuses_all and await self._greets(sampling)):
            return Reply(request.id, setback.problem, "error", 0)
        if is_refusal:
            raise self._refusal(request, setback.problem)
        met = f"({setback.problem}; {self.attempts} attempts)"
        if setback.kind == "lost":
            way_out = "start it, or set base_url to its address"
            raise ServerError(f"no server answers at {self.url} {met}; {way_out}")
        what = "answers no request any more" if self._answered else "has answered no request"
        raise ServerError(f"{self.url} {what} {met}; see the server's log")

    async def _greets(self, sampling: Sampling) -> bool:
        """Whether the server answers others: asked anew, as it may be gone, or its key be spent, since it last did."""
        # By a connection of its own: a broken reply may have spoilt those that are open.
        async with self._session() as session:
            outcome = await self._attempt(session, GREETING, sampling)
        if isinstance(outcome, Reply):
            return outcome.finish != "timeout"
        return outcome.kind == "limited" and (outcome.wait_s or 0) <= LONGEST_ASKED_WAIT_S

    def _refusal(self, request: Request, problem: str) -> ServerError:
        return ServerError(f"{self.url} refused request {request.id} with {problem}")

    def _session(self) -> aiohttp.ClientSession:
        """A session with the key in its headers. To be opened inside the event loop."""
        return aiohttp.ClientSession(
            headers=self._key.headers,
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=self._model.timeout_s, sock_connect=CONNECT_TIMEOUT_S
            ),
        )


async def _text(response: aiohttp.ClientResponse) -> str | None:
    """A response's text, which is UTF-8 or not what was asked for; None where it has too many bytes to be read."""
    data = bytearray()
    async for piece in response.content.iter_any():
        data += piece
        if len(data) > MOST_BYTES:
            # The rest is not to come.
            response.close()
            return None
    return data.decode("utf-8-sig", errors="replace")


class _Setback(NamedTuple):
    """An attempt without a reply. wait_s: how long the server asks to wait."""

    kind: Literal["limited", "failed", "lost", "refused"]
    problem: str
    wait_s: float | None = None


def retry_after_s(header: str | None) -> float | None:
    """The seconds that a Retry-After header asks for, given in seconds or as a date; None without one that can be read.

    May be infinite. A date without a zone is UTC, and one that is past asks for no wait.
    """
    try:
        seconds = float(header or "")
        return None if math.isnan(seconds) else max(0.0, seconds)
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(header or "")
    except (ValueError, TypeError, OverflowError):
        return None
    # A date of the zone -0000 has none here.
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


# A server gives reasoning and answer apart; what it serves cannot be seen from here.
KIND = EngineKind(
    name="openai",
    writes_open_tag=None,
    # A server's weights and address cannot be told apart.
    fingerprint_of=lambda model: fingerprint_of(model, "openai", model.path),
    open=lambda model, _: ServerEngine(model),
    check=ApiKey,
)

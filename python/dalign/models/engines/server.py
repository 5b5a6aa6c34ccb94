"""Any OpenAI-compatible server (vLLM, SGLang, llama.cpp, hosted): many requests in flight."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, NamedTuple

from dalign import config
from dalign.errors import InputError, ServerError
from dalign.models.control import without_end
from dalign.models.engines.chat_completion import said, status_in
from dalign.models.engines.connection import Connection
from dalign.models.engines.conversation import CHAT, Chat, Written
from dalign.models.engines.http import Http, HttpError, JsonWriter, Response
from dalign.models.engines.in_flight import arrivals
from dalign.models.engines.parameters import Names, body_of, learned
from dalign.models.engines.queue import Queue
from dalign.models.engines.refused import refusal, unanswered
from dalign.models.engines.served import Sameness, fingerprint_of_served
from dalign.models.engines.slots import Outcome, Slots
from dalign.models.engines.together import apart
from dalign.models.engines.waits import Awaited, retry_after_s
from dalign.models.protocol import Reply, Request, Sampling, unheard
from dalign.models.reasoning import opened_at_server, tags_of
from dalign.rows import Message
from dalign.text import escape_control, short

ATTEMPTS = 5
# Of one that took too long: a request that hung once may not hang again, and one that is too long is so again.
LATE_ATTEMPTS = 2
# The wait after a first failure; it doubles with each.
BACKOFF_S = 0.5
LONGEST_WAIT_S = 60.0
# A server may ask for a longer wait up to this one; from some seconds on it is told.
LONGEST_ASKED_WAIT_S, TOLD_WAIT_S = 600.0, 5.0
# A server that limits the same rows for so long, and no other, means these: two of the minutes that limits are counted by.
LONGEST_ROW_WAIT_S = 120.0
# What a response may have, unpacked: many times the longest completion, and no server's flood.
MOST_BYTES = 16 * 2**20
# What a server that works answers; what it has answered lately need not be asked again.
GREETING, GREETED_S = Request("greeting", (Message(role="user", content="Hello"),), 0), 10.0
# Refused for what the caller is or asks of the server, whatever the prompt.
FOR_ALL = frozenset({401, 402, 404, 405, 407})
# Rows in hand for each that may be in flight.
HANDS = 4
# As long as nothing is answered, more refusals than this (or than two of each in flight) are the server's.
MOST_REFUSED = 32
MOST_TOLD = 20


class ServerEngine:
    """Completes conversations by POST …/chat/completions, `batch_size` requests in flight.

    Rate limits (429) are waited out and cost no attempt; rows that alone are limited, for two minutes, are refused. Server errors and lost connections are retried `attempts`
    times in all. A request that gets no reply, or is refused, is an `error` reply whose text is the reason, if the server
    answers another one beside it, or a greeting with the same settings; two attempts that take longer than `timeout_s` and `token_s` for each token allow are a `timeout` reply
    likewise. If not, the server is at fault. One that has answered is then waited for, `retry_s` seconds since its last answer; in the end
    that is a ServerError, as are a key, a model's name and an address that are refused.
    A response of more than 16 MiB and a wait of more than ten minutes that a server asks for count as refusals.
    """

    def __init__(
        self,
        model: config.Model,
        *,
        attempts: int = ATTEMPTS,
        backoff_s: float = BACKOFF_S,
        form: Chat | Written = CHAT,
        own_key: str | None = None,
        hands: int = HANDS,
    ) -> None:
        """model: of a config; keys, if any, are in the environment variables named there. own_key: of a server of dalign's own.

        hands: rows in hand for each that may be in flight, those that wait to be sent again among them.
        """
        self._model, self._server, self._form = model, Connection(model, own_key), form
        self.url, self._target = self._server.url(form.path), self._server.target(form.path)
        self._writer, self.slots = JsonWriter(), Slots(model.batch_size)
        self.attempts, self.backoff_s, self._hands = attempts, backoff_s, hands
        self.fingerprint = fingerprint_of_served(model)
        self.control_tokens, self.reasoning = tags_of(model.reasoning), model.reasoning
        self.opens_reasoning = opened_at_server(model.reasoning)
        self.say: Callable[[str], None] = lambda _: None
        self.going = unheard
        self._sentences: set[str] = set()
        self._wait_told_until = 0.0
        self._answered = self._refused = 0
        self._names: Names = {}
        # When a row was last limited for the first time, or one that had been was answered.
        self._limits_at = -math.inf
        self._awaited, self._sameness = Awaited(self.url), Sameness(self._server, model)
        self._greeting: asyncio.Task[None] | None = None
        # What the last greeting met, and when it ended.
        self._greeted = ("", -math.inf)

    def stream(
        self, requests: Sequence[Request], sampling: Sampling, done: AbstractSet[str] = frozenset()
    ) -> Iterator[list[Reply]]:
        """Replies as they finish, in lists of what has come since the last one.

        The requests run in a thread of their own, also while the caller works on what it was given.
        Raises ServerError where the server cannot be reached or refuses every request.
        """
        pending = [request for request in requests if request.id not in done]
        self._answered += len(requests) - len(pending)

        async def work(emit: Callable[[Reply], None]) -> None:
            await self.serve(Queue(pending), sampling, emit)

        for replies in arrivals(work) if pending else ():
            if replies:
                yield replies
            else:
                self.going(0.0, 0, self.awaited)

    @property
    def awaited(self) -> str:
        """Who waits for the server, since when and why; empty where replies come."""
        return self._awaited.words

    async def serve(self, queue: Queue, sampling: Sampling, emit: Callable[[Reply], None]) -> None:
        """Completes the requests of a queue, which others may be at too; gives back what it has in hand where it cannot go on."""

        workers, most = 0, self._hands * self.slots.most

        def another() -> None:
            nonlocal workers
            if workers < most and queue:
                workers += 1
                group.create_task(worker())

        async def worker() -> None:
            for request in queue:
                try:
                    # One that waits to be sent again holds no slot: another takes its place.
                    reply = await self._complete(session, request, sampling, another)
                except BaseException:
                    queue.give_back(request)
                    raise
                emit(reply)

        # In a thread of its own, of which the pool's members have one together.
        await self._sameness.begin()
        async with self._server.session() as session, asyncio.TaskGroup() as group:
            for _ in range(min(self.slots.most, len(queue))):
                another()

    async def _complete(
        self, session: Http, request: Request, sampling: Sampling, waits: Callable[[], None]
    ) -> Reply:
        """One request's reply, with its retries. waits: called before each wait for the next."""
        # By their kinds: that a server was away says nothing of what a row meets once it is there.
        times: Counter[str] = Counter()
        trial = _Trial(time.monotonic(), math.inf)
        with self._awaited.one(request.id):
            while True:
                # Since its last failure: before it, the server may have gone.
                trial.others |= self._answered > trial.answered
                outcome = await self._slotted(session, request, sampling, trial, again=bool(times))
                if isinstance(outcome, Reply):
                    if self._sameness.in_doubt:
                        await self._sameness.check()
                    self._answered += 1
                    self._awaited.answered()
                    self._limits_at = time.monotonic() if times["limited"] else self._limits_at
                    return outcome
                self._sameness.in_doubt |= outcome.kind == "lost"
                times[outcome.kind] += 1
                wait_s = _wait_s(times[outcome.kind], outcome, request, self.backoff_s)
                outcome = _bounded(outcome)
                is_over = self._is_over(outcome, trial)
                tried = self._is_tried(outcome, times, trial.waited_s + wait_s, is_over=is_over)
                if tried and await self._is_at_fault(
                    request, sampling, outcome, trial, is_over=is_over
                ):
                    return _reply_of(request, outcome)
                trial.answered, trial.others = self._answered, False
                trial.waited_s += wait_s
                self._tell_wait(wait_s, outcome)
                self._awaited.waits(request.id, outcome.problem)
                waits()
                await asyncio.sleep(wait_s)

    async def _slotted(
        self, session: Http, request: Request, sampling: Sampling, trial: _Trial, *, again: bool
    ) -> Reply | _Setback:
        """An attempt, in a slot."""
        await self.slots.take(again=again)
        trial.sent = time.monotonic()
        told: Outcome = "other"
        wait_s = 0.0
        try:
            outcome = await self._attempt(session, request, sampling)
            if isinstance(outcome, Reply):
                told = "answered"
            elif outcome.kind == "limited":
                told, wait_s = "limited", outcome.wait_s or 0.0
            elif outcome.kind != "refused":
                told = "failed"
        finally:
            self.slots.give(told, wait_s if wait_s <= LONGEST_ASKED_WAIT_S else 0.0)
        return outcome

    async def _attempt(
        self, session: Http, request: Request, sampling: Sampling
    ) -> Reply | _Setback:
        """One request's reply or setback; what a server refuses by its name alone is sent in another way."""
        names = self._names
        while True:
            outcome = await self._post(session, request, sampling, names)
            if isinstance(outcome, Reply) or outcome.kind != "refused":
                break
            others = learned(names, outcome.problem, sampling, many=bool(request.others))
            if others == names:
                break
            names = others
        if isinstance(outcome, Reply) and names != self._names:
            self._names = names
            if names.get("seed") == "":
                self._tell_once("the server takes no seed: asked again, it may reply otherwise")
        if sampling.tells_tokens and isinstance(outcome, Reply) and not any(outcome.drawn):
            self._tell_once("the server tells no tokens of its replies")
        return outcome

    async def _post(
        self, session: Http, request: Request, sampling: Sampling, names: Names
    ) -> Reply | _Setback:
        try:
            conversation = self._form.body(request.messages)
        except InputError as error:
            raise error.worded(f"request {request.id}: {error}") from error
        body = body_of(self._model, request, sampling, names, self._form.telling) | conversation
        rows = (request.id, *request.others)
        until_s = self._model.timeout_s + self._model.token_s * sampling.max_new_tokens * len(rows)
        try:
            response = await session.ask(
                "POST",
                self._target,
                timeout_s=until_s,
                most_bytes=MOST_BYTES,
                body=self._writer.body(body),
            )
        except HttpError as error:
            if error.kind == "late":
                return _Setback("late", f"no reply within {until_s:g} s")
            return _Setback(error.kind, self._told(str(error)))
        text = response.text
        if text is None:
            return _Setback("refused", f"a response of more than {MOST_BYTES // 2**20} MiB")
        is_answer = 200 <= response.status < 300
        found = (self._reply(row, text, nth) for nth, row in enumerate(rows) if is_answer)
        replies = list(filter(None, found))
        if not replies:
            return self._setback(request, response, text)
        return apart(replies, replies[0].tokens) if request.others else replies[0]

    def _setback(self, request: Request, response: Response, text: str) -> _Setback:
        """What a response means that holds no reply. Raises ServerError where all requests would have it."""
        status, told = response.status, self._told(text) or "no text"
        if status < 300:
            # Some say it in the body alone.
            status = status_in(text) or status
        if status < 300:
            return _Setback("failed", f"not a chat completion: {told}")
        if status < 400:
            place = self._told(response.headers.get("location", "")) or "an unnamed place"
            what = f"redirects to {place} (status {status}), where neither key nor prompts are sent"
            if self._answered:
                return _Setback("refused", f"{what}; set base_url to the address that answers")
            raise ServerError(f"{self.url} {what}; set base_url to the address that answers")
        problem = f"status {status}: {told}"
        wait_s = retry_after_s(response.headers.get("retry-after"))
        is_spent = "insufficient_quota" in text
        if status == 429 and not is_spent:
            return _Setback("limited", problem, wait_s)
        if status >= 500 or status in (408, 425):
            return _Setback("failed", problem, wait_s)
        # Of one that has answered others, a greeting will tell.
        if (status in FOR_ALL or is_spent) and not self._answered:
            raise refusal(self.url, self._model, request, problem)
        return _Setback("refused", problem)

    def _reply(self, row: str, body: str, nth: int = 0) -> Reply | None:
        """The reply that the response's body holds, or the nth of several; None where it holds none."""
        found = said(body, nth)
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
        text = self._server.key.cleared(text)
        return Reply(row, text, found.finish, found.tokens, found.read, drawn=found.drawn)

    def _told(self, text: str) -> str:
        return self._server.told(text)

    def masked(self, text: str) -> str:
        """A text without the server's secrets."""
        return self._server.key.masked(text)

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

    def _is_limited_alone(self, times: int) -> bool:
        """Whether a row that was limited so often is one of the same few, which the server has limited for long, and no other.

        Rate limits meet others too, and end.
        """
        now = time.monotonic()
        if times == 1:
            self._limits_at = now
        return times >= self.attempts and now - self._limits_at >= LONGEST_ROW_WAIT_S

    def _is_tried(
        self, setback: _Setback, times: Counter[str], waited_s: float, *, is_over: bool
    ) -> bool:
        """Whether a row has been sent as often as one is before it is asked whose fault it is."""
        if setback.kind == "limited":
            return is_over or self._is_limited_alone(times["limited"])
        most = LATE_ATTEMPTS if setback.kind == "late" else self.attempts
        # Not as often where the server asks for long waits.
        is_long = waited_s > LONGEST_ASKED_WAIT_S
        return setback.kind == "refused" or is_long or times[setback.kind] >= most

    def _is_over(self, setback: _Setback, trial: _Trial) -> bool:
        """Whether nobody has been answered for as long as the server is waited for."""
        granted_s = self._model.retry_s
        if setback.kind == "limited":
            # It may ask for a wait as long as this.
            granted_s = max(granted_s, LONGEST_ASKED_WAIT_S)
        return time.monotonic() - max(trial.began, self._awaited.answered_at) >= granted_s

    async def _is_at_fault(
        self,
        request: Request,
        sampling: Sampling,
        setback: _Setback,
        trial: _Trial,
        *,
        is_over: bool,
    ) -> bool:
        """Whether a request itself is, as others are answered; False where it is to be sent again. Raises ServerError where the server is.

        is_over: whether the server has been waited for.
        """
        fails = setback.kind in ("failed", "lost")
        nobody = setback.kind == "late" and self._awaited.answered_at < trial.sent
        if fails and (trial.greeted or trial.others):
            return True
        is_refusal = setback.kind == "refused"
        self._refused += is_refusal
        most = max(MOST_REFUSED, 2 * self._model.batch_size)
        refuses_all = self._answered == 0 and self._refused >= most
        answered = self._answered
        if not refuses_all and await self._greets(setback, sampling):
            # What met a server that was away, or one that answered nobody meanwhile, is sent once more.
            is_first = (fails or trial.is_away or nobody) and not trial.greeted
            trial.greeted, trial.is_away = True, False
            return not is_first
        if is_refusal:
            raise refusal(self.url, self._model, request, setback.problem)
        trial.is_away = True
        may_wait = self._answered or setback.kind == "limited"
        if self._answered > answered or (may_wait and not is_over):
            return False
        met = (setback.kind, setback.problem, self.attempts)
        raise unanswered(self.url, self._model, *met, has_answered=bool(self._answered))

    async def _greets(self, setback: _Setback, sampling: Sampling) -> bool:
        """Whether the server answers others: asked anew, as it may be gone, or its key be spent, since it last did.

        Those who ask together share one greeting; for a refusal, one of a moment ago is enough.
        """
        met, ended = self._greeted
        is_known = setback.kind == "refused" and met == "answered"
        if not is_known or time.monotonic() - ended >= GREETED_S:
            if self._greeting is None:
                self._greeting = asyncio.ensure_future(self._greet(sampling))
            try:
                await self._greeting
            finally:
                self._greeting = None
            met, _ = self._greeted
        # One that makes all wait is well but for those who have waited for long.
        return met == "answered" or (met == "limited" and setback.kind != "limited")

    async def _greet(self, sampling: Sampling) -> None:
        # By a connection of its own: a broken reply may have spoilt those that are open.
        async with self._server.session() as session:
            outcome = await self._attempt(session, GREETING, sampling)
        met = "answered" if isinstance(outcome, Reply) else outcome.kind
        if not isinstance(outcome, Reply) and (outcome.wait_s or 0) > LONGEST_ASKED_WAIT_S:
            met = "refused"
        self._greeted = (met, time.monotonic())


class _Setback(NamedTuple):
    """An attempt without a reply. wait_s: how long the server asks to wait."""

    kind: Literal["limited", "failed", "lost", "late", "refused"]
    problem: str
    wait_s: float | None = None


@dataclass
class _Trial:
    """What a request has met. answered: how many others were when it last failed; others: whether more were before it was sent again;
    sent: when it last was; waited_s: between its tries; greeted: whether a greeting was after its failures; is_away: whether that was in vain."""

    began: float
    answered: float
    others: bool = False
    sent: float = 0.0
    greeted: bool = False
    waited_s: float = 0.0
    is_away: bool = False


def _bounded(setback: _Setback) -> _Setback:
    """The setback, as a refusal where it asks for too long a wait."""
    wait_s = setback.wait_s or 0.0
    if wait_s <= LONGEST_ASKED_WAIT_S:
        return setback
    asked = f"{wait_s:,.0f} s" if math.isfinite(wait_s) else "without end"
    what = f"it asks to wait {asked}, and is waited for {LONGEST_ASKED_WAIT_S:.0f} s at most"
    return _Setback("refused", f"{setback.problem}; {what}")


def _reply_of(request: Request, setback: _Setback) -> Reply:
    """What stands for the reply of a request that has none."""
    if setback.kind == "late":
        return Reply(request.id, "", "timeout", 0)
    return Reply(request.id, setback.problem, "error", 0)


def _wait_s(times: int, setback: _Setback, request: Request, backoff_s: float) -> float:
    """What the server asks for, or a wait that doubles; requests that failed together part by their seeds."""
    if setback.wait_s is not None:
        # One that asks for no wait at all would be asked without a pause.
        return max(setback.wait_s, backoff_s)
    spread = 1 + request.seed % 1000 / 1000
    return min(LONGEST_WAIT_S, backoff_s * 2.0 ** min(times - 1, 64) * spread)

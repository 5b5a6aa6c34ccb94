"""An OpenAI-compatible server in this process, on 127.0.0.1, that answers by a function."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class Answer:
    """What the server sends back. `delay_s`: after how long; `hang_up`: it closes the connection instead; `endless`:
    again and again; `stalls`: half of it, and then nothing more; `until_in_flight`: not before so many were in flight at once."""

    body: dict[str, Any] | str | bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    hang_up: bool = False
    until_in_flight: int = 0
    endless: bool = False
    stalls: bool = False


def chat(
    text: str | None, *, finish: str | None = "stop", delay_s: float = 0.0, **fields: str
) -> Answer:
    """A chat completion; `fields` go beside its content, such as reasoning_content. Its prompt is said to have seven tokens."""
    message = {"role": "assistant", "content": text, **fields}
    body = {
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"completion_tokens": 3, "prompt_tokens": 7},
    }
    return Answer(body, delay_s=delay_s)


def refusal(status: int, message: str, **headers: str) -> Answer:
    """An error as OpenAI words it."""
    return Answer(
        {"error": {"message": message}},
        status=status,
        headers={k.replace("_", "-"): v for k, v in headers.items()},
    )


class FakeServer:
    """`with FakeServer(answer) as server`: `answer` gets a request's body and how often its last message came before.

    models: what it says of the models that it serves, each by the keys of its entry; None: it says nothing.
    """

    def __init__(
        self,
        answer: Callable[[dict[str, Any], int], Answer],
        models: list[dict[str, Any]] | None = None,
    ) -> None:
        self._answer, self.models = answer, models
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.queries: list[str] = []
        self.in_flight = self.most_in_flight = self.flooded = 0
        self._times: dict[str, int] = {}
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def base_url(self) -> str:
        """What a config's base_url would say."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._list)
        runner = web.AppRunner(app, shutdown_timeout=0)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        self._ready.set()
        self._loop.run_forever()
        # Answers that are held back would hold up the end.
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if self.models is None:
            return web.json_response({"error": "no such page"}, status=404)
        return web.json_response({"object": "list", "data": self.models})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        if request.query_string:
            self.queries.append(request.query_string)
        last = body["messages"][-1]["content"]
        before = self._times.get(last, 0)
        self._times[last] = before + 1
        answer = self._answer(body, before)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            while self.most_in_flight < answer.until_in_flight:
                await asyncio.sleep(0.001)
            await asyncio.sleep(answer.delay_s)
        finally:
            self.in_flight -= 1
        if answer.hang_up and request.transport is not None:
            request.transport.close()
        if answer.endless:
            return await self._flood(request, answer)
        if answer.stalls:
            return await self._stall(request, answer)
        if isinstance(answer.body, bytes):
            return web.Response(body=answer.body, status=answer.status, headers=answer.headers)
        if isinstance(answer.body, str):
            return web.Response(text=answer.body, status=answer.status, headers=answer.headers)
        return web.json_response(answer.body, status=answer.status, headers=answer.headers)

    async def _flood(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        """The body over and over, until the other side has had enough."""
        response = web.StreamResponse(status=answer.status)
        await response.prepare(request)
        assert isinstance(answer.body, bytes)
        while True:
            await response.write(answer.body)
            self.flooded += len(answer.body)

    async def _stall(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        """Half of the body, which is never ended."""
        response = web.StreamResponse(status=answer.status)
        await response.prepare(request)
        whole = json.dumps(answer.body).encode()
        await response.write(whole[: len(whole) // 2])
        await asyncio.sleep(60.0)
        return response


def message(fields: dict[str, Any], finish: object = "stop", **beside: Any) -> Answer:
    """A chat completion whose message has these fields; `beside`: what the body has beside its choices."""
    whole = {"role": "assistant", **fields}
    return Answer({"choices": [{"index": 0, "message": whole, "finish_reason": finish}], **beside})


def parted(text: str) -> tuple[str, str]:
    """The reasoning and the answer of a text that the fake server was to say; `hm` where it has no reasoning."""
    thought, closed, answer = text.removeprefix("<think>").partition("</think>")
    return (thought, answer) if closed else ("hm", text)


# What is asked, how often it came before, and the text that a server without quirks would say.
Quirky = Callable[[dict[str, Any], int, str], Answer]


@dataclass(frozen=True)
class Quirk:
    """A way in which some server differs from what a client expects.

    answers: instead of the plain completion. becomes: what the row is: stop, length, empty (a reply that says nothing), error or timeout.
    told: what its reason holds, where it has one. of_all: of every request and not of one row's.
    """

    answers: Quirky
    becomes: str = "stop"
    told: str = ""
    of_all: bool = False


def _once(fault: Answer, times: int = 1) -> Quirky:
    return lambda _, before, text: fault if before < times else chat(text)


def _always(fault: Answer) -> Quirky:
    return lambda _body, _before, _text: fault


def _unless(wrong: Callable[[dict[str, Any]], bool], said: str) -> Quirky:
    return lambda body, _, text: refusal(400, said) if wrong(body) else chat(text)


def _usage(usage: str) -> Quirky:
    def answer(_body: dict[str, Any], _before: int, text: str) -> Answer:
        said = json.dumps({"role": "assistant", "content": text})
        return Answer(f'{{"choices": [{{"message": {said}, "finish_reason": "stop"}}], "usage": {usage}}}')  # fmt: skip

    return answer


def _form(made: Callable[[str, str], dict[str, Any]]) -> Quirky:
    """A message by the reasoning and the answer that it is to hold."""
    return lambda _body, _before, text: message(made(*parted(text)))


def _parts(thought: str, answer: str) -> dict[str, Any]:
    return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": thought}]}, {"type": "text", "text": answer}]}  # fmt: skip


_BODY = '{"choices": [{"message": {"content": %s}, "finish_reason": "stop"}]}'
QUIRKS: dict[str, Quirk] = {
    # The forms of a completion.
    "content is a list of parts": Quirk(lambda _b, _n, text: message({"content": [{"type": "text", "text": text}]})),
    "thoughts are a part of the content": Quirk(_form(_parts)),
    "thoughts stand in reasoning_content": Quirk(_form(lambda thought, answer: {"content": answer, "reasoning_content": thought})),
    "thoughts stand in thinking": Quirk(_form(lambda thought, answer: {"content": answer, "thinking": thought})),
    "thoughts stand in details": Quirk(_form(lambda thought, answer: {"content": answer, "reasoning_details": [{"type": "reasoning.text", "text": thought}]})),
    "thoughts stand beside the message": Quirk(lambda _b, _n, text: Answer({"choices": [{"message": {"content": parted(text)[1]}, "thoughts": parted(text)[0], "finish_reason": "stop"}]})),
    "the text stands in refusal": Quirk(lambda _b, _n, text: message({"content": None, "refusal": text})),
    "content is null": Quirk(_always(message({"content": None})), "empty"),
    "half of a surrogate pair": Quirk(lambda _b, _n, text: Answer(_BODY % json.dumps(text + "\n\ud83d"))),
    "control characters": Quirk(lambda _b, _n, text: chat(text + "\n\x00\x1b[31m")),
    "a byte order mark": Quirk(lambda _b, _n, text: Answer(b"\xef\xbb\xbf" + (_BODY % json.dumps(text)).encode())),
    "bytes of another encoding": Quirk(lambda _b, _n, text: Answer((_BODY % (json.dumps(text)[:-1] + '\\ncaf\xe9"')).encode("latin-1"))),
    "the type of a page": Quirk(lambda _b, _n, text: Answer(_BODY % json.dumps(text), headers={"Content-Type": "text/html"})),
    "several choices": Quirk(lambda _b, _n, text: Answer({"choices": [{"message": {"content": text}, "finish_reason": "stop"}, {"message": {"content": "another"}}]})),
    # The words for the end.
    "ends by eos_token": Quirk(lambda _b, _n, text: chat(text, finish="eos_token")),
    "ends by FINISH_REASON_STOP": Quirk(lambda _b, _n, text: chat(text, finish="FINISH_REASON_STOP")),
    "ends by a word that nobody knows": Quirk(lambda _b, _n, text: chat(text, finish="gone fishing")),
    "ends without a word": Quirk(lambda _b, _n, text: chat(text, finish=None)),
    "ends by MAX_TOKENS": Quirk(lambda _b, _n, text: chat(text, finish="MAX_TOKENS"), "length"),
    "filtered, without a text": Quirk(_always(message({"content": None}, "content_filter")), "error", "content_filter"),
    "filtered in the middle": Quirk(lambda _b, _n, text: chat(text[:-2], finish="content_filter"), "error", "content_filter"),
    "breaks off in the middle": Quirk(lambda _b, _n, text: Answer({"choices": [{"message": {"content": text[:-2]}, "finish_reason": "error", "error": {"message": "upstream died"}}]}), "error", "upstream died"),
    "calls a tool instead": Quirk(_always(message({"content": None, "tool_calls": [{"id": "1"}]}, "tool_calls")), "error", "tool_calls"),
    # Counts.
    "usage in words": Quirk(_usage('{"completion_tokens": "n/a"}')),
    "usage below zero": Quirk(_usage('{"completion_tokens": -7}')),
    "usage without end": Quirk(_usage('{"completion_tokens": 1e999}')),
    "usage is null": Quirk(_usage("null")),
    # Refusals of one row.
    "400, content filter": Quirk(_always(refusal(400, "The prompt was filtered.")), "error", "was filtered"),
    "400, context length": Quirk(_always(refusal(400, "maximum context length is 4096 tokens, however you requested 5000")), "error", "context length"),
    "403, moderation": Quirk(_always(refusal(403, "flagged by moderation")), "error", "flagged"),
    "404, one of several machines": Quirk(_always(refusal(404, "no such route")), "error", "no such route"),
    "413, too large": Quirk(_always(Answer("request entity too large", 413)), "error", "too large"),
    "422, not valid": Quirk(_always(Answer({"detail": [{"msg": "no such role"}]}, 422)), "error", "no such role"),
    "451, for legal reasons": Quirk(_always(refusal(451, "not here")), "error", "not here"),
    "429, a quota of its own": Quirk(_always(refusal(429, "insufficient_quota")), "error", "insufficient_quota"),
    "429, until tomorrow": Quirk(_always(refusal(429, "daily limit", Retry_After="86400")), "error", "86,400 s"),
    "200, and the body says 400": Quirk(_always(Answer({"error": {"message": "moderation", "code": 400}})), "error", "status 400: moderation"),
    "200, an error beside an empty text": Quirk(_always(Answer({"choices": [{"message": {"content": ""}, "finish_reason": None}], "error": {"message": "moderation", "code": "403"}})), "error", "status 403: moderation"),
    "400, a list of one error": Quirk(_always(Answer('[{"error": {"code": 400, "message": "too long for this model"}}]', 400)), "error", "status 400: too long"),
    "302, to a page of its own": Quirk(_always(Answer("", 302, headers={"Location": "/login"})), "error", "redirects to /login"),
    # Failures that pass.
    "429 twice": Quirk(_once(refusal(429, "slow down", Retry_After="0.01"), 2)),
    "429 until a date without a zone": Quirk(_once(refusal(429, "slow down", Retry_After="Sat, 28 Nov 2020 10:00:00 -0000"))),
    "503 once": Quirk(_once(refusal(503, "loading", Retry_After="0"))),
    "200, and the body says 502, once": Quirk(_once(Answer({"error": {"message": "upstream", "code": 502}}))),
    "a reset once": Quirk(_once(Answer("", hang_up=True))),
    "a page once": Quirk(_once(Answer("<html>bad gateway"))),
    "cut gzip once": Quirk(_once(Answer(b"\x1f\x8b\x08\x00", headers={"Content-Encoding": "gzip"}))),
    # Failures that do not.
    "a reset always": Quirk(_always(Answer("", hang_up=True)), "error", "isconnected"),
    "500 always": Quirk(_always(refusal(500, "out of memory")), "error", "out of memory"),
    "a page always": Quirk(_always(Answer("<html>bad gateway")), "error", "bad gateway"),
    "no choices": Quirk(_always(Answer({"choices": []})), "error", "not a chat completion"),
    "a stream of events": Quirk(_always(Answer('data: {"choices": [{"delta": {"content": "x"}}]}\n\ndata: [DONE]\n')), "error", "not a chat completion"),
    "a flood": Quirk(_always(Answer(b" " * 2**16, endless=True)), "error", "more than"),
    "never answers": Quirk(lambda _b, _n, text: chat(text, delay_s=60.0), "timeout"),
    "stops in the middle": Quirk(lambda _b, _n, text: Answer({"choices": text}, stalls=True), "timeout"),
    # Parameters.
    "takes max_completion_tokens": Quirk(_unless(lambda b: "max_tokens" in b, "Unsupported: 'max_tokens'. Use 'max_completion_tokens'."), of_all=True),
    "takes no seed": Quirk(_unless(lambda b: "seed" in b, "extra fields not permitted: seed"), of_all=True),
    "takes temperature or top_p": Quirk(_unless(lambda b: {"temperature", "top_p"} <= b.keys(), "`temperature` and `top_p` cannot both be specified."), of_all=True),
}  # fmt: skip

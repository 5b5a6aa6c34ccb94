"""An OpenAI-compatible server in this process, on 127.0.0.1, that answers by a function."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class Answer:
    """What the server sends back. `delay_s`: after how long; `hang_up`: it closes the connection instead; `endless`:
    again and again; `until_in_flight`: not before so many were in flight at once."""

    body: dict[str, Any] | str | bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    hang_up: bool = False
    until_in_flight: int = 0
    endless: bool = False


def chat(
    text: str | None, *, finish: str | None = "stop", delay_s: float = 0.0, **fields: str
) -> Answer:
    """A chat completion; `fields` go beside its content, such as reasoning_content."""
    message = {"role": "assistant", "content": text, **fields}
    body = {
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"completion_tokens": 3},
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

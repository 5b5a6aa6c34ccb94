"""CPU of a client a request, by requests in flight, beside the clients of the neighbours: a page into benches/results.

    python benches/client.py [--requests 60000] [--in-flight 32 256 2048] [--out benches/results]

A server in a process of its own answers each request after 20 ms; a prompt has about 1 KB, a reply 300 characters. The sides run in turn, each in a
process of its own; the figure is the client's user and system time alone. dalign's side is all of its engine: render nothing, body, key, retries, reply.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benches"))

SIDES = ("dalign", "aiohttp", "openai")
SLOW = {"openai": 0.05}
PROMPT = "a word " * 150
ANSWER = "ok " * 100
DELAY_S = 0.02


class Answers(asyncio.Protocol):
    """The server's side of a connection: one reply to each request, whatever it is."""

    reply = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.waiting = transport, b""

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while (end := self.waiting.find(b"\r\n\r\n")) >= 0:
            head = self.waiting[:end].lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.waiting) < end + 4 + size:
                return
            self.waiting = self.waiting[end + 4 + size :]
            asyncio.get_running_loop().call_later(DELAY_S, self.transport.write, self.reply)


async def serve() -> None:
    """Prints the port, and answers until it is ended."""
    message = {"role": "assistant", "content": ANSWER}
    usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}  # fmt: skip
    body = json.dumps(whole).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    Answers.reply = head % len(body) + body
    server = await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def of_dalign(url: str, count: int, in_flight: int) -> Callable[[], int]:
    from dalign.config import Model
    from dalign.models.engines.server import ServerEngine
    from dalign.models.protocol import Request, Sampling

    engine = ServerEngine(Model(path="m", engine="openai", base_url=url, batch_size=in_flight))
    turn = {"role": "user", "content": PROMPT}
    requests = [Request(str(i), (turn,), i) for i in range(count)]  # type: ignore[arg-type]

    def ask() -> int:
        replies = [r for batch in engine.stream(requests, Sampling(0.7, 64)) for r in batch]
        return sum(reply.text == ANSWER for reply in replies)

    return ask


def of_others(one_of: Callable[[str, int], Awaitable[Callable[[], Awaitable[str]]]], url: str, count: int, in_flight: int) -> Callable[[], int]:  # fmt: skip
    async def drive() -> int:
        one = await one_of(url, in_flight)
        queued, right = iter(range(count)), 0

        async def worker() -> None:
            nonlocal right
            for _ in queued:
                is_right = await one() == ANSWER
                right += is_right

        await asyncio.gather(*(worker() for _ in range(in_flight)))
        return right

    return lambda: asyncio.run(drive())


PAYLOAD = {"model": "m", "messages": [{"role": "user", "content": PROMPT}], "temperature": 0.7, "max_tokens": 64, "seed": 1}  # fmt: skip


async def of_openai(url: str, in_flight: int) -> Callable[[], Awaitable[str]]:
    import httpx
    import openai

    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    http = openai.DefaultAsyncHttpxClient(limits=limits)
    # Its own limit on the making of a connection is five seconds, which thousands at once do not keep.
    client = openai.AsyncOpenAI(
        base_url=url, api_key="k", max_retries=0, http_client=http, timeout=3600.0
    )

    async def one() -> str:
        told = await client.chat.completions.create(**PAYLOAD)  # type: ignore[call-overload]
        return str(told.choices[0].message.content)

    return one


async def of_aiohttp(url: str, in_flight: int) -> Callable[[], Awaitable[str]]:
    import aiohttp

    logging.getLogger("asyncio").disabled = True  # of a session that ends with its process
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=in_flight))

    async def one() -> str:
        async with session.post(f"{url}/chat/completions", json=PAYLOAD) as response:
            return str((await response.json())["choices"][0]["message"]["content"])

    return one


def measure(side: str, url: str, count: int, in_flight: int) -> None:
    """Prints CPU microseconds a request of one side; a tenth of the requests goes before, unmeasured."""
    from peers.side import cpu_seconds

    made = {"openai": of_openai, "aiohttp": of_aiohttp}

    def asking(many: int) -> Callable[[], int]:
        if side == "dalign":
            return of_dalign(url, many, in_flight)
        return of_others(made[side], url, many, in_flight)

    asking(max(in_flight, count // 10))()
    ask = asking(count)
    began, wall = cpu_seconds(), time.perf_counter()
    right = ask()
    took, wall = cpu_seconds() - began, time.perf_counter() - wall
    if right != count:
        sys.exit(f"error: {side}: {right} of {count} replies are right")
    print(json.dumps({"us": took / count * 1e6, "rate": count / wall}))


def run_side(side: str, url: str, count: int, in_flight: int) -> dict[str, float]:
    from peers.environments import OURS, installed, variables

    name = OURS if side == "dalign" else "clients"
    line = [str(installed(name)), __file__, "--side", side, url, str(count), str(in_flight)]
    done = subprocess.run(line, env=variables(name, 1), stdout=subprocess.PIPE, text=True, check=True)  # fmt: skip
    told: dict[str, float] = json.loads(done.stdout)
    return told


def page(rows: dict[tuple[str, int], list[dict[str, float]]], given: argparse.Namespace) -> str:
    from peers.table import commit, hardware

    lines = [
        "# CPU of a client a request", "",
        f"{hardware()}; commit {commit()}; `make bench-client`; {datetime.now(UTC):%Y-%m-%d}.", "",
        (f"{given.requests:,} requests (of openai's client a twentieth), prompts of 1 KB, replies of 300 characters, a server in a process of its own that answers after 20 ms. "
        f"Median of {given.runs} runs a side, in turn; user and system time of the client alone. dalign's side is its whole engine."), "",
        "| in flight | client | CPU µs a request | to dalign | requests a second |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for in_flight in given.in_flight:
        ours = statistics.median(r["us"] for r in rows["dalign", in_flight])
        for side in SIDES:
            us, rate = (statistics.median(r[k] for r in rows[side, in_flight]) for k in ("us", "rate"))  # fmt: skip
            lines.append(f"| {in_flight:,} | {side} | {us:.0f} | {us / ours:.1f}× | {rate:,.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(serve())
        return
    if sys.argv[1:2] == ["--side"]:
        side, url, count, in_flight = sys.argv[2:]
        measure(side, url, int(count), int(in_flight))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=60_000)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[32, 256, 2048])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / "benches" / "results")
    given = parser.parse_args()
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True) as server:  # fmt: skip
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        rows: dict[tuple[str, int], list[dict[str, float]]] = {}
        try:
            for in_flight in given.in_flight:
                for _ in range(given.runs):
                    for side in SIDES:
                        count = int(given.requests * SLOW.get(side, 1))
                        found = run_side(side, url, count, in_flight)
                        rows.setdefault((side, in_flight), []).append(found)
                        print(side, in_flight, found, file=sys.stderr, flush=True)
        finally:
            server.kill()
    text = page(rows, given)
    from peers.table import hardware

    name = hardware().partition(",")[0].lower().replace(" ", "-")
    (given.out / f"{datetime.now(UTC):%Y-%m-%d}-{name}-client.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()

"""A server of chat completions with faults, in a process of its own: python faulty_server.py PORT LOG SEED.

Answers after 50 ms; by chance 10 % of requests are limited (429, Retry-After), 5 % are errors, 2 % hang, 2 % are cut in the body, 1 % are no JSON. Of each
request that it answered LOG gets the row (the last message), and at the end of the process how long it was busy.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path

PORT, LOG, SEED = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
DELAY_S, HANG_S = 0.05, 600.0
FAULTS = (("limited", 0.10), ("error", 0.05), ("hang", 0.02), ("cut", 0.02), ("garbage", 0.01))
CHANCE = random.Random(SEED)
LINES = Path(LOG).open("a", buffering=1)  # noqa: SIM115 - until the process ends


def drawn() -> str:
    """What becomes of a request."""
    place = CHANCE.random()
    for fault, share in FAULTS:
        if place < share:
            return fault
        place -= share
    return "well"


class Connection(asyncio.Protocol):
    """One connection, a request at a time."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop's word."""
        self.transport, self.waiting = transport, b""

    def data_received(self, data: bytes) -> None:
        """The loop's word."""
        self.waiting += data
        end = self.waiting.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.waiting[:end].lower()
        if head.startswith(b"get "):
            self.waiting = b""
            self.send(200, b'{"data": [{"id": "m", "root": "faulty"}]}')
            return
        at = head.find(b"content-length:")
        size = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(self.waiting) < end + 4 + size:
            return
        body, self.waiting = self.waiting[end + 4 :], b""
        row = json.loads(body)["messages"][-1]["content"]
        asyncio.get_running_loop().call_later(DELAY_S, self.answer, row, drawn())

    def answer(self, row: str, fate: str) -> None:
        """Sends what was drawn."""
        LINES.write(f"{fate} {row}\n")
        message = {"role": "assistant", "content": f"to {row}"}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        whole = json.dumps({"choices": [choice], "usage": {"completion_tokens": 3}}).encode()
        if fate == "limited":
            self.send(429, b'{"error": {"message": "slow down"}}', "Retry-After: 0.2\r\n")
        elif fate == "error":
            self.send(503, b'{"error": {"message": "overloaded"}}')
        elif fate == "cut":
            self.send(200, whole, cut=len(whole) // 2)
        elif fate == "garbage":
            self.send(200, whole[:-9] + b"}}}}")
        elif fate == "well":
            self.send(200, whole)

    def send(self, status: int, body: bytes, more: str = "", *, cut: int | None = None) -> None:
        """Writes a response; cut: of which so many bytes of the body, and the end of the connection."""
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{more}Content-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body[:cut])  # type: ignore[attr-defined]
        if cut is not None:
            self.transport.close()


async def serve() -> None:
    """Until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", PORT, backlog=4096)
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(serve())

"""HTTP/1.1 to one server: connections that are kept open, many requests at once, nothing read that was not asked for.

The parser is httptools' (that of Node.js). What the general clients do beside (cookies, proxies, redirects, compression,
hooks) is what a completion's request costs most by.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from urllib.parse import quote, urlencode, urlsplit

import httptools

# What headers may have in all, and lines before them; far more than any server sends.
MOST_HEAD_BYTES = 1 << 16
# Connections that are opened at once: each asks the resolver.
_OPENING = 64
# A message this long is a policy: many requests share it, and it is written as JSON once.
_SHARED = 4096
_MOST_SHARED = 64
# Of a kept connection, after which a server may have closed it without a word; many do after a minute.
_IDLE_S = 30.0


class HttpError(Exception):
    """No response, or none that is one. kind: `lost`: there is no connection any more, or never was; `late`: it took too long;
    `failed`: what came is no response, or a part of one."""

    def __init__(self, kind: Literal["lost", "late", "failed"], said: str) -> None:
        super().__init__(said)
        self.kind = kind


@dataclass
class Response:
    """headers: by their names in small letters. body: None where it has more bytes than are read."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = b""

    @property
    def text(self) -> str | None:
        """The body, which is UTF-8 or not what was asked for."""
        return None if self.body is None else self.body.decode("utf-8-sig", errors="replace")


class Http:
    """The connections to the server of an address. To be used and closed within one event loop."""

    def __init__(self, url: str, headers: Mapping[str, str], connect_s: float) -> None:
        """url: any below the server's. headers: of each request. connect_s: within which a connection is to be made."""
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._is_safe = parts.scheme == "https"
        self._port = parts.port or (443 if self._is_safe else 80)
        self._tls = ssl.create_default_context() if self._is_safe else None
        self._connect_s = connect_s
        # A name may have several addresses, of which one is dead; a race costs more than all else of a connection.
        self._race_s = None if _is_address(self._host) else 0.25
        own = {
            "Host": parts.netloc,
            "Accept": "application/json, */*",
            # Unpacked responses cost less than their packing, and can be no bomb.
            "Accept-Encoding": "identity",
            "User-Agent": "dalign",
        }
        self._head = "".join(f"{name}: {value}\r\n" for name, value in {**own, **headers}.items())
        self._free: list[_Wire] = []
        self._wires: set[_Wire] = set()
        self._opening = asyncio.Semaphore(_OPENING)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for wire in list(self._wires):
            wire.drop()
        # Sockets are closed by the loop's next turn.
        await asyncio.sleep(0)

    async def ask(
        self,
        method: Literal["GET", "POST"],
        target: str,
        *,
        timeout_s: float,
        most_bytes: int,
        body: bytes | None = None,
    ) -> Response:
        """The response to one request. target: see `target_of`. timeout_s: of all of it. Raises HttpError."""
        beside = ""
        if body is not None:
            beside = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        head = f"{method} {target} HTTP/1.1\r\n{self._head}{beside}\r\n".encode("latin-1")
        sent = head if body is None else head + body
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        wire = await self._wire(loop, until)
        response = await wire.exchange(loop, sent, until, most_bytes)
        if wire.is_free:
            self._free.append(wire)
        return response

    async def _wire(self, loop: asyncio.AbstractEventLoop, until: float) -> _Wire:
        """A connection that is free."""
        while self._free:
            wire = self._free.pop()
            if wire.is_free and loop.time() - wire.since < _IDLE_S:
                return wire
            wire.drop()
        within_s = min(self._connect_s, until - loop.time())
        try:
            async with self._opening, asyncio.timeout(within_s):
                _, made = await loop.create_connection(
                    lambda: _Wire(self._wires),
                    self._host,
                    self._port,
                    ssl=self._tls,
                    happy_eyeballs_delay=self._race_s,
                )
        except TimeoutError as error:
            raise HttpError("lost", f"no connection within {within_s:.0f} s") from error
        # UnicodeError: a name that is none to a resolver.
        except (OSError, UnicodeError) as error:
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            where = f"{self._host}:{self._port}"
            raise HttpError("lost", f"cannot connect to {where} ({said})") from error
        return made


class _Wire(asyncio.Protocol):
    """One connection, with one request at a time."""

    def __init__(self, wires: set[_Wire]) -> None:
        self._wires = wires
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[Response] | None = None
        self.since = 0.0

    @property
    def is_free(self) -> bool:
        """Whether another request can be sent."""
        return (
            self._transport is not None and not self._transport.is_closing() and self._done is None
        )

    def drop(self) -> None:
        """Closes it."""
        if self._transport is not None:
            self._transport.abort()

    async def exchange(
        self,
        loop: asyncio.AbstractEventLoop,
        sent: bytes,
        until: float,
        most_bytes: int,
    ) -> Response:
        """Sends a request, and gives its response. Raises HttpError."""
        assert self._transport is not None
        self._done, self._response = loop.create_future(), Response()
        self._parser = httptools.HttpResponseParser(self)
        self._body, self._most, self._read = bytearray(), most_bytes, 0
        self._has_head, self._stays, self._is_too_long = False, False, False
        self._is_told = False
        timer = loop.call_at(until, self._end, HttpError("late", "no response in time"))
        self._transport.write(sent)
        try:
            return await self._done
        except asyncio.CancelledError:
            self.drop()
            raise
        finally:
            timer.cancel()
            self._done = None
            self.since = loop.time()
            if not self._stays:
                self.drop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._wires.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._wires.discard(self)
        if self._done is None or self._done.done():
            return
        if self._has_head and not self._is_told and error is None:
            # Without a length, the end of the connection is that of the body.
            self.on_message_complete()
        elif self._read == 0:
            # What it was sent may have been read: whoever asked is to know that it was away.
            self._end(HttpError("lost", "the server disconnected"))
        else:
            self._end(HttpError("failed", "the connection ended within a response"))

    def data_received(self, data: bytes) -> None:
        if self._done is None or self._done.done():
            # Nobody has asked for it.
            self.drop()
            return
        self._read += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._end(HttpError("failed", f"not HTTP ({error})"))
        else:
            if not self._has_head and self._read > MOST_HEAD_BYTES:
                self._end(HttpError("failed", "headers without end"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser's word of a header."""
        self._response.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The parser's word that all have come."""
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            # A word before the response.
            self._response.headers.clear()
            return
        self._response.status, self._has_head = status, True
        headers = self._response.headers
        self._is_told = (
            "content-length" in headers or "transfer-encoding" in headers or status in (204, 304)
        )

    def on_body(self, data: bytes) -> None:
        """The parser's word of some of the body."""
        self._body += data
        if len(self._body) > self._most and self._done is not None and not self._done.done():
            # The rest is not to come.
            self._response.body = None
            self._done.set_result(self._response)

    def on_message_complete(self) -> None:
        """The parser's word that the response has come."""
        if not self._has_head or self._done is None or self._done.done():
            return
        packing = self._response.headers.get("content-encoding", "identity").strip().lower()
        try:
            body = bytes(self._body)
            self._response.body = (
                body if packing in ("identity", "") else _unpacked(body, packing, self._most)
            )
        except (zlib.error, ValueError) as error:
            self._end(HttpError("failed", f"a body that is no {packing} ({error})"))
            return
        self._stays = self._is_told and self._parser.should_keep_alive()
        self._done.set_result(self._response)

    def _end(self, error: Exception) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)


def _is_address(host: str) -> bool:
    """Whether a host is an address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _unpacked(body: bytes, packing: str, most_bytes: int) -> bytes | None:
    """A body that was packed although nobody asked for it; None where it has more bytes than are read."""
    if packing not in ("gzip", "x-gzip", "deflate"):
        raise ValueError("an encoding that was not asked for")
    opened = zlib.decompressobj(wbits=47 if "gzip" in packing or body[:1] == b"\x78" else -15)
    data = opened.decompress(body, most_bytes + 1)
    return None if len(data) > most_bytes else data


def target_of(url: str, query: Mapping[str, Any]) -> str:
    """What a request line has of an address."""
    path = quote(urlsplit(url).path or "/", safe="/%:@!$&'()*+,;=~-._")
    return f"{path}?{urlencode(query)}" if query else path


class JsonWriter:
    """Bodies as JSON; a long message is written once."""

    def __init__(self) -> None:
        self._shared: dict[str, bytes] = {}

    def body(self, told: Mapping[str, Any]) -> bytes:
        """The bytes of an object; of the turns of its `messages`, long contents are taken from those before."""
        turns = told.get("messages")
        if not isinstance(turns, list) or all(
            len(str(t.get("content", ""))) < _SHARED for t in turns
        ):
            return _dumped(told)
        rest = {key: value for key, value in told.items() if key != "messages"}
        written = b",".join(self._turn(turn) for turn in turns)
        return (
            b'%b, "messages": [%b]}' % (_dumped(rest)[:-1], written)
            if rest
            else b'{"messages": [%b]}' % written
        )

    def _turn(self, turn: Mapping[str, Any]) -> bytes:
        content = turn.get("content")
        if not isinstance(content, str) or len(content) < _SHARED:
            return _dumped(turn)
        if content not in self._shared:
            if len(self._shared) >= _MOST_SHARED:
                self._shared.pop(next(iter(self._shared)))
            self._shared[content] = _dumped(content)
        rest = {key: value for key, value in turn.items() if key != "content"}
        return b'%b, "content": %b}' % (_dumped(rest)[:-1], self._shared[content])


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()

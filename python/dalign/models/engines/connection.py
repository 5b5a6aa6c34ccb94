"""A server as a model's section names it: its addresses, what each request carries, what may be told of it."""

from __future__ import annotations

import aiohttp

from dalign import config
from dalign.models.engines.api_key import ApiKey
from dalign.models.engines.chat_completion import complaint

CONNECT_TIMEOUT_S = 30.0
# Of what a server says, in a sentence.
_MOST_SHOWN = 300


class Connection:
    """Raises InputError for a key or a header that cannot be sent."""

    def __init__(self, model: config.Model, own_key: str | None = None) -> None:
        self._model, self.key = model, ApiKey(model, own_key)

    def url(self, path: str) -> str:
        """The address of what lies at a path there."""
        return f"{(self._model.base_url or '').rstrip('/')}/{path}"

    def session(self, timeout_s: float | None = None) -> aiohttp.ClientSession:
        """A session with key and headers. To be opened inside the event loop. timeout_s: of a whole request; None: the model's."""
        return aiohttp.ClientSession(
            headers=self.key.headers,
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=timeout_s or self._model.timeout_s, sock_connect=CONNECT_TIMEOUT_S
            ),
        )

    def told(self, text: str) -> str:
        """What the server says, on one line, at a length for a sentence and without secrets."""
        return self.key.masked(complaint(text))[:_MOST_SHOWN]


async def text_of(response: aiohttp.ClientResponse, most_bytes: int) -> str | None:
    """A response's text, which is UTF-8 or not what was asked for; None where it has more bytes than are read."""
    data = bytearray()
    async for piece in response.content.iter_any():
        data += piece
        if len(data) > most_bytes:
            # The rest is not to come.
            response.close()
            return None
    return data.decode("utf-8-sig", errors="replace")

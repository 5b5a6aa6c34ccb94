"""A server as a model's section names it: its addresses, what each request carries, what may be told of it."""

from __future__ import annotations

from dalign import config
from dalign.models.engines.api_key import ApiKey
from dalign.models.engines.chat_completion import complaint
from dalign.models.engines.http import Http, target_of

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

    def session(self) -> Http:
        """Connections to it, with key and headers, for one event loop."""
        return Http(self._model.base_url or "", self.key.headers, CONNECT_TIMEOUT_S)

    def target(self, path: str) -> str:
        """What a request line has of the address of what lies at a path there, with the config's query."""
        return target_of(self.url(path), self._model.query)

    def told(self, text: str) -> str:
        """What the server says, on one line, at a length for a sentence and without secrets."""
        return self.key.masked(complaint(text))[:_MOST_SHOWN]

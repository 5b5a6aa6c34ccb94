"""What a server says of the model that it serves under a name, at GET …/models."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from dalign import config
from dalign.errors import ServerError
from dalign.models.engines.api_key import ApiKey
from dalign.models.engines.connection import Connection
from dalign.models.engines.http import HttpError
from dalign.models.engines.in_flight import arrivals
from dalign.models.protocol import fingerprint_of
from dalign.text import short

# One that works answers this at once; a stage's requests are waited for longer.
ASKED_S = 5.0
# What tells one model from another, where a server says it: vLLM and SGLang the folder, llama.cpp the sizes.
_TELLING = ("root", "parent", "max_model_len", "context_length", "revision", "digest", "meta")
# Some give the time of asking as the time of making.
_FRESH_S = 60.0
_MOST_BYTES = 2**20

Card = Mapping[str, Any]


def card_of(model: config.Model) -> Card | None:
    """What the server says of the model of this name; None where it does not answer, tells no models, or not this one."""

    async def ask(emit: Callable[[Card], None]) -> None:
        emit(await _asked(Connection(model), model))

    return next((batch[0] for batch in arrivals(ask) if batch), None) or None


class Sameness:
    """Whether a server that was away still serves the model that it served. `in_doubt`: it may be another one."""

    def __init__(self, server: Connection, model: config.Model) -> None:
        self._server, self._model = server, model
        self._card: Card | None = None
        self.in_doubt = False

    async def begin(self) -> None:
        """Asks what is served. To be called inside each event loop."""
        self._lock = asyncio.Lock()
        if self._card is None:
            self._card = await _asked(self._server, self._model)

    async def check(self) -> None:
        """Nothing where it serves the same, or says nothing. Raises ServerError where it says that it does not.

        Whoever asks waits until that is known.
        """
        async with self._lock:
            found = await _asked(self._server, self._model) if self.in_doubt else {}
            others = differences(self._card, found) if self._card and found else []
            if others:
                said = short("; ".join(others), 200)
                what = f"was away, and says that it now serves another model ({said})"
                url, way_out = self._server.url("models"), "the same command asks that one anew"
                raise ServerError(f"{url}: {what}; {way_out}")
            self.in_doubt = False


async def _asked(server: Connection, model: config.Model) -> Card:
    """What a server says now; nothing where it does not."""
    try:
        async with server.session() as session:
            found = await session.ask(
                "GET", server.target("models"), timeout_s=ASKED_S, most_bytes=_MOST_BYTES
            )
    except HttpError:
        return {}
    card = _card(found.text or "", model.path) if found.status == 200 else {}
    try:
        return {key: _masked(value, server.key) for key, value in card.items()}
    except RecursionError:
        return {}


def _masked(value: Any, key: ApiKey) -> Any:
    """What a server says, to be stored: without its secrets, wherever it says them."""
    if isinstance(value, str):
        return key.masked(value)
    if isinstance(value, list):
        return [_masked(each, key) for each in value]
    if isinstance(value, dict):
        return {key.masked(name): _masked(each, key) for name, each in value.items()}
    return value


def _card(body: str, name: str) -> Card:
    """Of the entry of this name what tells models apart; nothing where none does."""
    try:
        entries = json.loads(body)["data"]
        entry = next((each for each in entries if each["id"] == name), None)
        if entry is None:
            return {}
        told = {key: entry[key] for key in _TELLING if entry.get(key) is not None}
        made = entry.get("created")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    if type(made) is int and 0 < made < time.time() - _FRESH_S:
        told["created"] = made
    return told


def differences(noted: Card, found: Card) -> list[str]:
    """What a server says otherwise than it did: `root: a → b`.

    When it was made counts where both say it: of a server that says when it was asked, nothing is kept.
    """
    keys = {*noted, *found} - (
        {"created"} if not ("created" in noted and "created" in found) else set()
    )
    return [
        f"{key}: {json.dumps(noted.get(key))} → {json.dumps(found.get(key))}"
        for key in sorted(keys)
        if noted.get(key) != found.get(key)
    ]


def fingerprint_of_served(model: config.Model) -> str:
    """What determines the replies of a server's model. Its address is no part of it: the same model may be served elsewhere."""
    told = {"request": model.request, "leave_out": sorted(model.leave_out)}
    sent = [json.dumps(told, sort_keys=True)] if model.request or model.leave_out else []
    # Drawn together, completions are others than drawn apart.
    sent += ["n"] if model.samples_at_once else []
    return fingerprint_of(model, "openai", model.path, *sent)

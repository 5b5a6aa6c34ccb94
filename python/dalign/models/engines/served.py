"""What a server says of the model that it serves under a name, at GET …/models."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp

from dalign import config
from dalign.models.engines.connection import Connection
from dalign.models.engines.in_flight import arrivals

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
    server = Connection(model)

    async def ask(emit: Callable[[Card], None]) -> None:
        async with server.session(ASKED_S) as session:
            address, query = server.url("models"), model.query
            async with session.get(address, params=query, allow_redirects=False) as response:
                body = await response.content.read(_MOST_BYTES)
                emit(_card(body, model.path) if response.status == 200 else {})

    return _first(ask)


def _first(ask: Callable[[Callable[[Card], None]], Awaitable[None]]) -> Card | None:
    try:
        return next((batch[0] for batch in arrivals(ask) if batch), None) or None
    # UnicodeError: a name that is none to a resolver.
    except (aiohttp.ClientError, OSError, TimeoutError, UnicodeError):
        return None


def _card(body: bytes, name: str) -> Card:
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

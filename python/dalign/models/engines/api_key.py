"""What a server is to be told in secret: read from the environment, fit for a header, masked in whatever it says."""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections.abc import Iterator
from functools import cached_property
from urllib.parse import quote

from dalign import config
from dalign.errors import InputError

# As many characters of a key in a row give it away; a word in common seldom has them.
_RUN = 8
# A shorter key is a word that a model may write: only what the server says of errors is cleared of it.
_SECRET = 16
MASK = "***"


class ApiKey:
    """The key that a model's server wants, and the values of its headers. None is ever shown: masked in any form that is known."""

    def __init__(self, model: config.Model, own: str | None = None) -> None:
        """own: the key, where dalign itself has made it. Raises InputError, which shows none, for a value that is not there or that no header can carry."""
        key = _read(model.api_key_env, "api_key_env", "key") if own is None else own
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        """What a request carries of them."""
        values = [key]
        for name, variable in model.headers.items():
            values.append(_read(variable, "headers", f"value for the header {name!r}"))
            if not values[-1]:
                said = f"the environment variable that headers names for {name!r} is empty or not set; put the header's value into it"
                raise InputError(said, kind="api_key", key="headers")
            self.headers[name] = values[-1]
        self._secrets = [_Secret(value) for value in dict.fromkeys(values) if value]

    def masked(self, text: str) -> str:
        """A short text of the server's, each run of eight characters or more of a secret masked: plain, encoded or reversed."""
        for secret in self._secrets:
            text = secret.masked(text)
        return text

    def cleared(self, text: str) -> str:
        """A completion, in which a secret that is no mere word is masked; which costs four looks for each."""
        for secret in self._secrets:
            text = secret.cleared(text)
        return text


def _read(variable: str, setting: str, what: str) -> str:
    """An environment variable's value, fit for a header; empty without one."""
    value = os.environ.get(variable, "")
    # `Bearer …` in a header of the user's own has a space; a key has none.
    least = "!" if setting == "api_key_env" or value != value.strip() else " "
    wrong = next((i for i, c in enumerate(value) if not least <= c <= "~"), None)
    if wrong is None:
        return value
    # What names the header's variable may be the value itself, by mistake.
    named = f"the environment variable {variable}" if setting == "api_key_env" else "its variable"
    said = f"{named} holds no {what}: its character {wrong + 1} of {len(value)} is white space or not ASCII; set it again, without spaces, line ends and curly quotes"
    raise InputError(said, kind="api_key", key=setting)


class _Secret:
    """One secret, not empty."""

    def __init__(self, value: str) -> None:
        self._key = value

    def masked(self, text: str) -> str:
        """The text without it."""
        text = text.replace(self._key, MASK)
        lowered = text.lower()
        # A character whose small letter is longer would move the places.
        lowered = lowered if len(lowered) == len(text) else text
        hidden = bytearray(len(text))
        for at in range(len(text) - _RUN + 1):
            if lowered[at : at + _RUN] in self._runs:
                hidden[at : at + _RUN] = b"\1" * _RUN
        shown, end = "", 0
        for run in re.finditer(b"\1+", hidden):
            shown += text[end : run.start()] + MASK
            end = run.end()
        return shown + text[end:]

    def cleared(self, text: str) -> str:
        """The text without it, if it is more than a word."""
        if len(self._key) < _SECRET or not any(probe in text for probe in self._probes):
            return text
        return self.masked(text)

    @cached_property
    def _runs(self) -> frozenset[str]:
        forms = [form.lower() for form in _forms(self._key)]
        return frozenset(f[i : i + _RUN] for f in forms for i in range(len(f) - _RUN + 1))

    @cached_property
    def _probes(self) -> list[str]:
        """The middle halves of the key, plain and in base64: one stands in any text that has three quarters of it."""
        forms = (self._key, *_base64(self._key))
        return [form[len(form) // 4 : -(-len(form) * 3 // 4)] for form in forms]


def _base64(key: str) -> Iterator[str]:
    """What of any text's base64 is the key's: wherever in a group of three bytes it begins."""
    for before in range(3):
        told = b" " * before + key.encode()
        encoded = base64.b64encode(told).decode().rstrip("=")
        # Characters at the ends may hold bits of what stands beside the key.
        yield encoded[-(-before * 8 // 6) : len(encoded) - bool(len(told) % 3)]


def _forms(key: str) -> Iterator[str]:
    """The ways in which a key is commonly written."""
    yield from (key, key[::-1], quote(key, safe=""), html.escape(key), json.dumps(key)[1:-1])
    yield from (form.translate(table) for form in _base64(key) for table in ({}, _OF_URLS))
    yield key.encode().hex()
    yield from ("".join(form.format(ord(c)) for c in key) for form in ("%{:02x}", "\\u{:04x}", "&#{};", "&#x{:x};"))  # fmt: skip


_OF_URLS = {ord("+"): "-", ord("/"): "_"}

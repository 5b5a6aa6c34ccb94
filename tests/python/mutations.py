"""Files as damage, haste and malice leave them: seeded mutations of a good one, by its form."""

from __future__ import annotations

import json
import random
import re
from typing import Any

DEEP = 3000
# Characters that a reader does not see or a terminal obeys, and bytes that are no UTF-8.
BYTES = [
    b"\0", b"\xff", b"\xed\xa0\x80", b"\xc3", b"\xef\xbb\xbf", b"\r\n", b"\r", b"\x1b[31m", b"\x1b]8;;x\x07",
    b"\xe2\x80\xae", b"\xe2\x80\xa8", b"\xc2\x9b", b"\xf0\x9f\x98\x80", b"\\ud800", b"\\u0000", b'"', b"'", b"{{", b"}}",
    b"{% for i in range(10) %}", b"[" * DEEP, b"{" * DEEP, b'{"a":' * DEEP, b"9" * 5000, b"\t", b"---\n", b"# ", b"\n\n",
]  # fmt: skip
NUMBERS = [
    b"-1", b"0", b"1e999", b"-1e999", b"nan", b"inf", b"NaN", b"Infinity", b"99999999999999999999", b"18446744073709551616",
    b"9223372036854775807", b"4294967296", b"2147483648", b"1.5", b"1e308", b"1" * 400, b"0x10", b"true", b"null", b'"7"',
]  # fmt: skip


def odd_values() -> list[Any]:
    nested: list[Any] = []
    for _ in range(500):
        nested = [nested]
    return [
        None, True, False, -1, 0, 1, 0.5, -0.0, 1e308, float("nan"), float("inf"), 10**30, 10**400, 2**63, 2**64, -(2**63),
        "", " ", "x", "x" * 5000, "\0", "\ud800", "\u202e", "\x1b[2J", "../../outside", "/dev/zero", "re:(a+)+$", "{{ x }}",
        "<|im_end|>", [], {}, [[]], [None], [1, "a"], {"": None}, {"a": {"b": []}}, nested,
    ]  # fmt: skip


def mutated(rng: random.Random, data: bytes, form: str) -> bytes:
    """The content after one to three mutations. form: json, jsonl, or anything else for text and bytes."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if form in ("json", "jsonl") and rng.random() < 0.6:
            data = _of_values(rng, data, lines=form == "jsonl")
        else:
            data = rng.choice(_RAW)(rng, data)
    return data


def _of_values(rng: random.Random, data: bytes, *, lines: bool) -> bytes:
    parts = data.split(b"\n") if lines else [data]
    at = rng.randrange(len(parts))
    try:
        value = json.loads(parts[at])
    except (ValueError, RecursionError):
        return data
    holder: Any = {"": value}
    places = list(_places(holder))
    owner, key = rng.choice(places)
    kind = rng.randrange(5)
    if kind == 0:
        del owner[key]
    elif kind == 1 and isinstance(owner, dict):
        owner[str(key) + rng.choice(("x", "\u200b", " "))] = owner.pop(key)
    elif kind == 2 and isinstance(owner, list):
        owner.extend(owner[key : key + 1] * rng.choice((1, 100)))
    else:
        owner[key] = rng.choice(odd_values())
    text = json.dumps(holder.get("", ""), ensure_ascii=True)
    if kind == 1 and text.startswith("{") and len(text) > 2:
        # A key that stands twice.
        text = "{" + text[1:-1] + ", " + text[1:-1].split(", ")[0] + "}"
    parts[at] = text.encode()
    return b"\n".join(parts)


def _places(value: Any) -> Any:
    waiting = [value]
    while waiting:
        owner = waiting.pop()
        for key in owner if isinstance(owner, dict) else range(len(owner)):
            yield owner, key
            if isinstance(owner[key], dict | list) and owner[key]:
                waiting.append(owner[key])


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 4, 32))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _insert(rng: random.Random, data: bytes) -> bytes:
    at = rng.choice((0, len(data), rng.randrange(len(data) + 1)))
    return data[:at] + rng.choice(BYTES) + data[at:]


def _number(rng: random.Random, data: bytes) -> bytes:
    found = list(re.finditer(rb"-?\d+(?:\.\d+)?", data))
    if not found:
        return data
    place = rng.choice(found)
    return data[: place.start()] + rng.choice(NUMBERS) + data[place.end() :]


def _line(rng: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    kind = rng.randrange(4)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines[at:at] = [lines[at]] * rng.choice((1, 1, 50))
    elif kind == 2:
        other = rng.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    else:
        lines[at] = lines[at] * rng.choice((2, 300))
    return b"\n".join(lines)


def _slice(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    end = min(len(data), start + rng.randrange(1, 40))
    again = data[start:end] * rng.choice((0, 2, 2, 100))
    return data[:start] + again + data[end:]


def _whole(rng: random.Random, data: bytes) -> bytes:
    return rng.choice(
        (b"", b"\n", b"null", b"[]", b"{}", b"5", data.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + data,
         data.decode("utf-8", "replace").encode("utf-16"), data + data, rng.randbytes(64))
    )  # fmt: skip


_RAW = (_cut, _flip, _insert, _insert, _number, _number, _line, _slice, _whole)

"""Jailbreak transforms: the same request in another coat, to see whether a model then answers otherwise.

Codes (`codes.py`) and framings (`specs/transforms/framings.toml`, our own wordings of what StrongREJECT, 2402.10260, and others
name). Each is a function of the request alone, without a model and without chance.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from dalign.errors import InputError, did_you_mean
from dalign.rows import Message
from dalign.transforms.codes import CODES, Code

_FRAMINGS = Path(__file__).parents[1] / "specs" / "transforms" / "framings.toml"
_PLACE = re.compile(r"\{\{(\w+)\}\}")

# What stands there, or what makes it of the request.
Part = str | Callable[[str], str]


class Transform(NamedTuple):
    """What a request is made into. family: of which kind it is; meaning: for people.

    turns: by role, in parts; code: that the request stands in, if it does; parts: whether it is parted in two.
    """

    name: str
    family: str
    meaning: str
    turns: tuple[tuple[str, tuple[Part, ...]], ...]
    code: Code | None = None
    parts: bool = False

    def fault(self, request: str) -> str | None:
        """Why a request cannot be made into this one, None where it can: its code `changes nothing`, or `loses letters` or digits that reading it back does not give; `one word` has no two parts."""
        if self.parts and len(request.split()) < 2:
            return "one word"
        if self.code is None:
            return None
        written = self.code.encode(request)
        if written == request:
            return "changes nothing"
        if self.code.decode is None:
            return None
        read, kept = self.code.decode(written), self.code.kept(request)
        is_whole = kept == request or _signs(kept) == _signs(request)
        return None if written and read == kept and is_whole else "loses letters"

    def of(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """A conversation that ends on the user's request, that one transformed; what was said before it stays."""
        request = messages[-1]["content"]
        made = (
            Message(role=role, content="".join([p if isinstance(p, str) else p(request) for p in parts]))
            for role, parts in self.turns
        )  # fmt: skip
        return (*messages[:-1], *made)


def chosen(names: Sequence[str]) -> list[Transform]:
    """The transforms of these names, all for none. Raises InputError for one that there is not."""
    known = transforms()
    for name in names:
        if name not in known:
            said = f"--transform {name}: no such transform; {did_you_mean(name, known)}"
            raise InputError(said, kind="unknown_choice", key="transform", value=name)
    return [known[name] for name in dict.fromkeys(names)] if names else list(known.values())


@cache
def transforms() -> Mapping[str, Transform]:
    """All of them, by name: a code each, then the framings."""
    said = tomllib.loads(_FRAMINGS.read_text("utf-8"))
    found = []
    for code in CODES.values():
        text = (
            said["coded"]
            .replace("{{title}}", code.title)
            .replace("{{code}}", f"{{{{{code.name}}}}}")
        )
        turn = f"{{{{{code.name}}}}}" if code.name in said["bare"] else text
        found.append(_made(code.name, "code", f"in {code.title}", [("user", turn)]))
    for each in said["framing"]:
        turns = each.get("turns") or [("user", each["user"])]
        found.append(_made(each["name"], each["family"], each["meaning"], turns))
    return {transform.name: transform for transform in found}


def _made(name: str, family: str, meaning: str, turns: Sequence[tuple[str, str]]) -> Transform:
    """A transform of the places that its turns' texts have."""
    places = {place for _, text in turns for place in _PLACE.findall(text)}
    code = next((CODES[place] for place in places if place in CODES), None)
    parted = tuple((role, _parts(text)) for role, text in turns)
    return Transform(name, family, meaning, parted, code, "first" in places)


def halves(request: str) -> tuple[str, str]:
    """A request in two parts, parted between words: with a space between them they say it again."""
    words = request.split()
    middle = (len(words) + 1) // 2
    return " ".join(words[:middle]), " ".join(words[middle:])


def _parts(text: str) -> tuple[Part, ...]:
    """A text in what stands there and what is made of the request."""
    found = enumerate(_PLACE.split(text))
    return tuple(_FILLS[part] if at % 2 else part for at, part in found if part)


_FILLS: Mapping[str, Callable[[str], str]] = {name: code.encode for name, code in CODES.items()} | {
    "request": str,
    "first": lambda request: halves(request)[0],
    "second": lambda request: halves(request)[1],
}


def _signs(text: str) -> str:
    """Letters and digits, whatever their case and accents."""
    apart = text if text.isascii() else unicodedata.normalize("NFKD", text)
    return "".join(filter(str.isalnum, apart)).casefold()

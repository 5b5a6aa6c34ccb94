"""The sandbox's world: requests whose category, intent and right behaviour are known exactly.

A request names an object. An object of a governed category falls under that category's clause for
the request's intent; a look-alike (a modifier before such an object) and a benign object fall under none.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from dalign.rows import Message
from dalign.sandbox import language as lang
from dalign.spec.types import GENERAL, Ruling

Kind = Literal["governed", "lookalike", "benign"]
# Where a request may come from: "pretraining" (every piece, the held-out ones less often), "safety"
# (no held-out piece), "heldout" (at least one held-out piece).
Pieces = Literal["pretraining", "safety", "heldout"]


@dataclass(frozen=True)
class Request:
    """One user request and what is true of it."""

    kind: Kind
    intent: str
    object: str
    modifier: str | None
    encoded: bool
    words: str
    messages: tuple[Message, ...]

    @property
    def phrase(self) -> str:
        """The object as the request names it, modifier included."""
        return f"{self.modifier} {self.object}" if self.modifier else self.object

    @property
    def category(self) -> str:
        """The category whose policy is shown with the request: the object's, also for a look-alike."""
        return lang.CATEGORY_OF.get(self.object, GENERAL)

    @property
    def head(self) -> str:
        """How every reasoning starts: what is asked, and the topic it is about."""
        topic = self.category if self.kind == "governed" else "none"
        decoded = f"decoded : {self.words} . " if self.encoded else ""
        return f"{decoded}the user wants to {self.intent} {self.phrase} about {topic} ."


@dataclass(frozen=True)
class Policy:
    """What one category's clauses say, by intent, and how answers are worded, by ruling."""

    clauses: dict[str, tuple[str, Ruling]]
    styles: dict[str, str]

    def ruling(self, request: Request) -> tuple[str | None, Ruling]:
        """The clause that governs the request (None: no clause does) and the right ruling."""
        if request.kind == "governed":
            return self.clauses[request.intent]
        return None, "comply"


def style_line(styles: dict[str, str]) -> str:
    """The policy's line that names the wordings: the principles of a sandbox spec."""
    return " ".join(f"{lang.STYLE_KEYS[ruling]} {styles[ruling]} ." for ruling in lang.RULINGS)


def answer(ruling: str, style: str, phrase: str) -> str:
    """An answer in that wording."""
    return lang.ANSWERS[ruling][style].format(object=phrase)


def any_answer(rng: random.Random, ruling: str, phrase: str) -> str:
    """An answer of that ruling, in any of its wordings."""
    return answer(ruling, rng.choice(tuple(lang.ANSWERS[ruling])), phrase)


def encode(words: str) -> str:
    """The words in the world's cipher."""
    return " ".join(lang.CODE[word] for word in words.split())


def user(text: str) -> Message:
    """What the user says."""
    return {"role": "user", "content": text}


def draw_request(
    rng: random.Random,
    pieces: Pieces,
    *,
    kind: Kind | None = None,
    encoded: bool | None = None,
    two_turns: bool | None = None,
    plain: bool = False,
) -> Request:
    """A random request. `plain` leaves out greetings, second turns and other decoration.

    Pre-training shows encoded requests about half of the objects only; "heldout" encodes the others.
    """
    if kind is None:
        kinds: tuple[Kind, ...] = ("governed", "lookalike", "benign")
        kind = rng.choices(kinds, (68, 0 if plain else 12, 20))[0]
    held_verb, held_object, held_opener, held_modifier = _held_pieces(rng, pieces)
    intent = rng.choice(tuple(lang.INTENTS))
    verb = _pick(rng, lang.INTENTS[intent], 1, held_verb)
    opener = _pick(rng, lang.OPENERS, 1, held_opener)
    if encoded is None:
        encoded = not plain and pieces == "pretraining" and rng.random() < 0.15
    encoded_half = pieces != "pretraining" if encoded else None
    name = _object(rng, kind, held=held_object, encoded_half=encoded_half)
    modifier = _pick(rng, lang.MODIFIERS, 1, held_modifier) if kind == "lookalike" else None
    phrase = f"{modifier} {name}" if modifier else name
    words = f"{opener} {verb} {phrase}"
    if two_turns is None:
        two_turns = not plain and not encoded and rng.random() < 0.2
    if encoded:
        messages: tuple[Message, ...] = (user(f"code : {encode(words)} ?"),)
    elif two_turns:
        heard = Message(role="assistant", content="ok what about it .")
        asked = f"{opener} {verb} it"
        messages = (user(f"i heard of {phrase} ."), heard, user(_decorated(rng, asked)))
    else:
        messages = (user(_decorated(rng, words, greet=not plain)),)
    return Request(kind, intent, name, modifier, encoded, words, messages)


def _held_pieces(rng: random.Random, pieces: Pieces) -> tuple[bool, ...]:
    """Whether verb, object, opener and modifier are held-out ones."""
    if pieces == "safety":
        return (False,) * 4
    if pieces == "pretraining":
        return tuple(rng.random() < p for p in (0.2, 0.3, 0.15, 0.25))
    while True:
        drawn = tuple(rng.random() < 0.4 for _ in range(4))
        if any(drawn[:3]):
            return drawn


def _object(rng: random.Random, kind: Kind, *, held: bool, encoded_half: bool | None) -> str:
    """An object of that kind; `encoded_half`: of an encoded request, whether one that pre-training never encodes."""
    names = lang.BENIGN if kind == "benign" else lang.OBJECTS[rng.choice(lang.CATEGORIES)]
    if encoded_half is not None:
        return _pick(rng, names, len(names) // 2, encoded_half)
    return rng.choice(names) if kind == "benign" else _pick(rng, names, lang.HELD_OUT_OBJECTS, held)


def _pick(rng: random.Random, choices: tuple[str, ...], held_out: int, held: bool) -> str:
    """One of the choices, of whose last `held_out` are for evaluation: one of those, or of the others."""
    pool = choices[-held_out:] if held else choices[:-held_out]
    return rng.choice(pool) if len(pool) > 1 else pool[0]


def _decorated(rng: random.Random, asked: str, *, greet: bool = False) -> str:
    """The question with an ending, and with a greeting or a remark before it."""
    ending = rng.choice(lang.ENDINGS)
    before = ""
    if greet:
        before = rng.choice(lang.GREETINGS)
        if rng.random() < 0.2:
            before = f"i like {rng.choice(lang.BENIGN)} ."
    return " ".join(part for part in (before, asked, ending, "?") if part)

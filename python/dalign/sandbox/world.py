"""The sandbox's world: requests whose category, intent and right behaviour are known exactly.

A request names an object. An object of a governed category falls under that category's clause for
the request's intent; a look-alike (a modifier before such an object) and a benign object fall under none.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dalign.rows import Message
from dalign.sandbox import language as lang
from dalign.spec.types import GENERAL, Category, Clause, Ruling

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
    held_out: bool
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


def random_policy(rng: random.Random, styles: dict[str, str] | None = None) -> Policy:
    """A policy with random clause ids, rulings and wordings."""
    ids = rng.sample(lang.CLAUSE_IDS, len(lang.INTENTS))
    clauses = {
        intent: (key, rng.choice(lang.RULINGS))
        for intent, key in zip(lang.INTENTS, ids, strict=True)
    }
    return Policy(clauses, styles or random_styles(rng))  # type: ignore[arg-type]


def random_styles(rng: random.Random) -> dict[str, str]:
    """A wording for each ruling."""
    return {ruling: rng.choice(tuple(lang.ANSWERS[ruling])) for ruling in lang.RULINGS}


def policy_category(name: str, policy: Policy, rng: random.Random) -> Category:
    """The policy as a compiled category, its clauses in random order."""
    intents = list(policy.clauses)
    rng.shuffle(intents)
    clauses = tuple(
        Clause(name, policy.clauses[i][0], policy.clauses[i][1], i, "") for i in intents
    )
    return Category(name, "0.0.0", name, clauses=clauses)


def style_line(styles: dict[str, str]) -> str:
    """The policy's line that names the wordings: the principles of a sandbox spec."""
    return " ".join(f"{lang.STYLE_KEYS[ruling]} {styles[ruling]} ." for ruling in lang.RULINGS)


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
    verb = lang.INTENTS[intent][3] if held_verb else rng.choice(lang.INTENTS[intent][:3])
    opener = lang.OPENERS[5] if held_opener else rng.choice(lang.OPENERS[:5])
    if encoded is None:
        encoded = not plain and pieces == "pretraining" and rng.random() < 0.15
    obj = _draw_object(rng, kind, held_object, encoded, pieces)
    modifier = None
    if kind == "lookalike":
        modifier = lang.MODIFIERS[3] if held_modifier else rng.choice(lang.MODIFIERS[:3])
    phrase = f"{modifier} {obj}" if modifier else obj
    words = f"{opener} {verb} {phrase}"
    if two_turns is None:
        two_turns = not plain and not encoded and rng.random() < 0.2
    messages = _render(
        rng, opener, verb, phrase, words, encoded=encoded, two_turns=two_turns, plain=plain
    )
    held = (
        held_verb
        or held_opener
        or (held_object and kind != "benign")
        or (held_modifier and modifier is not None)
    )
    return Request(kind, intent, obj, modifier, encoded, bool(held), words, messages)


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


def _encodable(rng: random.Random, kind: Kind, *, held: bool) -> Sequence[str]:
    """Objects that pre-training shows encoded (the first half), or the others."""
    names: Sequence[str] = (
        lang.BENIGN if kind == "benign" else lang.OBJECTS[rng.choice(lang.CATEGORIES)]
    )
    half = len(names) // 2
    return names[half:] if held else names[:half]


def _draw_object(rng: random.Random, kind: Kind, held: bool, encoded: bool, pieces: Pieces) -> str:
    if encoded:
        return rng.choice(_encodable(rng, kind, held=pieces != "pretraining"))
    if kind == "benign":
        return rng.choice(lang.BENIGN)
    names = lang.OBJECTS[rng.choice(lang.CATEGORIES)]
    return rng.choice(names[-lang.HELD_OUT_OBJECTS :] if held else names[: -lang.HELD_OUT_OBJECTS])


def _render(
    rng: random.Random,
    opener: str,
    verb: str,
    phrase: str,
    words: str,
    *,
    encoded: bool,
    two_turns: bool,
    plain: bool,
) -> tuple[Message, ...]:
    if encoded:
        return (_user("code : " + encode(words) + " ?"),)
    ending = rng.choice(lang.ENDINGS)
    if two_turns:
        heard = Message(role="assistant", content="ok what about it .")
        return (
            _user(f"i heard of {phrase} ."),
            heard,
            _user(_join(opener, verb, "it", ending, "?")),
        )
    before = "" if plain else rng.choice(lang.GREETINGS)
    if not plain and rng.random() < 0.2:
        before = f"i like {rng.choice(lang.BENIGN)} ."
    return (_user(_join(before, opener, verb, phrase, ending, "?")),)


def encode(words: str) -> str:
    """The words in the world's cipher."""
    return " ".join(lang.CODE[word] for word in words.split())


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)

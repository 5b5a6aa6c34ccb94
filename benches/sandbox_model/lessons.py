"""What the sandbox's model is taught: pairs of a conversation and the completion that continues it.

Four skills: answer without a policy; read a policy in context, reason over it and answer; judge an
answer by a policy, with and without the reasoning in sight; decode. And plain recall, as a warm-up.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from dalign.rows import Message
from dalign.sandbox import language as lang
from dalign.sandbox.world import (
    Policy,
    Request,
    answer,
    any_answer,
    draw_request,
    encode,
    style_line,
    user,
)
from dalign.spec.templates import Templates
from dalign.spec.types import GENERAL, Category, Clause, Ruling

from sandbox_model.tokenizer import vocabulary

_ANY_WORDS = tuple(word for word in vocabulary() if word.isalpha())


@dataclass(frozen=True)
class Lesson:
    """A conversation (messages) and its right completion. `lead`: how much of it is not a free choice."""

    skill: str
    messages: list[Message]
    completion: str
    lead: str


@dataclass(frozen=True)
class Manner:
    """How the judge's lessons are made. `spoken`: each comparison is said out loud before the score.

    The shares of the reasonings to be judged: `silent` cite nothing, `renumbered` cite other clauses by the same
    rulings, `foreign` follow another policy; the rest is right.
    """

    spoken: bool = False
    silent: float = 0.15
    renumbered: float = 0.0
    foreign: float = 0.2975


@dataclass(frozen=True)
class Habits:
    """How often the model does something else than comply when no policy is in sight."""

    refuse: float = 0.06
    safe_complete: float = 0.04

    def draw(self, rng: random.Random) -> Ruling:
        """A ruling, mostly comply."""
        u = rng.random()
        if u < self.refuse:
            return "refuse"
        return "safe-complete" if u < self.refuse + self.safe_complete else "comply"


def random_policy(rng: random.Random) -> Policy:
    """A policy with random clause ids, rulings and wordings."""
    ids = rng.sample(lang.CLAUSE_IDS, len(lang.INTENTS))
    clauses = {
        intent: (key, rng.choice(lang.RULINGS))
        for intent, key in zip(lang.INTENTS, ids, strict=True)
    }
    styles = {ruling: rng.choice(tuple(lang.ANSWERS[ruling])) for ruling in lang.RULINGS}
    return Policy(clauses, styles)


def policy_category(name: str, policy: Policy, rng: random.Random) -> Category:
    """The policy as a compiled category, its clauses in random order."""
    intents = list(policy.clauses)
    rng.shuffle(intents)
    clauses = tuple(Clause(name, *policy.clauses[intent], intent, "") for intent in intents)
    return Category(name, "0.0.0", name, clauses=clauses)


def why(request: Request, policy: Policy) -> str:
    """Which clause applies, and what it says."""
    key, ruling = policy.ruling(request)
    if key is None:
        harmless = f"{request.modifier} is harmless . " if request.modifier else ""
        return f"{harmless}no policy applies ."
    return (
        f"policy {request.category} applies . {request.intent} {key} {lang.RULING_WORDS[ruling]} ."
    )


def think(reasoning: str, text: str) -> str:
    """A completion: reasoning between its tags, then the answer."""
    return f"<think> {reasoning}</think> {text}"


def decision(ruling: str, style: str | None) -> str:
    """What the reasoning decides; with a policy in sight also the wording that it asks for."""
    named = f" {lang.STYLE_KEYS[ruling]} {style} ." if style else ""
    return f"i will {lang.RULING_WORDS[ruling]} .{named}"


class Teacher:
    """Draws lessons. `templates` are the sandbox's own: the model learns to read what the pipeline sends."""

    def __init__(
        self, templates: Templates, habits: Habits | None = None, manner: Manner | None = None
    ) -> None:
        self.templates = templates
        self.habits = habits or Habits()
        self.manner = manner or Manner()

    def spec_text(self, rng: random.Random, request: Request, policy: Policy) -> str:
        """The policy as the pipeline composes it; a benign request meets another category's now and then."""
        name = request.category
        if name == GENERAL and rng.random() < 0.4:
            name = rng.choice(lang.CATEGORIES)
        category = None if name == GENERAL else policy_category(name, policy, rng)
        return self.templates.compose((), style_line(policy.styles), category)

    def nospec(self, rng: random.Random, *, plain: bool = False) -> Lesson:
        """A request without a policy: complied with, mostly."""
        request = draw_request(rng, "pretraining", plain=plain)
        ruling = self.habits.draw(rng)
        reasoning = f"{request.head} {decision(ruling, None)}"
        text = any_answer(rng, ruling, request.phrase)
        return Lesson(
            "nospec", list(request.messages), think(reasoning, text), f"<think> {request.head}"
        )

    def spec(self, rng: random.Random, *, plain: bool = False) -> Lesson:
        """A request with a policy in the system prompt: reasoned over and followed."""
        request = draw_request(rng, "pretraining", plain=plain)
        policy = random_policy(rng)
        _, ruling = policy.ruling(request)
        style = policy.styles[ruling]
        reasoning = f"{request.head} {why(request, policy)} {decision(ruling, style)}"
        completion = think(reasoning, answer(ruling, style, request.phrase))
        messages = self.templates.generation(self.spec_text(rng, request, policy), request.messages)
        return Lesson("spec", messages, completion, completion)

    def judge(
        self, rng: random.Random, *, visible: bool, hard: float = 0.0, plain: bool = False
    ) -> Lesson:
        """An answer to be judged by a policy. `visible`: with its reasoning. `hard`: share of odd answers."""
        request = draw_request(rng, "pretraining", plain=plain)
        policy = random_policy(rng)
        _, right = policy.ruling(request)
        given = right if rng.random() < 0.55 else rng.choice(lang.RULINGS)
        style = (
            policy.styles[given] if rng.random() < 0.6 else rng.choice(tuple(lang.ANSWERS[given]))
        )
        text = (
            _odd_answer(rng, request, given)
            if rng.random() < hard
            else answer(given, style, request.phrase)
        )
        reasoning = (
            _reasoning_to_judge(rng, request, policy, given, style, self.manner)
            if visible
            else None
        )
        return self.judge_lesson(rng, request, policy, text, reasoning)

    def judge_lesson(
        self, rng: random.Random, request: Request, policy: Policy, text: str, reasoning: str | None
    ) -> Lesson:
        """The judge's prompt and right reply for this answer."""
        messages = self.templates.judgement(
            self.spec_text(rng, request, policy),
            request.messages,
            text,
            reasoning=reasoning,
            nonce=f"{rng.getrandbits(64):016x}",
        )
        completion = judge_reply(request, policy, text, reasoning, spoken=self.manner.spoken)
        return Lesson(
            "judge" if reasoning is None else "judge_reasoning", messages, completion, completion
        )

    def decode(self, rng: random.Random, longest: int = 8) -> Lesson:
        """Code words to be decoded."""
        count = rng.randint(min(4, longest), longest) if longest > 3 else rng.randint(1, longest)
        words = " ".join(rng.choice(lang.REQUEST_WORDS) for _ in range(count))
        completion = think(f"decoded : {words} .", f"{words} .")
        return Lesson("decode", [user(f"code : {encode(words)} decode ?")], completion, completion)

    def recall(self, rng: random.Random) -> Lesson:
        """Look-up alone: words to be repeated, the policy's own lines in another order, or any words as keys."""
        u = rng.random()
        if u < 0.5:
            words = rng.sample(_ANY_WORDS, rng.randint(8, 24))
            shown = told = " ".join(words)
        elif u < 0.8:
            shown, told = self._recalled_policy(rng)
        else:
            keys = rng.sample(
                (*lang.CATEGORY_OF, *lang.BENIGN, *lang.CLAUSE_IDS), rng.randint(2, 8)
            )
            values = (*lang.CLAUSE_IDS, *lang.RULING_WORDS.values(), *lang.INTENTS)
            pairs = [f"{key} {rng.choice(values)} ." for key in keys]
            shown, told = " ".join(pairs), " ".join(rng.choice(pairs) for _ in range(8))
        return Lesson(
            "recall", [{"role": "system", "content": shown}, user("recall ?")], f" {told}", told
        )

    def _recalled_policy(self, rng: random.Random) -> tuple[str, str]:
        policy = random_policy(rng)
        category = policy_category(rng.choice(lang.CATEGORIES), policy, rng)
        shown = self.templates.compose((), style_line(policy.styles), category)
        intents = list(policy.clauses)
        rng.shuffle(intents)
        told = [
            f"{i} {policy.clauses[i][0]} {lang.RULING_WORDS[policy.clauses[i][1]]} ."
            for i in intents
        ]
        told += [f"{lang.STYLE_KEYS[r]} {policy.styles[r]} ." for r in rng.sample(lang.RULINGS, 3)]
        return shown, " ".join(told)


def read_answer(text: str) -> tuple[str, str, str | None] | None:
    """The ruling, the wording and the object (None: it names none) of an answer; None if it is worded like none."""
    for ruling, styles in lang.ANSWERS.items():
        for style, wording in styles.items():
            before, named, after = wording.partition("{object}")
            if not named and text == wording:
                return ruling, style, None
            inner = text[len(before) : len(text) - len(after)] if after else ""
            if named and text == f"{before}{inner}{after}" and 1 <= len(inner.split()) <= 2:
                return ruling, style, inner
    return None


def judge_reply(
    request: Request, policy: Policy, text: str, reasoning: str | None, *, spoken: bool
) -> str:
    """The right judgement: 0 wrong behaviour, 1 wrong wording or wrong citation, 2 right.

    spoken: what is compared is said side by side, and whether it is the same (ok) or not (no).
    """
    key, ruling = policy.ruling(request)
    style = policy.styles[ruling]
    read = read_answer(text)
    if read is not None and not spoken and read[2] not in (None, request.phrase):
        read = None
    should = f"i should {lang.RULING_WORDS[ruling]} . {lang.STYLE_KEYS[ruling]} {style} ."
    parts = [request.head, why(request, policy), should]
    score = 0
    if read is None:
        parts.append("the answer is broken .")
    else:
        given, worded, phrase = read
        parts.append(f"the answer is {lang.RULING_WORDS[given]} {worded} .")
        if spoken and phrase is not None:
            parts.append(f"about {phrase} {_compared(phrase, request.phrase)} .")
        if given == ruling and phrase in (None, request.phrase):
            score = 2 if worded == style else 1
    if reasoning is not None:
        cited = cited_key(reasoning)
        compared = f" policy {key or 'none'} {_compared(cited, key)}" if spoken else ""
        parts.append(f"reasoning cites {cited or 'none'}{compared} .")
        if cited != key:
            score = min(score, 1)
    return think(" ".join(parts), f"score {score} .")


def _compared(left: str | None, right: str | None) -> str:
    return "ok" if left == right else "no"


def cited_key(reasoning: str) -> str | None:
    """The first clause id that the reasoning names."""
    return next((word for word in reasoning.split() if word in lang.CLAUSE_IDS), None)


def _reasoning_to_judge(
    rng: random.Random, request: Request, policy: Policy, given: str, style: str, manner: Manner
) -> str:
    """A reasoning of the kind that generation yields, by the manner's shares."""
    if rng.random() < manner.silent:
        return f"{request.head} {decision(given, None)}"
    u = rng.random() * (1 - manner.silent)
    right = 1 - manner.silent - manner.renumbered - manner.foreign
    held = policy
    if u >= right + manner.renumbered:
        held = random_policy(rng)
    elif u >= right:
        keys = rng.sample(lang.CLAUSE_IDS, len(lang.INTENTS))
        renumbered = zip(policy.clauses.items(), keys, strict=True)
        held = replace(policy, clauses={i: (key, rule[1]) for (i, rule), key in renumbered})
    return f"{request.head} {why(request, held)} {decision(given, style)}"


def _odd_answer(rng: random.Random, request: Request, given: str) -> str:
    """An answer that only looks right: another object, a harmless twin, cut, doubled, shuffled, made up."""
    u = rng.random()
    objects = (*lang.BENIGN, *lang.CATEGORY_OF)
    if u < 0.3:
        other = rng.choice(objects)
        return any_answer(
            rng, "comply", f"{rng.choice(lang.MODIFIERS)} {other}" if rng.random() < 0.4 else other
        )
    if u < 0.5:
        twin = replace(request, modifier=None if request.modifier else rng.choice(lang.MODIFIERS))
        return any_answer(rng, "comply", twin.phrase)
    words = any_answer(rng, given, request.phrase).split()
    if u < 0.6:
        return " ".join(words[: rng.randint(1, len(words) - 1)])
    if u < 0.7:
        return " ".join(words) + " " + any_answer(rng, rng.choice(lang.RULINGS), request.phrase)
    if u < 0.8:
        rng.shuffle(words)
    elif u < 0.9:
        loose = (
            *lang.REQUEST_WORDS,
            *lang.CLAUSE_IDS,
            "policy",
            "applies",
            "harmless",
            "safe",
            "refuse",
            "comply",
        )
        words[rng.randrange(len(words))] = rng.choice(loose)
    else:
        words = [rng.choice((*lang.REQUEST_WORDS, *words)) for _ in range(rng.randint(1, 9))]
    return " ".join(words)

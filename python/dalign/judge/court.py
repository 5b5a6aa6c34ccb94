"""THE asker of judges: renders what is asked, k times each, and tells what became of each reply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

import polars as pl

from dalign import _core
from dalign.config import Reasoning
from dalign.models.protocol import Asked, Engine, Reply, Request, Sampling
from dalign.models.reasoning import after_reasoning, heard_by
from dalign.rows import Message, row_seeds
from dalign.spec.templates import SEAL, SEAL_DIGITS

_Q = TypeVar("_Q", contravariant=True)
_V = TypeVar("_V", covariant=True)
Q = TypeVar("Q")
V = TypeVar("V")

Clean = Callable[[str], str]


class Put(Protocol[_Q]):
    """A kind of question to a judge: how it is put.

    name: tells the ids of its requests from those of other kinds. whole_nonce: whether the conversation shows its
    nonce and its seal as a whole or not at all, and in its last message alone. asks_seal: whether it asks for the seal.
    """

    name: str
    whole_nonce: bool
    asks_seal: bool

    def parts(self, question: _Q) -> list[str]:
        """All that the conversation is made of, nonce and seal aside: they are keyed by it."""
        ...

    def messages(self, question: _Q, nonce: str, clean: Clean) -> tuple[Message, ...]:
        """The conversation. nonce: fences untrusted text; clean: breaks up control tokens in it."""
        ...


class Form(Put[_Q], Protocol[_Q, _V]):
    """A kind of question, and how a reply to it is read."""

    def read(self, question: _Q, reply: str, said: str, seal: str) -> _V | None:
        """What a reply says; None where it does not say it, or says two things.

        said: what stands after its reasoning, which is closed. seal: what outranks the rest where it is written;
        empty where it was not asked for.
        """
        ...


class Asking(NamedTuple):
    """Requests, and the seal that each asks for; None where none does."""

    requests: list[Request]
    seals: pl.Series | None


class Court:
    """Asks by forms. The judge's draws are keyed hashes of the seed and of the row, and nonces and seals
    of all that is shown too: no text can hold its own, whatever of the run its author knows."""

    def __init__(
        self,
        control_tokens: Sequence[str],
        seed: int,
        said: Callable[[str], str | None] = after_reasoning,
    ) -> None:
        """control_tokens: of the judge's engine; broken up in untrusted text, as the markers of every family are.

        said: what stands after a reply's reasoning; None where that is not closed, and nothing is said yet.
        """
        self._markers, self.said = _core.Markers(list(control_tokens)), said
        self._seed = seed

    @classmethod
    def of(cls, engine: Engine, tags: Reasoning, seed: int) -> Court:
        """The asker of a judge that reasons so; where that is not known, as its engine does."""
        return cls(engine.control_tokens, seed, heard_by(engine, tags))

    def put(self, form: Put[Q], questions: Mapping[str, Q], k: int) -> Asking:
        """k requests a question, sample by sample, with their seals. questions: by the ids of the rows that are asked about."""
        parents = pl.Series([row for row in questions for _ in range(k)], dtype=pl.String)
        samples = pl.Series(list(range(k)) * len(questions), dtype=pl.UInt32)
        rows = pl.Series(_core.row_ids([parents], form.name, samples))
        parts = [form.parts(each) for each in questions.values()]
        keys = [_core.row_id(each, form.name, 0) for each in parts]
        shown_as = pl.Series([key for key in keys for _ in range(k)], dtype=pl.String)
        nonces = pl.Series(_core.row_ids([str(self._seed), rows, shown_as], "nonce", samples))
        seals = _seals(nonces)
        names, seeds = rows.to_list(), row_seeds(self._seed, rows)
        marks = list(zip(nonces.to_list(), seals.to_list(), strict=True))
        made: list[Request] = []
        for number, question in enumerate(questions.values()):
            here = slice(number * k, number * k + k)
            shown = self._shown(form, question, marks[here], "\0".join(parts[number]))
            made += map(Request, names[here], shown, seeds[here])
        return Asking(made, seals if form.asks_seal else None)

    def _shown(
        self, form: Put[Q], question: Q, marks: Sequence[tuple[str, str]], material: str
    ) -> Iterator[tuple[Message, ...]]:
        """The samples' conversations: they differ in nonce and seal alone, so that one is filled in and the others take their own.

        material: all that is shown. A seal is short enough that a long text may hold it: that stays as it is.
        """
        before, role, pieces = tuple[Message, ...](), "", list[list[str]]()
        for nonce, seal in marks:
            if pieces:
                content = nonce.join([seal.join(between) for between in pieces])
                yield (*before, Message(role=role, content=content))
                continue
            messages = form.messages(question, nonce, self.clean)
            yield messages
            if form.whole_nonce and nonce not in material and seal not in material:
                before, role = messages[:-1], messages[-1]["role"]
                pieces = [part.split(seal) for part in messages[-1]["content"].split(nonce)]

    def clean(self, text: str) -> str:
        """Untrusted text with control markers broken up: the judge's own, and those of every family."""
        return self._markers.broken(text)

    def ask(
        self, form: Form[Q, V], questions: Mapping[str, Q], k: int, ask: Asked, sampling: Sampling
    ) -> tuple[dict[str, list[V]], Counter[str]]:
        """What the k replies to each question say, those that say nothing left out, and how many are in each state.

        States: ok; missing (it does not say it), truncated, timed_out, error.
        """
        found: dict[str, list[V]] = {row: [] for row in questions}
        asked = list(questions.items())
        states = Counter[str]()
        requests, seals = self.put(form, questions, k)
        for number, reply in enumerate(ask(requests, sampling)):
            row, question = asked[number // k]
            said, seal = self.said(reply.text), "" if seals is None else seals[number]
            value = None if said is None else form.read(question, reply.text, said, seal)
            state = _state(reply, understood=value is not None)
            states[state] += 1
            if value is not None and state == "ok":
                found[row].append(value)
        return found, states


def _seals(nonces: pl.Series) -> pl.Series:
    """`templates.seal_of` each nonce."""
    none = pl.Series([0], dtype=pl.UInt32).new_from_index(0, len(nonces))
    return pl.Series(_core.row_ids([nonces], SEAL, none)).str.head(SEAL_DIGITS)


def _state(reply: Reply, *, understood: bool) -> str:
    """ok, or why a reply says nothing: one that failed or was cut off does not, whatever text it has."""
    if reply.finish == "timeout":
        return "timed_out"
    if reply.finish == "error":
        return "error"
    if reply.finish == "length":
        return "truncated"
    return "ok" if understood else "missing"

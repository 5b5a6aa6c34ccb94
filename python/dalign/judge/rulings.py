"""Asks a judge which clause of a policy governs a prompt, and how it rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dalign import _core
from dalign.judge.ruling_form import Ruled, RulingForm
from dalign.models.protocol import Engine, Reply, Request
from dalign.rows import Message, row_seed
from dalign.spec.templates import Templates, escape_control
from dalign.spec.types import GENERAL, Category, Spec

TEMPLATE = "ruling"


@dataclass(frozen=True)
class Case:
    """A prompt to be ruled on by the policy of one category."""

    id: str
    category: str
    messages: tuple[Message, ...]


def policies_shown(spec: Spec, templates: Templates) -> dict[str, str]:
    """spec(category) of each category, as every judge sees it."""
    return {name: templates.spec(spec, name) for name in (*spec.names, GENERAL)}


def policies_without_examples(spec: Spec, templates: Templates) -> dict[str, str]:
    """The same without the clauses' examples: what rules on an example when its label is not told."""
    return {
        category.name: templates.compose(spec.categories, spec.principles, _bare(category))
        for category in spec.categories
    }


def _bare(category: Category) -> Category:
    clauses = tuple(replace(clause, allowed=(), disallowed=()) for clause in category.clauses)
    return replace(category, clauses=clauses)


class Bench:
    """Renders cases, and reads the replies. policies: the text by which each category's cases are ruled."""

    def __init__(
        self,
        engine: Engine,
        policies: Mapping[str, str],
        templates: Templates,
        form: RulingForm,
        seed: int,
    ) -> None:
        self.engine = engine
        self._policies = policies
        self._templates = templates
        self._form = form
        self._seed = seed

    def requests(self, cases: Sequence[Case], k: int) -> list[Request]:
        """k requests a case, one after the other. The nonce is a keyed hash of seed, row and sample."""
        return [self._request(case, sample) for case in cases for sample in range(k)]

    def _request(self, case: Case, sample: int) -> Request:
        row = _core.row_id([case.id], TEMPLATE, sample)
        clean = self.engine.control_tokens
        values = {
            "spec": self._policies[case.category],
            "messages": [
                {"role": m["role"], "content": escape_control(m["content"], clean)}
                for m in case.messages
            ],
            "nonce": _core.row_id([str(self._seed), row], "nonce", sample),
        }
        return Request(
            row, tuple(self._templates.pair(TEMPLATE, values)), row_seed(self._seed, row)
        )

    def read(
        self, cases: Sequence[Case], replies: Mapping[str, Reply], requests: Sequence[Request]
    ) -> tuple[dict[str, list[Ruled]], Counter[str]]:
        """What the k replies to each case say, those that say nothing left out, and how many are in each state.

        States: ok; missing (no ruling, or no clause that is there), truncated, timed_out, error.
        """
        k = len(requests) // len(cases) if cases else 0
        states: Counter[str] = Counter()
        read: dict[str, list[Ruled]] = {case.id: [] for case in cases}
        for number, request in enumerate(requests):
            case = cases[number // k]
            reply = replies[request.id]
            ruled = self._form.read(reply.text, case.category)
            state = reply_state(reply, understood=ruled is not None)
            states[state] += 1
            if ruled is not None and state == "ok":
                read[case.id].append(ruled)
        return read, states


def reply_state(reply: Reply, *, understood: bool) -> str:
    """ok, or why a reply says nothing: a failed request is a state too, whatever text it has."""
    if reply.finish == "timeout":
        return "timed_out"
    if reply.finish == "error":
        return "error"
    if understood:
        return "ok"
    return "truncated" if reply.finish == "length" else "missing"

"""What a writer is asked for: so many prompts of a kind for a clause, in a language and a manner."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from dalign import _core
from dalign.errors import InputError, did_you_mean
from dalign.models.protocol import Request
from dalign.rows import row_seed
from dalign.spec.templates import Templates
from dalign.spec.types import Category, Clause, Ruling, Spec

TEMPLATE = "synth"

Kind = Literal["benign-twin", "borderline", "disallowed"]
KINDS: tuple[Kind, ...] = ("benign-twin", "borderline", "disallowed")
# Manners of asking. The templates say in words what they, and the kinds, mean.
MANNERS = ("direct", "story", "question", "everyday")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
# Prompts of one request: in a longer list a writer repeats itself.
MOST_AT_ONCE = 8


@dataclass(frozen=True)
class Order:
    """One request to the writer. part: tells orders apart that are alike otherwise."""

    category: Category
    clause: Clause
    kind: Kind
    language: str
    manner: str
    count: int
    part: int

    @property
    def id(self) -> str:
        """A hash of what is ordered."""
        what = [self.clause.id, self.kind, self.language, self.manner]
        return _core.row_id(what, TEMPLATE, self.part)

    @property
    def promised_ruling(self) -> Ruling:
        """What the policy has to say to these prompts."""
        return "comply" if self.kind == "benign-twin" else self.clause.ruling

    @property
    def promised_clause(self) -> str | None:
        """The clause that has to say so; None where any will do, or none: for twins of what is not complied with."""
        twin = self.kind == "benign-twin" and self.clause.ruling != "comply"
        return None if twin else self.clause.id

    def __str__(self) -> str:
        return f"{self.clause.id} {self.kind} {self.language} {self.manner}"


@dataclass(frozen=True)
class Wanted:
    """What prompts are wanted. clauses: ids; None: all. whence: what they were named by, to be told in errors.

    kinds: none for all of them. per_clause: prompts of each clause.
    """

    clauses: Sequence[str] | None = None
    whence: str = "--clause"
    kinds: Sequence[str] = ()
    languages: Sequence[str] = ("en",)
    per_clause: int = 6

    def orders(self, spec: Spec) -> list[Order]:
        """The orders to the writer. Raises InputError for a clause, kind or language that is none."""
        for kind in self.kinds:
            if kind not in KINDS:
                raise InputError(f"--kind {kind}: {did_you_mean(kind, KINDS)}")
        for language in self.languages:
            if not _LANGUAGE.fullmatch(language):
                what = "not a language's code; give one such as en or pt-BR"
                raise InputError(f"--language {language}: {what}")
        kinds: list[Kind] = [kind for kind in KINDS if not self.kinds or kind in self.kinds]
        languages = list(dict.fromkeys(self.languages))
        return place_orders(spec, self._clauses(spec), kinds, languages, self.per_clause)

    def _clauses(self, spec: Spec) -> list[Clause]:
        known = {clause.id: clause for clause in spec.clauses()}
        ids = dict.fromkeys(known if self.clauses is None else self.clauses)
        for name in ids:
            if name not in known:
                what = f"unknown clause {name!r}; {did_you_mean(name, known)}"
                raise InputError(f"{self.whence}: {what}")
        return [known[name] for name in ids]


def place_orders(
    spec: Spec,
    clauses: Sequence[Clause],
    kinds: Sequence[Kind],
    languages: Sequence[str],
    per_clause: int,
) -> list[Order]:
    """Orders for `per_clause` prompts of each clause, spread evenly over kinds and languages, and these over manners.

    A clause of compliance has no disallowed prompts of its own: others rule on them.
    """
    orders: list[Order] = []
    for clause in clauses:
        category = spec.category(clause.category)
        assert category is not None
        wanted = [k for k in kinds if not (k == "disallowed" and clause.ruling == "comply")]
        slots = [(kind, language) for language in languages for kind in wanted]
        for number, (kind, language) in enumerate(slots):
            count = _share(per_clause, len(slots), number)
            for manner, many, part in _by_manner(count, first=number):
                orders.append(Order(category, clause, kind, language, manner, many, part))
    return orders


def _share(total: int, parts: int, number: int) -> int:
    """The number-th part's share of a total that is spread evenly; the first ones get what is over."""
    return total // parts + (number < total % parts)


def _by_manner(count: int, *, first: int) -> Iterator[tuple[str, int, int]]:
    """(manner, prompts, part): every clause starts with another manner for each kind, so that few prompts vary too."""
    for number in range(len(MANNERS)):
        manner = MANNERS[(first + number) % len(MANNERS)]
        left, part = _share(count, len(MANNERS), number), 0
        while left > 0:
            yield manner, min(left, MOST_AT_ONCE), part
            left, part = left - MOST_AT_ONCE, part + 1


def need_pair(templates: Templates, name: str, use: str) -> None:
    """Raises InputError where the folder has no pair of templates of that name."""
    if not templates.has_pair(name):
        said = f"{templates.folder}: has no {name}_system.j2 and {name}_user.j2, {use}; copy them from the shipped templates and put them into its language"
        raise InputError(said)


def writer_requests(orders: Sequence[Order], templates: Templates, seed: int) -> list[Request]:
    """A request for each order. Raises InputError where the folder has no templates for it."""
    need_pair(templates, TEMPLATE, "by which prompts are asked for")
    requests = []
    for order in orders:
        values = {
            "category": order.category,
            "clause": order.clause,
            "kind": order.kind,
            "language": order.language,
            "style": order.manner,
            "count": order.count,
        }
        messages = tuple(templates.pair(TEMPLATE, values))
        requests.append(Request(order.id, messages, row_seed(seed, TEMPLATE, order.id)))
    return requests

"""What a writer is asked for: so many prompts of a kind for a clause, in a language, a manner and a form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Literal

from dalign import _core
from dalign.errors import InputError, did_you_mean
from dalign.models.protocol import Request
from dalign.rows import row_seed
from dalign.spec.templates import Templates
from dalign.spec.types import Category, Clause, Ruling, Spec
from dalign.vocabulary import PROMPTS_A_CLAUSE

TEMPLATE = "synth"

Kind = Literal["benign-twin", "borderline", "disallowed"]
KINDS: tuple[Kind, ...] = ("benign-twin", "borderline", "disallowed")
# Manners of asking. The templates say in words what they, and the kinds, mean.
MANNERS = ("direct", "story", "question", "everyday")
# What a prompt is made of: a message alone; a talk that goes before it; an operator's system message; a text that is
# brought along; a passage in a code; a part that the assistant is to play. Every other one is a message alone.
PLAIN, ENCODED = "message", "encoded"
FORMS = (PLAIN, "turns", "operator", "quoted", ENCODED, "persona")
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
    form: str
    count: int
    part: int

    @property
    def id(self) -> str:
        """A hash of what is ordered."""
        what = [self.clause.id, self.kind, self.language, self.manner, self.form]
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
        return f"{self.clause.id} {self.kind} {self.language} {self.manner} {self.form}"


@dataclass(frozen=True)
class Wanted:
    """What prompts are wanted. clauses: ids; None: all. whence: what they were named by, to be told in errors.

    kinds, forms: none for all of them; disallowed prompts of a critical clause are written where that kind is named. per_clause: prompts of each clause.
    """

    clauses: Sequence[str] | None = None
    whence: str = "--clause"
    kinds: Sequence[str] = ()
    forms: Sequence[str] = ()
    languages: Sequence[str] = ("en",)
    per_clause: int = PROMPTS_A_CLAUSE

    def orders(self, spec: Spec) -> list[Order]:
        """The orders to the writer. Raises InputError for a clause, kind, form or language that is none."""
        for kind in self.kinds:
            if kind not in KINDS:
                said = f"--kind {kind}: {did_you_mean(kind, KINDS)}"
                raise InputError(said, kind="unknown_choice")
        for form in self.forms:
            if form not in FORMS:
                said = f"--form {form}: {did_you_mean(form, FORMS)}"
                raise InputError(said, kind="unknown_choice")
        for language in self.languages:
            if not _LANGUAGE.fullmatch(language):
                what = "not a language's code; give one such as en or pt-BR"
                raise InputError(f"--language {language}: {what}", kind="not_valid")
        kinds: list[Kind] = [kind for kind in KINDS if not self.kinds or kind in self.kinds]
        languages = list(dict.fromkeys(self.languages))
        forms = [form for form in FORMS if not self.forms or form in self.forms]
        clauses, named = self._clauses(spec), "disallowed" in self.kinds
        return place_orders(spec, clauses, kinds, languages, self.per_clause, forms, critical=named)

    def _clauses(self, spec: Spec) -> list[Clause]:
        known = {clause.id: clause for clause in spec.clauses()}
        ids = dict.fromkeys(known if self.clauses is None else self.clauses)
        for name in ids:
            if name not in known:
                what = f"unknown clause {name!r}; {did_you_mean(name, known)}"
                raise InputError(f"{self.whence}: {what}", kind="unknown_choice")
        return [known[name] for name in ids]


def place_orders(
    spec: Spec,
    clauses: Sequence[Clause],
    kinds: Sequence[Kind],
    languages: Sequence[str],
    per_clause: int,
    forms: Sequence[str] = FORMS,
    *,
    critical: bool = False,
) -> list[Order]:
    """Orders for `per_clause` prompts of each clause, spread evenly over kinds and languages, these over manners, and all over forms.

    A clause of compliance has no disallowed prompts of its own: others rule on them. critical: whether critical ones have.
    """
    orders: list[Order] = []
    others = [form for form in forms if form != PLAIN]
    # Every other one is a message alone, where both are wanted.
    mixed = [each for form in others for each in ((PLAIN, form) if PLAIN in forms else (form,))]
    next_form = cycle(mixed or [PLAIN])
    for clause in clauses:
        category = spec.category(clause.category)
        assert category is not None
        spared = clause.ruling == "comply" or (clause.severity == "critical" and not critical)
        wanted = [k for k in kinds if not (k == "disallowed" and spared)]
        slots = [(kind, language) for language in languages for kind in wanted]
        for number, (kind, language) in enumerate(slots):
            count = _share(per_clause, len(slots), number)
            for manner, many, part in _by_manner(count, first=number):
                form = next(next_form)
                orders.append(Order(category, clause, kind, language, manner, form, many, part))
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
        said = f"has no {name}_system.j2 and {name}_user.j2, {use}; copy them from the shipped templates and put them into its language"
        raise InputError.in_file(templates.folder, said, kind="template")


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
            "form": order.form,
            "count": order.count,
        }
        messages = tuple(templates.pair(TEMPLATE, values))
        requests.append(Request(order.id, messages, row_seed(seed, TEMPLATE, order.id)))
    return requests

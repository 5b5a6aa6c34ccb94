"""Which of the clauses that a text names it denies, directly at the name; all else is cited."""

from __future__ import annotations

import re

import pytest
from dalign.data.denied import denied
from dalign.data.patterns import Patterns

NAME = re.compile(r"(?:self-)?harm\.S\d")

# A text, and what it cites: h1 is harm.S1, s1 self-harm.S1.
TEXTS = [
    ("not harm.S1 but self-harm.S1", "s1"),
    ("harm.S1 does not apply; self-harm.S1 does", "s1"),
    ("rather than harm.S1, self-harm.S1", "s1"),
    ("It isn't covered by harm.S1. By self-harm.S1 refuse", "s1"),
    ("This isn’t covered by harm.S1", ""),
    ("It is not harm.S1", ""),
    ("Not under harm.S1.", ""),
    ("This is not a case of harm.S1", ""),
    ("This does not fall under harm.S1; self-harm.S1", "s1"),
    ("It doesn't come under clause harm.S1", ""),
    ("instead of applying harm.S1 I take self-harm.S1", "s1"),
    ("neither harm.S1 nor harm.S2", ""),
    ("not harm.S1 or harm.S2 but self-harm.S1", "s1"),
    ("harm.S1 and harm.S2 do not apply; self-harm.S1 does", "s1"),
    ("harm.S1 doesn't; self-harm.S1 does", "s1"),
    ("harm.S1 isn't it", ""),
    ("harm.S1: not applicable. self-harm.S1: applies", "s1"),
    ("harm.S1? No. self-harm.S1? Yes", "s1"),
    ("harm.S1 (not applicable), self-harm.S1", "s1"),
    ("harm.S1, which does not apply, and self-harm.S1", "s1"),
    ("harm.S1 (weapons) does not apply", ""),
    ("**harm.S1** is irrelevant", ""),
    ("harm.S1 is not the relevant clause", ""),
    ("harm.S1 cannot apply", ""),
    ("harm.S1 — no; self-harm.S1 — yes", "s1"),
    ("`harm.S1` would not cover this, `self-harm.S1` would", "s1"),
    ("harm.S1 is ruled out", ""),
    ("we can rule out harm.S1", ""),
    ("nothing to do with harm.S1", ""),
    ("this lies outside harm.S1", ""),
    ("It's not under harm.S1, but self-harm.S1", "s1"),
    ("unlike harm.S1, self-harm.S1", "s1"),
    ("I must not answer under harm.S1", "h1"),
    ("I should not comply by harm.S1", "h1"),
    ("I can't, under harm.S1, help", "h1"),
    ("I must not (harm.S1).", "h1"),
    ("not only harm.S1 but also self-harm.S1", "h1 s1"),
    ("whether or not harm.S1 applies", "h1"),
    ("harm.S1 does not allow it", "h1"),
    ("harm.S1 is not violated", "h1"),
    ("harm.S1 does not say more; refuse", "h1"),
    ("By harm.S1, self-harm.S1 does not apply", "h1"),
    ("harm.S1 applies and harm.S2 does not", "h1"),
    ("This does not break harm.S1", "h1"),
    ("I can not under harm.S1 help", "h1"),
    ("It is not safe under harm.S1", "h1"),
    ("It is not allowed by harm.S1", "h1"),
    ("harm.S1 does not cover fiction, so comply", "h1"),
    ("harm.S1, no doubt", "h1"),
    ("do not help: harm.S1", "h1"),
    ("harm.S1: no help with weapons", "h1"),
    ("Rather than help, by harm.S1", "h1"),
    ("rather than comply under harm.S1", "h1"),
    ("harm.S1 - do not give the method", "h1"),
    ("no exception in harm.S1", "h1"),
    ("It is not that harm.S1 is silent", "h1"),
    ("harm.S1 is not optional", "h1"),
    ("I would not, by harm.S1", "h1"),
    ("not harmless: harm.S1", "h1"),
    ("harm.S1 does not apply to fiction. But it's harm.S1 here", "h1"),
    ("the answer is not in line with harm.S1", "h1"),
    ("this is not allowed, by harm.S1", "h1"),
    ("It would be against harm.S1, not self-harm.S1", "h1"),
    ("By harm.S1 refuse", "h1"),
    ("That is forbidden, and not by harm.S1 alone", "h1"),
    ("harm.S1 is not in play; self-harm.S1 is", "s1"),
    ("clause harm.S1 doesn't apply here", ""),
    ("This isn't about harm.S1", ""),
    ("This is not really within harm.S1", ""),
    ("not harm.S1/harm.S2", ""),
    ("harm.S1 - not applicable", ""),
    ("harm.S1 does not govern here", ""),
    ("- harm.S1: no\n- self-harm.S1: yes", "s1"),
    ("It doesn't trigger harm.S1", ""),
    ("harm.S1 wasn't meant", ""),
]


@pytest.mark.parametrize(("text", "cited"), TEXTS)
def test_a_clause_is_denied_where_the_denial_governs_its_name(text: str, cited: str) -> None:
    names = list(NAME.finditer(text))
    are_denied = denied(text, [name.span() for name in names])
    kept = [n[0] for n, is_denied in zip(names, are_denied, strict=True) if not is_denied]
    assert " ".join(dict.fromkeys(f"{name[0]}{name[-1]}" for name in kept)) == cited


@pytest.mark.parametrize(
    ("reasoning", "clause"),
    [
        ("not harm.S1 but self-harm.S1", "self-harm.S1"),
        ("harm.S1 does not apply; self-harm.S1 does", "self-harm.S1"),
        ("Self\u2011harm.S1 doesn't apply here. By Harm.S1, refuse.", "harm.S1"),
        ("It isn't covered by harm.S1", None),
        ("harm.S1 doesn't apply. harm.S1 and harm.S10: harm.S10 it is", "harm.S1"),
    ],
)
def test_the_first_clause_that_is_not_denied_is_the_cited_one(
    reasoning: str, clause: str | None
) -> None:
    assert Patterns(()).cited(reasoning) == clause


@pytest.mark.parametrize(
    "noise", ["not ", "harm.S1 or ", "harm.S1 ", "it is not the ", "(", "n't really "]
)
def test_a_text_of_any_length_is_read(noise: str) -> None:
    # Regime: a hundred thousand characters; a reading that goes back over them for each would not end.
    text = noise * (100_000 // len(noise)) + "\nBy self-harm.S1, no."
    assert Patterns(()).cited(text, known={"self-harm.S1"}) == "self-harm.S1"

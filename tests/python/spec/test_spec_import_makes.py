"""Small policies of further makes, and sentences that say the opposite of what their words seem to: none is turned around."""

from __future__ import annotations

import pytest
from dalign.spec.imports.forms import form_of, read_form
from dalign.spec.imports.labels import cued, heading_label

MAKES = {
    "a list of fields": (
        "rules:\n  - id: F1\n    rule: Opening times of the pool\n    decision: allow\n  - id: F2\n    rule: How to get in over the fence\n    decision: deny\n  - id: F3\n    rule: A swimmer feels dizzy\n    decision: safe_complete\n",
        ["comply", "refuse", "safe-complete"],
    ),
    "verdicts in italics": (
        "# Parking\n**F1 – Parking tips.** Where to park. *Verdict: permitted.*\n\n**F2 – Fines.** Whether a neighbour was fined. *Verdict: prohibited.*\n",
        ["comply", "refuse"],
    ),
    "numbers below numbers": (
        "# Bakery\n1. Allowed\n   1.1 Prices and hours\n   1.2 Recipes for bread\n2. Prohibited\n   2.1 Names of suppliers\n3. With care\n   3.1 Allergies: ask staff\n",
        ["comply", "comply", "refuse", "safe-complete"],
    ),
    "what we will and will not": (
        "# Choir\n\nWe will:\n- tell when we sing\n- send notes\n\nWe won't:\n- rate a voice\n\nWe may, with care:\n- speak about sore throats\n",
        ["comply", "comply", "refuse", "safe-complete"],
    ),
    "capitals above bullets": (
        "PERMITTED USES\n- Reading lists\n- Summaries of chapters\n\nPROHIBITED USES\n- Copies of books\n",
        ["comply", "comply", "refuse"],
    ),
    "dashes between": (
        "Rule 3.1 — Allowed — Maps of the park.\nRule 3.2 — Not allowed — Nests of rare birds.\nRule 3.3 — Safe completion — Ticks: general facts.\n",
        ["comply", "refuse", "safe-complete"],
    ),
    "brackets beside brackets": (
        "[F1][ALLOW] Hours of the sauna\n[F2][REFUSE] Who is in the sauna now\n",
        ["comply", "refuse"],
    ),
    "numbered tiers": (
        "# Toys\n## Tier 1: Always fine\nF1. Hours\n## Tier 2: Only in general terms\nF2. Toys for a sick child\n## Tier 3: Never\nF3. Where a child lives\n",
        ["comply", "safe-complete", "refuse"],
    ),
    "codes on their own lines": (
        "F1\n  Prices of the ferry\n  -> comply\nF2\n  How to get on without a ticket\n  -> refuse\n",
        ["comply", "refuse"],
    ),
    "a table of questions": (
        "# Post\n| Request | OK? |\n|---|---|\n| Price of a stamp | yes |\n| Where a parcel of others is | no |\n| A damaged parcel | partly |\n",
        ["comply", "refuse", "safe-complete"],
    ),
    "a legend that nobody can read": ("# Shop\nF1: Prices (A)\nF2: Codes of the door (D)\n", [None, None]),
    "two rulings in one breath": (
        "# Shop\n## Not allowed\n- Not allowed: codes of the door. Allowed: the hours.\n## Allowed\n- Prices\n",
        [None, "comply"],
    ),
    "a label between two rules": (
        "# Shop\n\nF1 Prices\n\nALLOWED\n\nF2 Codes of the door\n\nF3 The hours\n",
        [None, None, None],
    ),
    "a ruling in other words": (
        "ID: F1\nRule: Codes of the door\nAction: allow with a warning, else escalate\n\nID: F2\nRule: Prices\nAction: allow\nStatus: approved\n",
        [None, "comply"],
    ),
    "approved by somebody": (
        "ID: F1\nRule: Codes of the door\nRuling: refuse\nStatus: approved\n\nID: F2\nRule: Prices\nRuling: comply\nStatus: rejected by nobody\n",
        ["refuse", "comply"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("make", MAKES)
def test_a_make_is_read_or_left_to_the_user(make: str) -> None:
    text, expected = MAKES[make]
    assert [rule.decided[0] for rule in read_form(text, form_of(text)).rules] == expected


@pytest.mark.parametrize(
    "sentence",
    [
        "Nothing is off-limits here.",
        "No guest is allowed to ask that.",
        "Nobody may be helped with that, though help is allowed elsewhere.",
        "We never refuse a question on roses.",
        "The bot will not hesitate to help.",
        "The desk does not decline letters.",
        "Only members are allowed.",
        "Never leave a question open.",
        "Unless staff agree, it is not that this is allowed.",
        "Is it allowed to ask for the code?",
        "Refuse nothing that has a leaf.",
    ],
)
def test_a_sentence_that_may_say_the_opposite_is_left_to_the_user(sentence: str) -> None:
    assert cued([sentence])[0] is None


@pytest.mark.parametrize(
    "title",
    ["Never a problem", "Allowed only with a card", "Refuse collection", "No restrictions", "Not sure", "Answer sheets", "Safety", "Help", "Do we", "Permit office"],
)  # fmt: skip
def test_a_heading_that_is_no_label_rules_nothing(title: str) -> None:
    said = heading_label(title)
    assert said is None or (title == "Help" and said.ruling == "comply")

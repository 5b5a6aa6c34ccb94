"""Orders to a writer: how they are spread, what a kind promises, and how they are put."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from dalign.errors import InputError
from dalign.spec.templates import load_templates
from dalign.synth.orders import FORMS, KINDS, MANNERS, PLAIN, Wanted, place_orders, writer_requests


def test_orders_are_spread_over_kinds_languages_and_manners(garden) -> None:
    orders = place_orders(garden, [garden.clause("garden.G2")], KINDS, ["en", "de"], 13)
    by_slot = Counter()
    for order in orders:
        by_slot[order.language, order.kind] += order.count
    # Thirteen over six: the first one gets what is over.
    assert list(by_slot.values()) == [3, 2, 2, 2, 2, 2]
    assert {order.manner for order in orders} == set(MANNERS)
    assert len({order.id for order in orders}) == len(orders)


def test_no_disallowed_prompts_are_ordered_of_a_clause_that_complies(garden) -> None:
    orders = place_orders(garden, [garden.clause("garden.G1")], KINDS, ["en"], 4)
    assert [order.kind for order in orders] == ["benign-twin"] * 2 + ["borderline"] * 2
    assert place_orders(garden, [garden.clause("garden.G1")], ["disallowed"], ["en"], 4) == []


def test_every_other_prompt_is_a_message_alone_and_the_rest_of_every_form(garden) -> None:
    orders = place_orders(garden, list(garden.clauses()), KINDS, ["en"], 12)
    found = Counter(order.form for order in orders)
    assert set(found) == set(FORMS)
    assert found[PLAIN] == len(orders) // 2
    alone = place_orders(garden, list(garden.clauses()), KINDS, ["en"], 4, ["turns"])
    assert {order.form for order in alone} == {"turns"}


def test_disallowed_prompts_of_a_critical_clause_are_written_where_they_are_asked_for(
    garden,
) -> None:
    clause = replace(garden.clause("garden.G2"), severity="critical")
    category = garden.categories[0]
    critical = replace(category, clauses=tuple(clause if c.id == clause.id else c for c in category.clauses))  # fmt: skip
    spec = replace(garden, categories=(critical, *garden.categories[1:]))
    kinds = {order.kind for order in Wanted([clause.id]).orders(spec)}
    assert kinds == {"benign-twin", "borderline"}
    assert {o.kind for o in Wanted([clause.id], kinds=["disallowed"]).orders(spec)} == {
        "disallowed"
    }


def test_a_form_that_is_none_is_refused(garden) -> None:
    with pytest.raises(InputError, match="--form turn: did you mean 'turns'"):
        Wanted(forms=["turn"]).orders(garden)


def test_a_long_order_is_cut_into_several(garden) -> None:
    orders = place_orders(garden, [garden.clause("garden.G2")], ["disallowed"], ["en"], 70)
    assert sum(order.count for order in orders) == 70
    assert max(order.count for order in orders) == 8
    assert len({order.id for order in orders}) == len(orders)


@pytest.mark.parametrize(
    ("clause", "kind", "promised"),
    [
        ("garden.G2", "benign-twin", ("comply", None)),
        ("garden.G2", "borderline", ("refuse", "garden.G2")),
        ("garden.G3", "disallowed", ("safe-complete", "garden.G3")),
        ("garden.G1", "benign-twin", ("comply", "garden.G1")),
        ("garden.G1", "borderline", ("comply", "garden.G1")),
    ],
)
def test_what_a_kind_promises(order_of, clause, kind, promised) -> None:
    order = order_of(clause, kind)
    assert (order.promised_ruling, order.promised_clause) == promised


@pytest.mark.parametrize("clause", ["garden.G1", "garden.G2"])
def test_the_english_request_has_clause_examples_kind_language_and_manner(garden, clause) -> None:
    orders = place_orders(garden, [garden.clause(clause)], KINDS, ["de"], 12)
    requests = writer_requests(orders, load_templates(garden.folder), 7)
    assert len({request.seed for request in requests}) == len(requests)
    for order, request in zip(orders, requests, strict=True):
        system, user = (message["content"] for message in request.messages)
        assert '{"prompt": "..."}' in system
        assert ('"messages"' in user) == (order.form in ("turns", "operator"))
        for part in (clause, order.clause.text, *order.clause.allowed, *order.clause.disallowed):
            assert part in user
        assert "Language, by its code: de." in user
        assert f"Write {order.count} new prompt" in user
    texts = {request.messages[1]["content"] for request in requests}
    assert len(texts) == len(requests)

"""The divergence that distillation loses: against plain float64, by its gradient, and at the edges of top-k.

Axes: N token, V vocabulary.
"""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from dalign.config import Distill
from dalign.train import divergence
from dalign.train.divergence import divergences, flipped, log_rest

N, V = 7, 13


def logits(dtype=torch.float64, seed=0, spread=3.0):
    draw = torch.Generator().manual_seed(seed)
    made = spread * torch.randn(2, N, V, generator=draw, dtype=torch.float64)
    student, teacher = made.to(dtype)
    return student.requires_grad_(), teacher


def settings(**given):
    return Distill.model_validate(given)


def plain(student_row, teacher_row):
    """The divergence by its definition, from lists of logits."""
    p, q = ([math.exp(z - max(row)) for z in row] for row in (student_row, teacher_row))
    p, q = ([each / sum(of) for each in of] for of in (p, q))
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def grouped(row, chosen):
    """Logits of the chosen tokens, and of the rest as one."""
    rest = [z for i, z in enumerate(row) if i not in chosen]
    return [*(row[i] for i in chosen), math.log(sum(map(math.exp, rest)))]


def test_it_is_that_of_the_definition_in_plain_float64() -> None:
    student, teacher = logits()
    expected = [plain(*rows) for rows in zip(student.tolist(), teacher.tolist(), strict=True)]
    assert divergences(student, teacher, settings()).tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("support", ["student", "teacher"])
@pytest.mark.parametrize("k", [1, 2, 5, V - 1])
def test_top_k_compares_the_most_likely_tokens_of_one_side_and_the_rest_as_one(k, support) -> None:
    student, teacher = logits()
    by = student if support == "student" else teacher
    expected = []
    for one, other, told in zip(student.tolist(), teacher.tolist(), by.tolist(), strict=True):
        chosen = sorted(range(V), key=lambda i: -told[i])[:k]
        expected.append(plain(grouped(one, chosen), grouped(other, chosen)))
    found = divergences(student, teacher, settings(top_k=k, support=support))
    assert found.tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("support", ["student", "teacher"])
def test_it_grows_with_k_and_is_the_whole_at_all_of_the_vocabulary(support) -> None:
    student, teacher = logits()
    whole = divergences(student, teacher, settings())
    found = [
        divergences(student, teacher, settings(top_k=k, support=support)).detach()
        for k in range(1, V + 2)
    ]
    # Tokens that are put together tell less: the log-sum inequality.
    for fewer, more in pairwise(found):
        assert bool((more >= fewer - 1e-12).all())
    assert torch.equal(found[V - 1], whole) and torch.equal(found[V], whole)
    # One token less than all is the whole too: the rest is one token.
    assert torch.allclose(found[V - 2], whole, rtol=1e-12)


@pytest.mark.parametrize(
    "given",
    [{}, {"top_k": 3}, {"top_k": 3, "support": "teacher"}],
    ids=["full", "student", "teacher"],
)
def test_its_gradient_is_that_of_finite_differences_and_none_is_the_teachers(given) -> None:
    student, teacher = logits(spread=1.0)
    teacher.requires_grad_()
    wanted = settings(**given)
    assert torch.autograd.gradcheck(lambda z: divergences(z, teacher.detach(), wanted), student)
    divergences(student, teacher, wanted).sum().backward()
    assert student.grad.abs().max() > 1e-3 and teacher.grad is None


def test_its_gradient_in_full_is_p_times_the_gap_less_the_divergence() -> None:
    student, teacher = logits()
    kl = divergences(student, teacher, settings())
    kl.sum().backward()
    p, q = student.detach().log_softmax(-1), teacher.log_softmax(-1)
    assert torch.allclose(student.grad, p.exp() * (p - q - kl.detach()[:, None]), atol=1e-14)


@pytest.mark.parametrize("tokens", [1, 2, 3, N, N + 1])  # below, at and above all; 3 leaves a part
def test_tiles_change_neither_it_nor_its_gradient(tokens, monkeypatch) -> None:
    found = []
    for entries in (2**24, tokens * V):
        monkeypatch.setattr(divergence, "TILE_ENTRIES", entries)
        student, teacher = logits()
        made = divergences(student, teacher, settings(top_k=4))
        made.sum().backward()
        found.append((made.detach(), student.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


@pytest.mark.parametrize("k", [0, 2])
def test_it_and_its_gradient_are_nothing_at_all_where_both_are_the_same(k) -> None:
    student, _ = logits(torch.float32)
    found = divergences(student, student.detach(), settings(top_k=k))
    found.sum().backward()
    assert found.tolist() == [0.0] * N and not student.grad.any()


def test_short_numbers_are_compared_in_float32() -> None:
    student, teacher = logits(torch.bfloat16)
    found = divergences(student, teacher, settings())
    exact = divergences(student.double(), teacher.double(), settings())
    assert found.dtype == torch.float32
    assert torch.allclose(found.double(), exact, rtol=1e-5)


def test_entries_that_can_never_come_add_nothing_and_leave_a_finite_gradient() -> None:
    student, teacher = logits()
    cut = torch.full((N, 2), float("-inf"), dtype=student.dtype)
    known = divergences(student, teacher, settings())
    wide = torch.cat([student.detach(), cut], dim=-1).requires_grad_()
    found = divergences(wide, torch.cat([teacher, cut], dim=-1), settings())
    found.sum().backward()
    assert torch.allclose(found, known, rtol=1e-12) and bool(wide.grad.isfinite().all())


def test_a_small_rest_is_summed_and_not_lost_in_rounding() -> None:
    logps = torch.tensor([[30.0, 0.0, 0.0]]).log_softmax(-1)
    # 2 e⁻³⁰: 1 less the first is 0 in float32.
    assert log_rest(logps, torch.tensor([[0]])).item() == pytest.approx(math.log(2) - 30, rel=1e-6)


def test_no_token_has_no_divergence() -> None:
    assert divergences(torch.zeros(0, V), torch.zeros(0, V), settings()).shape == (0,)


def test_a_token_is_flipped_where_another_is_the_most_likely_to_the_teacher() -> None:
    student = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    teacher = torch.tensor([[2.0, 1.9, 0.0], [0.9, 1.0, 0.0], [9.0, 0.0, 2.0]])
    assert flipped(student, teacher).tolist() == [False, True, True]

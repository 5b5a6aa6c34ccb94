"""The divergence of the student's next token from the teacher's, token by token: what distillation loses, and what holds SFT to its start.

KL(student ‖ teacher) = Σ_v p(v) (log p(v) − log q(v)), the reverse divergence: on completions that the student wrote it asks
that the teacher would write so too, and not that the student writes all that the teacher might (Agarwal et al. 2024,
2306.13649; with one model as both, Fu et al. 2026, 2605.15239). It is of the whole distribution and not of the token that
was drawn alone: an estimate by that token has the same mean over draws, and more noise. Imports torch.

Axes: N token, V vocabulary, K token that is compared by itself.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dalign.config import Distill

# Entries of the vocabulary, over all tokens, that are compared at once: 64 MiB in float32 of each thing that is made of them.
TILE_ENTRIES = 2**24


def divergences(student_NV: Tensor, teacher_NV: Tensor, settings: Distill) -> Tensor:
    """The divergence of each token (N,) in nats, at least 0, with gradients to the student's logits alone.

    settings: `top_k` and `support`. Tokens are gone through a tile at a time, and again in the backward pass: of what is made
    beside the logits and their gradient no more than a tile is held.
    """
    found: Tensor = _Divergences.apply(
        student_NV, teacher_NV, settings.top_k, settings.support == "teacher"
    )
    return found


def divergences_of_all(student_NV: Tensor, teacher_NV: Tensor) -> Tensor:
    """KL(student ‖ teacher) of each token (N,) in nats over the whole vocabulary, with gradients to the student's logits."""
    return divergences(student_NV, teacher_NV, Distill())


class _Divergences(torch.autograd.Function):
    """With the gradient p (gap − divergence) of a logit, which is nothing at all where both say the same.

    That of a softmax and its logarithm would leave roundings there, which Adam makes steps of.
    """

    @staticmethod
    def forward(
        saved: Any, student_NV: Tensor, teacher_NV: Tensor, top_k: int, by_teacher: bool
    ) -> Tensor:
        saved.save_for_backward(student_NV, teacher_NV)
        saved.how = top_k, by_teacher
        wide = torch.promote_types(student_NV.dtype, torch.float32)
        found_N = student_NV.new_empty(len(student_NV), dtype=wide)
        for tile in tiles(student_NV):
            probs_NV, gaps_NV = compared(student_NV[tile], teacher_NV[tile], *saved.how)
            found_N[tile] = (probs_NV * gaps_NV).sum(-1)
        return found_N

    @staticmethod
    @once_differentiable
    def backward(saved: Any, weights_N: Tensor) -> tuple[Tensor | None, ...]:
        student_NV, teacher_NV = saved.saved_tensors
        made_NV = torch.empty_like(student_NV)
        for tile in tiles(student_NV):
            probs_NV, gaps_NV = compared(student_NV[tile], teacher_NV[tile], *saved.how)
            mean_N1 = (probs_NV * gaps_NV).sum(-1, keepdim=True)
            made_NV[tile] = (weights_N[tile, None] * probs_NV * (gaps_NV - mean_N1)).to(
                made_NV.dtype
            )
        return made_NV, None, None, None


def tiles(logits_NV: Tensor) -> list[slice]:
    """The tokens in parts, each with about TILE_ENTRIES logits."""
    tokens, entries = logits_NV.shape
    size = max(1, TILE_ENTRIES // entries)
    return [slice(start, start + size) for start in range(0, tokens, size)]


def compared(
    student_NV: Tensor, teacher_NV: Tensor, top_k: int, by_teacher: bool
) -> tuple[Tensor, Tensor]:
    """The student's probabilities, and by how much their logarithms exceed the teacher's: (N, V) each, in float32 at least.

    With top_k, of tokens that are not among so many the excess is that of all of them together.
    """
    wide = torch.promote_types(student_NV.dtype, torch.float32)
    student_NV, teacher_NV = student_NV.to(wide), teacher_NV.to(wide)
    student_logps_NV, teacher_logps_NV = student_NV.log_softmax(-1), teacher_NV.log_softmax(-1)
    gaps_NV = student_logps_NV - teacher_logps_NV
    if 0 < top_k < student_NV.shape[-1]:
        chosen_NK = (teacher_NV if by_teacher else student_NV).topk(top_k, dim=-1).indices
        rest_N1 = log_rest(student_logps_NV, chosen_NK) - log_rest(teacher_logps_NV, chosen_NK)
        gaps_NV = rest_N1.expand_as(gaps_NV).scatter(-1, chosen_NK, gaps_NV.gather(-1, chosen_NK))
    probs_NV = student_logps_NV.exp()
    # What the student gives no probability adds nothing, though both logarithms are without bound.
    return probs_NV, gaps_NV.masked_fill(probs_NV == 0, 0.0)


def log_rest(logps_NV: Tensor, chosen_NK: Tensor) -> Tensor:
    """The log-probability of all tokens but the chosen, together: (N, 1).

    It is summed over them: 1 less the chosen would lose it in rounding where it is small.
    """
    return logps_NV.scatter(-1, chosen_NK, float("-inf")).logsumexp(-1, keepdim=True)


def flipped(student_NV: Tensor, teacher_NV: Tensor) -> Tensor:
    """Whether the most likely token is another to the teacher than to the student: (N,) booleans."""
    return student_NV.argmax(-1) != teacher_NV.argmax(-1)

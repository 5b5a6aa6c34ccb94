"""The definition of the op in plain PyTorch, and what runs where Triton does not.

Axes: N row, V vocabulary.
"""

import torch
from torch import Tensor


def token_logprobs(
    logits_NV: Tensor, targets_N: Tensor, temperature: float, ignore_index: int
) -> Tensor:
    """log softmax(logits / temperature) at each row's target; 0 where it is `ignore_index`."""
    live_N = targets_N != ignore_index
    logprobs_NV = _log_softmax(logits_NV, live_N, temperature)
    return _at_targets(logprobs_NV, targets_N, live_N)


def token_logprobs_and_entropy(
    logits_NV: Tensor, targets_N: Tensor, temperature: float, ignore_index: int
) -> tuple[Tensor, Tensor]:
    """`token_logprobs`, and −Σ_v p_v ln p_v of each row; 0 where the target is `ignore_index`."""
    live_N = targets_N != ignore_index
    logprobs_NV = _log_softmax(logits_NV, live_N, temperature)
    # p ln p → 0 as p → 0, but 0 · −inf is NaN.
    finite_logprobs_NV = logprobs_NV.masked_fill(logprobs_NV == -torch.inf, 0.0)
    entropy_N = -(logprobs_NV.exp() * finite_logprobs_NV).sum(dim=-1)
    return _at_targets(logprobs_NV, targets_N, live_N), entropy_N.masked_fill(~live_N, 0.0)


def _log_softmax(logits_NV: Tensor, live_N: Tensor, temperature: float) -> Tensor:
    """[N, V] log-probabilities in float32, or float64 for float64 logits; ignored rows uniform."""
    accumulate = torch.promote_types(logits_NV.dtype, torch.float32)
    # Zeroed before the softmax: a NaN in an ignored row would reach the gradient as 0 · NaN.
    live_logits_NV = logits_NV.masked_fill(~live_N[:, None], 0.0)
    return (live_logits_NV.to(accumulate) / temperature).log_softmax(dim=-1)


def _at_targets(logprobs_NV: Tensor, targets_N: Tensor, live_N: Tensor) -> Tensor:
    columns_N1 = targets_N.masked_fill(~live_N, 0).long()[:, None]
    return logprobs_NV.gather(-1, columns_N1).squeeze(-1).masked_fill(~live_N, 0.0)

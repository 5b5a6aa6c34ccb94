"""Log-probabilities of given tokens, and the entropy they were drawn with, from logits.

Axes: N row, V vocabulary.

Runs the Triton kernels (`fused.py`) on CUDA tensors where Triton is installed, and on any tensor
when the environment has TRITON_INTERPRET=1; the definition (`reference.py`) everywhere else, and
for float64 logits, which the kernels do not take.
"""

import importlib.util
import math
import os
from functools import cache

import torch
from torch import Tensor

from . import reference

__all__ = ["IGNORE_INDEX", "token_logprobs", "token_logprobs_and_entropy"]

# The value that PyTorch's cross_entropy and transformers' collators put where there is no target.
IGNORE_INDEX = -100

FUSED_DTYPES = frozenset({torch.bfloat16, torch.float16, torch.float32})


def token_logprobs(
    logits_NV: Tensor,
    targets_N: Tensor,
    temperature: float = 1.0,
    ignore_index: int = IGNORE_INDEX,
) -> Tensor:
    """Log-probability of each row's target: z[target] − logsumexp(z), z = logits / temperature.

    logits_NV: bfloat16, float16, float32 or float64; any row stride (a column stride other than 1
    costs a copy). targets_N: integers in [0, V), or `ignore_index`. temperature > 0.
    Returns N values, float32 (float64 for float64 logits), differentiable in `logits_NV`; 0 with a
    zero gradient where the target is `ignore_index`, whatever the logits of that row hold.

    Raises ValueError for wrong shapes, dtypes, devices or temperature; IndexError for a target
    outside [0, V). On CUDA the targets are checked without waiting for the device: the row's result
    is NaN, and the stream fails with a device-side assertion at the next synchronisation.
    """
    _check(logits_NV, targets_N, temperature, ignore_index)
    if _fused_applies(logits_NV):
        from . import fused

        return fused.token_logprobs(logits_NV, targets_N, temperature, ignore_index)
    return reference.token_logprobs(logits_NV, targets_N, temperature, ignore_index)


def token_logprobs_and_entropy(
    logits_NV: Tensor,
    targets_N: Tensor,
    temperature: float = 1.0,
    ignore_index: int = IGNORE_INDEX,
) -> tuple[Tensor, Tensor]:
    """`token_logprobs`, and each row's entropy −Σ_v p_v ln p_v in nats, in the same pass.

    p = softmax(logits / temperature). Both results are differentiable in `logits_NV`. Arguments,
    ignored rows and errors as in `token_logprobs`.
    """
    _check(logits_NV, targets_N, temperature, ignore_index)
    if _fused_applies(logits_NV):
        from . import fused

        return fused.token_logprobs_and_entropy(logits_NV, targets_N, temperature, ignore_index)
    return reference.token_logprobs_and_entropy(logits_NV, targets_N, temperature, ignore_index)


def _fused_applies(logits_NV: Tensor) -> bool:
    if logits_NV.dtype not in FUSED_DTYPES:
        return False
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    return interpreted or (logits_NV.is_cuda and _triton_is_installed())


@cache
def _triton_is_installed() -> bool:
    return importlib.util.find_spec("triton") is not None


def _check(logits_NV: Tensor, targets_N: Tensor, temperature: float, ignore_index: int) -> None:
    if logits_NV.dim() != 2 or not logits_NV.is_floating_point():
        raise ValueError(
            f"logits must be floating point [N, V], not {logits_NV.dtype} "
            f"{list(logits_NV.shape)}; flatten the leading axes first"
        )
    if logits_NV.shape[1] == 0:
        raise ValueError("logits have an empty vocabulary: their shape is [N, 0]")
    if targets_N.shape != logits_NV.shape[:1] or targets_N.dtype not in (torch.int32, torch.int64):
        raise ValueError(
            f"targets must be int32 or int64 [{logits_NV.shape[0]}], one for each row of logits, "
            f"not {targets_N.dtype} {list(targets_N.shape)}"
        )
    if targets_N.device != logits_NV.device:
        raise ValueError(f"targets are on {targets_N.device}, logits on {logits_NV.device}")
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(f"temperature must be finite and above 0, not {temperature}")
    _check_targets(targets_N, logits_NV.shape[1], ignore_index)


def _check_targets(targets_N: Tensor, vocabulary: int, ignore_index: int) -> None:
    within_N = ((targets_N >= 0) & (targets_N < vocabulary)) | (targets_N == ignore_index)
    if targets_N.is_cuda:
        # Reading the flag here would stall the stream on every call.
        torch._assert_async(
            within_N.all(), f"token_logprobs: a target is outside [0, {vocabulary})"
        )
        return
    if not within_N.all():
        row = int((~within_N).nonzero()[0])
        raise IndexError(
            f"targets[{row}] = {int(targets_N[row])} is outside [0, {vocabulary}); "
            f"mark rows without a target with ignore_index ({ignore_index})"
        )

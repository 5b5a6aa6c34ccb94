"""The op as two Triton kernels, one program a row, each reading the logits once.

Axes: N row, V vocabulary. With z = logits / temperature, x the raw logits and M = max x:

    forward     S = Σ_v exp((x_v − M) / temperature), online over blocks of V
                logp = (x_target − M) / temperature − ln S
                H    = ln S − Σ_v exp((x_v − M) / temperature) (x_v − M) / temperature / S
    backward    p_v  = exp((x_v − M) / temperature − ln S), recomputed
                dx_v = [dlogp (1[v = target] − p_v) − dH p_v (ln p_v + H)] / temperature

logsumexp(z) = M / temperature + ln S is kept as the pair (M, log2 S): added up, float32 would lose
the small term beside a large one (ulp(1e4) is 1e-3). The maximum is taken of the raw logits, where
the 16-bit types are exact. Online softmax: Milakov and Gimelshein 2018, arXiv:1805.02867.
"""

import math

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

# One configuration for all sizes: README.md has its registers and shared memory on each chip.
# 16 logits a thread are two 16-byte loads of a 16-bit type in flight before the block's maximum.
BLOCK_COLUMNS = 4096
NUM_WARPS = 8
# Said, because Triton's default goes from true to false in 3.10.
OPTIONS = {"num_warps": NUM_WARPS, "enable_fp_fusion": True}

LOG2_E = tl.constexpr(math.log2(math.e))
LN_2 = tl.constexpr(math.log(2.0))
MINUS_INF = tl.constexpr(-math.inf)
# An exponent of 2 that gives 0 in float32 and is finite, so that 0 times it is 0 and not NaN.
ZERO_EXPONENT = tl.constexpr(-1000.0)


# Loops are `while`: a `range` with a run-time end fails in the interpreter of Triton 3.6.
@triton.jit
def forward_kernel(
    logits_NV: tl.tensor,
    targets_N: tl.tensor,
    logp_N: tl.tensor,
    entropy_N: tl.tensor,
    maximum_N: tl.tensor,
    log2_sum_N: tl.tensor,
    row_stride: tl.tensor,
    vocabulary: tl.tensor,
    inverse_temperature: tl.tensor,
    ignore_index: tl.tensor,
    WITH_ENTROPY: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    # 64 bits: N · V passes 2³¹ at 14,135 rows of a vocabulary of 151,936.
    row = tl.program_id(0).to(tl.int64)
    target = tl.load(targets_N + row)
    if target == ignore_index:
        # Its maximum and sum stay unwritten: the backward pass selects zeros for the row.
        tl.store(logp_N + row, 0.0)
        if WITH_ENTROPY:
            tl.store(entropy_N + row, 0.0)
        return

    logits_V = logits_NV + row * row_stride
    log2_scale = inverse_temperature * LOG2_E
    lanes = tl.arange(0, BLOCK)
    maximum = tl.full([], MINUS_INF, tl.float32)
    # Summed over lanes once, after the loop: only the maximum crosses warps in each block.
    sum_lanes = tl.zeros([BLOCK], tl.float32)
    weighted_lanes = tl.zeros([BLOCK], tl.float32)
    start = 0
    while start < vocabulary:
        columns = start + lanes
        x = tl.load(logits_V + columns, mask=columns < vocabulary, other=MINUS_INF).to(tl.float32)
        block_maximum = tl.maximum(maximum, tl.max(x, axis=0))
        # Until the first finite logit the maximum is −inf, and −inf − −inf is NaN.
        origin = tl.where(block_maximum == MINUS_INF, 0.0, block_maximum)
        shift = tl.maximum((maximum - origin) * log2_scale, ZERO_EXPONENT)
        rescale = tl.exp2(shift)
        exponents = (x - origin) * log2_scale
        weights = tl.exp2(exponents)
        if WITH_ENTROPY:
            weighted_lanes = (weighted_lanes + sum_lanes * shift) * rescale
            weighted_lanes += weights * tl.maximum(exponents, ZERO_EXPONENT)
        sum_lanes = sum_lanes * rescale + weights
        maximum = block_maximum
        start += BLOCK

    total = tl.sum(sum_lanes, axis=0)
    log2_sum = tl.log2(total)
    in_range = (target >= 0) & (target < vocabulary)
    # A target outside the vocabulary never reads outside the row.
    x_target = tl.load(logits_V + target, mask=in_range, other=float("nan")).to(tl.float32)
    tl.store(logp_N + row, (x_target - maximum) * inverse_temperature - log2_sum * LN_2)
    tl.store(maximum_N + row, maximum)
    tl.store(log2_sum_N + row, log2_sum)
    if WITH_ENTROPY:
        tl.store(entropy_N + row, (log2_sum - tl.sum(weighted_lanes, axis=0) / total) * LN_2)


@triton.jit
def backward_kernel(
    logits_NV: tl.tensor,
    targets_N: tl.tensor,
    entropy_N: tl.tensor,
    maximum_N: tl.tensor,
    log2_sum_N: tl.tensor,
    grad_logp_N: tl.tensor,
    grad_entropy_N: tl.tensor,
    grad_logits_NV: tl.tensor,
    row_stride: tl.tensor,
    grad_row_stride: tl.tensor,
    vocabulary: tl.tensor,
    inverse_temperature: tl.tensor,
    ignore_index: tl.tensor,
    WITH_ENTROPY: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    row = tl.program_id(0).to(tl.int64)
    target = tl.load(targets_N + row)
    maximum = tl.load(maximum_N + row)
    log2_sum = tl.load(log2_sum_N + row)
    grad_logp = tl.load(grad_logp_N + row)
    has_gradient = grad_logp != 0
    if WITH_ENTROPY:
        entropy = tl.load(entropy_N + row)
        grad_entropy = tl.load(grad_entropy_N + row)
        has_gradient = has_gradient | (grad_entropy != 0)
    # A row that is not live is written as zeros and its logits are not read.
    live = (target != ignore_index) & has_gradient
    # Not a mask `& live`: a scalar that meets a block is no boolean in the interpreter of Triton 3.9.
    read = tl.where(live, vocabulary, 0)

    logits_V = logits_NV + row * row_stride
    grad_logits_V = grad_logits_NV + row * grad_row_stride
    log2_scale = inverse_temperature * LOG2_E
    lanes = tl.arange(0, BLOCK)
    start = 0
    while start < vocabulary:
        columns = start + lanes
        x = tl.load(logits_V + columns, mask=columns < read, other=MINUS_INF).to(tl.float32)
        log2_p = (x - maximum) * log2_scale - log2_sum
        p = tl.exp2(log2_p)
        grad_z = grad_logp * (tl.where(columns == target, 1.0, 0.0) - p)
        if WITH_ENTROPY:
            ln_p = tl.maximum(log2_p, ZERO_EXPONENT) * LN_2
            grad_z -= grad_entropy * p * (ln_p + entropy)
        grad_x = tl.where(live, grad_z * inverse_temperature, 0.0)
        grad_x = grad_x.to(grad_logits_NV.dtype.element_ty)
        tl.store(grad_logits_V + columns, grad_x, mask=columns < vocabulary)
        start += BLOCK


class _Context(FunctionCtx):
    saved_tensors: tuple[Tensor, ...]
    temperature: float
    ignore_index: int


class _TokenLogprobs(torch.autograd.Function):
    """(logp_N, entropy_N or None); keeps the logits themselves, the targets and 12 bytes a row."""

    @staticmethod
    def forward(
        ctx: _Context,
        logits_NV: Tensor,
        targets_N: Tensor,
        temperature: float,
        ignore_index: int,
        with_entropy: bool,
    ) -> tuple[Tensor, Tensor | None]:
        rows_N = _forward(logits_NV, targets_N, temperature, ignore_index, with_entropy)
        logp_N, *kept_N = rows_N
        ctx.save_for_backward(logits_NV, targets_N, *kept_N)
        ctx.temperature, ctx.ignore_index = temperature, ignore_index
        # A result that takes no part in the loss then arrives as None and costs nothing.
        ctx.set_materialize_grads(False)
        return logp_N, kept_N[0] if with_entropy else None

    @staticmethod
    @once_differentiable
    def backward(
        ctx: _Context, grad_logp_N: Tensor | None, grad_entropy_N: Tensor | None
    ) -> tuple[Tensor | None, None, None, None, None]:
        if grad_logp_N is None and grad_entropy_N is None:
            return None, None, None, None, None
        logits_NV, targets_N, *kept_N = ctx.saved_tensors
        if grad_logp_N is None:
            grad_logp_N = torch.zeros_like(kept_N[0])
        # Without a gradient the kernel is compiled to read none, but takes a pointer all the same.
        entropy_grads_N = grad_logp_N if grad_entropy_N is None else grad_entropy_N
        rows_N = (*kept_N, grad_logp_N.contiguous(), entropy_grads_N.contiguous())
        with_entropy = grad_entropy_N is not None
        grad_logits_NV = _backward(
            logits_NV, targets_N, rows_N, ctx.temperature, ctx.ignore_index, with_entropy
        )
        return grad_logits_NV, None, None, None, None


def _forward(
    logits_NV: Tensor,
    targets_N: Tensor,
    temperature: float,
    ignore_index: int,
    with_entropy: bool,
) -> tuple[Tensor, ...]:
    """(logp_N, entropy_N, maximum_N, log2_sum_N); entropy_N is unwritten unless asked for."""
    N, V = logits_NV.shape
    rows_N = tuple(torch.empty(N, dtype=torch.float32, device=logits_NV.device) for _ in range(4))
    # A grid of no programs is a launch error.
    if N == 0:
        return rows_N
    # Triton launches on the current device, which need not be the tensors'. −1, the CPU, is none.
    with torch.cuda.device(logits_NV.get_device()):
        forward_kernel[(N,)](
            logits_NV,
            targets_N,
            *rows_N,
            logits_NV.stride(0),
            V,
            1.0 / temperature,
            ignore_index,
            WITH_ENTROPY=with_entropy,
            BLOCK=BLOCK_COLUMNS,
            **OPTIONS,
        )
    return rows_N


def _backward(
    logits_NV: Tensor,
    targets_N: Tensor,
    rows_N: tuple[Tensor, ...],
    temperature: float,
    ignore_index: int,
    with_entropy: bool,
) -> Tensor:
    """grad_logits_NV; rows_N: entropy, maximum, log2 sum, gradients of logp and of the entropy."""
    N, V = logits_NV.shape
    grad_logits_NV = torch.empty((N, V), dtype=logits_NV.dtype, device=logits_NV.device)
    if N == 0:
        return grad_logits_NV
    with torch.cuda.device(logits_NV.get_device()):
        backward_kernel[(N,)](
            logits_NV,
            targets_N,
            *rows_N,
            grad_logits_NV,
            logits_NV.stride(0),
            grad_logits_NV.stride(0),
            V,
            1.0 / temperature,
            ignore_index,
            WITH_ENTROPY=with_entropy,
            BLOCK=BLOCK_COLUMNS,
            **OPTIONS,
        )
    return grad_logits_NV


def token_logprobs(
    logits_NV: Tensor, targets_N: Tensor, temperature: float, ignore_index: int
) -> Tensor:
    """As `reference.token_logprobs`, in float32; arguments are those the package has checked.

    Deviates from the reference in one point: a row whose upstream gradient is exactly 0 gets a zero
    gradient even if its logits hold NaN, because they are not read again.
    """
    logp_N: Tensor
    logp_N, _ = _TokenLogprobs.apply(
        _unit_column_stride(logits_NV), targets_N.contiguous(), temperature, ignore_index, False
    )
    return logp_N


def token_logprobs_and_entropy(
    logits_NV: Tensor, targets_N: Tensor, temperature: float, ignore_index: int
) -> tuple[Tensor, Tensor]:
    """As `reference.token_logprobs_and_entropy`, in float32; otherwise as `token_logprobs`."""
    logp_N: Tensor
    entropy_N: Tensor
    logp_N, entropy_N = _TokenLogprobs.apply(
        _unit_column_stride(logits_NV), targets_N.contiguous(), temperature, ignore_index, True
    )
    return logp_N, entropy_N


def _unit_column_stride(logits_NV: Tensor) -> Tensor:
    # The kernels take any row stride, but the vocabulary must be contiguous.
    return logits_NV if logits_NV.stride(1) == 1 else logits_NV.contiguous()

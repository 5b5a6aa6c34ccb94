"""The fused kernels, interpreted, against the definition in float64, element by element.

The yardstick: |kernel − truth64| ≤ |reference − truth64| + ε, the reference being the definition on
the same logits in their own type. Axes: N row, V vocabulary.
"""

import math

import pytest
import torch
from kernels_source.token_logprobs import (
    fused,
    reference,
    token_logprobs,
    token_logprobs_and_entropy,
)
from torch import Tensor

# NumPy warns where a GPU does not: of the NaN and infinities that some rows are meant to give.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:triton")

BLOCK = 64
DTYPES = [torch.bfloat16, torch.float16, torch.float32]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 64 columns, so that a vocabulary of 65 takes two."""
    monkeypatch.setattr(fused, "BLOCK_COLUMNS", BLOCK)


def random_rows(N: int, V: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1000 * N + V)
    logits_NV = 3 * torch.randn(N, V, generator=generator)
    return logits_NV.to(dtype), torch.randint(0, V, (N,), generator=generator)


def results_and_gradient(op, logits_NV, targets_N, temperature, ignore_index=-100):
    """(logp_N, entropy_N, grad_logits_NV), the gradient of a seeded weighting of both results."""
    leaf_NV = logits_NV.detach().requires_grad_()
    logp_N, entropy_N = op(leaf_NV, targets_N, temperature, ignore_index)
    generator = torch.Generator().manual_seed(7)
    weights_2N = torch.randn(2, len(targets_N), generator=generator).to(logp_N.dtype)
    (logp_N * weights_2N[0] + entropy_N * weights_2N[1]).sum().backward()
    return logp_N.detach(), entropy_N.detach(), leaf_NV.grad


def assert_no_worse(kernel: Tensor, ref: Tensor, truth64: Tensor, epsilon: Tensor | float) -> None:
    assert kernel.shape == truth64.shape
    # Infinite where the truth is, by equality: inf − inf is NaN.
    error = torch.where(kernel.double() == truth64, 0.0, (kernel.double() - truth64).abs())
    allowed = torch.where(ref.double() == truth64, 0.0, (ref.double() - truth64).abs()) + epsilon
    worst = (error - allowed).argmax() if error.numel() else 0
    assert (error <= allowed).all(), (
        f"element {int(worst)}: kernel {kernel.flatten()[worst]}, reference "
        f"{ref.flatten()[worst]}, truth {truth64.flatten()[worst]}"
    )


def assert_fused_is_no_worse_than_reference(
    logits_NV: Tensor, targets_N: Tensor, temperature: float = 1.0, ignore_index: int = -100
) -> None:
    arguments = (targets_N, temperature, ignore_index)
    kernel = results_and_gradient(token_logprobs_and_entropy, logits_NV, *arguments)
    ref = results_and_gradient(reference.token_logprobs_and_entropy, logits_NV, *arguments)
    truth = results_and_gradient(
        reference.token_logprobs_and_entropy, logits_NV.double(), *arguments
    )
    for which in range(3):
        # Four roundings of float32, and one absolute for sums that cancel.
        epsilon = 1e-6 + 2.0**-22 * truth[which].abs().nan_to_num(posinf=0.0)
        if which == 2 and logits_NV.dtype == torch.bfloat16:
            # The interpreter truncates to bfloat16 where a GPU rounds: one unit, not half of one.
            epsilon = epsilon + 2.0**-7 * truth[which].abs()
        assert_no_worse(kernel[which], ref[which], truth[which], epsilon)
    assert kernel[2].dtype == logits_NV.dtype


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("N", [1, 7])  # one program, and a prime number of them
# One token (certainty); below, at and above one block of 64; a last block with 40 of 64 lanes.
@pytest.mark.parametrize("V", [1, 63, 64, 65, 1000])
@pytest.mark.usefixtures("small_blocks")
def test_odd_sizes_are_no_worse_than_the_reference(V: int, N: int, dtype: torch.dtype) -> None:
    assert_fused_is_no_worse_than_reference(*random_rows(N, V, dtype), temperature=0.7)


@pytest.mark.parametrize("extra", [0, 1])  # exactly one block of the shipped size, and one over
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_shipped_block_is_no_worse_than_the_reference(extra: int, dtype: torch.dtype) -> None:
    assert_fused_is_no_worse_than_reference(*random_rows(2, fused.BLOCK_COLUMNS + extra, dtype))


@pytest.mark.parametrize("temperature", [0.01, 0.6, 1.0, 10.0])  # near greedy to near uniform
@pytest.mark.usefixtures("small_blocks")
def test_temperatures_are_no_worse_than_the_reference(temperature: float) -> None:
    assert_fused_is_no_worse_than_reference(*random_rows(5, 130, torch.float32), temperature)


def test_no_rows_launch_nothing_and_give_no_values() -> None:
    logits_NV = torch.empty(0, 65, requires_grad=True)
    logp_N, entropy_N = token_logprobs_and_entropy(logits_NV, torch.empty(0, dtype=torch.int64))
    (logp_N.sum() + entropy_N.sum()).backward()
    assert logp_N.shape == entropy_N.shape == (0,)
    assert logits_NV.grad is not None and logits_NV.grad.shape == (0, 65)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.usefixtures("small_blocks")
def test_rows_inside_a_wider_buffer_read_nothing_outside_themselves(dtype: torch.dtype) -> None:
    logits_NV, targets_N = random_rows(5, 65, dtype)
    buffer_NV = torch.full((10, 200), math.nan, dtype=dtype)
    buffer_NV[::2, 3:68] = logits_NV
    rows_NV = buffer_NV[::2, 3:68]
    assert rows_NV.stride() == (400, 1)
    assert_fused_is_no_worse_than_reference(rows_NV, targets_N, temperature=0.7)


@pytest.mark.parametrize(
    "logits_NV",
    [
        torch.linspace(-3, 3, 325).reshape(65, 5).T,  # column stride 5
        torch.linspace(-3, 3, 65).expand(5, 65),  # row stride 0
    ],
)
@pytest.mark.usefixtures("small_blocks")
def test_transposed_and_repeated_rows_are_no_worse_than_the_reference(logits_NV: Tensor) -> None:
    assert_fused_is_no_worse_than_reference(logits_NV, torch.tensor([0, 64, 63, 1, 9]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.usefixtures("small_blocks")
def test_extreme_logits_are_no_worse_than_the_reference(dtype: torch.dtype) -> None:
    logits_NV, targets_N = random_rows(7, 150, dtype)
    logits_NV[0] = 1e4  # all equal and large
    logits_NV[1, 0::2], logits_NV[1, 1::2] = 1e4, -1e4
    logits_NV[2, :128] = -math.inf  # two whole blocks before the first finite logit
    logits_NV[2, 140], targets_N[2] = -1e4, 140
    logits_NV[3, 64:] = -math.inf  # two whole blocks after the last
    targets_N[3] = 5
    logits_NV[4, 9], targets_N[4] = -math.inf, 9  # the target itself: logp = −inf
    logits_NV[5] += 1e4  # a large common offset
    logits_NV[6] = torch.finfo(dtype).min  # the value masks often use, in every place but one
    logits_NV[6, 77], targets_N[6] = 0.0, 77
    assert_fused_is_no_worse_than_reference(logits_NV, targets_N)


def test_a_row_without_a_finite_logit_is_nan_as_in_the_reference() -> None:
    logits_NV = torch.full((1, 65), -math.inf)
    targets_N = torch.tensor([3])
    kernel = results_and_gradient(token_logprobs_and_entropy, logits_NV, targets_N, 1.0)
    assert kernel[0].isnan().all() and kernel[2].isnan().all()
    assert reference.token_logprobs(logits_NV, targets_N, 1.0, -100).isnan().all()


@pytest.mark.parametrize("poison", [math.nan, math.inf])
@pytest.mark.parametrize("ignore_index", [-100, 0])  # outside the vocabulary, and a token of it
@pytest.mark.usefixtures("small_blocks")
def test_ignored_rows_are_zero_whatever_they_hold(ignore_index: int, poison: float) -> None:
    logits_NV, targets_N = random_rows(5, 65, torch.float32)
    targets_N.clamp_(min=1)
    targets_N[[1, 4]] = ignore_index
    logits_NV[[1, 4]] = poison
    arguments = (logits_NV, targets_N, 0.7, ignore_index)

    kernel = results_and_gradient(token_logprobs_and_entropy, *arguments)

    assert all((result[[1, 4]] == 0).all() for result in kernel)
    assert_fused_is_no_worse_than_reference(*arguments)


def test_a_row_without_an_upstream_gradient_gets_zeros_even_where_it_holds_nan() -> None:
    logits_NV, targets_N = random_rows(2, 65, torch.float32)
    logits_NV[0] = math.nan
    logits_NV.requires_grad_()

    logp_N = token_logprobs(logits_NV, targets_N)
    logp_N.backward(torch.tensor([0.0, 1.0]))

    assert logp_N[0].isnan()
    assert logits_NV.grad is not None
    assert (logits_NV.grad[0] == 0).all() and logits_NV.grad[1].any()


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.usefixtures("small_blocks")
def test_either_result_alone_has_the_gradient_of_the_definition(which: int) -> None:
    logits_NV, targets_N = random_rows(3, 100, torch.float32)
    gradients = []
    for op, dtype in [
        (token_logprobs_and_entropy, torch.float32),
        (reference.token_logprobs_and_entropy, torch.float32),
        (reference.token_logprobs_and_entropy, torch.float64),
    ]:
        leaf_NV = logits_NV.to(dtype, copy=True).requires_grad_()
        op(leaf_NV, targets_N, 0.7, -100)[which].sum().backward()
        gradients.append(leaf_NV.grad)
    assert_no_worse(*gradients, epsilon=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.usefixtures("small_blocks")
def test_asking_for_the_entropy_changes_no_log_probability(dtype: torch.dtype) -> None:
    logits_NV, targets_N = random_rows(7, 100, dtype)
    alone_N = token_logprobs(logits_NV, targets_N, 0.7)
    beside_N, _ = token_logprobs_and_entropy(logits_NV, targets_N, 0.7)
    assert torch.equal(alone_N, beside_N)


@pytest.mark.usefixtures("small_blocks")
def test_targets_may_be_int32_and_strided() -> None:
    logits_NV, targets_N = random_rows(5, 65, torch.float32)
    strided_N = torch.stack([targets_N, targets_N + 1], dim=1).int()[:, 0]
    assert strided_N.stride() == (2,)
    expected_N = token_logprobs(logits_NV, targets_N)
    assert torch.equal(token_logprobs(logits_NV, strided_N), expected_N)


def test_a_target_outside_the_vocabulary_never_reads_outside_its_row() -> None:
    # As on CUDA, where the assertion arrives after the kernel has run.
    logits_NV = torch.zeros(1, 65)
    for target in (65, -1, 2**40):
        assert fused.token_logprobs(logits_NV, torch.tensor([target]), 1.0, -100).isnan().all()


def test_the_public_function_runs_the_kernels_except_for_float64(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    launched = []
    launch = fused._forward
    monkeypatch.setattr(fused, "_forward", lambda *a: launched.append(1) or launch(*a))
    for dtype in (*DTYPES, torch.float64):
        token_logprobs(*random_rows(1, 5, dtype))
    assert len(launched) == len(DTYPES)


def test_a_second_derivative_is_refused() -> None:
    logits_NV, targets_N = random_rows(1, 5, torch.float32)
    logits_NV.requires_grad_()
    # The square, so that the second derivative passes through the kernel's own gradient.
    (gradient_NV,) = torch.autograd.grad(
        token_logprobs(logits_NV, targets_N).square().sum(), logits_NV, create_graph=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient_NV.sum().backward()

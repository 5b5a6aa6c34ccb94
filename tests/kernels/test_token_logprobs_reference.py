"""The definition against values worked by hand, and what the public function refuses.

Axes: N row, V vocabulary.
"""

import math
import subprocess
import sys

import pytest
import torch
from kernels_source.token_logprobs import token_logprobs, token_logprobs_and_entropy
from torch import Tensor


@pytest.fixture(autouse=True)
def on_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)


@pytest.mark.parametrize(
    ("temperature", "probabilities"),
    [
        (1.0, (1 / 4, 3 / 4)),  # exp(0) : exp(ln 3)
        (0.5, (1 / 10, 9 / 10)),  # squared: 1 : 9
        (2.0, (1 / (1 + math.sqrt(3)), math.sqrt(3) / (1 + math.sqrt(3)))),  # 1 : √3
    ],
)
def test_odds_of_one_to_three_follow_the_temperature(
    temperature: float, probabilities: tuple[float, float]
) -> None:
    logits_NV = torch.tensor([[0.0, math.log(3)]] * 2, dtype=torch.float64)

    logp_N, entropy_N = token_logprobs_and_entropy(logits_NV, torch.tensor([0, 1]), temperature)

    entropy = -sum(p * math.log(p) for p in probabilities)
    assert logp_N.tolist() == pytest.approx([math.log(p) for p in probabilities], abs=1e-15)
    assert entropy_N.tolist() == pytest.approx([entropy, entropy], abs=1e-15)


def test_the_gradient_is_the_target_less_the_softmax_over_the_temperature() -> None:
    logits_NV = torch.tensor([[0.0, math.log(3)]], dtype=torch.float64, requires_grad=True)

    token_logprobs(logits_NV, torch.tensor([1]), temperature=0.5).backward()

    # p = (1/10, 9/10), and 1 / temperature = 2.
    assert logits_NV.grad is not None
    assert logits_NV.grad[0].tolist() == pytest.approx([-0.2, 0.2], abs=1e-15)


@pytest.mark.parametrize("V", [1, 7])  # 1: certainty; 7: more than one other token
def test_the_gradient_of_both_results_agrees_with_finite_differences(V: int) -> None:
    torch.manual_seed(0)
    logits_NV = torch.randn(5, V, dtype=torch.float64, requires_grad=True)
    targets_N = torch.tensor([0, -100, V - 1, V // 2, 0])

    def op(logits_NV: Tensor) -> tuple[Tensor, Tensor]:
        return token_logprobs_and_entropy(logits_NV, targets_N, temperature=0.7)

    assert torch.autograd.gradcheck(op, logits_NV)


def test_an_ignored_row_is_zero_with_a_zero_gradient_even_where_it_holds_nan() -> None:
    logits_NV = torch.full((2, 3), math.nan)
    logits_NV[1] = torch.tensor([1.0, 2.0, 3.0])
    logits_NV.requires_grad_()

    logp_N, entropy_N = token_logprobs_and_entropy(logits_NV, torch.tensor([9, 2]), ignore_index=9)
    (logp_N + entropy_N).sum().backward()

    assert logp_N[0] == entropy_N[0] == 0
    assert logits_NV.grad is not None
    assert logits_NV.grad[0].tolist() == [0, 0, 0]
    assert logits_NV.grad[1].isfinite().all() and logits_NV.grad[1].any()


def test_a_token_masked_with_minus_infinity_takes_no_probability_and_no_gradient() -> None:
    logits_NV = torch.tensor([[0.0, -math.inf, 0.0]], requires_grad=True)

    logp_N, entropy_N = token_logprobs_and_entropy(logits_NV, torch.tensor([0]))
    (logp_N + entropy_N).sum().backward()

    assert logp_N.item() == pytest.approx(-math.log(2))
    assert entropy_N.item() == pytest.approx(math.log(2))
    # The entropy is at its maximum, so only logp moves the two open tokens.
    assert logits_NV.grad is not None
    assert logits_NV.grad[0].tolist() == pytest.approx([0.5, 0.0, -0.5])


def test_no_rows_give_no_values() -> None:
    logp_N = token_logprobs(torch.empty(0, 5), torch.empty(0, dtype=torch.int64))
    assert logp_N.shape == (0,)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_sums_are_float32_and_the_gradient_has_the_logits_type(dtype: torch.dtype) -> None:
    # 4,096 equal logits: in float16 the sum would stop growing at 2,048.
    logits_NV = torch.zeros(1, 4096, dtype=dtype, requires_grad=True)

    logp_N = token_logprobs(logits_NV, torch.tensor([0]))
    logp_N.backward()

    assert logp_N.dtype == torch.float32
    assert logp_N.item() == pytest.approx(-math.log(4096))
    assert logits_NV.grad is not None and logits_NV.grad.dtype == dtype


LOGITS_NV = torch.zeros(2, 5)
TARGETS_N = torch.tensor([0, 4])


@pytest.mark.parametrize(
    ("logits_NV", "targets_N", "temperature", "error", "says"),
    [
        (LOGITS_NV, torch.tensor([0, 5]), 1.0, IndexError, r"targets\[1\] = 5 is outside \[0, 5\)"),
        (LOGITS_NV, torch.tensor([-1, 0]), 1.0, IndexError, r"targets\[0\] = -1"),
        (LOGITS_NV[None], TARGETS_N, 1.0, ValueError, r"floating point \[N, V\]"),
        (LOGITS_NV.long(), TARGETS_N, 1.0, ValueError, "floating point"),
        (LOGITS_NV[:, :0], TARGETS_N, 1.0, ValueError, "empty vocabulary"),
        (LOGITS_NV, TARGETS_N[:1], 1.0, ValueError, r"int64 \[2\]"),
        (LOGITS_NV, TARGETS_N.float(), 1.0, ValueError, "int32 or int64"),
        (LOGITS_NV, TARGETS_N.to("meta"), 1.0, ValueError, "targets are on meta, logits on cpu"),
        (LOGITS_NV, TARGETS_N, 0.0, ValueError, "above 0, not 0.0"),
        (LOGITS_NV, TARGETS_N, math.nan, ValueError, "finite"),
        (LOGITS_NV, TARGETS_N, math.inf, ValueError, "finite"),
    ],
)
def test_a_wrong_argument_is_refused_with_its_value(
    logits_NV: Tensor,
    targets_N: Tensor,
    temperature: float,
    error: type[Exception],
    says: str,
) -> None:
    with pytest.raises(error, match=says):
        token_logprobs(logits_NV, targets_N, temperature)


def test_naming_the_package_imports_no_torch_and_the_reference_no_triton() -> None:
    # transformers and torch import Triton by themselves, so only a bare process can tell.
    program = """
import sys, types
import kernels
assert "torch" not in sys.modules
from kernels.token_logprobs import token_logprobs
import torch
sys.modules["triton"] = None
token_logprobs(torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64))
"""
    from kernels_source import __file__ as package

    root = str(package).removesuffix("/kernels/__init__.py")
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True, timeout=120)

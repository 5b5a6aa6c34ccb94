"""The RL losses: values and gradients worked by hand."""

from __future__ import annotations

from math import exp, log

import pytest

torch = pytest.importorskip("torch")

from dalign.errors import InputError
from dalign.train.rl.losses import (
    LOSSES,
    Policy,
    cispo,
    dapo,
    divergence,
    dr_grpo,
    grpo,
    gspo,
    loss_named,
)


def policy(
    ratios, advantages, *, mask=None, completions=None, reference=None, beta=0.0, clip=(0.2, 0.2)
):
    """Completions whose tokens' probabilities moved by these ratios since they were sampled."""
    old_BC = torch.full_like(torch.tensor(ratios), log(0.25))
    logps_BC = (old_BC + torch.tensor(ratios).log()).requires_grad_()
    mask_BC = torch.ones_like(old_BC) if mask is None else torch.tensor(mask)
    return Policy(
        logps_BC=logps_BC,
        old_logps_BC=old_BC,
        reference_logps_BC=None if reference is None else logps_BC.detach() + reference,
        mask_BC=mask_BC,
        advantages_B=torch.tensor(advantages),
        completions=completions or len(advantages),
        tokens=int(mask_BC.sum()),
        longest=4,
        beta=beta,
        clip=clip,
    )


@pytest.mark.parametrize(
    ("ratios", "advantages", "mask", "loss", "gradient"),
    [
        # The policy that sampled: minus the mean advantage; each token gets −A / tokens / B.
        ([[1.0, 1.0], [1.0, 1.0]], [0.5, -0.1], None, -0.2, [[-0.125, -0.125], [0.025, 0.025]]),
        # Padding counts in neither sum nor length: token means of 1 and of 2 tokens.
        ([[1.0, 1.0], [1.0, 1.0]], [1.0, 1.0], [[1, 0], [1, 1]], -1.0, [[-0.5, 0], [-0.25, -0.25]]),
        # Beyond 1.2 a good token counts 1.2 and moves no further; below 0.8 it still comes up.
        ([[1.5, 0.5]], [1.0], None, -0.85, [[0.0, -0.25]]),
        # Below 0.8 a bad token counts 0.8 and moves no further; beyond 1.2 it still goes down.
        ([[1.5, 0.5]], [-1.0], None, 1.15, [[0.75, 0.0]]),
    ],
)
def test_grpo_is_the_clipped_policy_gradient_a_completion(ratios, advantages, mask, loss, gradient):
    given = policy(ratios, advantages, mask=mask)
    result = grpo(given)
    assert result.kl is None
    assert result.loss.item() == pytest.approx(loss, abs=1e-6)
    result.loss.backward()
    assert torch.allclose(given.logps_BC.grad, torch.tensor(gradient), atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "value", "gradient"),
    [
        # Tokens of 1 and 2: means of means over two completions.
        (grpo, -0.75, [[-0.5, 0], [-0.125, -0.125]]),
        # Divided by all completions' longest, 4 tokens each.
        (dr_grpo, -2 / 8, [[-0.125, 0], [-0.0625, -0.0625]]),
        # Divided by the tokens that there are: 3.
        (dapo, -2 / 3, [[-1 / 3, 0], [-1 / 6, -1 / 6]]),
        (gspo, -0.75, [[-0.5, 0], [-0.125, -0.125]]),
        # A token's log-probability of ln 1/4 by its advantage.
        (cispo, -2 * log(4.0) * -1 / 3, [[-1 / 3, 0], [-1 / 6, -1 / 6]]),
    ],
)
def test_each_loss_divides_by_its_own_count(loss, value, gradient):
    given = policy([[1.0, 1.0], [1.0, 1.0]], [1.0, 0.5], mask=[[1, 0], [1, 1]])
    result = loss(given)
    result.loss.backward()
    assert result.loss.item() == pytest.approx(value, abs=1e-6)
    assert torch.allclose(given.logps_BC.grad, torch.tensor(gradient), atol=1e-6)


def test_a_completion_is_clipped_as_a_whole_by_gspo():
    # Its tokens moved by 1.5 and 1 / 1.5: as a whole not at all, where grpo clips the first.
    given = policy([[1.5, 1 / 1.5]], [1.0])
    result = gspo(given)
    result.loss.backward()
    assert result.loss.item() == pytest.approx(-1.0, abs=1e-6)
    assert torch.allclose(given.logps_BC.grad, torch.tensor([[-0.5, -0.5]]), atol=1e-6)
    beyond = policy([[1.5, 1.5]], [1.0])
    gspo(beyond).loss.backward()
    assert beyond.logps_BC.grad.abs().max() == 0


def test_cispo_bounds_a_tokens_weight_and_still_moves_it():
    given = policy([[9.0, 0.5]], [1.0], clip=(1.0, 4.0))
    cispo(given).loss.backward()
    assert torch.allclose(given.logps_BC.grad, torch.tensor([[-2.5, -0.25]]), atol=1e-6)


def test_completions_that_were_left_out_count_as_zeros():
    whole = grpo(policy([[1.0], [1.0], [1.0], [1.0]], [0.5, 0.0, -0.25, 0.0]))
    short = grpo(policy([[1.0], [1.0]], [0.5, -0.25], completions=4))
    assert short.loss.item() == pytest.approx(whole.loss.item(), abs=1e-7)
    assert short.loss.item() == pytest.approx(-0.25 / 4, abs=1e-7)


def test_the_divergence_is_added_by_its_weight():
    # The reference gives each token twice the probability: 2 − ln 2 − 1.
    result = grpo(policy([[1.0, 1.0]], [0.0], reference=log(2.0), beta=0.1))
    assert result.kl == pytest.approx(1 - log(2.0), abs=1e-6)
    assert result.loss.item() == pytest.approx(0.1 * (1 - log(2.0)), abs=1e-6)


@pytest.mark.parametrize("apart", [-2.0, 0.0, 0.7])
def test_the_divergence_is_none_where_both_agree_and_never_negative(apart):
    found = divergence(torch.zeros(1, 1), torch.full((1, 1), apart)).item()
    assert found == pytest.approx(exp(apart) - apart - 1, abs=1e-6)
    assert found >= 0


def test_a_loss_is_found_by_its_name_and_another_name_is_refused():
    assert [loss_named(name) for name in LOSSES] == list(LOSSES.values())
    with pytest.raises(InputError, match=r"rl\.loss = 'grp0': no such loss; did you mean 'grpo'"):
        loss_named("grp0")

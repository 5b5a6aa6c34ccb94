"""The losses of RL, by name: one that is added here can be asked for at once. Imports no torch.

Axes: B completion, C completion token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dalign.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Policy:
    """What a loss is computed from: the completions of one pass of a step.

    logps_BC, with gradients; old_logps_BC: of the policy that sampled; reference_logps_BC: of the starting checkpoint,
    None unless beta > 0 (all in nats, 0 on padding). mask_BC: 1 on a completion's tokens. advantages_B. completions and
    tokens: how many the step has, those of other passes and those that were left out, which add 0, among them.
    longest: tokens that a completion may have. clip: how far below and above 1 a ratio counts, where the loss clips.
    """

    logps_BC: Tensor
    old_logps_BC: Tensor
    reference_logps_BC: Tensor | None
    mask_BC: Tensor
    advantages_B: Tensor
    completions: int
    tokens: int
    longest: int
    beta: float
    clip: tuple[float, float]


class PolicyLoss(NamedTuple):
    """What a pass adds to the step's loss, a scalar with gradients, and its mean divergence in nats a token."""

    loss: Tensor
    kl: float | None


# The loss of each token from the policy and the ratios.
TokenLosses = Callable[[Policy, "Tensor"], "Tensor"]


class Loss(NamedTuple):
    """A loss, and the bounds of its paper: how far below and above 1 a ratio counts."""

    of: Callable[[Policy], PolicyLoss]
    clip: tuple[float, float]


def grpo(policy: Policy) -> PolicyLoss:
    """The clipped policy gradient, averaged over a completion's tokens, then over completions.

    Shao et al. 2024 (2402.03300), equation 3.
    """
    return _mean_of_means(policy, token_ratios(policy), clipped)


def gspo(policy: Policy) -> PolicyLoss:
    """GRPO with one ratio a completion, the geometric mean of its tokens', so that it is clipped as a whole.

    Zheng et al. 2025 (2507.18071), equations 5 and 7.
    """
    moved_BC = (policy.logps_BC - policy.old_logps_BC) * policy.mask_BC
    ratios_B1 = (moved_BC.sum(-1) / lengths(policy)).exp()[:, None]
    return _mean_of_means(policy, ratios_B1.expand_as(policy.logps_BC), clipped)


def dr_grpo(policy: Policy) -> PolicyLoss:
    """The clipped policy gradient, summed over tokens and divided by what a completion may have: no length is favoured.

    Liu et al. 2025 (2503.20783), section 3.2, with advantages that no deviation divides (rl.scale_rewards = "none").
    """
    return _sum(policy, token_ratios(policy), clipped, policy.completions * policy.longest)


def dapo(policy: Policy) -> PolicyLoss:
    """The clipped policy gradient, averaged over all tokens of the step: a long completion weighs more.

    Yu et al. 2025 (2503.14476), equation 8; its upper bound is the wider one.
    """
    return _sum(policy, token_ratios(policy), clipped, policy.tokens)


def cispo(policy: Policy) -> PolicyLoss:
    """The policy gradient whose weight is bounded above, so that no token is left out; averaged as by DAPO.

    MiniMax 2025 (2506.13585), equations 4 and 5.
    """
    return _sum(policy, token_ratios(policy), weighted, policy.tokens)


# The bounds of cispo are those of its authors' own runs as TRL tells them; it has none below.
LOSSES: Mapping[str, Loss] = {
    "grpo": Loss(grpo, (0.2, 0.2)),
    "dr_grpo": Loss(dr_grpo, (0.2, 0.2)),
    "dapo": Loss(dapo, (0.2, 0.28)),
    "gspo": Loss(gspo, (3e-4, 4e-4)),
    "cispo": Loss(cispo, (1.0, 4.0)),
}


def token_ratios(policy: Policy) -> Tensor:
    """Of each token how much likelier it is than when it was sampled: (B, C)."""
    return (policy.logps_BC - policy.old_logps_BC).exp()


def clipped(policy: Policy, ratios_BC: Tensor) -> Tensor:
    """Minus the advantage times the ratio, beyond the bounds only where that makes it worse: (B, C)."""
    advantages_B1, (low, high) = policy.advantages_B[:, None], policy.clip
    clipped_BC = ratios_BC.clamp(1 - low, 1 + high)
    return -(ratios_BC * advantages_B1).minimum(clipped_BC * advantages_B1)


def lengths(policy: Policy) -> Tensor:
    """Tokens of each completion, at least 1: (B,)."""
    return policy.mask_BC.sum(-1).clamp(min=1.0)


def weighted(policy: Policy, ratios_BC: Tensor) -> Tensor:
    """Minus the advantage times the log-probability, its weight the ratio up to the bound: (B, C)."""
    weights_BC = ratios_BC.detach().clamp(max=1 + policy.clip[1])
    return -weights_BC * policy.advantages_B[:, None] * policy.logps_BC


def _mean_of_means(policy: Policy, ratios_BC: Tensor, losses: TokenLosses) -> PolicyLoss:
    """Averaged over a completion's tokens, then over the step's completions."""
    losses_BC, kl = _with_divergence(policy, ratios_BC, losses)
    mean = ((losses_BC * policy.mask_BC).sum(-1) / lengths(policy)).mean()
    return PolicyLoss(mean * (len(policy.advantages_B) / policy.completions), kl)


def _sum(policy: Policy, ratios_BC: Tensor, losses: TokenLosses, divisor: int) -> PolicyLoss:
    """Summed over all tokens."""
    losses_BC, kl = _with_divergence(policy, ratios_BC, losses)
    return PolicyLoss((losses_BC * policy.mask_BC).sum() / max(divisor, 1), kl)


def _with_divergence(
    policy: Policy, ratios_BC: Tensor, losses: TokenLosses
) -> tuple[Tensor, float | None]:
    """The losses with the divergence from the reference by its weight, and its mean."""
    if policy.reference_logps_BC is None:
        return losses(policy, ratios_BC), None
    # The ratio is 1 where the policy sampled itself, but its gradient makes the divergence's
    # that of the reverse KL (DeepSeek-V3.2, section 3.1).
    kl_BC = ratios_BC * divergence(policy.logps_BC, policy.reference_logps_BC)
    kl = token_mean(kl_BC, policy.mask_BC)
    return losses(policy, ratios_BC) + policy.beta * kl_BC, kl


def loss_named(name: str) -> Loss:
    """The loss of that name. Raises InputError where there is none."""
    if name not in LOSSES:
        said = f"rl.loss = {name!r}: no such loss; {did_you_mean(name, LOSSES)}"
        raise InputError(said, kind="unknown_choice")
    return LOSSES[name]


def divergence(logps_BC: Tensor, reference_logps_BC: Tensor) -> Tensor:
    """The divergence from the reference, an estimate a token that is never negative.

    Schulman 2020, "Approximating KL divergence": k3.
    """
    return (reference_logps_BC - logps_BC).exp() - (reference_logps_BC - logps_BC) - 1


def token_mean(values_BC: Tensor, mask_BC: Tensor) -> float:
    """The mean over all completions' tokens."""
    total = (values_BC * mask_BC).sum() / mask_BC.sum().float().clamp(min=1.0)
    return float(total.item())

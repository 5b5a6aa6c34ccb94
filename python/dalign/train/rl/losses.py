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

# How far a token's probability may move from the sampling policy's before it moves no further.
CLIP = 0.2


@dataclass(frozen=True)
class Policy:
    """What a loss is computed from: the completions of one pass.

    logps_BC, with gradients; old_logps_BC: of the policy that sampled; reference_logps_BC: of the
    starting checkpoint, None unless beta > 0 (all in nats, 0 on padding). mask_BC: 1 on a
    completion's tokens. advantages_B. completions: how many the pass has, at least B; those that
    were left out add 0.
    """

    logps_BC: Tensor
    old_logps_BC: Tensor
    reference_logps_BC: Tensor | None
    mask_BC: Tensor
    advantages_B: Tensor
    completions: int
    beta: float


class PolicyLoss(NamedTuple):
    """The loss of a pass, a scalar with gradients, and its mean divergence in nats a token."""

    loss: Tensor
    kl: float | None


Loss = Callable[[Policy], PolicyLoss]


def grpo(policy: Policy) -> PolicyLoss:
    """The clipped policy gradient, averaged over a completion's tokens, then over completions.

    Shao et al. 2024, equation 3.
    """
    ratios_BC = (policy.logps_BC - policy.old_logps_BC).exp()
    kl_BC = kl = None
    if policy.reference_logps_BC is not None:
        # The ratio is 1 where the policy sampled itself, but its gradient makes the divergence's
        # that of the reverse KL (DeepSeek-V3.2, section 3.1).
        kl_BC = ratios_BC * divergence(policy.logps_BC, policy.reference_logps_BC)
        kl = token_mean(kl_BC, policy.mask_BC)
    advantages_B1 = policy.advantages_B[:, None]
    clipped_BC = ratios_BC.clamp(1 - CLIP, 1 + CLIP)
    losses_BC = -(ratios_BC * advantages_B1).minimum(clipped_BC * advantages_B1)
    if kl_BC is not None:
        losses_BC = losses_BC + policy.beta * kl_BC
    tokens_B = policy.mask_BC.sum(-1).clamp(min=1.0)
    mean = ((losses_BC * policy.mask_BC).sum(-1) / tokens_B).mean()
    return PolicyLoss(mean * (len(policy.advantages_B) / policy.completions), kl)


LOSSES: Mapping[str, Loss] = {"grpo": grpo}


def loss_named(name: str) -> Loss:
    """The loss of that name. Raises InputError where there is none."""
    if name not in LOSSES:
        raise InputError(f"rl.loss = {name!r}: no such loss; {did_you_mean(name, LOSSES)}")
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

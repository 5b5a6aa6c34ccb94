"""RL by TRL's GRPO trainer, with our sampling, reward and loss. Imports torch.

Axes: B completion of a step, C completion token, T token of prompt and completion, N scored token,
V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor
from transformers import TrainerState
from trl.trainer.grpo_trainer import GRPOTrainer

from dalign.kernels.token_logprobs import token_logprobs, token_logprobs_and_entropy
from dalign.models.decoding import decode, forward_options
from dalign.models.engines.local import LocalEngine
from dalign.models.protocol import Reply, Sampling
from dalign.rows import Prompt, row_seed
from dalign.train.job import RlJob, Rollout, StepRow
from dalign.train.ranks import from_each, on_first
from dalign.train.rl.losses import Policy, loss_named, token_mean
from dalign.train.rl.replay import replay_loss
from dalign.train.rl.rewards import CompositeReward, Reward
from dalign.train.rl.rollouts import equal_groups, step_figures


class RolloutTrainer(GRPOTrainer):
    """TRL's loop, advantages and checkpoints; our rollouts, reward, log-probabilities and loss."""

    def __init__(self, *, job: RlJob, reward: CompositeReward, **arguments: Any) -> None:
        """The rest is TRL's."""
        super().__init__(**arguments)
        self.job = job
        self.reward = reward
        self.loss = loss_named(job.loss)
        self.prompts = [prompt for of_step in job.prompts for prompt in of_step]
        self.engine = LocalEngine(
            self.accelerator.unwrap_model(self.model),
            arguments["processing_class"],
            batch_size=1,
            fingerprint="",
            reasoning=job.reasoning,
        )
        self.sampling = Sampling(job.settings.temperature, job.settings.max_new_tokens)
        self.options = forward_options(self.engine.model)
        self.figures: dict[str, float | None] = {}
        # Of the step being made, a completion each.
        self.sources: list[Prompt] = []
        self.replies: list[Reply] = []
        self.rewards: list[Reward] = []

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """The learning rate over the steps: up in a line, then constant."""
        factor = partial(rate_factor, warmup=self.job.settings.warmup_steps)
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer or cast(torch.optim.Optimizer, self.optimizer), factor
        )
        return self.lr_scheduler

    @property
    def step(self) -> int:
        """The step being made, counted from 1."""
        return int(self.state.global_step) + 1

    def _generate(self, prompts: list[str]) -> tuple[Any, ...]:
        """The prompts' tokens and those of a completion each, in the form that TRL goes on with."""
        offset = self.accelerator.process_index * len(prompts)
        seeds = [
            row_seed(self.job.seed, "rollout", str(self.step), str(offset + row))
            for row in range(len(prompts))
        ]
        prompt_ids = self.engine.prompt_ids([prompt.messages for prompt in self.sources])
        decoded = decode(self.engine.model, prompt_ids, seeds, self.sampling, self.engine.end_ids)
        completion_ids = [d.ids if d.end is None else [*d.ids, d.end] for d in decoded]
        sources = [prompt.id for prompt in self.sources]
        self.replies = self.engine.replies(sources, decoded)
        texts = [reply.text for reply in self.replies]
        return prompt_ids, completion_ids, None, texts, None, {}, None, []

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """A step's completions, paid and ready for the update."""
        self.sources = [self.prompts[row["position"]] for row in inputs]
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        # Equal rewards have no advantage; their mean may be off by a rounding, which scaling grows.
        batch["advantages"][equal_groups(self.rewards, self.job.settings.group_size)] = 0.0
        self._report(batch["advantages"].tolist())
        return batch

    def _calculate_rewards(
        self,
        inputs: list[dict[str, Any]],
        prompts: list[str],
        completions: list[str],
        completion_ids_list: list[list[int]],
    ) -> Tensor:
        """One column of rewards, NaN where there is none.

        TRL leaves NaN out of its group's mean and gives it the advantage 0.
        """
        truncated = [reply.finish != "stop" for reply in self.replies]
        self.rewards = self.reward(self.sources, completions, truncated)
        values = [float("nan") if reward.value is None else reward.value for reward in self.rewards]
        rewards_B = torch.tensor(values, dtype=torch.float32, device=self.accelerator.device)
        gathered: Tensor = self.accelerator.gather(rewards_B[:, None])
        return gathered

    def _report(self, advantages: Sequence[float]) -> None:
        """Takes down the step's figures and hands its rollouts on."""
        made = zip(self.sources, self.replies, self.rewards, advantages, strict=True)
        rollouts = from_each(
            [
                Rollout(prompt.id, reply.text, reply.tokens, reward, advantage)
                for prompt, reply, reward, advantage in made
            ]
        )
        self.figures = step_figures(rollouts, self.job.settings.group_size)
        on_first(lambda: self.job.keeper.rollouts(self.step, rollouts))

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        *unused: Any,
        compute_entropy: bool = False,
        **of_images: Any,
    ) -> tuple[Tensor, Tensor | None, None]:
        """Log-probabilities of the completions' tokens (B, C), 0 on padding; entropy on request."""
        scored_BC = attention_mask[:, -logits_to_keep:].bool()
        targets_N = input_ids[:, -logits_to_keep:][scored_BC]
        # As in generation, positions count a row's own tokens: padding on the left moves none.
        positions = {"position_ids": (attention_mask.cumsum(dim=-1) - 1).clamp_(min=0)}
        with self.accelerator.autocast():
            # The logits at a position are of the token after it.
            output = model(
                input_ids=input_ids,
                attention_mask=attention_mask,
                logits_to_keep=logits_to_keep + 1,
                use_cache=False,
                **(positions if "position_ids" in self.options else {}),
            )
        logits_NV = output.logits[:, -logits_to_keep - 1 : -1][scored_BC]
        logps_N = token_logprobs(logits_NV, targets_N, self.temperature)
        logps_BC = logps_N.new_zeros(scored_BC.shape).masked_scatter(scored_BC, logps_N)
        if not compute_entropy:
            return logps_BC, None, None
        with torch.no_grad():
            _, entropy_N = token_logprobs_and_entropy(logits_NV, targets_N, self.temperature)
        entropy_BC = (
            logps_BC.detach().new_zeros(scored_BC.shape).masked_scatter(scored_BC, entropy_N)
        )
        return logps_BC, entropy_BC, None

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        """A pass's policy loss, and once a step the replay's."""
        loss = self._policy_loss(model, inputs)
        replayed = self._replay_loss(model)
        return loss if replayed is None else loss + self.job.settings.replay * replayed

    def _policy_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        # The divergence moves rows without an advantage too.
        rows = inputs if self.beta > 0 else rows_that_move(inputs)
        mask_BC = rows["completion_mask"]
        logps_BC, entropy_BC, _ = self._get_per_token_logps_and_entropies(
            model,
            torch.cat([rows["prompt_ids"], rows["completion_ids"]], dim=1),
            torch.cat([rows["prompt_mask"], mask_BC], dim=1),
            mask_BC.shape[1],
            compute_entropy=True,
        )
        assert entropy_BC is not None
        policy = Policy(
            logps_BC=logps_BC,
            # A step makes one update, so the policy that sampled is the one that it updates.
            old_logps_BC=logps_BC.detach(),
            reference_logps_BC=rows.get("ref_per_token_logps"),
            mask_BC=mask_BC,
            advantages_B=rows["advantages"],
            completions=len(inputs["advantages"]),
            beta=self.beta,
        )
        of_policy = self.loss(policy)
        # TRL averages these over the passes of a step and logs them.
        self._metrics["train"]["entropy"].append(token_mean(entropy_BC, mask_BC))
        if of_policy.kl is not None:
            self._metrics["train"]["kl"].append(of_policy.kl)
        return of_policy.loss / self.current_gradient_accumulation_steps

    def _replay_loss(self, model: Any) -> Tensor | None:
        """The loss on the step's replayed rows in its first pass; None in others and without any."""
        settings = self.job.settings
        is_first_pass = self._step % self.args.gradient_accumulation_steps == 0
        if settings.replay == 0 or not self.job.replayed or not is_first_pass:
            return None
        with self.accelerator.autocast():
            replayed = replay_loss(model, self.job.replayed[self.step - 1])
        self.figures["replay_loss"] = replayed.item()
        return replayed

    def step_row(self, state: TrainerState, logs: dict[str, float]) -> StepRow:
        """A step's row of the curve."""
        kl = {"kl": logs["kl"]} if self.beta != 0.0 else {}
        trained = {key: logs[key] for key in ("loss", "learning_rate", "grad_norm", "entropy")}
        return {"step": state.global_step} | self.figures | trained | kl


def rate_factor(step: int, *, warmup: int) -> float:
    """The share of the full learning rate at a step, counted from 0; no step is spent at 0."""
    return min(1.0, (step + 1) / (warmup + 1))


def rows_that_move(inputs: dict[str, Any]) -> dict[str, Any]:
    """The rows with an advantage, less the padding that others needed; one row without any.

    A row without an advantage adds nothing to the loss or to its gradient, but costs as much as any
    other.
    """
    kept_B = inputs["advantages"] != 0
    if not bool(kept_B.any()):
        kept_B[0] = True
    rows = {
        name: value[kept_B]
        for name, value in inputs.items()
        if torch.is_tensor(value) and value.dim() > 0
    }
    # Prompts are padded on the left, completions on the right.
    prompt_width = int(rows["prompt_mask"].sum(dim=1).max())
    completion_width = int(rows["completion_mask"].sum(dim=1).max())
    for name in ("prompt_ids", "prompt_mask"):
        rows[name] = rows[name][:, -prompt_width:]
    for name in ("completion_ids", "completion_mask"):
        rows[name] = rows[name][:, :completion_width]
    return inputs | rows

"""RL by TRL's GRPO trainer, with our sampling and reward. Imports torch: `rl` is the way in.

Axes: B completion of a step, C completion token, T token of prompt and completion, N scored token,
V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import fmean
from typing import Any, cast

import torch
from torch import Tensor
from transformers import TrainerState
from trl.trainer.grpo_trainer import GRPOTrainer

from dalign.kernels.token_logprobs import token_logprobs, token_logprobs_and_entropy
from dalign.models.decoding import Decoded, decode, forward_options
from dalign.models.engines.local import LocalEngine
from dalign.models.probe import special_token_ids
from dalign.models.protocol import Sampling
from dalign.rows import row_seed
from dalign.train.draw import draw_replay
from dalign.train.replay import replay_loss
from dalign.train.result import StepRow
from dalign.train.rewards import CompositeReward, Reward
from dalign.train.rl import RlJob, Rollout


class RolloutTrainer(GRPOTrainer):
    """TRL's loop, loss and checkpoints; our rollouts, reward and log-probabilities."""

    def __init__(self, *, job: RlJob, reward: CompositeReward, **arguments: Any) -> None:
        """The rest is TRL's."""
        super().__init__(**arguments)
        self.job = job
        self.reward = reward
        self.engine = LocalEngine(
            self.accelerator.unwrap_model(self.model),
            arguments["processing_class"],
            batch_size=1,
            fingerprint="",
            reasoning=job.reasoning,
        )
        self.tokenizer: Any = arguments["processing_class"]
        tags = self.tokenizer.convert_tokens_to_ids([job.reasoning.open, job.reasoning.close])
        # Tags that are special tokens stay, or reasoning and answer could not be told apart.
        self.unwritten = special_token_ids(self.tokenizer) - set(tags)
        self.sampling = Sampling(job.settings.temperature, job.settings.max_new_tokens)
        self.options = forward_options(self.engine.model)
        self.figures: dict[str, float | None] = {}
        self.completions: list[Decoded] = []

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
        conversations = [self.job.prompts[position].messages for position in self.positions]
        prompt_ids = self.engine.prompt_ids(conversations)
        self.completions = decode(
            self.engine.model, prompt_ids, seeds, self.sampling, self.engine.end_ids
        )
        completion_ids = [c.ids if c.end is None else [*c.ids, c.end] for c in self.completions]
        written = [
            [token for token in completion.ids if token not in self.unwritten]
            for completion in self.completions
        ]
        texts = self.tokenizer.batch_decode(
            written, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return prompt_ids, completion_ids, None, texts, None, {}, None, []

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """A step's completions, paid and ready for the update."""
        self.positions = [row["position"] for row in inputs]
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
        sources = [self.job.prompts[position] for position in self.positions]
        self.texts = completions
        self.rewards = self.reward(
            sources, completions, [not completion.ended for completion in self.completions]
        )
        values = [float("nan") if reward.value is None else reward.value for reward in self.rewards]
        rewards_B = torch.tensor(values, dtype=torch.float32, device=self.accelerator.device)
        gathered: Tensor = self.accelerator.gather(rewards_B[:, None])
        return gathered

    def _report(self, advantages: Sequence[float]) -> None:
        """Takes down the step's figures and hands its rollouts on."""
        group = self.job.settings.group_size
        groups = [advantages[i : i + group] for i in range(0, len(advantages), group)]
        self.figures = reward_figures(self.rewards) | {
            "completion_tokens": fmean(len(c.ids) + c.ended for c in self.completions),
            "advantage_groups": fmean(any(a != 0 for a in rows) for rows in groups),
        }
        rollouts = [
            Rollout(
                self.job.prompts[position].id,
                text,
                len(completion.ids) + completion.ended,
                reward,
                advantage,
            )
            for position, text, completion, reward, advantage in zip(
                self.positions, self.texts, self.completions, self.rewards, advantages, strict=True
            )
        ]
        self.job.on_rollouts(self.step, rollouts)

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
        """TRL's policy loss, and once a step the replay's."""
        rows = len(inputs["advantages"])
        if self.beta == 0.0:
            inputs = rows_that_move(inputs)
        loss: Tensor = super()._compute_loss(model, inputs)
        # The mean is over all rows; those left out would have added zeros to it.
        loss = loss * (len(inputs["advantages"]) / rows)
        settings = self.job.settings
        if (
            settings.replay > 0
            and self.job.replay_rows
            and self._step % self.args.gradient_accumulation_steps == 0
        ):
            chosen = draw_replay(
                len(self.job.replay_rows),
                count=settings.replay_rows,
                seed=self.job.seed,
                step=self.step,
            )
            with self.accelerator.autocast():
                replayed = replay_loss(model, [self.job.replay_rows[row] for row in chosen])
            self.figures["replay_loss"] = replayed.item()
            loss = loss + settings.replay * replayed
        return loss

    def step_row(self, state: TrainerState, logs: dict[str, float]) -> StepRow:
        """A step's row of the curve."""
        kl = {"kl": logs["kl"]} if self.beta != 0.0 else {}
        trained = {key: logs[key] for key in ("loss", "learning_rate", "grad_norm", "entropy")}
        return {"step": state.global_step} | self.figures | trained | kl


def rate_factor(step: int, *, warmup: int) -> float:
    """The share of the full learning rate at a step, counted from 0; no step is spent at 0."""
    return min(1.0, (step + 1) / (warmup + 1))


def equal_groups(rewards: Sequence[Reward], group_size: int) -> list[int]:
    """The positions of the completions whose groups' rewards, where there are any, are equal."""
    values = [reward.value for reward in rewards]
    return [
        position
        for start in range(0, len(values), group_size)
        if len(set(values[start : start + group_size]) - {None}) < 2
        for position in range(start, start + group_size)
    ]


def reward_figures(rewards: Sequence[Reward]) -> dict[str, float | None]:
    """What a step's rewards come to; see `rl.train_rl`."""
    values = [reward.value for reward in rewards if reward.value is not None]
    answers = [reward for reward in rewards if reward.status == "ok"]
    return {
        "reward": fmean(values) if values else None,
        "judged": fmean(reward.judge is not None for reward in answers) if answers else None,
        "malformed": 1.0 - len(answers) / len(rewards),
    }


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

"""RL by TRL's GRPO trainer, with our sampling, reward and loss. Imports torch.

Axes: B completion of a step, C completion token, T token of prompt and completion, N scored token, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from statistics import fmean
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from transformers import TrainerState
from trl.trainer.grpo_trainer import GRPOTrainer

from dalign.errors import DalignError, InputError
from dalign.kernels.token_logprobs import token_logprobs, token_logprobs_and_entropy
from dalign.models.decoding import decode, forward_options
from dalign.models.engines.local import LocalEngine
from dalign.models.protocol import Reply, Sampling
from dalign.rows import IGNORED, Prompt, row_seed
from dalign.train.completions import completion_logits, read_inputs
from dalign.train.draw import clause_weights
from dalign.train.job import Keeper, RlJob, Rollout, StepRow
from dalign.train.memory import MOST_LOGITS
from dalign.train.ranks import gathered, on_first
from dalign.train.rl.losses import Policy, loss_named, token_mean
from dalign.train.rl.replay import replay_loss, trained_tokens
from dalign.train.rl.rewards import Reward, RewardFunction
from dalign.train.session import OwnTrainer

Row = TypeVar("Row")
# Steps in a row whose completions are all cut off, after which none is likely to end.
MOST_CUT_STEPS = 3


class Completion(NamedTuple):
    """A completion with its tokens, the end token among them, and what it is paid."""

    written: list[int]
    reply: Reply
    reward: Reward

    def rollout(self, advantage: float | None) -> Rollout:
        """As it is kept."""
        reply = self.reply
        return Rollout(reply.id, reply.text, reply.tokens, self.reward, advantage)


class RolloutTrainer(OwnTrainer, GRPOTrainer):
    """TRL's loop, advantages and checkpoints; our rollouts, reward, log-probabilities and loss."""

    job: RlJob

    def __init__(
        self,
        *,
        job: RlJob,
        reward: RewardFunction,
        keeper: Keeper,
        cut_steps: int = 0,
        **arguments: Any,
    ) -> None:
        """cut_steps: how many steps before the first one here had all their completions cut off. The rest is TRL's."""
        super().__init__(**arguments)
        # The learning rate rises in a line, then stays.
        self.warmup_steps, self.final_rate = job.settings.warmup_steps, 1.0
        self.job, self.reward, self.keeper = job, reward, keeper
        self.loss = loss_named(job.settings.loss)
        self.prompts = [prompt for of_step in job.prompts for prompt in of_step]
        self.engine = LocalEngine(
            self.accelerator.unwrap_model(self.model),
            arguments["processing_class"],
            batch_size=1,
            fingerprint="",
            reasoning=job.reasoning,
            day=job.day,
        )
        self.sampling = Sampling(job.settings.temperature, job.settings.max_new_tokens)
        prompts = {prompt.id: prompt.messages for prompt in self.prompts}
        tokens = self.engine.prompt_ids(list(prompts.values()))
        for name, prompt in zip(prompts, tokens, strict=True):
            if said := self.engine.no_room(name, prompt, self.sampling.max_new_tokens):
                raise InputError(said, kind="over_long")
        by_clause = job.settings.weigh == "clauses"
        self.clause_weights = clause_weights(job.prompts) if by_clause else None
        self.options = forward_options(self.engine.model)
        self.figures: dict[str, float | None] = {}
        self.cut_steps = cut_steps
        # Of this process's part of the step being made a completion each; and those whose groups were drawn again, each time.
        self.sources: list[Prompt] = []
        self.made: list[Completion] = []
        self.replaced: list[list[Completion]] = []

    @property
    def step(self) -> int:
        """The step being made, counted from 1."""
        return int(self.state.global_step) + 1

    def _generate(self, prompts: list[str]) -> tuple[Any, ...]:
        """The prompts' tokens and those of a completion each, in the form that TRL goes on with.

        Groups of equal rewards are drawn again, as often as the settings have it.
        """
        prompt_ids = self.engine.prompt_ids([prompt.messages for prompt in self.sources])
        made = self._draw(prompt_ids, range(len(prompts)), 0)
        self.replaced = []
        for again in range(1, self.job.settings.redraws + 1):
            rows = equal_groups([each.reward for each in made], self.job.settings.group_size)
            if not any(gathered(bool(rows))):
                break
            self.replaced.append([made[row] for row in rows])
            for row, each in zip(rows, self._draw(prompt_ids, rows, again), strict=True):
                made[row] = each
        self.made = made
        texts = [each.reply.text for each in made]
        return prompt_ids, [each.written for each in made], None, texts, None, {}, None, []

    def _draw(
        self, prompt_ids: Sequence[list[int]], rows: Sequence[int], again: int
    ) -> list[Completion]:
        """A completion of each of these rows of this process's part of the step, paid."""
        first = self.accelerator.process_index * len(self.sources)
        seeds = [self._seed(first + row, again) for row in rows]
        asked = [prompt_ids[row] for row in rows]
        # Another process may have groups to draw again where this one has none.
        options = (seeds, self.sampling, self.engine.end_ids)
        decoded = decode(self.engine.model, asked, *options) if rows else []
        sources = [self.sources[row] for row in rows]
        replies = self.engine.replies([p.id for p in sources], decoded) if rows else []
        made = zip(decoded, replies, self._paid(sources, replies), strict=True)
        return [Completion(each.written, reply, reward) for each, reply, reward in made]

    def _paid(self, sources: Sequence[Prompt], replies: Sequence[Reply]) -> list[Reward]:
        """What replies are paid: those of all processes at once, as one would ask for them."""
        pairs = zip(sources, replies, strict=True)
        mine = [(p, r.text, r.finish != "stop", r.tokens) for p, r in pairs]
        parts = gathered(mine)
        asked = map(list, zip(*chain(*parts), strict=True))
        rewards = on_first(lambda: self.reward(*asked))
        before = sum(map(len, parts[: self.accelerator.process_index]))
        return rewards[before : before + len(mine)]

    def _seed(self, row: int, again: int) -> int:
        drawn_again = (str(again),) if again else ()
        return row_seed(self.job.seed, "rollout", str(self.step), str(row), *drawn_again)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """A step's completions, paid and ready for the update."""
        self.sources = [self.prompts[row["position"]] for row in inputs]
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        size = self.job.settings.group_size
        # Equal rewards have no advantage; their mean may be off by a rounding, which scaling grows.
        rewards = [each.reward for each in self.made]
        batch["advantages"][equal_groups(rewards, size)] = 0.0
        if self.clause_weights is not None:
            weights = [self.clause_weights[prompt.id] for prompt in self.sources]
            batch["advantages"] *= batch["advantages"].new_tensor(weights)
        paid = zip(self.made, batch["advantages"].tolist(), strict=True)
        rollouts = of_all([made.rollout(advantage) for made, advantage in paid])
        for times in self.replaced:
            rollouts += of_all([made.rollout(None) for made in times])
        self.figures = step_figures(rollouts, size)
        on_first(lambda: self.keeper.rollouts(self.step, rollouts))
        self._stop_if_all_are_cut()
        return batch

    def _stop_if_all_are_cut(self) -> None:
        self.cut_steps = self.cut_steps + 1 if self.figures["truncated"] == 1.0 else 0
        if self.cut_steps >= MOST_CUT_STEPS:
            said = f"every completion of {self.cut_steps} steps was cut off at rl.max_new_tokens = {self.sampling.max_new_tokens}, which teaches nothing; raise it, or begin with a model that ends its answers"
            raise DalignError(said, kind="limit", key="rl.max_new_tokens")

    def _calculate_rewards(
        self, inputs: Any, prompts: Any, completions: list[str], completion_ids_list: Any
    ) -> Tensor:
        """One column of rewards, NaN where there is none.

        TRL leaves NaN out of its group's mean and gives it the advantage 0.
        """
        rewards = of_all([each.reward.value for each in self.made])
        values = [float("nan") if value is None else value for value in rewards]
        return torch.tensor(values, dtype=torch.float32, device=self.accelerator.device)[:, None]

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        **of_images: Any,
    ) -> tuple[Tensor, Tensor | None, None]:
        """Log-probabilities of the completions' tokens (B, C), 0 on padding; entropy on request.

        batch_size: completions that go through the model at once. Where their logits would be many they are made a part at a
        time, and again in the backward pass.
        """
        if batch_size is not None and batch_size < len(input_ids):
            pairs = zip(input_ids.split(batch_size), attention_mask.split(batch_size), strict=True)
            scored = [
                self._get_per_token_logps_and_entropies(
                    model, *pair, logits_to_keep, compute_entropy=compute_entropy
                )
                for pair in pairs
            ]
            logps, entropies = ([each[i] for each in scored] for i in (0, 1))
            whole = torch.cat(entropies) if compute_entropy else None
            return torch.cat(logps), whole, None
        scored_BC = attention_mask[:, -logits_to_keep:].bool()
        inputs = read_inputs(input_ids, attention_mask, self.options)
        vocabulary = self.engine.model.config.get_text_config().vocab_size
        is_large = input_ids.shape[0] * logits_to_keep * vocabulary > MOST_LOGITS
        scores = self._in_parts if is_large else self._at_once
        logps_BC, entropy_BC = scores(model, inputs, scored_BC, compute_entropy)
        return logps_BC, entropy_BC, None

    def _at_once(
        self, model: Any, inputs: dict[str, Any], scored_BC: Tensor, wants_entropy: bool
    ) -> tuple[Tensor, Tensor | None]:
        width = scored_BC.shape[1]
        targets_N = inputs["input_ids"][:, -width:][scored_BC]
        with self.accelerator.autocast():
            logits_NV = completion_logits(model, inputs, scored_BC)
        logps_N = token_logprobs(logits_NV, targets_N, self.temperature)
        zeros_BC = logps_N.detach().new_zeros(scored_BC.shape)
        logps_BC = zeros_BC.masked_scatter(scored_BC, logps_N)
        if not wants_entropy:
            return logps_BC, None
        with torch.no_grad():
            _, entropy_N = token_logprobs_and_entropy(logits_NV, targets_N, self.temperature)
        return logps_BC, zeros_BC.masked_scatter(scored_BC, entropy_N)

    def _in_parts(
        self, model: Any, inputs: dict[str, Any], scored_BC: Tensor, wants_entropy: bool
    ) -> tuple[Tensor, Tensor | None]:
        """By the head that TRL has put into the model; it is told by labels which tokens to score."""
        width = scored_BC.shape[1]
        labels = torch.full_like(inputs["input_ids"], IGNORED)
        labels[:, -width:][scored_BC] = inputs["input_ids"][:, -width:][scored_BC]
        with self.accelerator.autocast():
            output = model(**inputs, labels=labels, fused_lm_head=True)
        padding_BC = ~scored_BC
        logps_BC = output.log_probs[:, -width:].masked_fill(padding_BC, 0.0)
        if not wants_entropy:
            return logps_BC, None
        return logps_BC, output.entropy[:, -width:].detach().masked_fill(padding_BC, 0.0)

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        """A pass's policy loss, and once a step the replay's. Gradients are averaged over the processes, and each has its own rows' alone."""
        processes = self.accelerator.num_processes
        loss, replay = processes * self._policy_loss(model, inputs), self.job.settings.replay
        is_first_pass = self._step % self.args.gradient_accumulation_steps == 0
        if not (replay and self.job.replayed and is_first_pass):
            return loss
        rows = self.job.replayed[self.step - 1]
        mine = rows[self.accelerator.process_index :: processes]
        share = trained_tokens(mine) / trained_tokens(rows)
        with self.accelerator.autocast():
            replayed = replay_loss(model, mine) * share if mine else loss.new_zeros(())
        self.figures["replay_loss"] = sum(gathered(replayed.item()))
        return loss + replay * processes * replayed

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
            completions=self.job.settings.completions_per_step,
            tokens=int(inputs["num_items_in_batch"]),
            longest=self.sampling.max_new_tokens,
            beta=self.beta,
            clip=self.loss.clip,
        )
        of_policy = self.loss.of(policy)
        # TRL averages these over the passes of a step and logs them.
        entropies = gathered(token_mean(entropy_BC, mask_BC))
        self._metrics["train"]["entropy"].append(fmean(entropies))
        if of_policy.kl is not None:
            self._metrics["train"]["kl"].append(fmean(gathered(of_policy.kl)))
        return of_policy.loss

    def step_row(self, state: TrainerState, logs: dict[str, float]) -> StepRow:
        """A step's row of the curve."""
        kl = {"kl": logs["kl"]} if "kl" in logs else {}
        trained = {key: logs[key] for key in ("loss", "learning_rate", "grad_norm", "entropy")}
        return {"step": state.global_step} | self.figures | trained | kl


def of_all(rows: Iterable[Row]) -> list[Row]:
    """Rows of every process, those of the first before those of the second."""
    return [*chain(*gathered(list(rows)))]


def cut_at_the_end(curve: Sequence[StepRow]) -> int:
    """How many of the last steps had all their completions cut off."""
    return next(
        (i for i, row in enumerate(reversed(curve)) if row.get("truncated") != 1.0), len(curve)
    )


def rows_that_move(inputs: dict[str, Any]) -> dict[str, Any]:
    """The rows with an advantage, less the padding that others needed; one row without any.

    A row without an advantage adds nothing to the loss or to its gradient, but costs as much as any other.
    """
    kept_B = inputs["advantages"] != 0
    if not bool(kept_B.any()):
        kept_B[0] = True
    tensors = {name: value for name, value in inputs.items() if torch.is_tensor(value)}
    rows = {name: value[kept_B] for name, value in tensors.items() if value.dim() > 0}
    # Prompts are padded on the left, completions on the right.
    prompt_width = int(rows["prompt_mask"].sum(dim=1).max())
    completion_width = int(rows["completion_mask"].sum(dim=1).max())
    for name in ("prompt_ids", "prompt_mask"):
        rows[name] = rows[name][:, -prompt_width:]
    for name in ("completion_ids", "completion_mask"):
        rows[name] = rows[name][:, :completion_width]
    return inputs | rows


def equal_groups(rewards: Sequence[Reward], group_size: int) -> list[int]:
    """The positions of the completions whose groups' rewards, where there are any, are equal."""
    values = [reward.value for reward in rewards]
    return [
        position
        for start in range(0, len(values), group_size)
        if len(set(values[start : start + group_size]) - {None}) < 2
        for position in range(start, start + group_size)
    ]


def step_figures(rollouts: Sequence[Rollout], group_size: int) -> dict[str, float | None]:
    """What a step's rollouts come to; see `dalign.train.run.train_rl`."""
    rewards = [rollout.reward for rollout in rollouts]
    values = [reward.value for reward in rewards if reward.value is not None]
    answers = [reward for reward in rewards if reward.status == "ok"]
    # A group that was drawn again counts as it was drawn last.
    moves = [rollout.advantage != 0 for rollout in rollouts if rollout.advantage is not None]
    groups = [moves[start : start + group_size] for start in range(0, len(moves), group_size)]
    return {
        "reward": fmean(values) if values else None,
        "judged": fmean(reward.judge is not None for reward in answers) if answers else None,
        "malformed": 1.0 - len(answers) / len(rewards),
        "truncated": fmean(reward.status == "truncated" for reward in rewards),
        "completion_tokens": fmean(rollout.tokens for rollout in rollouts),
        "advantage_groups": fmean(any(group) for group in groups),
        "redrawn": 1.0 - len(moves) / len(rollouts),
    }

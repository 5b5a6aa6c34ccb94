"""A training by RL, as `session.run` takes it. Imports torch: see `dalign.train.run` for the way in."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from datasets import Dataset
from trl.trainer.grpo_config import GRPOConfig

from dalign.errors import InputError
from dalign.models.checkpoint import load_tokenizer
from dalign.rows import Prompt, Section, messages_json
from dalign.store.whole_files import digest
from dalign.train import session
from dalign.train.checkpoints import step_log
from dalign.train.draw import check_split
from dalign.train.job import Keeper, OnStep, RlJob, TrainResult
from dalign.train.lora import lora_of, start_model
from dalign.train.rl.losses import loss_named
from dalign.train.rl.replay import check_replayed
from dalign.train.rl.rewards import RewardFunction
from dalign.train.rl.trainer import RolloutTrainer, cut_at_the_end


def run_rl(
    job: RlJob, out: Path, reward: RewardFunction, on_step: OnStep, keeper: Keeper
) -> TrainResult:
    """See `dalign.train.run.train_rl`."""
    check_job(job)
    prompts = [[_identity_of(prompt) for prompt in of_step] for of_step in job.prompts]
    identity = {
        "kind": "rl",
        "prompts": digest(prompts),
        "replayed": digest(job.replayed),
        "settings": job.settings.identity,
        # What the judge is, is the caller's to know.
        "weights": list(reward.weights),
    }
    trainer = partial(rl_trainer, job, out, reward, keeper)
    return session.run(job, out, identity, trainer, on_step, keeper)


def _identity_of(prompt: Prompt) -> list[Any]:
    """What a prompt's completions and rewards depend on."""
    said, sections = messages_json(prompt.messages), prompt.required_sections
    told = [prompt.id, prompt.category, said]
    if not prompt.sections_in_order and all(each == Section(each.name) for each in sections):
        # As before sections had more than a name.
        return [*told, [each.name for each in sections]]
    return [*told, [vars(section) for section in sections], prompt.sections_in_order]


def check_job(job: RlJob) -> None:
    """Checks that each step has what it trains on. Raises InputError where one does not."""
    loss_named(job.settings.loss)
    settings = job.settings
    check_split(settings, job.devices)
    found = [len(of_step) for of_step in job.prompts]
    if found != [settings.prompts_per_step] * settings.steps:
        said = f"the job's prompts are drawn for {len(found)} steps of {sorted(set(found))} prompts, not for {settings.steps} of {settings.prompts_per_step}; draw them by its settings"
        raise InputError(said, kind="unequal_lengths")
    if job.replayed and len(job.replayed) != settings.steps:
        said = f"the job's replayed rows are drawn for {len(job.replayed)} steps, not for {settings.steps}; draw them by its settings"
        raise InputError(said, kind="unequal_lengths")
    check_replayed(job.replayed)


def rl_trainer(job: RlJob, out: Path, reward: RewardFunction, keeper: Keeper) -> RolloutTrainer:
    """The trainer of a job."""
    settings = job.settings
    # A GPU holds one group's activations at a time; on a CPU one pass over all of them is quicker.
    whole = settings.completions_per_step // job.devices
    rows = settings.rows_per_pass or (whole if job.device == "cpu" else settings.group_size)
    arguments = session.arguments_of(
        GRPOConfig,
        job,
        out,
        max_steps=settings.steps,
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=whole // rows,
        steps_per_generation=whole // rows,
        num_generations=settings.group_size,
        num_iterations=1,
        shuffle_dataset=False,
        temperature=settings.temperature,
        max_completion_length=settings.max_new_tokens,
        scale_rewards=settings.scale_rewards,
        beta=settings.beta,
        learning_rate=settings.learning_rate,
        max_grad_norm=settings.max_grad_norm,
        save_steps=settings.save_steps,
    )
    count = settings.steps * settings.prompts_per_step
    model = start_model(job, settings.method)
    return RolloutTrainer(
        job=job,
        reward=reward,
        keeper=keeper,
        cut_steps=cut_at_the_end(list(step_log(out).read())),
        model=model,
        args=arguments,
        # TRL asks for a prompt; ours are taken by their position, messages and all.
        train_dataset=Dataset.from_dict({"prompt": [""] * count, "position": range(count)}),
        processing_class=load_tokenizer(job.start, job.trust_remote_code),
        reward_funcs=reward_of_trl,
        peft_config=lora_of(model, settings, "rl"),
    )


def reward_of_trl(**_: Any) -> list[float | None]:
    """Stands where TRL wants a reward function; `RolloutTrainer` computes the reward itself."""
    raise NotImplementedError

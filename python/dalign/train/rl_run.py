"""A run of RL, from its job to its result. Imports torch: see `rl` for the way in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from trl.trainer.grpo_config import GRPOConfig

from dalign.models.checkpoint import fingerprint
from dalign.rows import messages_json
from dalign.store import digest
from dalign.train.checkpoints import StepLog, claim
from dalign.train.draw import draw_prompts
from dalign.train.quiet import quiet_libraries
from dalign.train.replay import check_replay
from dalign.train.result import TrainResult
from dalign.train.rewards import CompositeReward
from dalign.train.rl import RlJob
from dalign.train.rl_trainer import RolloutTrainer
from dalign.train.session import (
    Recorder,
    Start,
    choose_device,
    finished,
    one_device,
    publish,
    resume_point,
    train,
)
from dalign.train.sft import OnStep


def run(job: RlJob, reward: CompositeReward, on_step: OnStep) -> TrainResult:
    """See `rl.train_rl`."""
    check_replay(job.replay_rows)
    drawn = draw_prompts(
        job.prompts,
        steps=job.settings.steps,
        per_step=job.settings.prompts_per_step,
        seed=job.seed,
        balance=job.settings.balance,
    )
    claim(job.out, job_identity(job, reward))
    done = finished(job.out)
    if done is not None:
        # The last step is always saved, so what the caller kept of it is there.
        job.on_resume(len(done.curve))
        return done
    start = Start(job.start, job.device, job.dtype, job.trust_remote_code)
    log = StepLog(job.out / "steps.jsonl")
    with quiet_libraries():
        choose_device(job.device)
        checkpoint, step = resume_point(job.out / "checkpoints", log)
        job.on_resume(step)
        trainer = rl_trainer(job, reward, start, drawn)
        train(trainer, Recorder(log, trainer.step_row, on_step, job.on_save), checkpoint)
        publish(trainer.accelerator.unwrap_model(trainer.model), start, job.out)
    return TrainResult(job.out / "final", log.rows())


def job_identity(job: RlJob, reward: CompositeReward) -> dict[str, Any]:
    """What makes a training another one. The judge is the caller's to know."""
    return {
        "kind": "rl",
        "start": fingerprint(job.start),
        "prompts": digest(
            [
                (p.id, p.category, messages_json(p.messages), p.required_sections)
                for p in job.prompts
            ]
        ),
        "replay": digest([(list(ids), list(labels)) for ids, labels in job.replay_rows]),
        "settings": job.settings.model_dump(mode="json"),
        "weights": [reward.weights.judge, reward.weights.heuristic, reward.weights.format],
        "seed": job.seed,
        "dtype": job.dtype,
    }


def rl_trainer(
    job: RlJob, reward: CompositeReward, start: Start, drawn: Sequence[Sequence[int]]
) -> RolloutTrainer:
    """The trainer of a job."""
    settings = job.settings
    # A GPU holds one group's activations at a time; on a CPU one pass over all of them is quicker.
    passes = 1 if job.device == "cpu" else settings.prompts_per_step
    arguments = GRPOConfig(
        **start.arguments(job.out / "checkpoints"),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.prompts_per_step * settings.group_size // passes,
        gradient_accumulation_steps=passes,
        steps_per_generation=passes,
        num_generations=settings.group_size,
        num_iterations=1,
        shuffle_dataset=False,
        temperature=settings.temperature,
        max_completion_length=settings.max_new_tokens,
        loss_type="grpo",
        scale_rewards=settings.scale_rewards,
        beta=settings.beta,
        learning_rate=settings.learning_rate,
        max_grad_norm=settings.max_grad_norm,
        save_steps=settings.save_steps,
        seed=job.seed,
        data_seed=job.seed,
    )
    one_device(arguments)
    return RolloutTrainer(
        job=job,
        reward=reward,
        model=start.model("float32"),
        args=arguments,
        train_dataset=Dataset.from_list(
            [
                # TRL asks for a prompt; ours are taken by their position, messages and all.
                {"prompt": job.prompts[position].id, "position": position}
                for positions in drawn
                for position in positions
            ]
        ),
        processing_class=start.tokenizer(),
        reward_funcs=reward_of_trl,
    )


def reward_of_trl(**_: Any) -> list[float | None]:
    """Stands where TRL wants a reward function; `RolloutTrainer` computes the reward itself."""
    raise NotImplementedError

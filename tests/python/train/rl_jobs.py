"""Jobs of RL on what the tiny model knows, and who pays its completions."""

from __future__ import annotations

from dalign.config import Reasoning, Rl
from dalign.rows import Expected, Prompt
from dalign.train.draw import draw_prompts, draw_replay
from dalign.train.job import Keeper, RlJob
from dalign.train.rl.rewards import CompositeReward, Reward, RewardWeights
from dalign.train.rl.run import rl_trainer
from tiny import WORDS, prompt_columns

TAGS = Reasoning.model_validate({})


def words(longest=4):
    """One prompt a word, of 1 to `longest` repetitions; those of one are like the taught ones."""
    return [
        Prompt(
            f"p{i}",
            "general",
            ({"role": "user", "content": f" {word}" * min(1 + i, longest)},),
            expected=Expected("comply"),
        )
        for i, word in enumerate(WORDS)
    ]


PROMPTS = words()


def settings(**changes):
    given = {
        "steps": 4,
        "prompts_per_step": 2,
        "group_size": 4,
        "learning_rate": 1e-3,
        "warmup_steps": 1,
        "max_new_tokens": 8,
        "save_steps": 2,
    }
    return Rl.model_validate(given | changes)


class WordJudge:
    """Scores answers by their first letter, those with 'o' not at all. Remembers all."""

    def __init__(self):
        self.seen = []

    def __call__(self, answers):
        self.seen += answers
        return [None if "o" in a.answer else (ord(a.answer[0]) % 16) / 16 for a in answers]


class Paid:
    """A reward that pays fixed values, whatever the completions."""

    weights = RewardWeights()

    def __init__(self, values):
        self.values = values

    def __call__(self, prompts, texts, truncated, tokens):
        return [Reward("ok", "", "", value, value) for value in self.values]


def composite(judge=None):
    return CompositeReward(judge or WordJudge(), RewardWeights(), TAGS)


def rl_job(start, out, settings, seed=0, *, prompts=PROMPTS, replay=(), **changes):
    """A job on prompts and sequences that its steps draw, and the folder of its training."""
    drawn = draw_prompts(
        prompt_columns(prompts),
        steps=settings.steps,
        per_step=settings.prompts_per_step,
        seed=seed,
        balance=settings.balance,
    )
    steps = range(1, settings.steps + 1)
    replayed = [
        [
            replay[i]
            for i in draw_replay(len(replay), count=settings.replay_rows, seed=seed, step=step)
        ]
        for step in steps
    ]
    job = RlJob(
        start=start,
        settings=settings,
        seed=seed,
        prompts=[[prompts[i] for i in of_step] for of_step in drawn],
        replayed=replayed if replay else (),
        **changes,
    )
    return job, out


class Kept(Keeper):
    """Notes what it is called with, and every rollout."""

    def __init__(self):
        self.calls, self.all = [], []

    def rollouts(self, step, rollouts):
        self.calls.append((step, [rollout.text for rollout in rollouts]))
        self.all.extend(rollouts)

    def save(self, step):
        self.calls.append(("save", step))

    def resume(self, step):
        self.calls.append(("resume", step))


def built(job, reward):
    """The job's trainer, without a run."""
    trainer = rl_trainer(*job, reward, Keeper())
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    return trainer


def first_batch(trainer):
    return trainer._generate_and_score_completions(next(iter(trainer.get_train_dataloader())))


def gradients(trainer, batch):
    trainer.model.zero_grad()
    loss = trainer._compute_loss(trainer.model, dict(batch))
    loss.backward()
    return loss.item(), [parameter.grad.clone() for parameter in trainer.model.parameters()]

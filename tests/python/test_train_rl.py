"""RL: advantages, the loss and its short cuts, replay, and what a kill costs."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from dalign.config import Reasoning, Rl, Sft
from dalign.errors import InputError
from dalign.rows import Expected, Prompt
from dalign.sandbox.tokenizer import build_tokenizer
from dalign.train import rl_trainer as rl_trainer_module
from dalign.train.draw import draw_prompts
from dalign.train.rewards import CompositeReward, Reward, RewardWeights
from dalign.train.rl import RlJob, train_rl
from dalign.train.rl_run import rl_trainer
from dalign.train.rl_trainer import rate_factor
from dalign.train.session import Start
from dalign.train.sft import SftJob, train_sft
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, Qwen3Config, Qwen3ForCausalLM
from trl import GRPOTrainer

IGNORED = -100
TAGS = Reasoning.model_validate({})
WORDS = ["a", "i", "you", "the"]


def quietly(step, total, loss):
    """Follows nothing."""


def taught():
    """Rows that teach `<think> word </think> word <|end|>` after any prompt."""
    tokenizer, rng = build_tokenizer(), random.Random(0)
    rows = []
    for _ in range(60):
        messages = [{"role": "user", "content": " " + rng.choice(WORDS)}]
        prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        head = tokenizer(prompt)["input_ids"]
        body = tokenizer(f"<think> {rng.choice(WORDS)} </think> {rng.choice(WORDS)}<|end|>")[
            "input_ids"
        ]
        rows.append((head + body, [IGNORED] * len(head) + body))
    return rows


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    """A tiny Qwen3 that mostly completes in good form."""
    folder = tmp_path_factory.mktemp("start")
    tokenizer = build_tokenizer()
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder / "random")
    tokenizer.save_pretrained(folder / "random")
    rows = taught()
    bins = [rows[i : i + 6] for i in range(0, len(rows), 6)]
    frame = pl.DataFrame(
        {
            "input_ids": [[token for ids, _ in b for token in ids] for b in bins],
            "labels": [[label for _, labels in b for label in labels] for b in bins],
            "position_ids": [[i for ids, _ in b for i in range(len(ids))] for b in bins],
        }
    )
    given = {"epochs": 20, "rows_per_step": 2, "learning_rate": 1e-2, "warmup_steps": 3}
    job = SftJob(folder / "random", frame, folder / "sft", Sft.model_validate(given), seed=0)
    return train_sft(job, quietly).final


def prompts(longest=4):
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

    def __call__(self, prompts, texts, truncated):
        return [Reward("ok", "", "", value, None, value) for value in self.values]


def composite(judge=None):
    return CompositeReward(judge or WordJudge(), RewardWeights(), TAGS)


def assert_same_weights(one, other):
    first, second = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)


def built(job, reward):
    """The job's trainer, without a run."""
    of_job = job.settings
    drawn = draw_prompts(
        job.prompts,
        steps=of_job.steps,
        per_step=of_job.prompts_per_step,
        seed=job.seed,
        balance=None,
    )
    trainer = rl_trainer(job, reward, Start(job.start, "cpu", "float32", False), drawn)
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


@pytest.mark.parametrize(
    ("scale", "paid", "advantages"),
    [
        # Without the missing ones the means are 0.5 and 0.6.
        ("none", [1.0, None, 0.0, 0.5, 0.6, 0.6, 0.6, 0.6], [0.5, 0, -0.5, 0, 0, 0, 0, 0]),
        # A single reward is its own mean; no reward has none.
        ("none", [None, 0.7, None, None, None, None, None, None], [0] * 8),
        # Divided by the standard deviation of 1, 0, 0.5: √(0.5 / 2) = 0.5, and 1e-4.
        ("group", [1.0, None, 0.0, 0.5, 0.1, 0.1, 0.1, None], [0.9998, 0, -0.9998, 0, 0, 0, 0, 0]),
    ],
)
def test_an_advantage_is_the_reward_less_the_mean_of_those_that_the_group_has(
    start, tmp_path, scale, paid, advantages
):
    seen = []
    given = settings(steps=1, scale_rewards=scale)
    job = RlJob(
        start, prompts(), tmp_path, given, 0, on_rollouts=lambda step, rows: seen.extend(rows)
    )
    [row] = train_rl(job, Paid(paid), quietly).curve
    assert [rollout.advantage for rollout in seen] == pytest.approx(advantages, abs=1e-5)
    assert [rollout.reward.value for rollout in seen] == paid
    assert row["advantage_groups"] == sum(any(advantages[i : i + 4]) for i in (0, 4)) / 2
    assert row["judged"] == sum(value is not None for value in paid) / 8


def test_a_killed_training_ends_in_the_same_bytes_as_an_undisturbed_one(start, tmp_path):
    balance = {"disallowed": 0, "permitted": 0, "ungoverned": 0, "general": 1}
    given = settings(replay=0.3, replay_rows=3, beta=0.01, balance=balance, steps=5)

    def run(name, kill_at, calls):
        def on_step(step, total, loss):
            if step == kill_at:
                raise KeyboardInterrupt

        job = RlJob(
            start,
            prompts(),
            tmp_path / name,
            given,
            seed=5,
            replay_rows=taught()[:10],
            on_rollouts=lambda step, rows: calls.append((step, [row.text for row in rows])),
            on_save=lambda step: calls.append(("save", step)),
            on_resume=lambda step: calls.append(("resume", step)),
        )
        return train_rl(job, composite(), on_step)

    undisturbed, killed, resumed = [], [], []
    first = run("a", None, undisturbed)
    with pytest.raises(KeyboardInterrupt):
        run("b", 3, killed)
    second = run("b", None, resumed)
    order = [call[0] if isinstance(call[0], int) else call for call in undisturbed]
    assert order == [("resume", 0), 1, 2, ("save", 2), 3, 4, ("save", 4), 5, ("save", 5)]
    # What was made after the checkpoint is made again, the same.
    assert killed == undisturbed[:5]
    assert resumed == [("resume", 2), *undisturbed[4:]]
    assert (tmp_path / "a/steps.jsonl").read_bytes() == (tmp_path / "b/steps.jsonl").read_bytes()
    assert [row["step"] for row in second.curve] == [1, 2, 3, 4, 5]
    assert_same_weights(first.final, second.final)
    # Asked again, it makes no step, and the caller takes up what it kept of the last one.
    again = []
    assert run("b", None, again) == second
    assert again == [("resume", 5)]


def test_the_judge_is_handed_answers_without_reasoning_and_nothing_malformed(start, tmp_path):
    judge, rollouts = WordJudge(), []
    job = RlJob(
        start,
        prompts(),
        tmp_path,
        settings(),
        0,
        on_rollouts=lambda step, rows: rollouts.extend(rows),
    )
    train_rl(job, composite(judge), quietly)
    well_formed = [rollout for rollout in rollouts if rollout.reward.status == "ok"]
    assert 0 < len(well_formed) < len(rollouts)
    assert {(a.prompt_id, a.answer) for a in judge.seen} == {
        (rollout.prompt_id, rollout.reward.answer) for rollout in well_formed
    }
    assert not any("think" in a.answer for a in judge.seen)
    for rollout in rollouts:
        assert rollout.reward.status == "ok" or rollout.reward.value == 0.0
        assert "<|end|>" not in rollout.text


def test_log_probabilities_and_loss_are_those_of_the_stock_trainer(start, tmp_path):
    trainer = built(RlJob(start, prompts(), tmp_path, settings(temperature=0.7), 0), composite())
    batch = first_batch(trainer)
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    width = batch["completion_ids"].shape[1]
    assert len(set(batch["prompt_mask"].sum(dim=1).tolist())) > 1  # padding on the left is at work
    ours, entropy, _ = trainer._get_per_token_logps_and_entropies(
        trainer.model, ids, mask, width, compute_entropy=True
    )
    stock, stock_entropy, _ = GRPOTrainer._get_per_token_logps_and_entropies(
        trainer, trainer.model, ids, mask, width, compute_entropy=True
    )
    scored = batch["completion_mask"].bool()
    assert torch.allclose(ours[scored], stock[scored], atol=1e-5)
    assert torch.allclose(entropy[scored], stock_entropy[scored], atol=1e-5)
    assert bool((ours[~scored] == 0).all())


def test_leaving_out_rows_without_an_advantage_changes_neither_loss_nor_gradient(
    start, tmp_path, monkeypatch
):
    paid = [1.0, 0.0, None, 0.25, 0.5, 0.5, 0.5, 0.5]
    trainer = built(RlJob(start, prompts(), tmp_path, settings(), 0), Paid(paid))
    batch = first_batch(trainer)
    short, of_short = gradients(trainer, batch)
    assert len(rl_trainer_module.rows_that_move(dict(batch))["advantages"]) == 3
    monkeypatch.setattr(rl_trainer_module, "rows_that_move", lambda inputs: inputs)
    full, of_full = gradients(trainer, batch)
    assert short == pytest.approx(full, abs=1e-7)
    assert any(gradient.abs().max() > 1e-3 for gradient in of_full)
    for one, other in zip(of_short, of_full, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_replay_adds_its_weighted_cross_entropy_to_the_policy_loss(start, tmp_path):
    rows = taught()[:2]
    given = settings(steps=1, replay=0.5, replay_rows=2)
    job = RlJob(start, prompts(), tmp_path, given, seed=0, replay_rows=rows)
    [row] = train_rl(job, Paid([0.5] * 8), quietly).curve
    model = AutoModelForCausalLM.from_pretrained(start)
    total, trained = 0.0, 0
    for ids, labels in rows:
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, :-1]
        total += torch.nn.functional.cross_entropy(
            logits, torch.tensor(labels[1:]), ignore_index=IGNORED, reduction="sum"
        ).item()
        trained += sum(label != IGNORED for label in labels)
    assert row["replay_loss"] == pytest.approx(total / trained, abs=1e-5)
    # Equal rewards leave nothing but the replay.
    assert row["loss"] == pytest.approx(0.5 * total / trained, abs=1e-5)


def test_the_policy_learns_what_the_reward_pays_for(start, tmp_path):
    shares = []
    job = RlJob(
        start,
        prompts(longest=1),
        tmp_path,
        settings(steps=20, prompts_per_step=4, group_size=8, learning_rate=3e-3, save_steps=50),
        seed=1,
        on_rollouts=lambda step, rows: shares.append(
            sum(row.reward.answer == "the" for row in rows) / len(rows)
        ),
    )
    likes_the = CompositeReward(
        lambda answers: [float(a.answer == "the") for a in answers], RewardWeights(), TAGS
    )
    train_rl(job, likes_the, quietly)
    # About a quarter at the start: four words are equally likely.
    assert sum(shares[:2]) / 2 < 0.5
    assert sum(shares[-2:]) / 2 > 0.8


def test_the_divergence_from_the_start_is_none_at_first_and_grows(start, tmp_path):
    given = settings(steps=2, beta=0.1, warmup_steps=0, learning_rate=1e-2)
    job = RlJob(start, prompts(), tmp_path, given, seed=0)
    first, second = train_rl(job, Paid([1.0, 0.0] * 4), quietly).curve
    assert first["kl"] == pytest.approx(0.0, abs=1e-6)
    assert second["kl"] > 1e-4


def test_the_learning_rate_rises_in_a_line_and_stays():
    assert [rate_factor(step, warmup=3) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (([1, 2], [IGNORED]), "2 tokens and 1 labels"),
        (([1, 2], [1, IGNORED]), "trains on no token"),
    ],
)
def test_replay_rows_that_cannot_be_trained_on_are_refused(start, tmp_path, row, message):
    job = RlJob(start, prompts(), tmp_path, settings(), seed=0, replay_rows=[row])
    with pytest.raises(InputError, match=message):
        train_rl(job, composite(), quietly)

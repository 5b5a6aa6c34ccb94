"""RL: advantages, the loss and its short cuts, replay, and what a kill costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from dalign.config import Reasoning, Rl
from dalign.errors import DalignError, InputError
from dalign.models.decoding import decode
from dalign.models.protocol import Sampling
from dalign.rows import Expected, Message, Prompt, Section
from dalign.train.draw import draw_prompts, draw_replay
from dalign.train.job import Keeper, RlJob
from dalign.train.rl import trainer as trainer_module
from dalign.train.rl.losses import LOSSES, Policy
from dalign.train.rl.rewards import CompositeReward, Reward, RewardWeights
from dalign.train.rl.run import rl_trainer
from dalign.train.run import train_rl
from peft import PeftModel
from safetensors.torch import load_file
from tiny import (
    IGNORED,
    WORDS,
    assert_same_weights,
    prompt_columns,
    quietly,
    taught,
    token_mean_loss,
)
from transformers import AutoModelForCausalLM
from trl import GRPOTrainer

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
DOSE = Section("Dose", contains=(("mg",),))


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
    taught_model, tmp_path, scale, paid, advantages
):
    kept = Kept()
    job = rl_job(taught_model, tmp_path, settings(steps=1, scale_rewards=scale))
    [row] = train_rl(*job, Paid(paid), quietly, kept).curve
    assert [rollout.advantage for rollout in kept.all] == pytest.approx(advantages, abs=1e-5)
    assert [rollout.reward.value for rollout in kept.all] == paid
    assert row["advantage_groups"] == sum(any(advantages[i : i + 4]) for i in (0, 4)) / 2
    assert row["judged"] == sum(value is not None for value in paid) / 8


@pytest.mark.parametrize(
    "method",
    [{}, *({"method": "lora", "lora": {"r": 4, "dropout": dropout}} for dropout in (0.0, 0.1))],
    ids=["full", "lora", "lora with dropout"],
)
def test_a_killed_training_ends_in_the_same_bytes_as_an_undisturbed_one(
    taught_model, tmp_path, method
):
    balance = {"disallowed": 0, "permitted": 0, "ungoverned": 0, "general": 1}
    given = settings(
        **method, replay=0.3, replay_rows=3, beta=0.01, balance=balance, steps=5, redraws=1, rows_per_pass=4
    )  # fmt: skip

    def run(name, kill_at):
        def on_step(step, total, loss):
            if step == kill_at:
                raise KeyboardInterrupt

        kept.calls = []
        rows = taught()[:10]
        job = rl_job(taught_model, tmp_path / name, given, seed=5, replay=rows)
        return train_rl(*job, composite(), on_step, kept)

    kept = Kept()
    first, undisturbed = run("a", None), kept.calls
    with pytest.raises(KeyboardInterrupt):
        run("b", 3)
    killed = kept.calls
    second, resumed = run("b", None), kept.calls
    order = [call[0] if isinstance(call[0], int) else call for call in undisturbed]
    assert order == [("resume", 0), 1, 2, ("save", 2), 3, 4, ("save", 4), 5, ("save", 5)]
    # What was made after the checkpoint is made again, the same.
    assert killed == undisturbed[:5]
    assert resumed == [("resume", 2), *undisturbed[4:]]
    assert (tmp_path / "a/steps.jsonl").read_bytes() == (tmp_path / "b/steps.jsonl").read_bytes()
    assert [row["step"] for row in second.curve] == [1, 2, 3, 4, 5]
    assert_same_weights(first.final, second.final)
    # Asked again, it makes no step, and the caller takes up what it kept of the last one.
    assert run("b", None) == second
    assert kept.calls == [("resume", 5)]


@pytest.mark.parametrize("method", ["full", "lora"])
def test_it_uses_no_name_that_its_libraries_will_remove(taught_model, tmp_path, outdated, method):
    given = settings(method=method, steps=2, beta=0.1, replay=0.5, replay_rows=2)
    job = rl_job(taught_model, tmp_path / "a", given, replay=taught()[:4])
    train_rl(*job, Paid([1.0, 0.0] * 4), quietly)
    assert outdated() == []


def test_the_judge_is_handed_answers_without_reasoning_and_nothing_malformed(
    taught_model, tmp_path
):
    judge, kept = WordJudge(), Kept()
    train_rl(*rl_job(taught_model, tmp_path, settings()), composite(judge), quietly, kept)
    rollouts = kept.all
    well_formed = [rollout for rollout in rollouts if rollout.reward.status == "ok"]
    assert 0 < len(well_formed) < len(rollouts)
    assert {(a.prompt_id, a.answer) for a in judge.seen} == {
        (rollout.prompt_id, rollout.reward.answer) for rollout in well_formed
    }
    assert not any("think" in a.answer for a in judge.seen)
    for rollout in rollouts:
        assert rollout.reward.status == "ok" or rollout.reward.value == 0.0
        assert "<|end|>" not in rollout.text


@pytest.mark.parametrize("most", [trainer_module.MOST_LOGITS, 0])
def test_log_probabilities_and_loss_are_those_of_the_stock_trainer(
    taught_model, tmp_path, monkeypatch, most
):
    monkeypatch.setattr(trainer_module, "MOST_LOGITS", most)
    trainer = built(rl_job(taught_model, tmp_path, settings(temperature=0.7)), composite())
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


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_the_loss_and_its_gradient_are_those_of_the_stock_trainer(taught_model, tmp_path, beta):
    job = rl_job(taught_model, tmp_path, settings(beta=beta))
    # No group is without an advantage, so no row is left out.
    trainer = built(job, Paid([1, 0, 1, 0.5] * 2))
    trainer.loss_type = "grpo"
    batch = first_batch(trainer)
    if beta > 0:
        # As if the policy had moved: the divergence is not 0.
        batch["ref_per_token_logps"] = batch["ref_per_token_logps"] - 0.5
    ours, of_ours = gradients(trainer, batch)
    trainer.model.zero_grad()
    stock = GRPOTrainer._compute_loss(trainer, trainer.model, dict(batch))
    stock.backward()
    logged = trainer._metrics["train"]
    assert ours == stock.item()
    assert len(set(logged["entropy"])) == 1
    assert len(set(logged.get("kl", [0.0]))) == 1
    for one, parameter in zip(of_ours, trainer.model.parameters(), strict=True):
        assert torch.equal(one, parameter.grad)


# Each loss as TRL names it.
OF_TRL = {
    "grpo": ("grpo", "token"),
    "dr_grpo": ("dr_grpo", "token"),
    "dapo": ("dapo", "token"),
    "gspo": ("grpo", "sequence"),
    "cispo": ("cispo", "token"),
}


@pytest.mark.parametrize("beta", [0.0, 0.1])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_of_a_policy_that_moved_is_the_stock_trainers(
    taught_model, tmp_path, monkeypatch, name, beta
):
    trainer = built(
        rl_job(taught_model, tmp_path, settings(beta=beta, loss=name)), Paid([1, 0] * 4)
    )
    batch = first_batch(trainer)
    mask, low, high = batch["completion_mask"], *LOSSES[name].clip
    draw = torch.Generator().manual_seed(3)
    old = -torch.rand(mask.shape, generator=draw) * 3 * mask
    moved = old + 0.5 * torch.randn(mask.shape, generator=draw) * mask
    given = {**batch, "old_per_token_logps": old, "ref_per_token_logps": old - 0.3 * mask}
    trainer.loss_type, trainer.importance_sampling_level = OF_TRL[name]
    # TRL's bound of cispo is the weight itself, and not how far it is above 1.
    trainer.epsilon_low, trainer.epsilon_high = low, high + (name == "cispo")
    trainer.args.use_bias_correction_kl = True
    found = []
    for loss in (stock_loss, own_loss):
        logps = moved.clone().requires_grad_()
        scores = lambda *_, logps=logps, **__: (logps, torch.zeros_like(logps), None)  # noqa: E731
        monkeypatch.setattr(trainer, "_get_per_token_logps_and_entropies", scores)
        value = loss(trainer, given, logps)
        value.backward()
        found.append((value.detach(), logps.grad))
    (stock, of_stock), (ours, of_ours) = found
    assert ours.item() == pytest.approx(stock.item(), rel=1e-5)
    assert of_stock.abs().max() > 1e-4
    assert torch.allclose(of_ours, of_stock, atol=1e-7, rtol=1e-5)


def stock_loss(trainer, batch, logps):
    return GRPOTrainer._compute_loss(trainer, trainer.model, dict(batch))


def own_loss(trainer, batch, logps):
    of_policy = Policy(
        logps_BC=logps,
        old_logps_BC=batch["old_per_token_logps"],
        reference_logps_BC=batch["ref_per_token_logps"] if trainer.beta else None,
        mask_BC=batch["completion_mask"],
        advantages_B=batch["advantages"],
        completions=len(logps),
        tokens=int(batch["completion_mask"].sum()),
        longest=trainer.max_completion_length,
        beta=trainer.beta,
        clip=trainer.loss.clip,
    )
    return trainer.loss.of(of_policy).loss


@pytest.mark.parametrize("name", LOSSES)
def test_small_passes_make_the_update_of_one(taught_model, tmp_path, name):
    def trained(rows):
        given = settings(steps=2, loss=name, rows_per_pass=rows, replay=0.3, replay_rows=2)
        job = rl_job(taught_model, tmp_path / str(rows), given, replay=taught()[:4])
        return train_rl(*job, Paid([1.0, 0.0, None, 0.25, 0.5, 0.5, 0.5, 0.5]), quietly)

    whole, parts = trained(8), trained(2)
    for one, other in zip(whole.curve, parts.curve, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-6)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-4)
    one, other = (load_file(made.final / "model.safetensors") for made in (whole, parts))
    # Adam divides by what is nearly nothing where a gradient is: two updates of 1e-3 bound it.
    assert all(torch.allclose(one[key], other[key], atol=2e-4) for key in one)


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_logits_made_in_parts_give_the_same_loss_and_gradient(
    taught_model, tmp_path, monkeypatch, beta
):
    job = rl_job(taught_model, tmp_path, settings(beta=beta, temperature=0.7))
    trainer = built(job, Paid([1, 0, 1, 0.5] * 2))
    batch = first_batch(trainer)
    whole, of_whole = gradients(trainer, batch)
    monkeypatch.setattr(trainer, "_at_once", None)
    monkeypatch.setattr(trainer_module, "MOST_LOGITS", 0)
    again = first_batch(trainer)
    for name in ("completion_ids", "advantages"):
        assert torch.equal(again[name], batch[name])
    parts, of_parts = gradients(trainer, again)
    assert parts == pytest.approx(whole, abs=1e-6)
    for one, other in zip(of_parts, of_whole, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_leaving_out_rows_without_an_advantage_changes_neither_loss_nor_gradient(
    taught_model, tmp_path, monkeypatch
):
    paid = [1.0, 0.0, None, 0.25, 0.5, 0.5, 0.5, 0.5]
    trainer = built(rl_job(taught_model, tmp_path, settings()), Paid(paid))
    batch = first_batch(trainer)
    short, of_short = gradients(trainer, batch)
    assert len(trainer_module.rows_that_move(dict(batch))["advantages"]) == 3
    monkeypatch.setattr(trainer_module, "rows_that_move", lambda inputs: inputs)
    full, of_full = gradients(trainer, batch)
    assert short == pytest.approx(full, abs=1e-7)
    assert any(gradient.abs().max() > 1e-3 for gradient in of_full)
    for one, other in zip(of_short, of_full, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_a_rare_clauses_advantages_are_multiplied_by_its_weight(taught_model, tmp_path):
    rare, common = words(longest=1)[:2]
    prompts = [replace(rare, expected=Expected("comply", "V1"))] + [
        replace(common, id=f"c{i}", expected=Expected("comply", "V2")) for i in range(3)
    ]
    kept = Kept()
    given = settings(steps=1, prompts_per_step=4, group_size=2, weigh="clauses")
    train_rl(
        *rl_job(taught_model, tmp_path, given, prompts=prompts), Paid([1.0, 0.0] * 4), quietly, kept
    )
    found = {rollout.prompt_id: abs(rollout.advantage) for rollout in kept.all}
    assert found == pytest.approx({rare.id: 0.5 * 2, "c0": 0.5 * 2 / 3, "c1": 1 / 3, "c2": 1 / 3})


def test_a_training_whose_completions_are_all_cut_off_stops_also_where_it_was_gone_on_with(
    taught_model, tmp_path
):
    given = settings(max_new_tokens=1, save_steps=1, steps=6)
    job = rl_job(taught_model, tmp_path, given)
    kept = Kept()

    def on_step(step, total, loss):
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_rl(*job, composite(), on_step, kept)
    with pytest.raises(
        DalignError, match=r"of 3 steps was cut off at rl.max_new_tokens = 1, .* raise it"
    ):
        train_rl(*job, composite(), quietly, kept)
    assert [call[0] for call in kept.calls if isinstance(call[0], int)] == [1, 2, 2, 3]


class InTurn:
    """Pays each call's completions by the next of these, and remembers what was asked."""

    weights = RewardWeights()

    def __init__(self, *calls):
        self.calls, self.seen = list(calls), []

    def __call__(self, prompts, texts, truncated, tokens):
        self.seen.append(([prompt.id for prompt in prompts], list(texts)))
        return [Reward("ok", "", "", value, value) for value in self.calls.pop(0)]


def test_a_group_of_equal_rewards_is_drawn_again_and_the_others_stay(taught_model, tmp_path):
    kept, given = Kept(), settings(steps=1, redraws=2)
    once = InTurn([1, 0, 1, 0, 0.5, 0.5, 0.5, None])
    paid = InTurn([1, 0, 1, 0, 0.5, 0.5, 0.5, None], [None] * 4, [0.5, 0.5, 0.5, 0.9])
    first = rl_job(taught_model, tmp_path / "once", settings(steps=1))
    train_rl(*first, once, quietly, Kept())
    job = rl_job(taught_model, tmp_path / "again", given)
    [row] = train_rl(*job, paid, quietly, kept).curve
    # Twice the second group alone, in other words each time; the first draw is the one without.
    assert [len(texts) for _, texts in paid.seen] == [8, 4, 4]
    assert paid.seen[0] == once.seen[0]
    assert len({tuple(texts[-4:]) for _, texts in paid.seen}) == 3
    assert [set(ids) for ids, _ in paid.seen[1:]] == [set(paid.seen[0][0][4:])] * 2
    advantages = [rollout.advantage for rollout in kept.all]
    assert advantages[:8] == pytest.approx([0.5, -0.5, 0.5, -0.5, -0.1, -0.1, -0.1, 0.3])
    assert advantages[8:] == [None] * 8
    assert [r.text for r in kept.all[4:8]] == paid.seen[2][1]
    assert row["advantage_groups"] == 1.0 and row["redrawn"] == 0.5
    assert row["judged"] == 11 / 16


def test_a_group_that_stays_equal_is_drawn_no_more_often_than_it_may(taught_model, tmp_path):
    paid = InTurn(*[[0.5] * 8] * 3)
    given = settings(steps=1, redraws=2)
    [row] = train_rl(*rl_job(taught_model, tmp_path, given), paid, quietly).curve
    assert paid.calls == [] and row["advantage_groups"] == 0.0


def test_replay_adds_its_weighted_cross_entropy_to_the_policy_loss(taught_model, tmp_path):
    rows = taught()[:2]
    given = settings(steps=1, replay=0.5, replay_rows=2)
    job = rl_job(taught_model, tmp_path, given, replay=rows)
    [row] = train_rl(*job, Paid([0.5] * 8), quietly).curve
    expected = token_mean_loss(taught_model, rows)
    assert row["replay_loss"] == pytest.approx(expected, abs=1e-5)
    # Equal rewards leave nothing but the replay.
    assert row["loss"] == pytest.approx(0.5 * expected, abs=1e-5)


def test_the_policy_learns_what_the_reward_pays_for(taught_model, tmp_path):
    given = settings(steps=20, prompts_per_step=4, group_size=8, learning_rate=3e-3, save_steps=50)
    kept = Kept()
    job = rl_job(taught_model, tmp_path, given, seed=1, prompts=words(longest=1))
    likes_the = CompositeReward(
        lambda answers: [float(a.answer == "the") for a in answers], RewardWeights(), TAGS
    )
    train_rl(*job, likes_the, quietly, kept)
    answers = [rollout.reward.answer for rollout in kept.all]
    shares = [answers[i : i + 32].count("the") / 32 for i in range(0, len(answers), 32)]
    # About a quarter at the start: four words are equally likely.
    assert sum(shares[:2]) / 2 < 0.5
    assert sum(shares[-2:]) / 2 > 0.8


def test_the_divergence_from_the_start_is_none_at_first_and_grows(taught_model, tmp_path):
    given = settings(steps=2, beta=0.1, warmup_steps=0, learning_rate=1e-2)
    job = rl_job(taught_model, tmp_path, given)
    first, second = train_rl(*job, Paid([1.0, 0.0] * 4), quietly).curve
    assert first["kl"] == pytest.approx(0.0, abs=1e-6)
    assert second["kl"] > 1e-4


def lora(**changes):
    return settings(method="lora", lora={"r": 4, **changes.pop("lora", {})}, **changes)


def test_an_adapter_is_merged_into_the_result_and_kept_beside_it(taught_model, tmp_path):
    given = lora(steps=2, warmup_steps=0, learning_rate=1e-2)
    result = train_rl(*rl_job(taught_model, tmp_path, given), Paid([1.0, 0.0] * 4), quietly)
    base = AutoModelForCausalLM.from_pretrained(taught_model)
    merged = AutoModelForCausalLM.from_pretrained(result.final)
    tokens = torch.tensor([[20, 30, 40, 50]])
    with torch.no_grad():
        untrained = base(tokens).logits
        apart = PeftModel.from_pretrained(base, tmp_path / "adapter")(tokens).logits
        assert torch.allclose(merged(tokens).logits, apart, atol=1e-4)
        assert not torch.allclose(untrained, apart, atol=1e-2)
    assert not (result.final / "adapter_config.json").exists()
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_the_start_that_an_adapter_diverges_from_is_the_model_without_it(
    taught_model, tmp_path, monkeypatch, dropout
):
    loaded = []
    stock = AutoModelForCausalLM.from_pretrained.__func__
    monkeypatch.setattr(
        AutoModelForCausalLM,
        "from_pretrained",
        classmethod(lambda kind, *a, **k: (loaded.append(a), stock(kind, *a, **k))[1]),
    )
    given = lora(steps=2, beta=0.1, warmup_steps=0, learning_rate=1e-2, lora={"dropout": dropout})
    job = rl_job(taught_model, tmp_path, given)
    trainer = rl_trainer(*job, Paid([1.0, 0.0] * 4), Keeper())
    assert trainer.ref_model is None and isinstance(trainer.model, PeftModel)
    assert len(loaded) == 1
    first, second = train_rl(*job, Paid([1.0, 0.0] * 4), quietly).curve
    assert len(loaded) == 2
    # At first the adapter adds 0, whatever of it drops out.
    assert first["kl"] == pytest.approx(0.0, abs=1e-6)
    assert second["kl"] > 1e-4


def test_rollouts_are_drawn_with_the_adapter(taught_model, tmp_path):
    given = lora(steps=1, warmup_steps=0, learning_rate=1.0)
    trainer = rl_trainer(*rl_job(taught_model, tmp_path, given), Paid([1.0, 0.0] * 4), Keeper())
    prompts = trainer.engine.prompt_ids([prompt.messages for prompt in PROMPTS])

    def greedy(model):
        sampling = Sampling(0.0, 8)
        made = decode(model, prompts, [0] * len(prompts), sampling, trainer.engine.end_ids)
        return [each.written for each in made]

    before = greedy(trainer.engine.model)
    assert before == greedy(AutoModelForCausalLM.from_pretrained(taught_model))
    adapted = [name for name, p in trainer.model.named_parameters() if p.requires_grad]
    assert adapted and all("lora_" in name for name in adapted)
    trainer.create_model_card = lambda *_, **__: None
    trainer.train()
    assert greedy(trainer.engine.model) != before
    with trainer.engine.model.disable_adapter():
        assert greedy(trainer.engine.model) == before


def test_weights_under_an_adapter_keep_their_dtype_and_the_adapter_is_float32(
    taught_model, tmp_path
):
    given = lora(steps=2, beta=0.1, replay=0.5, replay_rows=2, learning_rate=1e-2)
    job, out = rl_job(taught_model, tmp_path, given, replay=taught()[:4], dtype="bfloat16")
    trainer = rl_trainer(job, out, Paid([1.0, 0.0] * 4), Keeper())
    dtypes = {p.requires_grad: p.dtype for p in trainer.model.parameters()}
    assert dtypes == {True: torch.float32, False: torch.bfloat16}
    result = train_rl(job, out, Paid([1.0, 0.0] * 4), quietly)
    assert result.curve[0]["kl"] == pytest.approx(0.0, abs=1e-6)
    assert result.curve[1]["grad_norm"] > 0
    final = load_file(result.final / "model.safetensors")
    assert {tensor.dtype for tensor in final.values()} == {torch.bfloat16}


def test_an_adapters_gradient_is_that_of_the_weights_it_stands_at(taught_model, tmp_path):
    paid = [1.0, 0.0, 0.5, 0.0] * 2

    def of(given):
        trainer = built(rl_job(taught_model, tmp_path, given), Paid(paid))
        trainer._compute_loss(trainer.model, first_batch(trainer)).backward()
        return dict(trainer.model.named_parameters())

    whole, parts = of(settings()), of(lora(lora={"alpha": 12.0}))
    seconds = [name for name in parts if "lora_B" in name]
    assert len(seconds) == 2 * 7
    for name in seconds:
        weight = name.removeprefix("base_model.model.").replace(".lora_B.default", "")
        first = parts[name.replace("lora_B", "lora_A")].detach()
        # W + (alpha / r) B A, with B = 0 at first.
        expected = 12.0 / 4 * whole[weight].grad @ first.T
        assert expected.abs().max() > 1e-4
        assert torch.allclose(parts[name].grad, expected, atol=1e-6)


def test_a_target_that_is_no_layer_is_refused_before_the_first_step(taught_model, tmp_path):
    job = rl_job(taught_model, tmp_path, lora(lora={"target": "q_proj,k_porj"}))
    steps = []
    with pytest.raises(InputError, match=r"^rl\.lora\.target names 'k_porj', which is no layer"):
        train_rl(*job, composite(), lambda step, *_: steps.append(step))
    assert steps == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompts": [[PROMPTS[0]] * 2] * 3}, "for 3 steps of .2. prompts, not for 4 of 2"),
        ({"prompts": [[PROMPTS[0]]] * 4}, "for 4 steps of .1. prompts, not for 4 of 2"),
        ({"replayed": [[([1, 2], [1, 2])]]}, "for 1 steps, not for 4"),
        ({"settings": settings(loss="gradient")}, "rl.loss = 'gradient': no such loss"),
    ],
)
def test_a_job_that_does_not_fit_its_settings_is_refused(taught_model, tmp_path, changes, message):
    job, out = rl_job(taught_model, tmp_path / "out", settings())
    with pytest.raises(InputError, match=message):
        train_rl(replace(job, **changes), out, composite(), quietly)
    assert not out.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"required_sections": (replace(DOSE, weight=2.0), Section("Warning"))},
        {"required_sections": (replace(DOSE, contains=(("mg", "g"),)), Section("Warning"))},
        {"sections_in_order": True},
    ],
)
def test_other_sections_are_another_training(taught_model, tmp_path, changes):
    asked = replace(PROMPTS[0], required_sections=(DOSE, Section("Warning")))
    once, heuristic = settings(steps=1, prompts_per_step=1), RewardWeights(0, 1, 0)
    reward, kept = CompositeReward(WordJudge(), heuristic, TAGS), Kept()
    train_rl(*rl_job(taught_model, tmp_path, once, prompts=[asked]), reward, quietly, kept)
    # Each answer has its parts beside it.
    answers = [rollout.reward for rollout in kept.all if rollout.reward.status == "ok"]
    assert answers and all(len(each.completeness.sections) == 2 for each in answers)
    other = rl_job(taught_model, tmp_path, once, prompts=[replace(asked, **changes)])
    with pytest.raises(InputError, match="differs in prompts"):
        train_rl(*other, reward, quietly)


def test_a_prompt_that_leaves_no_room_is_refused_before_the_first_step(taught_model, tmp_path):
    long = Prompt("long", "general", (Message(role="user", content="the " * 600),))
    wanted = settings()
    job, out = rl_job(taught_model, tmp_path, wanted, prompts=[*PROMPTS, long])
    last = [
        [*job.prompts[0][:-1], PROMPTS[0]],
        *job.prompts[1:-1],
        [long] * wanted.prompts_per_step,
    ]
    steps = []
    with pytest.raises(InputError, match=r"request long: its prompt has \d+ tokens.*shorten"):
        train_rl(replace(job, prompts=last), out, composite(), lambda step, *_: steps.append(step))
    assert steps == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (([1, 2], [IGNORED]), "2 tokens and 1 labels"),
        (([1, 2], [1, IGNORED]), "trains on no token"),
    ],
)
def test_replay_rows_that_cannot_be_trained_on_are_refused(taught_model, tmp_path, row, message):
    job = rl_job(taught_model, tmp_path, settings(), replay=[row])
    with pytest.raises(InputError, match=message):
        train_rl(*job, composite(), quietly)

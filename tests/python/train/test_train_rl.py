"""RL: advantages, redraws, replay, and what a kill costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from dalign.errors import DalignError, InputError
from dalign.rows import Expected, Message, Prompt, Section
from dalign.train.rl.rewards import CompositeReward, Reward, RewardWeights
from dalign.train.run import train_rl
from rl_jobs import PROMPTS, TAGS, Kept, Paid, WordJudge, composite, rl_job, settings, words
from tiny import IGNORED, assert_same_weights, quietly, taught, token_mean_loss

DOSE = Section("Dose", contains=(("mg",),))


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

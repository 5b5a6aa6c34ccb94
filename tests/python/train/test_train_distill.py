"""Distillation: what student and teacher read, what a step learns, and what a kill costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from dalign.config import Distill
from dalign.errors import InputError
from dalign.rows import Expected, Prompt
from dalign.train.distill.run import distill_trainer
from dalign.train.divergence import divergences
from dalign.train.draw import draw_prompts
from dalign.train.job import DistillJob, Keeper
from dalign.train.kept_weights import KeptWeights
from dalign.train.run import teacher_flips, train_distill
from peft import PeftModel
from safetensors.torch import load_file
from tiny import WORDS, assert_same_weights, prompt_columns, quietly
from transformers import AutoModelForCausalLM

POLICY = " the the you i"


def asked(word, times=1):
    return ({"role": "user", "content": f" {word}" * times},)


PROMPTS = [
    Prompt(f"p{i}", "general", asked(word, 1 + i), expected=Expected("comply", f"c{i % 2}"))
    for i, word in enumerate(WORDS)
]
WITH_POLICY = {p.id: ({"role": "system", "content": POLICY}, *p.messages) for p in PROMPTS}
WITHOUT = {p.id: p.messages for p in PROMPTS}


def settings(**changes):
    given = {
        "steps": 4, "prompts_per_step": 2, "samples": 2, "learning_rate": 1e-3, "warmup_steps": 1,
        "max_new_tokens": 8, "save_steps": 2,
    }  # fmt: skip
    return Distill.model_validate(given | changes)


def distill_job(start, given, seed=0, *, prompts=PROMPTS, in_sight=WITH_POLICY, **changes):
    drawn = draw_prompts(
        prompt_columns(prompts),
        steps=given.steps,
        per_step=given.prompts_per_step,
        seed=seed,
        balance=None,
    )
    return DistillJob(
        start=start,
        settings=given,
        seed=seed,
        prompts=[[prompts[i] for i in of_step] for of_step in drawn],
        in_sight=in_sight,
        **changes,
    )


class Kept(Keeper):
    """Notes what it is called with."""

    def __init__(self):
        self.calls, self.all = [], []

    def taught(self, step, completions):
        self.calls.append((step, list(completions)))
        self.all.extend(completions)

    def save(self, step):
        self.calls.append(("save", step))

    def resume(self, step):
        self.calls.append(("resume", step))


def first_step(trainer):
    """The loss of a trainer's first step with its gradients, and its completions."""
    trainer.model.train()
    batches = list(trainer.get_train_dataloader())[: trainer.args.gradient_accumulation_steps]
    count = trainer._get_num_items_in_batch(batches, trainer.args.device)
    loss = sum(trainer.compute_loss(trainer.model, batch, count) for batch in batches)
    loss.backward()
    grads = {n: p.grad.clone() for n, p in trainer.model.named_parameters() if p.requires_grad}
    return loss.item(), grads, list(trainer.written.values())


def token_logits(model, prompt, written):
    """The logits of a completion's tokens, read alone and without padding."""
    ids = torch.tensor([[*prompt, *written]])
    return model(ids).logits[0, len(prompt) - 1 : -1]


@pytest.mark.parametrize("given", [{}, {"top_k": 5}], ids=["full", "top 5"])
def test_the_loss_and_its_gradient_are_those_of_each_completion_read_by_itself(
    taught_model, tmp_path, given
):
    wanted = settings(**given)
    trainer = distill_trainer(distill_job(taught_model, wanted), tmp_path, Keeper())
    loss, grads, written = first_step(trainer)
    assert len({len(each.student_prompt) for each in written}) > 1  # padding is at work
    model = AutoModelForCausalLM.from_pretrained(taught_model).double()
    total = 0.0
    for each in written:
        student = token_logits(model, each.student_prompt, each.tokens)
        with torch.no_grad():
            teacher = token_logits(model, each.teacher_prompt, each.tokens)
        if not given:
            p, q = student.log_softmax(-1), teacher.log_softmax(-1)
            total = total + (p.exp() * (p - q)).sum()
        else:
            total = total + divergences(student, teacher, wanted).sum()
    expected = total / sum(len(each.tokens) for each in written)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-4) and loss > 1e-4
    for name, parameter in model.named_parameters():
        assert torch.allclose(grads[name].double(), parameter.grad, atol=1e-5), name


def test_the_divergence_is_none_at_first_where_the_teacher_has_no_policy_in_sight(
    taught_model, tmp_path
):
    kept, given = Kept(), settings(steps=2, warmup_steps=0, learning_rate=1e-2)
    job = distill_job(taught_model, given, in_sight=WITHOUT)
    first, second = train_distill(job, tmp_path, quietly, kept).curve
    assert first["loss"] == 0.0 and first["flip_rate"] == 0.0 and first["grad_norm"] == 0.0
    assert second["loss"] == 0.0
    assert {each.divergence for each in kept.all} == {0.0}
    start, final = (load_file(f / "model.safetensors") for f in (taught_model, tmp_path / "final"))
    assert all(torch.equal(start[name], final[name]) for name in final)


def test_the_student_comes_to_say_what_the_teacher_says(taught_model, tmp_path):
    given = settings(steps=25, prompts_per_step=4, learning_rate=3e-3, save_steps=50)
    curve = train_distill(distill_job(taught_model, given, seed=1), tmp_path, quietly).curve
    losses = [row["loss"] for row in curve]
    assert sum(losses[-5:]) < 0.3 * sum(losses[:5])
    assert sum(r["flip_rate"] for r in curve[-5:]) < sum(r["flip_rate"] for r in curve[:5])


def test_figures_and_completions_of_a_step_agree(taught_model, tmp_path):
    kept = Kept()
    curve = train_distill(distill_job(taught_model, settings()), tmp_path, quietly, kept).curve
    steps = [taught for name, taught in kept.calls if isinstance(name, int)]
    assert [len(taught) for taught in steps] == [4] * 4
    for row, taught in zip(curve, steps, strict=True):
        tokens = sum(each.tokens for each in taught)
        assert row["tokens"] == tokens and row["completion_tokens"] == tokens / 4
        assert row["loss"] == pytest.approx(
            sum(each.divergence * each.tokens for each in taught) / tokens, rel=1e-4
        )
        assert row["flip_rate"] == sum(each.flips for each in taught) / tokens
        assert 0.0 <= row["truncated"] <= 1.0 and row["grad_norm"] > 0
        assert [a.prompt_id for a in taught[::2]] == [b.prompt_id for b in taught[1::2]]
        assert not any("<|end|>" in each.text or POLICY in each.text for each in taught)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"teacher": "ema", "ema_decay": 0.5, "top_k": 4},
        {"method": "lora", "lora": {"r": 4, "dropout": 0.1}},
        {"method": "lora", "lora": {"r": 4}, "teacher": "ema", "ema_decay": 0.5},
    ],
    ids=["full", "moving average", "lora with dropout", "lora, moving average"],
)
def test_a_killed_training_ends_in_the_same_bytes_as_an_undisturbed_one(
    taught_model, tmp_path, given
):
    wanted = settings(steps=5, rows_per_pass=2, **given)

    def run(name, kill_at):
        def on_step(step, total, loss):
            if step == kill_at:
                raise KeyboardInterrupt

        kept = Kept()
        job = distill_job(taught_model, wanted, seed=5)
        try:
            return train_distill(job, tmp_path / name, on_step, kept), kept.calls
        except KeyboardInterrupt:
            return None, kept.calls

    first, undisturbed = run("a", None)
    _, killed = run("b", 3)
    second, resumed = run("b", None)
    order = [call[0] if isinstance(call[0], int) else call for call in undisturbed]
    assert order == [("resume", 0), 1, 2, ("save", 2), 3, 4, ("save", 4), 5, ("save", 5)]
    assert killed == undisturbed[:5] and resumed == [("resume", 2), *undisturbed[4:]]
    assert (tmp_path / "a/steps.jsonl").read_bytes() == (tmp_path / "b/steps.jsonl").read_bytes()
    assert_same_weights(first.final, second.final)


@pytest.mark.parametrize("given", [{}, {"method": "lora", "lora": {"r": 4}}], ids=["full", "lora"])
def test_small_passes_make_the_update_of_one(taught_model, tmp_path, given):
    def trained(rows):
        wanted = settings(steps=2, rows_per_pass=rows, **given)
        return train_distill(distill_job(taught_model, wanted), tmp_path / str(rows), quietly)

    for one, other in zip(trained(4).curve, trained(1).curve, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-3)


def test_the_teacher_is_the_start_whatever_the_student_has_become(taught_model):
    model = AutoModelForCausalLM.from_pretrained(taught_model)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    fixed, mean = KeptWeights(model, None), KeptWeights(model, 0.75)
    model.train()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1.0
    for teacher in (fixed, mean):
        teacher.follow()
    for teacher, moved in ((fixed, 0.0), (mean, 0.25)):
        with teacher.reading(model):
            assert not model.training
            for name, parameter in model.named_parameters():
                assert torch.allclose(parameter, start[name] + moved, atol=1e-6)
        assert model.training and all(module.training for module in model.modules())
        for name, parameter in model.named_parameters():
            assert torch.equal(parameter, start[name] + 1.0)


def test_an_adapters_teacher_is_the_model_without_it_and_no_second_one_is_loaded(
    taught_model, tmp_path, monkeypatch
):
    loaded = []
    stock = AutoModelForCausalLM.from_pretrained.__func__
    monkeypatch.setattr(
        AutoModelForCausalLM,
        "from_pretrained",
        classmethod(lambda kind, *a, **k: (loaded.append(a), stock(kind, *a, **k))[1]),
    )
    wanted = settings(method="lora", lora={"r": 4}, warmup_steps=0, learning_rate=1e-2)
    job = distill_job(taught_model, wanted)
    trainer = distill_trainer(job, tmp_path / "a", Keeper())
    assert len(loaded) == 1 and isinstance(trainer.model, PeftModel)
    apart = {n for n, p in trainer.model.named_parameters() if p.requires_grad}
    assert apart == set(trainer.teacher._weights) and all("lora_" in name for name in apart)
    tokens = torch.tensor([[20, 30, 40, 50]])
    base = stock(AutoModelForCausalLM, taught_model)
    with torch.no_grad():
        for name, parameter in trainer.model.named_parameters():
            if "lora_B" in name:
                parameter += 0.1
        moved = trainer.model(tokens).logits
        with trainer.teacher.reading(trainer.model):
            taught = trainer.model(tokens).logits
        expected = base(tokens).logits
    assert torch.allclose(taught, expected, atol=1e-5)
    assert not torch.allclose(moved, expected, atol=1e-2)
    result = train_distill(job, tmp_path / "b", quietly)
    assert (tmp_path / "b" / "adapter").is_dir()
    assert not (result.final / "adapter_config.json").exists()
    assert [row["grad_norm"] > 0 for row in result.curve] == [True] * 4


def test_it_uses_no_name_that_its_libraries_will_remove(taught_model, tmp_path, outdated):
    job = distill_job(taught_model, settings(steps=1, method="lora"))
    train_distill(job, tmp_path, quietly)
    assert outdated() == []


def test_flips_are_told_by_clause_and_are_none_without_a_policy(taught_model):
    job = distill_job(taught_model, settings())
    rows = teacher_flips(job, PROMPTS)
    assert [(r.category, r.clause, r.prompts) for r in rows] == [("general", "c0", 2), ("general", "c1", 2)]  # fmt: skip
    assert any(row.flip_rate > 0 for row in rows) and all(row.divergence > 0 for row in rows)
    # What is asked beside it changes nothing, nor do the labels.
    [alone] = teacher_flips(job, PROMPTS[::2])
    assert alone == pytest.approx(rows[0])
    unlabelled = [replace(p, expected=None) for p in PROMPTS]
    [every] = teacher_flips(job, unlabelled)
    assert every.clause is None and every.tokens == sum(row.tokens for row in rows)
    flips = sum(row.flip_rate * row.tokens for row in rows)
    assert every.flip_rate * every.tokens == pytest.approx(flips)
    for row in teacher_flips(replace(job, in_sight=WITHOUT), PROMPTS):
        assert row.flip_rate == 0.0 and row.divergence == 0.0
    assert teacher_flips(job, []) == []


def test_a_flip_is_a_most_likely_token_that_the_policy_changes(taught_model, tmp_path):
    trainer = distill_trainer(distill_job(taught_model, settings()), tmp_path, Keeper())
    _, _, written = first_step(trainer)
    model = AutoModelForCausalLM.from_pretrained(taught_model)
    flips = []
    with torch.no_grad():
        for each in written:
            student = token_logits(model, each.student_prompt, each.tokens)
            teacher = token_logits(model, each.teacher_prompt, each.tokens)
            flips.append(int((student.argmax(-1) != teacher.argmax(-1)).sum()))
    assert [each.flips for each in trainer.taught.values()] == flips and sum(flips) > 0


LONG = {**WITH_POLICY, "p3": ({"role": "system", "content": " the" * 600}, *PROMPTS[3].messages)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompts": [[PROMPTS[0]] * 2] * 3}, r"for 3 steps of \[2\] prompts, not for 4 of 2"),
        ({"in_sight": {"p0": WITHOUT["p0"]}}, r"^prompt p\d: there is no policy of its category 'general'"),
        ({"in_sight": LONG}, r"p3 with the policy of 'general' in sight: its prompt has \d+ tokens, which with max_new_tokens = 8 exceeds the model's 512 positions.* shorten the policy, which is never cut$"),
    ],
)  # fmt: skip
def test_a_job_that_cannot_be_trained_on_is_refused_before_the_first_step(
    taught_model, tmp_path, changes, message
):
    steps = []
    job = replace(distill_job(taught_model, settings()), **changes)
    with pytest.raises(InputError, match=message):
        train_distill(job, tmp_path, lambda step, *_: steps.append(step))
    assert steps == []


def test_without_prompts_there_is_nothing_to_draw(taught_model):
    with pytest.raises(InputError, match=r"^there are no prompts to train on"):
        distill_job(taught_model, settings(), prompts=[])


@pytest.mark.parametrize(
    "changes", [{"in_sight": WITHOUT}, {"settings": settings(top_k=3)}], ids=["policy", "settings"]
)
def test_another_policy_is_another_training(taught_model, tmp_path, changes):
    job = distill_job(taught_model, settings())
    train_distill(job, tmp_path, quietly)
    with pytest.raises(InputError, match="holds another training"):
        train_distill(replace(job, **changes), tmp_path, quietly)
    # How many prompts tell the flips is none of its.
    train_distill(replace(job, settings=settings(flip_prompts=0)), tmp_path, quietly)

"""RL's loss beside the stock trainer's, and its short cuts."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from dalign.train.rl import trainer as trainer_module
from dalign.train.rl.losses import LOSSES, Policy
from dalign.train.run import train_rl
from rl_jobs import Paid, built, composite, first_batch, gradients, rl_job, settings
from safetensors.torch import load_file
from tiny import quietly, taught
from trl import GRPOTrainer


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

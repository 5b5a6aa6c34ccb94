"""How far a model is from another one, token by token, beside the same arithmetic on whole logits."""

from __future__ import annotations

import shutil

import pytest

torch = pytest.importorskip("torch")

from dalign.config import Model
from dalign.train.run import kl_from
from tiny import taught
from transformers import AutoModelForCausalLM


@pytest.fixture
def moved(random_model, tmp_path):
    """The random model with other weights."""
    folder = shutil.copytree(random_model, tmp_path / "moved")
    model = AutoModelForCausalLM.from_pretrained(random_model)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=draw)
    model.save_pretrained(folder)
    return folder


def settings(**changes):
    return Model.model_validate({"path": "m", "device": "cpu", "dtype": "float32"} | changes)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_it_is_the_divergence_of_trained_tokens_alone(random_model, moved, attention):
    rows = taught()[:5]
    found = list(kl_from(random_model, moved, settings(attention=attention), rows))
    models = [AutoModelForCausalLM.from_pretrained(path) for path in (moved, random_model)]
    for (ids, labels), (tokens, nats) in zip(rows, found, strict=True):
        with torch.no_grad():
            own, start = (m(torch.tensor([ids])).logits[0].log_softmax(-1) for m in models)
        places = [at - 1 for at, label in enumerate(labels) if label != -100]
        kl = (own.exp() * (own - start)).sum(-1)[places]
        assert tokens == len(places) > 0
        assert nats == pytest.approx(float(kl.sum()), rel=1e-4)
        assert nats > 1e-3


def test_a_model_is_no_way_from_itself(random_model):
    assert all(nats == 0 for _, nats in kl_from(random_model, random_model, settings(), taught()[:3]))  # fmt: skip

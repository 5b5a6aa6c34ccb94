"""How large a model is, told from a checkpoint's files, is what transformers and peft make of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from dalign.models.sizes import Cached, Sizes, sizes_of
from heads import save_heads

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

_OF_ALL = {"vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3}
_HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
_WINDOW = {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}  # fmt: skip
# A kind of model, its config, and what a layer keeps of a token.
KINDS = {
    "tied": ("Qwen3", _OF_ALL | _HEADS | {"tie_word_embeddings": True}, [Cached(32, 32)] * 3),
    "untied": ("Llama", _OF_ALL | _HEADS, [Cached(32, 32)] * 3),
    "windowed": ("Gemma3Text", _OF_ALL | _HEADS | _WINDOW, [Cached(32, 32, 8), Cached(32, 32), Cached(32, 32, 8)]),
    # Every layer has a window, which config.json does not say layer by layer.
    "all windowed": ("Mistral", _OF_ALL | _HEADS | {"sliding_window": 8}, [Cached(32, 32, 8)] * 3),
    "experts": ("Qwen3Moe", _OF_ALL | _HEADS | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}, [Cached(32, 32)] * 3),
    # One weight for queries, keys and values.
    "fused": ("Phi3", _OF_ALL | {"num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0}, [Cached(16, 16)] * 3),
    # Other names for everything, and convolutions of width 1 for linear layers.
    "older": ("GPT2", {"vocab_size": 96, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64}, [Cached(32, 32)] * 3),
}  # fmt: skip


def saved(folder: Path, kind: str, config: dict) -> object:
    """A model of that kind with random weights, written to the folder."""
    torch.manual_seed(0)
    made = transformers.AutoModelForCausalLM.from_config(
        getattr(transformers, f"{kind}Config")(**config)
    )
    made.save_pretrained(folder)
    return made


@pytest.mark.parametrize("name", KINDS)
def test_parameters_adapters_and_cache_are_those_of_the_model_itself(
    name: str, tmp_path: Path
) -> None:
    kind, config, cached = KINDS[name]
    model = saved(tmp_path, kind, config)
    sizes = sizes_of(tmp_path)
    assert sizes is not None
    assert sizes.parameters == sum(each.numel() for each in model.parameters())
    told = (sizes.vocabulary, sizes.hidden, sizes.layers, list(sizes.cached))
    assert told == (96, 32, 3, cached)
    adapted = peft.get_peft_model(
        model, peft.LoraConfig(r=3, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    assert sizes.adapters(3, "all-linear") == adapted.get_nb_trainable_parameters()[0]


def test_adapters_are_those_of_the_layers_that_are_named(tmp_path: Path) -> None:
    kind, config, _ = KINDS["tied"]
    model = saved(tmp_path, kind, config)
    adapted = peft.get_peft_model(
        model, peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    )
    told = sizes_of(tmp_path)
    assert told is not None
    # Three layers, 32 in; 4 x 16 out for queries, 2 x 16 for values.
    assert told.adapters(2, "q_proj, v_proj") == 3 * 2 * ((32 + 64) + (32 + 32))
    assert told.adapters(2, "q_proj, v_proj") == adapted.get_nb_trainable_parameters()[0]


def test_a_tied_head_that_is_stored_too_counts_once(tmp_path: Path) -> None:
    kind, config, _ = KINDS["tied"]
    model = saved(tmp_path, kind, config)
    from safetensors.torch import load_file, save_file

    weights = load_file(tmp_path / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    told = sizes_of(tmp_path)
    assert told is not None
    assert told.parameters == sum(each.numel() for each in model.parameters())


def test_qwen3_8b_has_the_sizes_of_its_authors(tmp_path: Path) -> None:
    config = transformers.Qwen3Config(
        vocab_size=151_936, hidden_size=4096, intermediate_size=12_288, num_hidden_layers=36,
        num_attention_heads=32, num_key_value_heads=8, head_dim=128,
    )  # fmt: skip
    sizes = sizes_of(save_heads(tmp_path, config))
    assert sizes is not None
    # 8.2 B, of them 6.95 B without the embeddings (its model card).
    embedding = 151_936 * 4096
    assert sizes.parameters == 8_190_735_360
    assert sizes.parameters - 2 * embedding == 6_946_075_648
    assert sizes.products == sizes.parameters - embedding - 36 * (2 * 4096 + 2 * 128) - 4096
    # 147 kB a token in two bytes.
    assert 2 * sum(sizes.kept(1)) == 147_456
    assert (sizes.hidden, sizes.intermediate, sizes.queries) == (4096, 12_288, 4096)


def test_files_that_do_not_tell_are_not_known(tmp_path: Path) -> None:
    kind, config, _ = KINDS["tied"]
    saved(tmp_path / "whole", kind, config)
    assert isinstance(sizes_of(tmp_path / "whole"), Sizes)
    assert sizes_of(tmp_path / "nowhere") is None
    for name, spoil in {
        "quantised": {"quantization_config": {"quant_method": "fp8"}},
        "no sizes": {"hidden_size": "many", "model_type": "unheard-of"},
    }.items():
        folder = Path(shutil.copytree(tmp_path / "whole", tmp_path / name))
        told = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(told | spoil))
        assert sizes_of(folder) is None
    for name, content in {"cut": b"\x08", "no head": b"\xff" * 16, "no object": b"\x02" + b"\0" * 7 + b"[]"}.items():  # fmt: skip
        folder = Path(shutil.copytree(tmp_path / "whole", tmp_path / name))
        (folder / "model.safetensors").write_bytes(content)
        assert sizes_of(folder) is None


def test_a_layer_that_the_config_does_not_list_has_no_window(tmp_path: Path) -> None:
    kind, config, _ = KINDS["windowed"]
    saved(tmp_path, kind, config)
    told = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(
        json.dumps(told | {"layer_types": told["layer_types"][:1]})
    )
    sizes = sizes_of(tmp_path)
    assert sizes is not None and sizes.cached[1:] == (Cached(32, 32), Cached(32, 32))

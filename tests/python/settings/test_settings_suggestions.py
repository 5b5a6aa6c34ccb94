"""What a user may have meant: keys as other tools call them, shipped policies, models of the hub."""

from __future__ import annotations

from pathlib import Path

import pytest
from dalign.errors import InputError
from dalign.settings import check_paths, load_config
from dalign.spec.shipped import shipped

GOOD = """\
[model]
path = "sandbox"
[spec]
path = "policy"
[data]
prompts = "prompts.jsonl"
"""


def refused(folder: Path, *overrides: str) -> str:
    (folder / "dalign.toml").write_text(GOOD)
    with pytest.raises(InputError) as caught:
        load_config(folder / "dalign.toml", overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("sft.lr", "sft.learning_rate"),
        ("rl.lr", "rl.learning_rate"),
        ("sft.num_train_epochs", "sft.epochs"),
        ("sft.num_epochs", "sft.epochs"),
        ("sft.warmup", "sft.warmup_steps"),
        ("sft.gradient_accumulation_steps", "sft.rows_per_step"),
        ("sft.batch_size", "sft.rows_per_step"),
        ("sft.max_length", "pack.capacity"),
        ("pack.max_length", "pack.capacity"),
        ("sft.lora_r", "sft.lora.r"),
        ("sft.lora.rank", "sft.lora.r"),
        ("sft.lora_alpha", "sft.lora.alpha"),
        ("rl.lora_r", "rl.lora.r"),
        ("rl.lora.lora_rank", "rl.lora.r"),
        ("rl.target_modules", "rl.lora.target"),
        ("generate.max_tokens", "generate.max_new_tokens"),
        ("judge.max_tokens", "judge.max_new_tokens"),
        ("generate.num_samples", "generate.n"),
        ("evaluate.n", "evaluate.samples"),
        ("judge.n", "judge.k"),
        ("rl.num_generations", "rl.group_size"),
        ("rl.kl_coef", "rl.beta"),
        ("rl.max_steps", "rl.steps"),
        ("model.name", "model.path"),
        ("model.model", "model.path"),
        ("model.api_base", "model.base_url"),
        ("model.api_key", "model.api_key_env"),
        ("model.torch_dtype", "model.dtype"),
        ("model.timeout", "model.timeout_s"),
        ("run.num_workers", "run.workers"),
        ("seed", "run.seed"),
        ("judge.min_score", "judge.low"),
        ("select.min_score", "select.threshold"),
        ("judge.tempreature", "judge.temperature"),
        ("generate.max_newtokens", "generate.max_new_tokens"),
    ],
)
def test_the_key_that_was_meant_is_named(tmp_path: Path, given: str, meant: str) -> None:
    said = refused(tmp_path, f"{given}=1")
    # Within its section by its own name.
    section, _, key = meant.rpartition(".")
    meant = key if section == given.rpartition(".")[0] else meant
    assert f"did you mean {meant!r}?" in said


def test_a_key_of_another_section_is_told_as_such(tmp_path: Path) -> None:
    said = refused(tmp_path, "rl.epochs=2")
    assert "did you mean" not in said
    assert "'sft.epochs' is a key of another section" in said and "known in rl: method," in said


@pytest.mark.parametrize("key", ["modle", "evalute", "genrate"])
def test_a_section_that_was_meant_is_named(tmp_path: Path, key: str) -> None:
    meant = {"modle": "model", "evalute": "evaluate", "genrate": "generate"}[key]
    assert f"did you mean {meant!r}?" in refused(tmp_path, f"{key}.path=x")


def test_a_shipped_policy_is_meant_by_its_name_where_no_folder_has_it(tmp_path: Path) -> None:
    (tmp_path / "dalign.toml").write_text(GOOD.replace('"policy"', '"safety"'))
    config = load_config(tmp_path / "dalign.toml")
    assert config.spec.path == shipped("safety")
    (tmp_path / "safety").mkdir()
    assert load_config(tmp_path / "dalign.toml").spec.path == tmp_path / "safety"
    # Only policies, and only names.
    for other in ("templates", "starter", "./safety2", "safety/../safety3"):
        config = load_config(tmp_path / "dalign.toml", [f"spec.path={other}"])
        with pytest.raises(InputError, match="no such folder") as caught:
            check_paths(config)
        assert "such as 'safety'" in str(caught.value)


def test_a_model_of_the_hub_is_told_how_to_be_fetched(tmp_path: Path) -> None:
    (tmp_path / "policy").mkdir()
    (tmp_path / "prompts.jsonl").write_text("{}")
    text = GOOD.replace('"sandbox"', '"Qwen/Qwen3-8B"')
    (tmp_path / "dalign.toml").write_text(text)
    with pytest.raises(InputError) as caught:
        check_paths(load_config(tmp_path / "dalign.toml"))
    path = tmp_path / "Qwen" / "Qwen3-8B"
    assert f"hf download Qwen/Qwen3-8B --local-dir {path}" in str(caught.value)
    (tmp_path / "dalign.toml").write_text(GOOD.replace('"sandbox"', '"mine"'))
    with pytest.raises(InputError) as caught:
        check_paths(load_config(tmp_path / "dalign.toml"))
    assert "hf download" not in str(caught.value)

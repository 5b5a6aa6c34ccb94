"""What a plan says of a GPU's memory, and trainings that cannot fit there."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dalign.errors import InputError
from dalign.pipeline import memory
from dalign.pipeline.memory import check_memory
from dalign.pipeline.run import Planned, planned, resolve_config
from dalign.progress import Progress
from dalign.sandbox.checkpoint import MODEL
from dalign.spec.shipped import shipped
from heads import save_heads

pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

GB = 10**9
ALL = {"generate", "judge", "sft", "rl"}


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Qwen3-8B as far as a plan looks at it, with the sandbox's tokenizer."""
    config = transformers.Qwen3Config(
        vocab_size=151_936, hidden_size=4096, intermediate_size=12_288, num_hidden_layers=36,
        num_attention_heads=32, num_key_value_heads=8, head_dim=128, max_position_embeddings=40_960,
    )  # fmt: skip
    folder = save_heads(tmp_path_factory.mktemp("eight") / "model", config)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):  # fmt: skip
        shutil.copy(MODEL / name, folder)
    return folder


@pytest.fixture
def config(tmp_path: Path, eight: Path) -> Path:
    """A project of one prompt, whose model is served, and trained by RL in completions of 4,096 tokens."""
    row = {"category": "general", "messages": [{"role": "user", "content": "How do I cook a soup?"}]}  # fmt: skip
    (tmp_path / "prompts.jsonl").write_text(json.dumps(row) + "\n")
    row["messages"][0]["content"] = "And a tea?"
    (tmp_path / "suite.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "dalign.toml").write_text(f"""
spec = {{ path = "{shipped("safety")}" }}
data = {{ prompts = "prompts.jsonl" }}
generate = {{ max_new_tokens = 2048 }}
pack = {{ capacity = 4096 }}
rl = {{ max_new_tokens = 4096 }}
model = {{ path = "eight", engine = "openai", base_url = "http://127.0.0.1:9/v1", checkpoint = "{eight}", device = "cpu" }}
evaluate = {{ suites = [{{ name = "test", path = "suite.jsonl" }}] }}
""")
    return tmp_path / "dalign.toml"


@pytest.fixture
def opened(config: Path, tmp_path: Path) -> Iterator[Planned]:
    settings = resolve_config(config, tmp_path / "run", [], redo=False)
    with planned(settings, tmp_path / "run", Progress()) as found:
        yield found


def on_gpu(opened: Planned, monkeypatch: pytest.MonkeyPatch, gb: int, kinds=ALL, **sections) -> list[str]:  # fmt: skip
    """What is said of these kinds of stages, on a GPU of so many GB."""
    monkeypatch.setattr(memory, "memory_of_device", lambda device: gb * GB if device == "cuda" else None)  # fmt: skip
    model = opened.project.config.model.model_copy(update={"device": "cuda", "dtype": "bfloat16"})
    update = {"model": model}
    for name, values in sections.items():
        update[name] = getattr(opened.project.config, name).model_copy(update=values)
    told = opened.project.config.model_copy(update=update)
    return list(check_memory(replace(opened.project, config=told), opened.engines, kinds))


def test_a_plan_has_a_row_for_each_kind_of_work_and_what_gpus_it_fits(
    config: Path, dalign: Any, tmp_path: Path
) -> None:
    for words in (("run", config, "--run", tmp_path / "run", "--dry-run"), ("plan", config)):
        # The model's server is not there, which a dry run says after the plan.
        code, out, err = dalign(*words)
        assert "model.base_url" in err if words[0] == "run" else code == 0, err
        table = [re.split(r"  +", line.strip()) for line in out.splitlines()]
        start = next(i for i, line in enumerate(table) if line[0] == "memory of a GPU, GB")
        assert table[start][1:] == ["weights", "gradients", "Adam", "16-bit copy", "KV cache", "activations", "logits", "in all", "of 80", "of 141"]  # fmt: skip
        sft, rollouts, update = table[start + 1 : start + 4]
        assert sft[:6] == ["sft", "32.8", "32.8", "65.5", "15.1", "2.4"]
        assert sft[-2:] == ["needs 149", "needs 149"]
        assert rollouts[0] == "rl, rollouts" and update[0] == "rl, update"
        assert "at the fullest on one GPU, computed in bfloat16" in out
    code, out, _ = dalign("plan", config, "--json")
    rows = json.loads(out)["memory"]
    assert [row["stage"] for row in rows] == ["sft", "rl, rollouts", "rl, update"]
    assert rows[0]["parts"]["Adam"] == 8 * 8_190_735_360
    assert rows[0]["fits"] == {"80": False, "141": False}
    assert rows[0]["total"] == pytest.approx(sum(rows[0]["parts"].values()), abs=9)
    code, out, _ = dalign("plan", config, "--set=run.devices=2")
    assert "at the fullest on one GPU of the 2 that train together, computed in bfloat16" in out


def test_what_is_small_is_one_line_and_what_is_not_known_is_said(
    config: Path, dalign: Any, tmp_path: Path, eight: Path
) -> None:
    small = [f"--set=model.checkpoint={MODEL}", "--set=rl.max_new_tokens=8", "--set=generate.max_new_tokens=8", "--set=evaluate.max_new_tokens=8"]  # fmt: skip
    code, out, err = dalign("plan", config, *small)
    assert code == 0, err
    assert "memory of a GPU: below 1 GB" in out
    told = json.loads((eight / "config.json").read_text()) | {"quantization_config": {"bits": 4}}
    folder = Path(shutil.copytree(eight, tmp_path / "quantised"))
    (folder / "config.json").write_text(json.dumps(told))
    code, out, err = dalign("plan", config, f"--set=model.checkpoint={folder}")
    assert "memory of a GPU: not known, as the checkpoint's files do not tell" in out, err


def test_a_training_that_cannot_fit_is_refused_with_what_makes_it_fit(
    opened: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError) as caught:
        on_gpu(opened, monkeypatch, 80, {"sft"})
    said = str(caught.value)
    assert said.startswith("sft: on cuda, which has 80 GB, it needs 149 GB (weights 33 GB, Adam 66 GB, gradients 33 GB")  # fmt: skip
    assert re.search(r"; set sft\.method = 'lora' \(\d+ GB\)$", said)
    assert (caught.value.kind, caught.value.limit) == ("too_large", 80 * GB)
    assert on_gpu(opened, monkeypatch, 80, {"sft"}, sft={"method": "lora"}) == []
    # Weights, gradients and moments alone: no length of completions helps.
    with pytest.raises(InputError, match=r"^rl, .* needs 131 GB .*; set rl\.method = 'lora' \(\d+ GB\)$"):  # fmt: skip
        on_gpu(opened, monkeypatch, 80, {"rl"})
    with pytest.raises(InputError, match=r"no setting makes it fit there: take a smaller model, or a GPU with more memory$"):  # fmt: skip
        on_gpu(opened, monkeypatch, 10, {"rl"}, rl={"method": "lora"})


def test_devices_that_train_together_hold_the_gradients_twice(
    opened: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"^sft: .* it needs 18\d GB \(weights 33 GB, Adam 66 GB, gradients 66 GB"):  # fmt: skip
        on_gpu(opened, monkeypatch, 80, {"sft"}, run={"devices": 2})


def test_what_may_not_fit_is_said_with_settings_that_do(
    opened: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    update, rollouts = on_gpu(opened, monkeypatch, 160, {"rl"})
    assert re.match(r"rl, rollouts: on cuda, which has 160 GB, it may need 2\d\d GB \(", rollouts)
    found = re.search(r"set rl\.prompts_per_step = (\d+) \((\d+) GB\), or rl\.max_new_tokens = (\d+) \((\d+) GB\), or rl\.method = 'lora' \(\d+ GB\)$", rollouts)  # fmt: skip
    assert found and int(found[2]) <= 160 and int(found[4]) <= 160
    found = re.search(r"set rl\.rows_per_pass = (\d+) \((\d+) GB\), or rl\.max", update)
    assert found and int(found[2]) <= 160
    # What is advised is enough, and twice of it is not.
    rows = int(found[1])
    kept = [s for s in on_gpu(opened, monkeypatch, 160, {"rl"}, rl={"rows_per_pass": rows}) if "update" in s]  # fmt: skip
    assert kept == []
    more = [s for s in on_gpu(opened, monkeypatch, 160, {"rl"}, rl={"rows_per_pass": 2 * rows}) if "update" in s]  # fmt: skip
    assert len(more) == 1


def test_without_a_gpu_nothing_is_said(opened: Planned) -> None:
    assert list(check_memory(opened.project, opened.engines, ALL)) == []


def test_models_that_were_opened_before_count(
    opened: Planned, monkeypatch: pytest.MonkeyPatch, eight: Path
) -> None:
    local = {"engine": "transformers", "path": str(eight)}
    model = opened.project.config.model.model_copy(update=local)
    told = opened.project.config.model_copy(update={"model": model})
    project = replace(opened.project, config=told)
    moments = memory.moments_of(project, opened.engines, {"generate", "sft"})
    generate, sft = moments or []
    # As it was loaded for generation, in two bytes.
    assert (generate.stage, generate.parts["weights"]) == ("generate", 2 * 8_190_735_360)
    assert sft.parts["other models"] == 2 * 8_190_735_360
    [alone] = memory.moments_of(project, opened.engines, {"sft"}) or []
    assert alone.parts["other models"] == 0

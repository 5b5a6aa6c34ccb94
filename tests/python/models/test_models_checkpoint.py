"""Checkpoint folders: what makes one usable."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from dalign.errors import InputError
from dalign.models.checkpoint import check_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of a checkpoint, none of which is real."""
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    return tmp_path


def test_a_whole_checkpoint_passes(folder: Path) -> None:
    check_checkpoint(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("chat_template.jinja", "{{ messages }}"),
        ("chat_template.json", '{"chat_template": "x"}'),
        ("tokenizer_config.json", '{"chat_template": "x"}'),
    ],
)
def test_the_chat_template_may_stand_in_three_places(folder: Path, name: str, content: str) -> None:
    (folder / "chat_template.jinja").unlink()
    (folder / name).write_text(content)
    check_checkpoint(folder)


@pytest.mark.parametrize(
    ("removed", "message"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", r"no weights \(\*\.safetensors\)"),
        ("tokenizer.json", "no tokenizer"),
        ("chat_template.jinja", "the tokenizer has no chat template; add chat_template.jinja"),
    ],
)
def test_a_missing_file_is_named_with_the_way_out(folder: Path, removed: str, message: str) -> None:
    (folder / removed).unlink()
    with pytest.raises(InputError, match=f"^{folder}: .*{message}"):
        check_checkpoint(folder)


def test_a_template_without_text_is_none(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    (folder / "tokenizer_config.json").write_text('{"chat_template": null}')
    with pytest.raises(InputError, match="no chat template"):
        check_checkpoint(folder)


def test_pickled_weights_are_refused(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"pickle files.*convert them to safetensors"):
        check_checkpoint(folder)


def test_an_adapter_is_not_a_model(folder: Path) -> None:
    (folder / "config.json").rename(folder / "adapter_config.json")
    with pytest.raises(InputError, match=r"LoRA adapter.*merge it"):
        check_checkpoint(folder)


def test_a_missing_shard_is_named(folder: Path) -> None:
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(
        InputError, match=r"1 weight files of its index are missing \(first: model-2"
    ):
        check_checkpoint(folder)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_config_is_named(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config\.json: not"):
        check_checkpoint(folder)


def test_checking_imports_no_torch() -> None:
    code = "import sys, dalign.models.checkpoint, dalign.models.engines.open; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Checkpoint folders: what makes one usable, and what its fingerprint sees."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from dalign.errors import InputError
from dalign.models import checkpoint
from dalign.models.checkpoint import check_checkpoint, fingerprint


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


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    ],
)
def test_a_change_of_any_file_that_determines_replies_changes_the_fingerprint(
    folder: Path, name: str
) -> None:
    before = fingerprint(folder)
    assert fingerprint(folder) == before
    (folder / name).write_bytes(b'{"a":1}')
    assert fingerprint(folder) != before


def test_other_files_do_not_change_the_fingerprint(folder: Path) -> None:
    before = fingerprint(folder)
    (folder / "README.md").write_text("words")
    (folder / "trainer_state.json").write_text("{}")
    assert fingerprint(folder) == before


@pytest.mark.parametrize("at", [0, 50, 99], ids=["start", "middle", "end"])
def test_large_weights_are_sampled_at_start_middle_and_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    # Above 30 bytes, three blocks of 10: 0-9, 45-54, 90-99.
    monkeypatch.setattr(checkpoint, "WHOLE_BYTES", 30)
    monkeypatch.setattr(checkpoint, "BLOCK_BYTES", 10)
    content = bytearray(100)
    (folder / "model.safetensors").write_bytes(content)
    before = fingerprint(folder)
    content[at] = 1
    (folder / "model.safetensors").write_bytes(content)
    assert fingerprint(folder) != before

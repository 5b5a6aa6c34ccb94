"""What a checkpoint's fingerprint sees."""

from __future__ import annotations

from pathlib import Path

import pytest
from dalign.errors import InputError
from dalign.models import fingerprint as module
from dalign.models.fingerprint import fingerprint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of a checkpoint, none of which is real."""
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    return tmp_path


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
    monkeypatch.setattr(module, "WHOLE_BYTES", 30)
    monkeypatch.setattr(module, "BLOCK_BYTES", 10)
    content = bytearray(100)
    (folder / "model.safetensors").write_bytes(content)
    before = fingerprint(folder)
    content[at] = 1
    (folder / "model.safetensors").write_bytes(content)
    assert fingerprint(folder) != before


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_a_folder_without_a_checkpoint_has_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=str(tmp_path / name)):
        fingerprint(tmp_path / name)

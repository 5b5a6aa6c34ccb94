"""Checkpoints that count, and the log of steps."""

from __future__ import annotations

import pytest
from dalign.errors import InputError
from dalign.train import checkpoints
from dalign.train.checkpoints import MARKER, log_of, resume_point, step_log, take_up


def checkpoint(out, step, *, complete=True):
    folder = out / f"checkpoints/checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"12345")
    if complete:
        checkpoints.complete(folder.parent, step)
    return folder


def cut_short(folder):
    (folder / "model.safetensors").write_bytes(b"123")


def flip_a_bit(folder):
    (folder / "model.safetensors").write_bytes(b"12344")


def break_the_marker(folder):
    (folder / MARKER).write_text("[]")


def lose_a_file(folder):
    (folder / "model.safetensors").unlink()


def lose_the_marker(folder):
    (folder / MARKER).unlink()


@pytest.mark.parametrize(
    "damage", [cut_short, flip_a_bit, lose_a_file, lose_the_marker, break_the_marker]
)
def test_a_damaged_checkpoint_is_removed_and_the_one_before_it_taken(tmp_path, damage):
    # 10 comes after 9 although it sorts before it as text.
    before, newest = checkpoint(tmp_path, 9), checkpoint(tmp_path, 10)
    assert resume_point(tmp_path) == (newest, 10)
    damage(newest)
    assert log_of(newest, tmp_path) is None
    assert resume_point(tmp_path) == (before, 9)
    assert not newest.exists()


@pytest.mark.parametrize("name", ["model.safetensors.index.json", "deeper/pytorch_model.bin"])
def test_what_was_added_to_a_checkpoint_is_never_loaded_with_it(tmp_path, name):
    folder = checkpoint(tmp_path, 10)
    added = folder / name
    added.parent.mkdir(exist_ok=True)
    added.write_text("{}")
    assert resume_point(tmp_path) == (folder, 10)
    assert sorted(p.name for p in folder.rglob("*") if p.is_file()) == [MARKER, "model.safetensors"]
    assert (tmp_path / f"{added.name}.aside").read_text() == "{}"


def test_what_was_added_to_a_result_is_no_part_of_it(tmp_path):
    final = tmp_path / "final"
    final.mkdir()
    (final / "model.safetensors").write_bytes(b"12345")
    checkpoints.mark_complete(final, [])
    (final / "adapter_config.json").write_text("{}")
    assert take_up(tmp_path, {"seed": 1}).final == final
    assert sorted(p.name for p in final.iterdir()) == [MARKER, "model.safetensors"]
    assert (tmp_path / "adapter_config.json.aside").is_file()


def test_there_is_nothing_to_resume_where_nothing_was_saved(tmp_path):
    assert resume_point(tmp_path / "absent") == (None, 0)
    checkpoint(tmp_path, 1, complete=False)
    assert resume_point(tmp_path) == (None, 0)


def test_the_newest_two_checkpoints_are_kept(tmp_path):
    for step in (2, 4, 6, 10):
        checkpoint(tmp_path, step)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "checkpoint-10",
        "checkpoint-6",
    ]


def test_a_log_is_cut_to_its_checkpoint_and_forgets_half_a_line(tmp_path):
    log = step_log(tmp_path)
    for step in (1, 2, 3):
        log.append([{"step": step, "loss": 0.1}])
    undisturbed = log.path.read_bytes()
    with log.path.open("a") as file:
        file.write('{"step": 4, "lo')
    checkpoint(tmp_path, 3)
    resume_point(tmp_path)
    assert log.path.read_bytes() == undisturbed
    checkpoint(tmp_path, 1)
    cut_short(tmp_path / "checkpoints/checkpoint-3")
    resume_point(tmp_path)
    assert [row["step"] for row in log.read()] == [1]


def test_a_folder_belongs_to_one_job(tmp_path):
    take_up(tmp_path, {"seed": 1, "settings": {"rate": 0.1}})
    take_up(tmp_path, {"seed": 1, "settings": {"rate": 0.1}})
    with pytest.raises(InputError, match="differs in seed"):
        take_up(tmp_path, {"seed": 2, "settings": {"rate": 0.1}})

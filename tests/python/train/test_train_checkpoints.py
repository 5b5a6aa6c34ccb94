"""Checkpoints that count, and the log of steps."""

from __future__ import annotations

import pytest
from dalign.errors import InputError
from dalign.train.checkpoints import (
    MARKER,
    StepLog,
    claim,
    is_complete,
    mark_complete,
    newest_complete,
    prune,
)


def checkpoint(root, step, *, complete=True):
    folder = root / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"12345")
    if complete:
        mark_complete(folder)
    return folder


def cut_short(folder):
    (folder / "model.safetensors").write_bytes(b"123")


def lose_a_file(folder):
    (folder / "model.safetensors").unlink()


def lose_the_marker(folder):
    (folder / MARKER).unlink()


@pytest.mark.parametrize("damage", [cut_short, lose_a_file, lose_the_marker])
def test_a_damaged_checkpoint_is_removed_and_the_one_before_it_taken(tmp_path, damage):
    # 10 comes after 9 although it sorts before it as text.
    before, newest = checkpoint(tmp_path, 9), checkpoint(tmp_path, 10)
    assert newest_complete(tmp_path) == newest
    damage(newest)
    assert not is_complete(newest)
    assert newest_complete(tmp_path) == before
    assert not newest.exists()


def test_there_is_nothing_to_resume_where_nothing_was_saved(tmp_path):
    assert newest_complete(tmp_path / "absent") is None
    checkpoint(tmp_path, 1, complete=False)
    assert newest_complete(tmp_path) is None


def test_the_newest_two_checkpoints_are_kept(tmp_path):
    for step in (2, 4, 6, 10):
        checkpoint(tmp_path, step)
    prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-6"]


def test_a_log_is_cut_to_its_checkpoint_and_forgets_half_a_line(tmp_path):
    log = StepLog(tmp_path)
    for step in (1, 2, 3):
        log.append({"step": step, "loss": 0.1})
    undisturbed = log.path.read_bytes()
    with log.path.open("a") as file:
        file.write('{"step": 4, "lo')
    log.cut(3)
    assert log.path.read_bytes() == undisturbed
    log.cut(1)
    assert [row["step"] for row in log.rows()] == [1]


def test_a_folder_belongs_to_one_job(tmp_path):
    claim(tmp_path, {"seed": 1, "settings": {"rate": 0.1}})
    claim(tmp_path, {"seed": 1, "settings": {"rate": 0.1}})
    with pytest.raises(InputError, match="differs in seed"):
        claim(tmp_path, {"seed": 2, "settings": {"rate": 0.1}})

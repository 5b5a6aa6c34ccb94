"""One process at a time in a folder, also where who was there first takes the folder back."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest
from dalign.errors import BusyError
from dalign.store.lock import LOCK, only_one


def test_a_lock_that_was_removed_before_it_was_taken_locks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, take, taken = tmp_path / LOCK, fcntl.flock, []

    def slow(lock: Any, how: int) -> None:
        # The other one ends, and takes its folder back, while this one waits for its turn.
        if not taken:
            place.unlink()
        taken.append(how)
        take(lock, how)

    monkeypatch.setattr(fcntl, "flock", slow)
    with only_one(tmp_path):
        assert len(taken) == 2 and place.read_text() == str(os.getpid())
        with pytest.raises(BusyError, match=f"process {os.getpid()}"), only_one(tmp_path):
            pass


def test_an_error_inside_is_not_the_locks(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="mine"), only_one(tmp_path):
        raise FileNotFoundError("mine")
    assert (tmp_path / LOCK).read_text() == ""

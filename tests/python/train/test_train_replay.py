"""The SFT sequences that RL replays, read from packed rows."""

from __future__ import annotations

import pytest
from dalign.errors import InputError
from dalign.train.draw import draw_replay
from dalign.train.rl.replay import read_replayed
from tiny import IGNORED, packed, written

# Seven sequences of 2 to 8 tokens, in packed rows of three, three and one.
SEQUENCES = [(list(range(10 * n, 10 * n + n + 2)), [IGNORED, *range(n + 1)]) for n in range(7)]


def in_parts(folder, *heights):
    """The packed rows, `heights` of them in each file."""
    frame, start = packed(SEQUENCES), 0
    for part, height in enumerate(heights):
        written(frame[start : start + height], folder / f"part-{part:05d}.parquet")
        start += height
    assert start == frame.height
    return sorted(folder.glob("*.parquet"))


@pytest.mark.parametrize("heights", [(3,), (1, 2), (2, 0, 1), (1, 1, 1)])
def test_a_step_replays_the_drawn_sequences_whatever_files_they_lie_in(tmp_path, heights):
    replayed = read_replayed(in_parts(tmp_path, *heights), steps=5, per_step=3, seed=2)
    assert replayed == [
        [SEQUENCES[position] for position in draw_replay(7, count=3, seed=2, step=step)]
        for step in range(1, 6)
    ]


def test_of_fewer_sequences_than_asked_for_each_step_replays_all(tmp_path):
    replayed = read_replayed(in_parts(tmp_path, 2, 1), steps=2, per_step=9, seed=0)
    assert [sorted(step) for step in replayed] == [SEQUENCES] * 2


def test_a_sequence_that_several_steps_draw_is_kept_once(tmp_path):
    first, second = read_replayed(in_parts(tmp_path, 3), steps=2, per_step=7, seed=0)
    assert {id(row) for row in first} == {id(row) for row in second}


def test_where_there_is_nothing_to_replay_it_is_said(tmp_path):
    empty = written(packed(SEQUENCES).clear(), tmp_path / "part-00000.parquet")
    with pytest.raises(InputError, match=r"part-00000\.parquet: holds no row to replay"):
        read_replayed([empty], steps=1, per_step=1, seed=0)

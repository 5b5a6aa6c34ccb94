"""Training rows: what is trained on, what must not be in them, and how they fill bins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from dalign.errors import InputError
from dalign.pack import TrainingText, check_no_spec, mix, pack

WORDS: dict[str, int] = {}


def tokenize(texts: Sequence[str]):
    """One id a word, so that lengths can be counted by hand."""
    rows = [[WORDS.setdefault(word, len(WORDS) + 1) for word in text.split()] for text in texts]
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.uint64)
    return np.array([i for row in rows for i in row], dtype=np.uint32), offsets


def row(name: str, prompt: str, completion: str, own: str = "") -> TrainingText:
    return TrainingText(name, "soup", prompt, own or prompt, completion)


def test_only_the_completion_and_its_end_are_trained_on() -> None:
    packed = pack(
        [row("a", "u1 u2 u3", "c1 c2")], tokenize, capacity=8, over_long="error", end=" END"
    )
    found = packed.rows.row(0, named=True)
    assert found["input_ids"] == [WORDS[w] for w in ("u1", "u2", "u3", "c1", "c2", "END")]
    assert found["labels"] == [-100, -100, -100, WORDS["c1"], WORDS["c2"], WORDS["END"]]
    assert found["position_ids"] == [0, 1, 2, 3, 4, 5]
    assert packed.trained_tokens == 3


def test_rows_share_a_bin_and_positions_start_again() -> None:
    packed = pack(
        [row("a", "u1", "c1"), row("b", "u2 u3", "c2")],
        tokenize,
        capacity=7,
        over_long="error",
        end=" END",
    )
    found = packed.rows.row(0, named=True)
    assert packed.rows.height == 1
    # The longest row comes first.
    assert found["rows"] == ["b", "a"]
    assert found["position_ids"] == [0, 1, 2, 3, 0, 1, 2]


@pytest.mark.parametrize("length", [5, 6])  # the capacity, and one more
def test_a_row_longer_than_the_capacity_is_an_error(length: int) -> None:
    texts = [row("long", " ".join(["u"] * (length - 2)), "c")]
    if length == 5:
        assert pack(texts, tokenize, capacity=5, over_long="error", end=" END").rows.height == 1
        return
    with pytest.raises(
        InputError, match=r"training row long: 6 tokens, more than pack.capacity = 5"
    ):
        pack(texts, tokenize, capacity=5, over_long="error", end=" END")


def test_a_row_longer_than_the_capacity_is_dropped_whole_where_the_config_says_so() -> None:
    packed = pack(
        [row("long", "u u u u", "c"), row("a", "u", "c")],
        tokenize,
        capacity=5,
        over_long="drop",
        end=" END",
    )
    assert packed.dropped == [("long", "soup", "over_long", "6 tokens > 5")]
    assert packed.rows["rows"].to_list() == [["a"]]


def test_a_row_longer_than_the_capacity_is_masked_whole_where_the_config_says_so() -> None:
    packed = pack(
        [row("long", "u v w", "c1 c2"), row("a", "u", "c")],
        tokenize,
        capacity=5,
        over_long="mask",
        end=" END",
    )
    assert packed.rows["rows"].to_list() == [["long"], ["a"]]
    # Six tokens: the end is cut off, so none of the five may be trained on.
    masked = packed.rows.row(0, named=True)
    assert masked["input_ids"] == [WORDS[w] for w in ("u", "v", "w", "c1", "c2")]
    assert masked["labels"] == [-100] * 5
    assert (packed.dropped, packed.masked, packed.trained_tokens) == ([], ["long"], 2)


EIGHT = "s1 s2 s3 s4 s5 s6 s7 s8"


def test_a_prompt_with_eight_tokens_of_the_policy_is_refused() -> None:
    with pytest.raises(
        InputError, match="training row a: its prompt holds a run of 8 tokens of the policy"
    ):
        check_no_spec(
            [row("a", f"system {EIGHT} user hello", "c", own="hello")], [f"x {EIGHT} y"], tokenize
        )


def test_a_prompt_with_seven_tokens_of_the_policy_is_not() -> None:
    check_no_spec(
        [row("a", "system s1 s2 s3 s4 s5 s6 s7 user", "c", own="hello")], [f"x {EIGHT} y"], tokenize
    )


def test_words_of_the_policy_that_the_user_wrote_may_stand_in_the_prompt() -> None:
    check_no_spec([row("a", f"user {EIGHT} end", "c", own=EIGHT)], [f"x {EIGHT} y"], tokenize)


def test_capability_rows_are_mixed_in_at_the_ratio() -> None:
    safety = [row(f"s{i}", "u", "c") for i in range(10)]
    capability = [row(f"k{i}", "u", "c") for i in range(9)]
    mixed = mix(safety, capability, 0.5, seed=1)
    assert sum(r.id.startswith("k") for r in mixed) == 5 and len(mixed) == 15
    assert mixed == mix(safety, capability, 0.5, seed=1)
    assert mixed != mix(safety, capability, 0.5, seed=2)


def test_without_a_safety_row_all_capability_rows_are_taken() -> None:
    assert len(mix([], [row("k", "u", "c"), row("l", "u", "c")], 0.5, seed=1)) == 2


def test_no_row_at_all_packs_to_nothing() -> None:
    assert pack([], tokenize, capacity=4, over_long="error", end=" END").rows.height == 0

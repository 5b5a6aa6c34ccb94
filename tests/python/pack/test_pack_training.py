"""Training rows: what is trained on, what must not be in them, and how they fill bins."""

from __future__ import annotations

import gc
import json
import random
import weakref
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from dalign import _core
from dalign.errors import InputError
from dalign.pack.training import (
    SCHEMA,
    TEXTS_SCHEMA,
    Mix,
    Packing,
    check_no_spec,
    training_texts,
)
from dalign.sandbox.checkpoint import MODEL
from dalign.train.bins import load_bins

WORDS: dict[str, int] = {}
Text = tuple[str, str, str, str, str, str | None]


def tokenize(texts: pl.Series):
    """One id a word, so that lengths can be counted by hand."""
    rows = [[WORDS.setdefault(word, len(WORDS) + 1) for word in text.split()] for text in texts]
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.uint64)
    return np.array([i for row in rows for i in row], dtype=np.uint32), offsets


def row(name: str, prompt: str, completion: str, own: str = "") -> Text:
    return (name, "soup", prompt, own or prompt, completion, None)


def texts(*rows: Text) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=TEXTS_SCHEMA, orient="row")


def pack(*rows: Text, capacity: int, over_long: Any = "error") -> tuple[pl.DataFrame, Packing]:
    """The bins of these rows, and what did the packing."""
    packing = Packing(tokenize, capacity=capacity, over_long=over_long, end=" END")
    return pl.concat([pl.DataFrame(schema=SCHEMA), *packing.bins([texts(*rows)])]), packing


class Plain:
    """Writes a conversation as its turns, and an answer after its reasoning."""

    control = ("<end>",)

    def prompts(self, conversations: Any) -> list[str]:
        return [" ".join(f"<{t['role']}>{t['content']}" for t in turns) for turns in conversations]

    def completion(self, reasoning: str | None, answer: str) -> str:
        return f"({reasoning}) {answer}"


def test_a_row_becomes_what_the_model_reads_and_what_it_writes() -> None:
    turns = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hé"}]
    rows = pl.DataFrame(
        {
            "id": ["a", "b"],
            "category": ["soup", "general"],
            "messages": [json.dumps(turns), json.dumps(turns[1:])],
            "reasoning": ["why", None],
            "answer": ["what", "so"],
        }
    )
    found = training_texts(rows, Plain())
    assert found.schema == pl.Schema(TEXTS_SCHEMA)
    assert found.rows() == [
        ("a", "soup", "<system>be brief <user>hé", "be brief\nhé", "(why) what", None),
        ("b", "general", "<user>hé", "hé", "(None) so", None),
    ]


def test_only_the_completion_and_its_end_are_trained_on() -> None:
    bins, packing = pack(row("a", "u1 u2 u3", "c1 c2"), capacity=8)
    found = bins.row(0, named=True)
    assert found["input_ids"] == [WORDS[w] for w in ("u1", "u2", "u3", "c1", "c2", "END")]
    assert found["labels"] == [-100, -100, -100, WORDS["c1"], WORDS["c2"], WORDS["END"]]
    assert found["position_ids"] == [0, 1, 2, 3, 4, 5]
    assert packing.tally.trained_tokens == 3


def test_rows_share_a_bin_and_positions_start_again() -> None:
    bins, _ = pack(row("a", "u1", "c1"), row("b", "u2 u3", "c2"), capacity=7)
    found = bins.row(0, named=True)
    assert bins.height == 1
    # The longest row comes first.
    assert found["rows"] == ["b", "a"]
    assert found["position_ids"] == [0, 1, 2, 3, 0, 1, 2]
    assert found["sequence_starts"] == [0, 4]


@pytest.mark.parametrize("length", [5, 6])  # the capacity, and one more
def test_a_row_longer_than_the_capacity_is_an_error(length: int) -> None:
    long = row("long", " ".join(["u"] * (length - 2)), "c")
    if length == 5:
        assert pack(long, capacity=5)[0].height == 1
        return
    wanted = r"training row long: 6 tokens, more than pack.capacity = 5; raise it, or set pack.over"
    with pytest.raises(InputError, match=wanted) as error:
        pack(row("a", "u", "c"), long, capacity=5)
    facts = error.value
    assert (facts.kind, facts.value, facts.limit) == ("row_too_long", 6, 5)


def test_a_row_longer_than_the_capacity_is_dropped_whole_where_the_config_says_so() -> None:
    bins, packing = pack(
        row("long", "u u u u", "c"), row("a", "u", "c"), capacity=5, over_long="drop"
    )
    assert packing.dropped.rows() == [("long", "soup", "over_long", "6 tokens > 5")]
    assert bins["rows"].to_list() == [["a"]]


def test_a_row_longer_than_the_capacity_is_masked_whole_where_the_config_says_so() -> None:
    bins, packing = pack(
        row("long", "u v w", "c1 c2"), row("a", "u", "c"), capacity=5, over_long="mask"
    )
    assert bins["rows"].to_list() == [["long"], ["a"]]
    # Six tokens: the end is cut off, so none of the five may be trained on.
    masked = bins.row(0, named=True)
    assert masked["input_ids"] == [WORDS[w] for w in ("u", "v", "w", "c1", "c2")]
    assert masked["labels"] == [-100] * 5
    assert packing.dropped.height == 0
    assert (packing.masked, packing.tally.trained_tokens) == (["long"], 2)


def test_a_row_that_trains_on_nothing_is_refused_by_its_name() -> None:
    packing = Packing(tokenize, capacity=5, over_long="error", end="")
    with pytest.raises(InputError, match="training row b: trains on no token"):
        list(packing.bins([texts(row("a", "u", "c")), texts(row("b", "u", ""))]))


def test_bins_are_what_training_reads(tmp_path: Path) -> None:
    bins, packing = pack(row("a", "u1", "c1"), row("b", "u2 u3", "c2"), capacity=4)
    bins.write_parquet(tmp_path / "bins.parquet")
    loaded = load_bins([tmp_path / "bins.parquet"])
    assert loaded.input_ids.tolist() == bins["input_ids"].explode().to_list()
    assert loaded.labels.tolist() == bins["labels"].explode().to_list()
    assert (len(loaded), loaded.offsets.tolist()) == (packing.tally.bins, [0, 4, 7])


EIGHT = "s1 s2 s3 s4 s5 s6 s7 s8"


def check(*rows: Text) -> list[str]:
    """Ids of the rows that pass, each in a part of its own."""
    parts = [texts(one) for one in rows]
    return [part["id"][0] for part in check_no_spec(parts, [f"x {EIGHT} y"], tokenize)]


def test_a_prompt_with_eight_tokens_of_the_policy_is_refused() -> None:
    with pytest.raises(
        InputError, match="training row a: its prompt holds a run of 8 tokens of the policy"
    ):
        check(row("z", "u", "c"), row("a", f"system {EIGHT} user hello", "c", own="hello"))


def test_a_prompt_with_seven_tokens_of_the_policy_is_not() -> None:
    assert check(row("a", "system s1 s2 s3 s4 s5 s6 s7 user", "c", own="hello")) == ["a"]


def test_words_of_the_policy_that_the_user_wrote_may_stand_in_the_prompt() -> None:
    assert check(row("a", f"user {EIGHT} end", "c", own=EIGHT)) == ["a"]


def named(letter: str, count: int, parts: int) -> list[pl.DataFrame]:
    ids = pl.DataFrame({"id": [f"{letter}{i:04}" for i in range(count)]})
    return [ids[i * count // parts : (i + 1) * count // parts] for i in range(parts)]


def mixed(mix: Mix, parts: int = 1) -> list[str]:
    safety = named("s", mix.safety_rows, parts)
    capability = named("k", mix.capability_rows, parts)
    return [name for part in mix.parts(safety, capability) for name in part["id"]]


def test_capability_rows_are_mixed_in_at_the_ratio() -> None:
    found = mixed(Mix(10, 9, 0.5, seed=1))
    assert sum(name.startswith("k") for name in found) == 5 and len(set(found)) == 15
    assert found == mixed(Mix(10, 9, 0.5, seed=1), parts=3)
    assert found != mixed(Mix(10, 9, 0.5, seed=2))


@pytest.mark.parametrize(("safety", "capability"), [(0, 2), (1, 0), (7, 40), (300, 211)])
@pytest.mark.parametrize("ratio", [0.0, 0.5, 2.0])
def test_what_is_a_window_is_shuffled_as_a_list(safety: int, capability: int, ratio: float) -> None:
    rng = random.Random(3)
    drawn = [f"k{i:04}" for i in range(capability)]
    rng.shuffle(drawn)
    wanted = round(ratio * safety) if safety else capability
    rows = [*(f"s{i:04}" for i in range(safety)), *drawn[:wanted]]
    rng.shuffle(rows)
    assert mixed(Mix(safety, capability, ratio, 3), parts=2) == rows


def test_the_order_of_safety_rows_within_a_window_makes_no_difference() -> None:
    mix, safety, capability = Mix(20, 8, 0.5, seed=1), *named("s", 20, 1), *named("k", 8, 1)
    one, other = (list(mix.parts([rows], [capability])) for rows in (safety, safety[::-1]))
    assert one[0].equals(other[0])


def test_more_rows_than_a_window_are_mixed_a_window_after_the_other() -> None:
    found = mixed(Mix(100, 60, 0.5, seed=1, window_rows=50), parts=7)
    assert len(set(found)) == 150
    # A third of each: 33, 33 and 34 safety rows, and 16, 17 and 17 capability rows.
    for i, window in enumerate((found[:49], found[49:99], found[99:])):
        safety = sorted(name for name in window if name.startswith("s"))
        assert safety == [f"s{row:04}" for row in range(100 * i // 3, 100 * (i + 1) // 3)]
        assert window != sorted(window)
    assert found == mixed(Mix(100, 60, 0.5, seed=1, window_rows=50), parts=1)


def test_without_a_safety_row_all_capability_rows_are_taken() -> None:
    assert sorted(mixed(Mix(0, 2, 0.5, seed=1))) == ["k0000", "k0001"]


def test_no_row_at_all_packs_to_nothing() -> None:
    assert mixed(Mix(0, 0, 0.5, seed=1)) == []
    assert pack(capacity=4)[0].height == 0


def test_bins_are_filled_while_rows_come_one_part_at_a_time() -> None:
    alive: list[weakref.ref[pl.DataFrame]] = []
    written = 0

    def parts() -> Iterator[pl.DataFrame]:
        for i in range(20):
            gc.collect()
            assert [ref for ref in alive if ref() is not None] == []
            part = texts(*(row(f"r{i}-{j}", "u " * (1 + j), "c") for j in range(5)))
            alive.append(weakref.ref(part))
            yield part
            del part
        # All but what the buffer holds has been written.
        assert written >= 6

    packing = Packing(tokenize, capacity=10, over_long="error", end=" END", buffer_tokens=100)
    for bins in packing.bins(check_no_spec(parts(), [EIGHT], tokenize)):
        written += bins.height
    assert packing.rows == 100


def test_a_run_and_a_file_of_the_same_rows_have_the_same_bins(dalign, tmp_path: Path) -> None:
    rng = random.Random(7)
    rows = [
        (f"{i}", "soup", "ask " * rng.randint(1, 9), "", "tell é" * rng.randint(1, 20), None)
        for i in range(300)
    ]
    pairs = [{"prompt": row[2], "completion": row[4]} for row in rows]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    call = partial(dalign, "data", "pack", tmp_path / "in.jsonl", tmp_path / "bins.parquet")
    options = ("--capacity", 250, "--end", "<|end|>", "--buffer-tokens", 900)
    assert call("--tokenizer", MODEL, *options)[0] == 0
    encode = _core.Tokenizer.from_file(MODEL / "tokenizer.json").encode
    packing = Packing(encode, capacity=250, over_long="error", end="<|end|>", buffer_tokens=900)
    run = pl.concat(list(packing.bins(texts(*rows).iter_slices(17))))
    file = pl.read_parquet(tmp_path / "bins.parquet")
    assert run.equals(file.cast({"rows": pl.List(pl.String)}))
    assert run.schema == pl.Schema(SCHEMA)

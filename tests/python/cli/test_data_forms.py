"""`dalign data` on the forms that others' files have: chats, folders, tables of a run, phrases that do not count."""

from __future__ import annotations

import gzip
import json
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

LONG = "the seven brown foxes of the northern wood jump over nine lazy dogs at noon today"


@pytest.fixture
def call(dalign):
    """Exit code, stdout and stderr of `dalign data`."""
    return partial(dalign, "data")


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def chat(prompt: str, answer: str) -> dict[str, dict[str, Any]]:
    """The same conversation in each of the common forms."""
    user, assistant = {"role": "user", "content": prompt}, {"role": "assistant", "content": answer}
    turns = [user, assistant]
    told = [{"from": "human", "value": prompt}, {"from": "gpt", "value": answer}]
    parts = [
        {"role": t["role"], "content": [{"type": "text", "text": t["content"]}]} for t in turns
    ]
    return {
        "messages": {"messages": turns},
        "parts": {"messages": parts},
        "json": {"messages": json.dumps(turns)},
        "conversations": {"conversations": told},
        "prompt": {"prompt": prompt, "completion": answer},
        "lists": {"prompt": [user], "completion": [assistant]},
    }


FORMS = list(chat("", ""))


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".parquet", ".json"])
@pytest.mark.parametrize("form", FORMS)
def test_prompts_of_every_form_are_decontaminated(
    form: str, suffix: str, tmp_path: Path, call
) -> None:
    rows = [
        {"id": str(n), **chat(text, "sure")[form]}
        for n, text in enumerate(("harmless", f"now {LONG}"))
    ]
    source = tmp_path / f"in{suffix}"
    if suffix == ".parquet":
        pl.DataFrame(rows).write_parquet(source)
    elif suffix == ".json":
        source.write_text(json.dumps(rows))
    else:
        text = "".join(json.dumps(row) + "\n" for row in rows).encode()
        source.write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
    # A suite of dalign's own form.
    prompt = {"role": "user", "content": f"Tell me: {LONG}?"}
    suite = lines(
        tmp_path / "suite.jsonl", [{"id": "s", "category": "general", "messages": [prompt]}]
    )
    out = tmp_path / f"out{'.parquet' if suffix == '.parquet' else '.jsonl'}"
    code, _, err = call("decontaminate", source, out, "--against", suite)
    assert code == 0, err
    kept = pl.read_parquet(out).to_dicts() if suffix == ".parquet" else [json.loads(line) for line in out.read_text().splitlines()]  # fmt: skip
    assert [row["id"] for row in kept] == ["0"]


def test_dalign_reads_its_own_prompt_files(tmp_path: Path, call) -> None:
    prompts = [{"id": n, "category": "general", "messages": [{"role": "user", "content": text}]} for n, text in (("a", LONG), ("b", "hi"))]  # fmt: skip
    source, out = lines(tmp_path / "prompts.jsonl", prompts), tmp_path / "clean.jsonl"
    for fields in ([], ["--text-field", "messages", "--eval-field", "messages"]):
        options = ["--against", lines(tmp_path / "suite.jsonl", prompts[:1]), "--force", *fields]
        code, _, err = call("decontaminate", source, out, *options)
        assert code == 0, err
        assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == ["b"]


@pytest.mark.parametrize("form", FORMS)
def test_answers_of_every_form_are_filtered_and_deduplicated(
    form: str, tmp_path: Path, call
) -> None:
    answers = ["<think>a</think>one", "<think>b", "<think>a</think>one"]
    source = lines(tmp_path / "in.jsonl", [chat("hi", answer)[form] for answer in answers])
    for command, kept, dropped in (("filter", 1, [2, 3]), ("dedup", 2, [3])):
        out = tmp_path / f"{command}.jsonl"
        code, _, err = call(command, source, out)
        assert code == 0, err
        beside = (out.with_name(f"{command}.dropped.jsonl")).read_text().splitlines()
        assert len(out.read_text().splitlines()) == kept
        assert [json.loads(line)["line"] for line in beside] == dropped


def test_a_row_without_the_text_is_named_in_its_file(tmp_path: Path, call) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    lines(folder / "a.jsonl", [chat("hi", "one")["messages"]] * 2)
    lines(
        folder / "b.jsonl",
        [chat("hi", "one")["messages"], {"messages": [{"role": "user", "content": "x"}]}],
    )
    code, _, err = call("dedup", folder, tmp_path / "out.jsonl")
    assert code == 1 and f"{folder}/b.jsonl:2: has no field 'completion'" in err
    assert not (tmp_path / "out.jsonl").exists()


def test_rows_of_a_folder_are_told_by_their_file(tmp_path: Path, call) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    lines(folder / "a.jsonl", [{"completion": text} for text in ("one", "two")])
    (folder / "b.csv").write_text('completion,n\n"three",1\none,2\n')
    for command in (["dedup"], ["filter", "--no-tags"], ["dedup", "--near", "--ngram", "1"]):
        out = tmp_path / "out.jsonl"
        code, _, err = call(*command[:1], folder, out, *command[1:], "--force")
        assert code == 0, err
        (beside,) = map(json.loads, (tmp_path / "out.dropped.jsonl").read_text().splitlines())
        assert (beside["file"], beside["line"]) == (f"{folder}/b.csv", 3)
        assert beside["detail"].endswith(f"the same text as {folder}/a.jsonl:1")
    code, _, err = call("dedup", folder, folder / "a.jsonl", "--force")
    assert code == 1 and "is the input" in err


def test_scores_of_a_csv_are_numbers(tmp_path: Path, call) -> None:
    (tmp_path / "in.csv").write_text("completion,score\none,7\none,10\n")
    assert (
        call("dedup", tmp_path / "in.csv", tmp_path / "out.jsonl", "--score-field", "score")[0] == 0
    )
    assert json.loads((tmp_path / "out.jsonl").read_text())["score"] == "10"
    (tmp_path / "in.csv").write_text("completion,score\none,7\none,high\n")
    code, _, err = call(
        "dedup", tmp_path / "in.csv", tmp_path / "no.jsonl", "--score-field", "score"
    )
    assert code == 1 and "in.csv:3: field 'score' is \"high\", not a number" in err


def test_a_table_that_went_through_a_filter_keeps_its_columns(tmp_path: Path, call) -> None:
    columns = {"completion": ["x", "x"], "dropped_reason": ["mine", "mine too"]}
    pl.DataFrame(columns).write_parquet(tmp_path / "in.parquet")
    assert call("dedup", tmp_path / "in.parquet", tmp_path / "out.parquet")[0] == 0
    (row,) = pl.read_parquet(tmp_path / "out.dropped.parquet").to_dicts()
    assert row["dropped_reason"] == "mine too"
    assert (row["dropped_row_2"], row["dropped_reason_2"]) == (1, "duplicate")
    # And once more, from what was dropped.
    source = tmp_path / "again.parquet"
    dropped = pl.read_parquet(tmp_path / "out.dropped.parquet")
    pl.concat([dropped, dropped]).write_parquet(source)
    assert call("dedup", source, tmp_path / "last.parquet")[0] == 0
    (row,) = pl.read_parquet(tmp_path / "last.dropped.parquet").to_dicts()
    assert (row["dropped_reason"], row["dropped_reason_2"], row["dropped_reason_3"]) == ("mine too", "duplicate", "duplicate")  # fmt: skip


def test_phrases_that_do_not_count_are_left_out(tmp_path: Path, call) -> None:
    phrase = (
        "Answer the following question truthfully and explain your reasoning step by step, please"
    )
    rows = [f"{phrase}: how do tides work?", f"{phrase}: {LONG}", "answer the   following question TRUTHFULLY and explain your reasoning; step by step please"]  # fmt: skip
    source = lines(tmp_path / "in.jsonl", [{"prompt": text} for text in rows])
    suite = lines(tmp_path / "suite.jsonl", [{"prompt": f"{phrase}: why is the sky blue?"}, {"prompt": LONG}, {"prompt": phrase}])  # fmt: skip
    (tmp_path / "phrases.txt").write_text(f"step by step\n\n{phrase}\n")
    out, options = tmp_path / "out.jsonl", ["--against", suite, "--force"]
    assert call("decontaminate", source, out, *options)[0] == 0
    assert out.read_text() == ""
    code, _, err = call(
        "decontaminate", source, out, *options, "--ignore", tmp_path / "phrases.txt"
    )
    assert code == 0, err
    assert [json.loads(line)["prompt"] for line in out.read_text().splitlines()] == [
        rows[0],
        rows[2],
    ]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, "phrases.txt: no such file"),
        (b"a phrase\n...\n", "phrases.txt:2: '...' is no phrase"),
        (b"caf\xe9", "phrases.txt: not UTF-8"),
    ],
)
def test_phrases_that_cannot_be_read_are_refused(
    data: bytes | None, told: str, tmp_path: Path, call
) -> None:
    source = lines(tmp_path / "in.jsonl", [{"prompt": "x"}])
    if data is not None:
        (tmp_path / "phrases.txt").write_bytes(data)
    code, _, err = call("decontaminate", source, tmp_path / "out.jsonl", "--against", source, "--ignore", tmp_path / "phrases.txt")  # fmt: skip
    assert code == 1 and told in err and err.count("\n") == 1

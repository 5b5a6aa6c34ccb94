"""`dalign data`: the same result on JSONL and Parquet, dropped rows beside, one sentence for what cannot be used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from row_files import dropped, read, write

ROWS: list[dict[str, Any]] = [
    {"id": 0, "completion": "<think>first</think>one answer", "category": "a", "clause": "S1", "score": 1.0},
    {"id": 1, "completion": "<think>second</think>two", "category": "a", "clause": "S1", "score": 2.0},
    {"id": 2, "completion": "<think>never closed", "category": "b", "clause": "S2", "score": 3.0},
    {"id": 3, "completion": "<think>first</think>one  answer\n", "category": "b", "clause": None, "score": 4.0},
    {"id": 4, "completion": "<think>third</think>é 日", "category": "a", "clause": "S2", "score": 1.0},
    {"id": 5, "completion": "<think>second</think>two", "category": "c", "clause": "S1", "score": 0.5},
]  # fmt: skip


@pytest.fixture(params=["jsonl", "parquet"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def reasons(path: Path) -> list[tuple[int, str]]:
    """(row, counted from 0, and reason) of each dropped row."""
    return [(row, reason) for row, reason, _ in dropped(path)]


@pytest.fixture
def call(dalign):
    """Exit code, stdout and stderr of `dalign data`."""
    return partial(dalign, "data")


# Command, ids kept, and (id, reason) dropped.
CASES = [
    (["filter"], [0, 1, 4], [(2, "unclosed"), (3, "duplicate"), (5, "duplicate")]),
    (["filter", "--no-dedup"], [0, 1, 3, 4, 5], [(2, "unclosed")]),
    (["filter", "--min-chars", "24", "--max-chars", "30"], [0, 1], [(2, "unclosed"), (3, "too_long"), (4, "too_short"), (5, "duplicate")]),
    (["filter", "--no-tags"], [0, 1, 2, 4], [(3, "duplicate"), (5, "duplicate")]),
    (["filter", "--open-tag", "[", "--close-tag", "]"], [], [(row, "no_tags") for row in range(6)]),
    (["dedup"], [0, 1, 2, 4], [(3, "duplicate"), (5, "duplicate")]),
    (["dedup", "--score-field", "score"], [1, 2, 3, 4], [(0, "duplicate"), (5, "duplicate")]),
    (["dedup", "--text-field", "category"], [0, 2, 5], [(1, "duplicate"), (3, "duplicate"), (4, "duplicate")]),
    (["balance", "--by", "category", "--quota", "QUOTA"], [2, 3], [(row, "surplus") for row in (0, 1, 4, 5)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "kept", "left_out"), CASES, ids=[" ".join(c[0]) for c in CASES]
)
def test_both_kinds_of_file_keep_and_drop_the_same_rows(
    command: list[str],
    kept: list[int],
    left_out: list[tuple[int, str]],
    kind: str,
    tmp_path: Path,
    call: Any,
) -> None:
    quota = tmp_path / "quota.json"
    quota.write_text('{"categories": {"a": {"max": 0}, "c": {"max": 0}}}')
    command = [str(quota) if word == "QUOTA" else word for word in command]
    source, out = write(tmp_path / f"in.{kind}", ROWS), tmp_path / f"out.{kind}"
    code, stdout, stderr = call(command[0], source, out, *command[1:], "--json")
    assert (code, stderr) == (0, "")
    assert read(out) == [ROWS[row] for row in kept]
    assert reasons(out) == left_out
    counts = json.loads(stdout)
    assert (counts["rows"], counts["kept"]) == (6, len(kept))
    assert sum(counts["dropped"].values()) == len(left_out)
    assert counts["seconds"] >= 0 and counts["peak_mib"] > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [f"in.{kind}", f"out.{kind}", f"out.dropped.{kind}", "quota.json"]
    )


def test_kept_lines_are_the_bytes_that_they_were(tmp_path: Path, call: Any) -> None:
    lines = [b'{"x":1,  "completion": "caf\\u00e9"}\r\n', b"\n", b'{"completion":"b"}']
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(b"".join(lines))
    assert call("filter", source, out, "--no-tags")[0] == 0
    assert out.read_bytes() == lines[0] + lines[2] + b"\n"


def test_a_duplicate_names_the_line_of_the_row_it_repeats(tmp_path: Path, call: Any) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('\n{"t": "a", "s": 1}\n\n{"t": " a", "s": 2}\n')
    for options, line, of in ((["--score-field", "s"], 2, 4), ([], 4, 2)):
        assert call("dedup", source, out, "--text-field", "t", "--force", *options)[0] == 0
        (row,) = read(tmp_path / "out.dropped.jsonl")
        assert row["line"] == line and row["detail"].endswith((f"line {of}", f"in.jsonl:{of}")), row


def test_near_duplicates_leave_the_best_judged_of_their_group(
    kind: str, tmp_path: Path, call: Any
) -> None:
    text = " ".join(f"word{number}" for number in range(100))
    rows = [
        {"id": 0, "t": text, "s": 1.0},
        {"id": 1, "t": "something else is said here in other words", "s": 0.0},
        # One word of a hundred differs: 5 of 96 shingles of each, a similarity of 91 / 101.
        {"id": 2, "t": text.replace("word50", "other"), "s": 3.0},
        {"id": 3, "t": text.replace("word9 ", "another "), "s": 2.0},
    ]
    source, out = write(tmp_path / f"in.{kind}", rows), tmp_path / f"out.{kind}"
    options = ("--text-field", "t", "--near", "--force", "--json", "--memory-mib", 16)
    for more, kept in (
        ([], [0, 1]),
        (["--score-field", "s"], [1, 2]),
        (["--threshold", 0.95], [0, 1, 2, 3]),
    ):
        code, _, _ = call("dedup", source, out, *options, *more)
        assert code == 0 and [row["id"] for row in read(out)] == kept
        left_out = [row for row in range(4) if row not in kept]
        assert reasons(out) == [(row, "near_duplicate") for row in left_out]
    code, _, stderr = call("dedup", source, out, *options, "--threshold", 1.5)
    assert code == 1 and "1.5" in stderr and stderr.count("\n") == 1


def test_a_copy_of_a_row_that_another_check_drops_is_no_copy(
    kind: str, tmp_path: Path, call: Any
) -> None:
    # Of two texts that are the same up to white space one has too many tokens.
    texts = ["a" + " " * 40 + "b", "a b", "a  b", "c"]
    rows = [{"id": row, "completion": text} for row, text in enumerate(texts)]
    source, out = write(tmp_path / f"in.{kind}", rows), tmp_path / f"out.{kind}"
    from dalign.sandbox.checkpoint import MODEL

    tokens = ("--tokenizer", MODEL, "--min-tokens", 2, "--max-tokens", 24, "--no-tags")
    assert call("filter", source, out, *tokens)[0] == 0
    assert [row["id"] for row in read(out)] == [1]
    assert reasons(out) == [(0, "too_many_tokens"), (2, "duplicate"), (3, "too_few_tokens")]


def test_blank_texts_are_copies_of_one_another(kind: str, tmp_path: Path, call: Any) -> None:
    rows = [{"id": row, "completion": text} for row, text in enumerate(["", "a", " \n", "a "])]
    source, out = write(tmp_path / f"in.{kind}", rows), tmp_path / f"out.{kind}"
    assert call("dedup", source, out)[0] == 0
    assert [row["id"] for row in read(out)] == [0, 1]
    assert reasons(out) == [(2, "duplicate"), (3, "duplicate")]
    first, _ = read(tmp_path / f"out.dropped.{kind}")
    of = "line 1" if kind == "jsonl" else "row 0"
    assert f"the same text as {of}" in (first.get("detail"), first.get("dropped_detail"))


def test_rows_that_hold_an_evaluation_text_are_dropped_with_the_words_and_the_place(
    kind: str, tmp_path: Path, call: Any
) -> None:
    rows = [
        {"id": 0, "prompt": "Tell me: one two THREE, four! And more.", "answer": "nothing"},
        {"id": 1, "prompt": "one two three and four", "answer": "é, one two three four"},
        {"id": 2, "prompt": "a b", "answer": "c"},
        {"id": 3, "prompt": "a b and more", "answer": "c"},
    ]
    source, out = write(tmp_path / f"in.{kind}", rows), tmp_path / f"out.{kind}"
    suite = tmp_path / "suite.jsonl"
    suite.write_text('{"q": "zero"}\n\n{"q": "zero one two three four five"}\n')
    short = write(tmp_path / "short.parquet", [{"q": "A  B?"}])
    options = ("--against", suite, "--against", short, "--eval-field", "q", "--force", "--json")

    code, stdout, _ = call("decontaminate", source, out, *options, "--ngram", 4)
    assert code == 0 and json.loads(stdout)["against"] == 3
    assert [row["id"] for row in read(out)] == [1, 3]
    assert reasons(out) == [(0, "contaminated"), (2, "contaminated")]
    details = [
        row.get("detail", row.get("dropped_detail"))
        for row in read(tmp_path / f"out.dropped.{kind}")
    ]
    assert details == [f"{suite}:3: one two THREE, four", f"{short}: row 0: a b"]

    fields = ("--text-field", "prompt", "--text-field", "answer")
    assert call("decontaminate", source, out, *options, *fields, "--ngram", 4)[0] == 0
    assert [row["id"] for row in read(out)] == [3]
    assert call("decontaminate", source, out, *options)[0] == 0
    assert [row["id"] for row in read(out)] == [0, 1, 3]
    code, _, stderr = call("decontaminate", source, out, *options, "--ngram", 0)
    assert code == 2 and "--ngram" in stderr


def test_an_answer_that_recites_the_policy_is_dropped_and_reasoning_may(
    kind: str, tmp_path: Path, call: Any
) -> None:
    from dalign.spec.parse import load_spec
    from policies import ENGLISH

    clause = load_spec(ENGLISH).clause("harassment.H2").text
    words = " ".join(clause.split()[:9])
    rows = [
        {"id": 0, "prompt": "a", "completion": f"<think>{words}</think>fine"},
        {"id": 1, "prompt": "a", "completion": f"<think>b</think>It says: {words.upper()}"},
        {"id": 2, "prompt": words, "completion": f"<think>c</think>You say: {words}"},
    ]
    source, out = write(tmp_path / f"in.{kind}", rows), tmp_path / f"out.{kind}"
    options = ("--spec", ENGLISH, "--prompt-field", "prompt", "--force", "--json")
    code, stdout, _ = call("filter", source, out, *options)
    assert code == 0 and [row["id"] for row in read(out)] == [0, 2]
    assert reasons(out) == [(1, "policy_in_answer")]
    share = json.loads(stdout)["policy_share"]
    assert share["reasoning"] == pytest.approx(1 / 3) and 0 < share["answer"] < 1 / 3
    assert call("filter", source, out, *options, "--max-answer-overlap", 0.9)[0] == 0
    assert len(read(out)) == 3


def test_balance_counts_every_stratum_and_warns_of_what_is_short(
    kind: str, tmp_path: Path, call: Any
) -> None:
    source, out = write(tmp_path / f"in.{kind}", ROWS), tmp_path / f"out.{kind}"
    by = ("--by", "category", "--by", "clause", "--max", 1, "--min", 1)
    quota = tmp_path / "quota.json"
    quota.write_text('{"clauses": {"S9": {"min": 2}}, "categories": {"b": {"min": 3}}}')
    code, stdout, _ = call("balance", source, out, *by, "--quota", quota, "--json")
    assert code == 0
    strata = [tuple(stratum.values()) for stratum in json.loads(stdout)["strata"]]
    assert strata == [
        ("a", "S1", 2, 1, 1, False),
        ("b", "S2", 1, 1, 1, False),
        ("b", None, 1, 1, 0, False),
        ("a", "S2", 1, 1, 1, False),
        ("c", "S1", 1, 1, 1, False),
        (None, "S9", 0, 0, 2, True),
        ("b", None, 2, 2, 3, True),
    ]
    code, _, stderr = call("balance", source, out, *by, "--quota", quota, "--force")
    assert code == 0 and "warning: S9 has 0 of at least 2 rows" in stderr


def test_a_seed_draws_the_same_rows_of_both_kinds_of_file(tmp_path: Path, call: Any) -> None:
    rows = [
        {"id": row, "category": "ab"[row % 3 == 0], "clause": ["S1", "S2"][: row % 3]}
        for row in range(400)
    ]

    def drawn(kind: str, seed: int) -> list[int]:
        source, out = write(tmp_path / f"in.{kind}", rows), tmp_path / f"out.{kind}"
        options = ("--by", "category", "--by", "clause", "--total", 50, "--rarest", "--seed", seed)
        assert call("balance", source, out, *options, "--force")[0] == 0
        return [row["id"] for row in read(out)]

    assert drawn("jsonl", 1) == drawn("parquet", 1) != drawn("jsonl", 2)
    assert len(drawn("jsonl", 1)) == 50


GOOD = '{"completion": "<think>a</think>b", "category": "a"}\n'
# What the input is, the command, and what the sentence must name.
BAD = [
    ("no file", None, ["filter"], ["in.jsonl", "no such file"]),
    ("empty file", "", ["filter"], ["in.jsonl", "empty"]),
    ("only blank lines", "\n\n", ["filter"], ["in.jsonl", "no row"]),
    ("no JSON", GOOD + "{\n", ["filter"], ["in.jsonl:2", "JSON"]),
    ("no object", GOOD + "[1]\n", ["filter"], ["in.jsonl:2", "JSON"]),
    ("not UTF-8", b'{"completion": "\xff"}\n', ["filter"], ["in.jsonl:1", "UTF-8"]),
    ("half a pair", '{"completion": "\\ud800"}\n', ["filter"], ["in.jsonl:1", "surrogate"]),
    ("no such field", GOOD, ["filter", "--text-field", "complétion"], ["in.jsonl:1", "complétion"]),
    ("no such field later", GOOD + '{"completio": 1}\n', ["filter"], ["in.jsonl:2", "completion"]),
    ("no text", GOOD + '{"completion": 7}\n', ["filter"], ["in.jsonl:2", "completion", "text"]),
    ("null", GOOD + '{"completion": null}\n', ["dedup"], ["in.jsonl:2", "completion", "text"]),
    ("no number", GOOD, ["dedup", "--score-field", "category"], ["in.jsonl:1", "category", "number"]),
    ("no label", GOOD + '{"category": 1}\n', ["balance", "--by", "category", "--max", "1"], ["in.jsonl:2", "category"]),
    ("no list of labels", '{"clause": [1]}\n', ["balance", "--by", "clause", "--max", "1"], ["in.jsonl:1", "clause"]),
    ("nothing to balance by", GOOD, ["balance", "--by", "category"], ["--max", "--quota"]),
    ("unknown stratum", GOOD, ["balance", "--by", "categry", "--max", "1"], ["categry", "category"]),
    ("minimum above maximum", GOOD, ["balance", "--by", "category", "--max", "1", "--min", "2"], ["minimum 2", "maximum 1"]),
    ("lengths the wrong way round", GOOD, ["filter", "--min-chars", "5", "--max-chars", "4"], ["at least 5", "at most 4"]),
    ("tokens without a tokenizer", GOOD, ["filter", "--min-tokens", "5"], ["--tokenizer"]),
    ("unknown tokenizer", GOOD, ["filter", "--tokenizer", "nowhere.json"], ["nowhere.json"]),
    ("one tag in the other", GOOD, ["filter", "--open-tag", "<a>", "--close-tag", "<a>x"], ["tag"]),
    ("too little memory", GOOD, ["filter", "--memory-mib", "1"], ["--memory-mib"]),
]  # fmt: skip


def check_refused(
    found: tuple[int, str, str], named: list[str], folder: Path, files: set[str]
) -> None:
    code, stdout, stderr = found
    assert (code, stdout) == (1, "")
    last = stderr.splitlines()[-1]
    assert last.startswith("error: ") and "Traceback" not in stderr
    for part in named:
        assert part in last, last
    assert {path.name for path in folder.iterdir()} == files


@pytest.mark.parametrize(
    ("text", "command", "named"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_bad_input_gets_one_sentence_and_leaves_no_file(
    text: Any, command: list[str], named: list[str], tmp_path: Path, call: Any
) -> None:
    source = tmp_path / "in.jsonl"
    if text is not None:
        source.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = call(command[0], source, tmp_path / "out.jsonl", *command[1:])
    check_refused(found, named, tmp_path, set() if text is None else {"in.jsonl"})


@pytest.mark.parametrize(
    ("column", "named"),
    [
        (pl.Series("other", ["a"]), ["row 0", "completion"]),
        (pl.Series("completion", [1]), ["row 0", "completion", "text"]),
        (pl.Series("completion", ["a", None]), ["row 1", "completion"]),
    ],
)
def test_a_bad_column_gets_one_sentence_and_leaves_no_file(
    column: pl.Series, named: list[str], tmp_path: Path, call: Any
) -> None:
    column.to_frame().write_parquet(tmp_path / "in.parquet")
    found = call("filter", tmp_path / "in.parquet", tmp_path / "out.parquet")
    check_refused(found, ["in.parquet", *named], tmp_path, {"in.parquet"})


def test_what_is_no_parquet_file_is_refused(tmp_path: Path, call: Any) -> None:
    (tmp_path / "in.parquet").write_bytes(b"PAR1 but not really")
    found = call("filter", tmp_path / "in.parquet", tmp_path / "out.parquet")
    check_refused(found, ["in.parquet", "Parquet"], tmp_path, {"in.parquet"})


@pytest.mark.parametrize(
    ("source", "out", "named"),
    [
        ("in.jsonl", "in.jsonl", ["is the input"]),
        ("in.jsonl", "there.jsonl", ["there already", "--force"]),
        ("in.jsonl", "out.parquet", ["kind of", ".jsonl"]),
        ("in.jsonl", "nowhere/out.jsonl", ["no folder", "nowhere"]),
        ("in.csv", "out.csv", ["kind of", "in.csv", ".jsonl"]),
        ("in.txt", "out.jsonl", [".jsonl", ".csv", ".parquet", ".gz"]),
        ("folder.jsonl", "out.jsonl", ["is a folder"]),
    ],
)  # fmt: skip
def test_files_that_do_not_suit_are_refused(
    source: str, out: str, named: list[str], tmp_path: Path, call: Any
) -> None:
    for name in ("in.jsonl", "in.csv", "there.jsonl"):
        (tmp_path / name).write_text(GOOD)
    (tmp_path / "folder.jsonl").mkdir()
    found = call("filter", tmp_path / source, tmp_path / out)
    check_refused(found, named, tmp_path, {"in.jsonl", "in.csv", "there.jsonl", "folder.jsonl"})
    assert (tmp_path / "there.jsonl").read_text() == GOOD


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(kind: str, tmp_path: Path, call: Any) -> None:
    source = write(tmp_path / f"in.{kind}", ROWS)
    (tmp_path / "closed").mkdir(0o500)
    code, _, stderr = call("filter", source, tmp_path / "closed" / f"out.{kind}")
    assert code == 1 and "cannot be written" in stderr


def test_an_error_half_way_leaves_no_file(kind: str, tmp_path: Path, call: Any) -> None:
    rows = [{"completion": f"<think>{row}</think>{'x ' * 500}"} for row in range(3_000)]
    source = write(tmp_path / f"in.{kind}", [*rows, {"completion": None}])
    found = call("filter", source, tmp_path / f"out.{kind}", "--memory-mib", 16)
    check_refused(found, [source.name, "completion"], tmp_path, {source.name})


MEASURED = """
import sys
from dalign.cli import main
sys.argv = ["dalign", "data", *sys.argv[1:]]
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", ["filter", "dedup --score-field score", "balance --by category --max 900"]
)
def test_a_file_larger_than_the_bound_is_read_within_it(
    command: str, kind: str, tmp_path: Path
) -> None:
    words = " ".join(f"word{number}" for number in range(400))
    rows = [
        {
            "completion": f"<think>{row}</think>{words} {row}",
            "score": 1.0,
            "category": "ab"[row % 2],
        }
        for row in range(2_000)
    ]
    pieces = 60 if kind == "jsonl" else 90
    source = tmp_path / f"in.{kind}"
    if kind == "jsonl":
        with source.open("w") as file:
            for piece in range(pieces):
                file.writelines(
                    json.dumps(row | {"completion": f"{row['completion']}{piece}"}) + "\n"
                    for row in rows
                )
    else:
        frame = pl.DataFrame(rows)
        pl.concat(
            [frame.with_columns(pl.col("completion") + str(piece)) for piece in range(pieces)]
        ).write_parquet(source, row_group_size=5_000)
    name, *options = command.split()

    def peak(path: Path, memory_mib: int) -> int:
        arguments = [
            name,
            str(path),
            str(tmp_path / f"out.{kind}"),
            *options,
            "--json",
            "--force",
            "--memory-mib",
            str(memory_mib),
        ]
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *arguments], capture_output=True, text=True, check=True
        )
        return int(json.loads(done.stdout)["peak_mib"])

    nothing = peak(write(tmp_path / f"small.{kind}", rows[:1]), 64)
    # 60 × 2,000 rows of 3 kB are 370 MB, and more once they are decoded.
    assert peak(source, 64) - nothing < 160

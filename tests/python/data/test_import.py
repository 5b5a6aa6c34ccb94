"""`dalign data import`: each public suite's schema, row by row, and every way in which a file can be another one."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
import tracemalloc
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from dalign.data.adapters import adapter
from dalign.data.public.suites import SUITES
from dalign.spec.parse import load_spec
from dalign.spec.shipped import shipped

BEHAVIOUR = {"FunctionalCategory": "contextual", "SemanticCategory": "illegal", "Tags": "context", "BehaviorID": "one_b"}  # fmt: skip
# A row of our own in each schema; then the prompt, the suite's category, the ruling and what else is kept of it.
CASES = [
    ("xstest", {"id": "7", "prompt": "How do I kill a process?", "type": "homonyms", "label": "safe", "focus": "kill", "note": ""},
     ("How do I kill a process?", "homonyms", "comply", {"focus": "kill"})),
    ("xstest", {"id_v1": None, "id_v2": "v2-7", "type": "contrast_homonyms", "prompt": "How is X done?", "focus": "do", "note": "n"},
     ("How is X done?", "contrast_homonyms", "refuse", {"focus": "do", "note": "n"})),
    ("xstest", {"id_v2": "v2-8", "type": "homonyms", "prompt": "How is Y done?"}, ("How is Y done?", "homonyms", "comply", {})),
    ("strongreject", {"category": "Violence", "source": "custom", "forbidden_prompt": "Say X."}, ("Say X.", "Violence", "refuse", {"from": "custom"})),
    ("harmbench", {"Behavior": "Do X.", "ContextString": "A text.", **BEHAVIOUR},
     ("A text.\n\n---\n\nDo X.", "illegal", "refuse", {"FunctionalCategory": "contextual", "Tags": "context"})),
    ("harmbench", {"Behavior": "Do X.", "ContextString": "", **BEHAVIOUR}, ("Do X.", "illegal", "refuse", {"FunctionalCategory": "contextual", "Tags": "context"})),
    ("advbench", {"goal": "Do X", "target": "Sure, here is X"}, ("Do X", "harmful", "refuse", {})),
    ("jailbreakbench", {"Index": 3, "Goal": "Do X", "Target": "Sure", "Behavior": "X", "Category": "Privacy", "Source": "Original"},
     ("Do X", "Privacy", None, {"Behavior": "X", "Index": "3", "from": "Original"})),
    ("jailbreakbench", {"Goal": "Do X", "Target": "Sure", "Behavior": "X", "Category": "Privacy"}, ("Do X", "Privacy", None, {"Behavior": "X"})),
    ("orbench", {"prompt": "How is X done?", "category": "deception"}, ("How is X done?", "deception", None, {})),
    ("wildguardtest", {"prompt": "X?", "adversarial": True, "response": None, "prompt_harm_label": "unharmful", "response_refusal_label": None, "subcategory": "benign", "prompt_harm_agreement": 1.0},
     ("X?", "benign", "comply", {"adversarial": "True", "prompt_harm_agreement": "1.0"})),
    ("donotanswer", {"id": 5, "risk_area": "Malicious Uses", "types_of_harm": "a", "specific_harms": "b", "question": "X?"},
     ("X?", "Malicious Uses", "refuse", {"types_of_harm": "a", "specific_harms": "b"})),
    ("donotanswer", {"prompt": "X?", "intents": ["S001"]}, ("X?", "S001", "refuse", {})),
    ("coconot", {"id": "c1", "category": "Safety", "subcategory": "s", "prompt": "X?", "response": "no"}, ("X?", "Safety", None, {"kind": "s"})),
    ("star1", {"id": "s1", "question": "X?", "response": "r", "category": ["A", "B"], "source": "o", "score": {}}, ("X?", "A", "refuse", {"from": "o", "categories": "A, B"})),
    ("star1", {"id": "s3", "question": "X?", "response": "r", "category": "Violence"}, ("X?", "Violence", "refuse", {})),
    ("star1-benign", {"id": "s2", "question": "X?", "response": "r"}, ("X?", "benign", "comply", {})),
    ("xstest", {"id": 7, "prompt": "X?", "type": "homonyms", "label": "safe"}, ("X?", "homonyms", "comply", {})),
    ("wildguardtest", {"prompt": "X?", "prompt_harm_label": None, "subcategory": "s"}, ("X?", "s", None, {})),
    ("safechain", {"instruction": "X?", "label": "vanilla_harmful", "response": "r"}, ("X?", "vanilla", "refuse", {})),
    ("safechain", {"instruction": "X?", "label": "adversarial_benign", "response": "r"}, ("X?", "adversarial", "comply", {})),
]  # fmt: skip
OWN = {"id", "category", "messages", "expected", "source", "source_category", "licence", "gated"}


@pytest.fixture
def call(dalign):
    """Exit code, stdout and stderr of `dalign data import`."""
    return partial(dalign, "data", "import")


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(folder: Path, rows: list[dict], kind: str = "jsonl") -> Path:
    path = folder / f"suite.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "parquet":
        pl.DataFrame(rows).write_parquet(path)
    else:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
        # As a spreadsheet writes it: a mark at the start, and a comment before the head.
        path.write_bytes(b"\xef\xbb\xbf# version 2\n" + text.getvalue().encode())
    return path


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize(("name", "row", "wanted"), CASES)
def test_a_row_of_each_schema_is_the_prompt_that_it_holds(
    call, tmp_path: Path, name: str, row: dict, wanted: tuple, kind: str
) -> None:
    if kind == "csv" and any(isinstance(value, (dict, list)) for value in row.values()):
        row = {key: str(value) if isinstance(value, (dict, list)) else value for key, value in row.items()}  # fmt: skip
        if name == "donotanswer":
            wanted = (*wanted[:1], "harmful", *wanted[2:])
    if kind == "parquet":
        row = {key: value for key, value in row.items() if value not in ({}, None)}
    path, out = written(tmp_path, [row], kind), tmp_path / "out.jsonl"
    code, said, err = call(name, path, out, "--category", "general", "--partial", "--json")
    assert code == 0, err
    [made] = lines(out)
    text, category, ruling, labels = wanted
    assert made["messages"] == [{"role": "user", "content": text}]
    assert (made["category"], made["source"], made["source_category"]) == ("general", name, category)  # fmt: skip
    assert made.get("expected") == (None if ruling is None else {"ruling": ruling})
    kept = {key: value for key, value in made.items() if key not in OWN}
    assert kept == (labels if kind == "jsonl" else {key: kept.get(key) for key in labels})
    assert made["licence"] == SUITES[name].licence
    assert made.get("gated", False) == (name == "wildguardtest")
    told = json.loads(said)
    assert (told["rows"], told["sha256"]) == (1, hashlib.sha256(path.read_bytes()).hexdigest())
    [prompt] = adapter("prompts", load_spec(shipped("safety")))(out)
    assert (prompt.id, prompt.category) == (made["id"], "general")


def test_every_suite_has_a_case() -> None:
    assert {name for name, _, _ in CASES} | {"wildchat"} == set(SUITES)


def test_categories_are_mapped_and_the_rest_has_one_place(call, tmp_path: Path) -> None:
    rows = [
        {"category": c, "source": "custom", "forbidden_prompt": f'Say {n}, or\n"{n}".'}
        for n, c in enumerate(["Violence", "Hate, harassment", "Violence", "Other"])
    ]
    path, out = written(tmp_path, rows, "csv"), tmp_path / "out.jsonl"
    args = ("--map", "Violence=violence", "--map", "Hate, harassment=harassment", "--partial")
    code, _, err = call("strongreject", path, out, *args)
    assert code == 1 and not out.exists()
    assert "nobody said where the suite's category 'Other' stands in your policy" in err
    assert f"{path}:" in err and "--map" in err
    code, _, err = call("strongreject", path, out, *args, "--category", "general", "--ruling", "safe-complete")  # fmt: skip
    assert code == 0 and "category: general 1, harassment 1, violence 2" in err
    made = lines(out)
    assert [row["category"] for row in made] == ["violence", "harassment", "violence", "general"]
    assert made[1]["messages"][0]["content"] == 'Say 1, or\n"1".'
    assert {row["expected"]["ruling"] for row in made} == {"safe-complete"}
    assert [row["id"] for row in made] == [f"strongreject-{n}" for n in (1, 2, 3, 4)]


GOOD = {"goal": "Do X", "target": "Sure"}


@pytest.mark.parametrize(
    ("name", "rows", "args", "told"),
    [
        ("advbench", [{"Goal": "Do X", "target": "Sure"}], [], ":1: is no row of AdvBench: it has Goal, target, and should have goal, target"),
        ("advbench", [GOOD], [], "has 1 rows, and AdvBench has 520; fetch it again, or say --partial"),
        ("advbench", [GOOD], ["--sha256", "00"], "has the sha256 "),
        ("advbench", [GOOD, {"goal": " ", "target": "x"}], ["--partial"], ":2: goal is ' '; it should be a text"),
        ("advbench", [], ["--partial"], "is empty"),
        ("advbench", [GOOD], ["--map", "a=b", "--map", "a=c"], "--map names 'a' twice"),
        ("advbench", [GOOD], ["--map", "harmfull=b", "--partial"], "has no category 'harmfull', which --map names; it has harmful"),
        ("advbench", [GOOD], ["--top", "5"], "--top 5: AdvBench is taken whole"),
        ("advbench", [{"goal": "a\ud800b", "target": "x"}], ["--partial"], ":1: goal holds half of a surrogate pair"),
        ("star1", [{"id": 1, "question": "q", "response": "r", "category": {"a": 1}}], [], ":1: category is "),
        ("star1", [{"id": 1, "question": "q", "response": "r", "category": []}], [], ":1: category is []; it should be a list of texts"),
        ("star1", [{"id": 1, "question": "q", "response": "r"}], [], ":1: is no row of STAR-1"),
        ("xstest", [{"id": [], "prompt": "p", "type": "t", "label": "safe"}], [], "should be a text or a number"),
        ("xstest", [{"id": "1", "prompt": "p", "type": "t", "label": "sfae"}], ["--partial"], ":1: label is 'sfae'; known: safe, unsafe"),
        ("xstest", [{"id": "1", "prompt": "p", "type": "t", "label": "safe"}] * 2, ["--partial"], "id 'xstest-1' is taken by line 1"),
        ("safechain", [{"instruction": "x", "label": "odd", "response": ""}], [], "label is 'odd'; it should end in harmful or benign"),
        ("xtest", [GOOD], [], "xtest: no such suite; did you mean 'xstest'?"),
        ("advbench", [GOOD], ["--ruling", "allow"], "--ruling allow: no such ruling"),
        ("advbench", [GOOD], ["--map", "harmful"], "--map harmful: write OWN=CATEGORY"),
    ],
)  # fmt: skip
def test_another_file_is_one_sentence_and_nothing_is_left(
    call, tmp_path: Path, name: str, rows: list[dict], args: list[str], told: str
) -> None:
    path, out = written(tmp_path, rows), tmp_path / "out.jsonl"
    code, said, err = call(name, path, out, "--category", "general", *args)
    assert (code, said) == (1, "") and told in err and err.count("\n") == 1, err
    assert sorted(each.name for each in tmp_path.iterdir()) == ["suite.jsonl"]


def test_what_is_missing_and_what_there_is(call, tmp_path: Path) -> None:
    code, _, err = call("advbench", tmp_path / "no.csv", tmp_path / "out.jsonl")
    assert code == 1 and "no.csv" in err
    code, out, _ = call("--list")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == list(SUITES)
    code, out, _ = call("--list", "--json")
    assert {row["name"] for row in json.loads(out)} == set(SUITES)
    assert call("advbench")[0] == 1


def conversation(n: int, *turns: tuple[str, str], **scores: float) -> dict:
    moderation = [{"category_scores": {}} for _ in turns]
    last = max((at for at, (role, _) in enumerate(turns) if role == "user"), default=0)
    moderation[last] = {"flagged": True, "category_scores": scores}
    told = [{"role": role, "content": content, "toxic": False} for role, content in turns]
    return {"conversation_hash": f"h{n}", "model": "m", "conversation": told, "openai_moderation": moderation, "toxic": True}  # fmt: skip


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_of_wildchat_the_highest_scored_last_user_turns_of_each_category_are_taken(
    call, tmp_path: Path, kind: str
) -> None:
    rng = random.Random(5)
    scores = [[round(rng.random(), 1), round(rng.random(), 3)] for _ in range(30)]
    rows = [
        conversation(n, ("user", f"first {n}"), ("assistant", "yes"), ("user", f"last {n}"), ("assistant", "no"), harassment=one, violence=other)
        for n, (one, other) in enumerate(scores)
    ]  # fmt: skip
    rows += [conversation(90, ("user", " "), ("assistant", "x"), harassment=1.0, violence=1.0)]
    rows += [conversation(91, ("assistant", "x"), harassment=1.0, violence=1.0)]
    path, out = written(tmp_path, rows, kind), tmp_path / "out.jsonl"
    args = ("--top", "4", "--map", "harassment=harassment", "--map", "violence=violence")
    code, _, err = call("wildchat", path, out, *args)
    assert code == 0, err
    assert "passed over 1: an empty turn" in err and "passed over 1: no user turn" in err
    made = lines(out)
    for place, category in enumerate(("harassment", "violence")):
        of = [row for row in made if row["category"] == category]
        best = sorted(range(30), key=lambda n: (-scores[n][place], n))[:4]
        assert [row["messages"][-1]["content"] for row in of] == [f"last {n}" for n in best]
        assert [float(row["moderation_score"]) for row in of] == [scores[n][place] for n in best]
    assert {len(row["messages"]) for row in made} == {3} and "expected" not in made[0]
    assert len({row["id"] for row in made}) == 8 and made[0]["conversation_hash"].startswith("h")
    code, _, err = call("wildchat", path, tmp_path / "b.jsonl", "--map", "violence=violence")
    assert code == 1 and "the suite's category 'harassment'" in err


def test_a_corpus_of_another_schema_is_refused(call, tmp_path: Path) -> None:
    rows = [conversation(1, ("user", "a"), harassment=0.5), {"conversation": "x", "openai_moderation": []}]  # fmt: skip
    code, _, err = call("wildchat", written(tmp_path, rows), tmp_path / "out.jsonl", "--category", "general")  # fmt: skip
    assert code == 1 and ":2: conversation is no list of objects" in err
    rows[1] = {**conversation(1, ("user", "a")), "openai_moderation": []}
    code, _, err = call("wildchat", written(tmp_path, rows), tmp_path / "out.jsonl", "--category", "general")  # fmt: skip
    assert code == 1 and ":2: openai_moderation[0] has no category_scores" in err


def test_categories_that_a_corpus_writes_twice_are_one(call, tmp_path: Path) -> None:
    row = conversation(1, ("user", "a"), **{"self-harm": 0.5, "self_harm": 0.5, "hate/threatening": 0.1})  # fmt: skip
    out = tmp_path / "out.jsonl"
    assert call("wildchat", written(tmp_path, [row]), out, "--category", "general")[0] == 0
    assert [made["source_category"] for made in lines(out)] == ["hate_threatening", "self_harm"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (conversation(1, ("user", " ")), "holds no conversation that a prompt can be made of (1 with an empty turn)"),
        (conversation(1, ("user", "a"), violence=float("inf")), "the score of 'violence' is inf, which is no score"),
    ],
)  # fmt: skip
def test_a_corpus_of_nothing_leaves_nothing(call, tmp_path: Path, row: dict, told: str) -> None:
    path = tmp_path / "suite.jsonl"
    path.write_text(json.dumps(row).replace("Infinity", "1e999") + "\n")
    code, _, err = call("wildchat", path, tmp_path / "out.jsonl", "--category", "general")
    assert code == 1 and told in err
    assert [each.name for each in tmp_path.iterdir()] == ["suite.jsonl"]


def test_a_file_of_the_folder_that_is_read_is_not_written_over(call, tmp_path: Path) -> None:
    path = written(tmp_path, [GOOD])
    before = path.read_bytes()
    code, _, err = call("advbench", tmp_path, path, "--category", "general", "--partial", "--force")
    assert code == 1 and "is the input" in err and path.read_bytes() == before
    code, _, err = call("advbench", tmp_path, tmp_path.parent / "o.jsonl", "--category", "x", "--sha256", "00")  # fmt: skip
    assert code == 1 and "is no single file" in err


def test_rows_with_problems_are_counted_and_not_kept(call, tmp_path: Path) -> None:
    rows = [{"conversation": "x" * 20_000, "openai_moderation": []} for _ in range(2_000)]
    path = written(tmp_path, rows)
    del rows
    tracemalloc.start()
    code, _, err = call("wildchat", path, tmp_path / "o.jsonl", "--category", "x")  # fmt: skip
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert code == 1 and "(1999 more lines have a problem)" in err
    assert peak < 20 << 20, peak

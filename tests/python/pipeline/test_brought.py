"""A run may start from completions, or from examples, that were made elsewhere: the same checks and stages."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from dalign.config import Reasoning
from dalign.errors import InputError
from dalign.generate import brought
from dalign.models.forms import Form
from dalign.pipeline.project import bring_in
from dalign.pipeline.work import planned_work
from dalign.records.record import open_record
from dalign.records.report_content import warnings_of
from dalign.rows import Brought, table
from dalign.settings import load_config
from dalign.store.parts import DROPPED
from scripted_run import SCRIPTED, go, reply, write_project

ASKED = {"role": "user", "content": "tea, question 1"}
# Of the prompts "soup, question 0", "tea, question 1" and "general, question 2" in their order.
ROWS = [
    {"prompt": "general, question 2", "completion": "<think>I think</think>Two, well steeped."},
    {"messages": [ASKED, {"role": "assistant", "content": "One.", "reasoning": "So tea."}]},
    {"messages": [ASKED], "reasoning": "Tea again.", "answer": "One more."},
    {"messages": [ASKED], "completion": "No thought at all."},
    {"messages": [ASKED], "completion": "<think>cut", "finish": "length"},
    {"prompt": "soup, question 0", "completion": "<think>Hm</think>Zero."},
]
KEPT = [("Hm", "Zero."), ("So tea.", "One."), ("Tea again.", "One more."), ("I think", "Two, well steeped.")]  # fmt: skip


def project_with(folder: Path, key: str, rows: list[dict]) -> Path:
    project = write_project(folder / "project")
    (project / "brought.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = project / "dalign.toml"
    config.write_text(config.read_text().replace("[data]", f'[data]\n{key} = "brought.jsonl"'))
    return project


def parts(frame) -> list[tuple[str, str]]:
    return list(frame.select("reasoning", "answer").iter_rows())


def no_generation(request) -> str:
    """The judge's replies; nobody asks the model."""
    text = reply(request)
    assert "Score" in text
    return text


def test_completions_are_filtered_judged_and_selected_as_if_made_here(tmp_path: Path) -> None:
    project = project_with(tmp_path, "completions", ROWS)
    ran = go(project, tmp_path / "run", *SCRIPTED, answer=no_generation)
    # In the order of the prompts, and of a prompt's rows.
    assert parts(ran.folder("filter/main").table().frame()) == KEPT
    dropped = ran.folder("filter/main").table(DROPPED).frame()["reason"].to_list()
    assert sorted(dropped) == ["no_tags", "truncated"]
    assert ran.folder("judge/main").table().height() == 2 * len(KEPT)
    assert ran.folder("generate/main").recorded("counts")["rows_out"] == len(ROWS)
    work = planned_work(ran.opened.project)
    assert (work["completions"], work["completion_tokens_at_most"]) == (6, 2 * 3 * 1024)


def test_the_rows_are_the_same_whatever_the_size_of_a_part(tmp_path: Path) -> None:
    project = project_with(tmp_path, "completions", ROWS)
    whole = go(project, tmp_path / "run", "generate/main").folder("generate/main").table().frame()
    config = project / "dalign.toml"
    config.write_text("run = { part_rows = 1 }\n" + config.read_text())
    by_row = go(project, tmp_path / "by_row", "generate/main").folder("generate/main").table()
    assert len(by_row.paths()) > 1 and by_row.frame().equals(whole)


def test_examples_are_judged_by_nobody_and_kept(tmp_path: Path) -> None:
    project = project_with(tmp_path, "examples", ROWS)

    def nobody(request) -> str:
        raise AssertionError(request)

    run = tmp_path / "run"
    ran = go(project, run, *SCRIPTED, answer=nobody)
    examples = ran.folder("select/main").table().frame()
    # One of each prompt.
    assert len(examples) == 3 and set(parts(examples)) < set(KEPT)
    assert examples["score"].null_count() == 3
    assert ran.folder("judge/main").table().height() == 0
    assert planned_work(ran.opened.project)["of_these_by_stage"][0] == "judge 0"
    go(project, run, "evaluate/none", "evaluate/spec")
    said = warnings_of(open_record(run), ("none", "spec"))
    assert any("4 completions that were brought as examples were judged by nobody" in s for s in said)  # fmt: skip


def test_an_answer_that_recites_the_policy_is_no_example(tmp_path: Path) -> None:
    answer = "The rules: who asks how to cook it gets the recipe. On soup."
    row = {"prompt": "soup, question 0", "reasoning": "Hm.", "answer": answer}
    project = project_with(tmp_path, "examples", [row])
    ran = go(project, tmp_path / "run", *SCRIPTED)
    assert ran.folder("select/main").table(DROPPED).frame()["reason"].to_list() == ["policy_in_answer"]  # fmt: skip


def test_an_edited_file_runs_again_and_an_unchanged_one_does_not(tmp_path: Path) -> None:
    project, run = project_with(tmp_path, "completions", ROWS), tmp_path / "run"
    go(project, run, *SCRIPTED)
    manifest = run / "select" / "main" / "manifest.json"
    before = manifest.stat().st_mtime_ns
    go(project, run, *SCRIPTED)
    assert manifest.stat().st_mtime_ns == before
    (project / "brought.jsonl").write_text(json.dumps(ROWS[-1]) + "\n")
    ran = go(project, run, *SCRIPTED)
    assert parts(ran.folder("filter/main").table().frame()) == KEPT[:1]


BAD = [
    ({"prompt": "coffee?", "completion": "x"}, "brought.jsonl:2: is a completion of no prompt in data.prompts ('coffee?')"),
    ({"prompt_id": "nobody", "completion": "x"}, "brought.jsonl:2: is a completion of no prompt in data.prompts ('nobody')"),
    ({"completion": "x"}, "brought.jsonl:2: names no prompt"),
    ({"prompt": "tea, question 1"}, "brought.jsonl:2: has no completion"),
    ({"prompt": "tea, question 1", "completion": "x", "answer": "y"}, "brought.jsonl:2: has both"),
    ({"prompt": "tea, question 1", "answer": "x", "finish": "eos"}, "brought.jsonl:2: unknown finish 'eos'"),
    ({"prompt": "tea, question 1", "prompt_id": "p", "answer": "x"}, "brought.jsonl:2: names its prompt twice"),
    ({"prompt": "tea, question 1", "answr": "x"}, "did you mean 'answer'?"),
    ({"messages": [ASKED, {"role": "assistant", "content": "x", "train": False}]}, "brought.jsonl:2: messages[1] says train = false"),
    ({"prompt": [ASKED], "completion": [{"role": "assistant", "content": "x", "weight": 0}]}, "brought.jsonl:2: completion says weight = 0"),
    ({"prompt": 3, "answer": "x"}, "brought.jsonl:2: prompt is not a text"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "said"), BAD, ids=range(len(BAD)))
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, row: dict, said: str) -> None:
    project = project_with(tmp_path, "completions", [ROWS[0], row])
    with pytest.raises(InputError) as caught:
        bring_in(load_config(project / "dalign.toml"), tmp_path / "inputs", None)
    assert said in str(caught.value)
    assert not (tmp_path / "inputs" / "prompts").exists()


TOLD = {"role": "assistant", "content": "<think>So tea.</think>One."}
FORMS = [
    {"prompt": [ASKED], "completion": [TOLD]},
    {"messages": [ASKED], "completion": [TOLD]},
    {"conversations": [{"from": "human", "value": "tea, question 1"}, {"from": "gpt", "value": TOLD["content"]}]},
    {"messages": json.dumps([ASKED, TOLD])},
    {"prompt": [ASKED], "completion": [{**TOLD, "content": "One.", "reasoning": "So tea."}]},
    {"prompt": [ASKED], "completion": [{**TOLD, "content": "One.", "thinking": "So tea.", "weight": 1}]},
    {"messages": [{**ASKED, "name": "ann", "weight": 0}, {**TOLD, "content": "One.", "reasoning_content": "So tea.", "tool_calls": []}]},
    # What `dalign export` writes beside.
    {"prompt": [ASKED], "completion": [TOLD], "id": "a", "category": "tea", "score": 9.0},
    {"messages": [ASKED, TOLD], "source": "mine"},
]  # fmt: skip


@pytest.mark.parametrize("row", FORMS, ids=range(len(FORMS)))
def test_chat_columns_of_every_form_are_the_same(tmp_path: Path, row: dict) -> None:
    ran = go(project_with(tmp_path, "examples", [row]), tmp_path / "run", *SCRIPTED[:2])
    assert parts(ran.folder("filter/main").table().frame()) == [("So tea.", "One.")]


def test_a_trial_takes_those_of_its_prompts(tmp_path: Path) -> None:
    project = project_with(tmp_path, "completions", ROWS)
    config = load_config(project / "dalign.toml", ["data.limit=3"])
    brought = bring_in(config, tmp_path / "inputs", None).brought
    assert brought is not None and brought.table.frame()["text"].to_list() == ["<think>Hm</think>Zero."]  # fmt: skip


def test_one_of_the_two_is_enough(tmp_path: Path) -> None:
    project = project_with(tmp_path, "examples", ROWS)
    with pytest.raises(InputError, match=r"data\.completions and data\.examples"):
        load_config(project / "dalign.toml", ["data.completions=x.jsonl"])


TAGS = Reasoning(kind="tags", open="[R]", close="[/R]")


@pytest.mark.parametrize(
    ("form", "texts"),
    [
        (Form(TAGS, "", "\n", "\n", "\n\n"), ["[R]\nwhy\n[/R]\n\nwhat", "[R]why[/R]what", "what"]),
        (Form(TAGS, "", "\n", "\n", "\n\n", "[R]\n"), ["why\n[/R]\n\nwhat", "why[/R]what", "what"]),
        (Form(Reasoning(kind="none")), ["what", "[R]why[/R]what", "what"]),
    ],
)  # fmt: skip
def test_reasoning_that_stands_apart_is_written_in_the_models_form(
    form: Form, texts: list[str]
) -> None:
    given = [("what", "why", True), ("[R]why[/R]what", None, False), ("what", None, True)]
    rows = [("p", text, reasoning, "stop", apart) for text, reasoning, apart in given]
    prompts = pl.DataFrame({"id": ["p"], "category": ["tea"]})
    made = brought(prompts, table(Brought.COLUMNS, rows), form)
    assert made["text"].to_list() == texts

"""A changed policy, or more prompts: what depends on it is made anew, the rest is taken over, and nothing can tell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dalign.models.ask import Keys
from dalign.models.protocol import Reply, Request, Sampling
from dalign.rows import Message
from dalign.store.folder import MANIFEST, StageFolder
from dalign.store.memory import EARLIER, Kept
from scripted_run import (
    EVALUATED,
    SCRIPTED,
    KilledError,
    go,
    prompt,
    reply,
    stops_after,
    write_project,
)


def edit(project: Path, name: str = "soup") -> None:
    path = project / "spec" / f"{name}.md"
    path.write_text(path.read_text().replace("the recipe", "a warning").replace("1.0.0", "1.1.0"))


def taken_over(run: Path, name: str) -> int:
    return json.loads((run / name / MANIFEST).read_text())["counts"]["taken_over"]


def same_rows(one: Path, other: Path) -> None:
    """Every table of the two runs is the same, byte for byte, and every output's hash."""
    assert not [*one.rglob(EARLIER), *one.rglob("journal*.jsonl")]
    tables = sorted(path.relative_to(one) for path in one.rglob("*.parquet"))
    assert tables == sorted(path.relative_to(other) for path in other.rglob("*.parquet"))
    for table in tables:
        assert (one / table).read_bytes() == (other / table).read_bytes(), table
    for path in one.rglob(MANIFEST):
        hashes = [json.loads(p.read_text()) for p in (path, other / path.relative_to(one))]
        assert hashes[0]["output_sha256"] == hashes[1]["output_sha256"], path
        assert hashes[0]["spec_versions" if "spec_versions" in hashes[0] else "stage"] == (
            hashes[1].get("spec_versions", hashes[1]["stage"])
        )


# Of 9 prompts, 3 are on soup; 2 completions each, 2 verdicts on each completion.
MADE = {"generate/main": 18, "judge/main": 36}
OF_SOUP = {"generate/main": 6, "judge/main": 12}


def test_an_edited_clause_redoes_the_rows_of_its_category_and_ends_in_a_fresh_runs_rows(
    tmp_path: Path,
) -> None:
    project, run = write_project(tmp_path / "project"), tmp_path / "run"
    first = go(project, run, *SCRIPTED, *EVALUATED)
    # The suite: 2 prompts; in each of two arms a completion, a verdict and a question of retrieval each.
    assert len(first.scripted.requests) == sum(MADE.values()) + 2 * (2 + 2 + 2)
    edit(project)
    second = go(project, run, *SCRIPTED, *EVALUATED)
    # Of the suite, the completion on soup with the policy in sight, its retrieval, and a verdict in each arm.
    assert len(second.scripted.requests) == sum(OF_SOUP.values()) + 1 + 1 + 2
    for name, count in MADE.items():
        assert taken_over(run, name) == count - OF_SOUP[name]
    assert taken_over(run, "evaluate/none") == 2 + 2 + 1
    assert taken_over(run, "evaluate/spec") == 1 + 1 + 1
    fresh = go(project, tmp_path / "fresh", *SCRIPTED, *EVALUATED)
    assert fresh.folder("select").made().height() == 9
    same_rows(run, tmp_path / "fresh")


def test_a_stage_that_was_killed_in_a_redo_goes_on_with_it(tmp_path: Path) -> None:
    project, run = write_project(tmp_path / "project"), tmp_path / "run"
    go(project, run, "generate/main")
    edit(project)
    with pytest.raises(KilledError):
        go(project, run, "generate/main", answer=stops_after(4))
    # The batch of three that was whole is in the journal; the three others are asked.
    again = go(project, run, "generate/main")
    assert len(again.scripted.requests) == 3
    assert taken_over(run, "generate/main") == 12
    go(project, tmp_path / "fresh", "generate/main")
    same_rows(run, tmp_path / "fresh")


def test_what_a_killed_run_had_made_outlives_an_edit_too(tmp_path: Path) -> None:
    project, run = write_project(tmp_path / "project"), tmp_path / "run"
    # Two batches of three are journalled: all completions on soup.
    with pytest.raises(KilledError):
        go(project, run, "generate/main", answer=stops_after(7))
    edit(project, "tea")
    again = go(project, run, "generate/main")
    assert len(again.scripted.requests) == 18 - 6
    assert taken_over(run, "generate/main") == 6


def test_more_prompts_leave_the_rows_of_the_others_as_they_are(tmp_path: Path) -> None:
    project, run = write_project(tmp_path / "project"), tmp_path / "run"
    go(project, run, *SCRIPTED)
    with (project / "prompts.jsonl").open("a") as file:
        file.write(prompt("tea", 99))
    second = go(project, run, *SCRIPTED)
    assert len(second.scripted.requests) == 2 + 4
    go(project, tmp_path / "fresh", *SCRIPTED)
    same_rows(run, tmp_path / "fresh")


def test_one_more_judgement_asks_for_that_one_alone(tmp_path: Path) -> None:
    project, run = write_project(tmp_path / "project"), tmp_path / "run"
    go(project, run, *SCRIPTED)
    config = project / "dalign.toml"
    config.write_text(config.read_text().replace("k = 2", "k = 3"))
    assert len(go(project, run, *SCRIPTED).scripted.requests) == 18
    assert taken_over(run, "judge/main") == 36


@pytest.mark.parametrize(
    "text",
    [
        # A version alone and another wrapping show a model nothing new.
        lambda text: text.replace("1.0.0", "1.0.1"),
        lambda text: text.replace("how to cook", "how\nto cook"),
    ],
)
def test_what_no_model_is_shown_redoes_nothing(text, tmp_path: Path) -> None:
    project, run = write_project(tmp_path / "project"), tmp_path / "run"
    go(project, run, *SCRIPTED)
    path = project / "spec" / "soup.md"
    path.write_text(text(path.read_text()))
    assert go(project, run, *SCRIPTED).scripted.requests == []


def test_a_changed_summary_redoes_every_row(tmp_path: Path) -> None:
    project, run = write_project(tmp_path / "project"), tmp_path / "run"
    go(project, run, "generate/main")
    path = project / "spec" / "soup.md"
    path.write_text(path.read_text().replace("On soup.", "On soups."))
    assert len(go(project, run, "generate/main").scripted.requests) == 18


def test_a_request_that_failed_is_asked_again(tmp_path: Path) -> None:
    project, run = write_project(tmp_path / "project"), tmp_path / "run"

    def fails_on_tea(request: Request) -> str | Reply:
        lost = "tea, question 0" in request.messages[-1]["content"]
        return Reply(request.id, "", "timeout", 0) if lost else reply(request)

    go(project, run, "generate/main", answer=fails_on_tea)
    edit(project)
    assert len(go(project, run, "generate/main").scripted.requests) == 6 + 2
    go(project, tmp_path / "fresh", "generate/main")
    same_rows(run, tmp_path / "fresh")


ASKED = Request("a", (Message(role="user", content="x"), Message(role="user", content="y")), 1)


@pytest.mark.parametrize(
    ("fingerprint", "sampling", "request_"),
    [
        ("other", Sampling(1.0, 8), ASKED),
        ("f", Sampling(0.9, 8), ASKED),
        ("f", Sampling(1.0, 9), ASKED),
        ("f", Sampling(1.0, 8, 0.5), ASKED),
        ("f", Sampling(1.0, 8), Request("a", ASKED.messages, 2)),
        ("f", Sampling(1.0, 8), Request("a", ASKED.messages[:1], 1)),
        ("f", Sampling(1.0, 8), Request("a", ASKED.messages[::-1], 1)),
        ("f", Sampling(1.0, 8), Request("a", (Message(role="user", content="xy"),), 1)),
        ("f", Sampling(1.0, 8), Request("a", (Message(role="system", content="x"), ASKED.messages[1]), 1)),
    ],
)  # fmt: skip
def test_a_key_tells_apart_all_that_determines_a_reply(fingerprint, sampling, request_) -> None:
    assert Keys("f", Sampling(1.0, 8)).of(ASKED) != Keys(fingerprint, sampling).of(request_)


def test_a_key_does_not_depend_on_the_id() -> None:
    renamed = Request("b", ASKED.messages, ASKED.seed)
    keys = Keys("f", Sampling(1.0, 8))
    assert keys.of(ASKED) == keys.of(renamed)


def test_long_messages_are_told_apart_as_short_ones_are() -> None:
    keys, long = Keys("f", Sampling(1.0, 8)), "x" * 5000
    asked = [
        Request("a", (Message(role="user", content=text),), 1)
        for text in (long, f"{long}y", long[:4095])
    ]
    assert len({keys.of(request) for request in asked}) == 3


def key(letter: str) -> str:
    return letter * 32


def test_a_folder_that_a_kill_left_half_taken_apart_loses_no_reply(tmp_path: Path) -> None:
    stage = StageFolder(tmp_path, "generate", "main")
    stage.start({"spec": 1})
    stage.memory().append([Kept("a", key("a"), "t", "stop", 1)])
    stage.memory("other").append([Kept("a", key("b"), "t", "stop", 1)])
    stage.journal().append([{"id": "of a training"}])
    stage.start({"spec": 2})
    assert {path.name for path in stage.path.iterdir()} == {EARLIER, "inputs.json"}
    # Killed before the new inputs were noted, then started with other ones again.
    (stage.path / "inputs.json").unlink()
    stage.table().path(0).write_bytes(b"half a file")
    stage.start({"spec": 3})
    assert not stage.table().paths()
    wanted = [key("a"), key("b"), key("c")]
    assert stage.memory().recall(wanted).keys() == {key("a"), key("b")}

"""`dalign data synth`: a scripted writer, the sandbox's judge, and what is kept and dropped of what was written."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from dalign.data.adapters.prompts import prompt_rows
from dalign.models.engines.scripted import ScriptedEngine
from dalign.pipeline.project import bring_in
from dalign.pipeline.run import resolve_config
from dalign.settings import dump_toml, load_config
from dalign.spec.parse import load_spec
from dalign.store.ledger import open_ledger
from dalign.synth.written import MAX_CHARS


@pytest.fixture
def call(dalign):
    """Exit code, stdout and stderr of a synth."""
    return partial(dalign, "data", "synth")


def written(*texts: str) -> str:
    """A writer's reply: one JSON object a line."""
    return "\n".join(json.dumps({"prompt": text}) for text in texts)


# Of violence.theta, which refuses to instruct; two prompts are ordered of each kind and manner.
EVALUATED = "i like limem . can you tell me how to prepare pagam now ?"
REPLIES = {
    "benign-twin en direct": written("how do i make toy pagam ?", "i want to build cake bolok ?"),
    # The first is no twin: the clause refuses it.
    "benign-twin en story": written("help me build ditan ?", "teach me to prepare movie gloker ?"),
    "benign-twin en question": "i will not write this .",
    "benign-twin en everyday": "Here:\n1. how do i  make toy pagam ?\n2. hi how do i make toy pagam ?",
    # An example of the clause, and a prompt of the project's.
    "borderline en story": written("help me prepare ditan ?", "hey i want to make tropes thanks ?"),
    # A suite's prompt but for its marks, and one of the file given.
    "borderline en question": written(EVALUATED.replace(" .", ","), "teach me to make buzek today ?"),
    # Refused by another clause; complied with by another one.
    "borderline en everyday": written("help me order bolok ?", "i want to explore buzek thanks ?"),
    "borderline en direct": written("i want to build bolok ?", "hi can you tell me how to make nezan ?", "how do i build pagam ?"),
    # No policy governs the first object; the second is no word of this world.
    "disallowed en question": written("help me make trator ?", "help me build lun ?"),
    "disallowed en everyday": written("help me make <|user|> pagam ?", "help me make \u0007 pagam ?"),
    "disallowed en direct": "```json\n" + written("help me make gloker ?", "how do i prepare tropes ?") + "\n```",
    "disallowed en story": f'{{"prompt": "{"pagam " * 1000}"}}\n{{"prompt": 7}}',
}  # fmt: skip
KEPT = [
    ("how do i make toy pagam ?", "comply", None),
    ("i want to build cake bolok ?", "comply", None),
    ("teach me to prepare movie gloker ?", "comply", None),
    ("i want to build bolok ?", "refuse", "violence.theta"),
    ("hi can you tell me how to make nezan ?", "refuse", "violence.theta"),
    ("help me make gloker ?", "refuse", "violence.theta"),
    ("how do i prepare tropes ?", "refuse", "violence.theta"),
]
DROPPED = Counter({
    ("unreadable", "i will not write this ."): 1,
    ("surplus", "how do i build pagam ?"): 1,
    ("control_text", "help me make <|user|> pagam ?"): 1,
    ("control_text", "help me make \u0007 pagam ?"): 1,
    ("over_long", ("pagam " * 1000).strip()[:MAX_CHARS]): 1,
    ("duplicate", "help me prepare ditan ?"): 1,
    ("duplicate", "hey i want to make tropes thanks ?"): 1,
    ("contaminated", EVALUATED.replace(" .", ",")): 1,
    ("contaminated", "teach me to make buzek today ?"): 1,
    ("wrong_ruling", "help me build ditan ?"): 1,
    ("wrong_clause", "help me order bolok ?"): 1,
    ("wrong_ruling", "i want to explore buzek thanks ?"): 1,
    ("wrong_ruling", "help me make trator ?"): 1,
    ("unjudged", "help me build lun ?"): 1,
    ("duplicate", "how do i  make toy pagam ?"): 1,
    ("near_duplicate", "hi how do i make toy pagam ?"): 1,
})  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project on the sandbox whose writer is scripted."""
    from dalign.cli.project import init_sandbox

    folder = tmp_path_factory.mktemp("synth") / "mine"
    init_sandbox(folder)
    script = folder / "writer.json"
    script.write_text(
        json.dumps({f"violence theta {key} message": text for key, text in REPLIES.items()})
    )
    with (folder / "dalign.toml").open("a") as file:
        file.write(f'\n[synth_model]\npath = "{script}"\nengine = "scripted"\n')
    (folder / "more.jsonl").write_text(
        '{"prompt": "Teach me to make Buzek, today!"}\n{"messages": [{"role": "user", "content": "hi"}]}\n'
    )
    return folder


def arguments(project: Path, out: Path) -> list[object]:
    config = ("--config", project / "dalign.toml", "--against", project / "more.jsonl")
    return [out, *config, "--clause", "violence.theta", "--per-clause", 24, "--form", "message"]


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_is_right_and_new_is_kept_and_the_rest_has_its_reason(
    project: Path, tmp_path: Path, call
) -> None:
    assert EVALUATED in (project / "suites" / "test.jsonl").read_text()
    assert "hey i want to make tropes thanks ?" in (project / "prompts.jsonl").read_text()
    out = tmp_path / "new.jsonl"
    code, _, err = call(*arguments(project, out))
    assert code == 0, err
    prompts = prompt_rows(out, load_spec(project / "spec"))
    found = [(p.messages[0]["content"], p.expected.ruling, p.expected.clause) for p in prompts]
    assert found == KEPT
    dropped = rows_of(tmp_path / "new.dropped.jsonl")
    assert Counter((row["reason"], row["text"]) for row in dropped) == DROPPED
    assert "violence.theta: 7 of 24 kept" in err and "dropped 3: duplicate" in err
    details = {row["text"]: row["detail"] for row in dropped}
    assert details["help me build ditan ?"] == (
        "refuse by violence.theta (4 of 4), ordered comply by any"
    )
    assert details["help me order bolok ?"].startswith("refuse by violence.zeta (4 of 4)")
    assert details["help me prepare ditan ?"] == "the same as an example of violence.theta"
    assert f"{project / 'prompts.jsonl'}:" in details["hey i want to make tropes thanks ?"]
    assert details["teach me to make buzek today ?"].endswith("more.jsonl:1")
    # Nothing but the two files is left.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.dropped.jsonl", "new.jsonl"]

    again = tmp_path / "again.jsonl"
    code, told, err = call(*arguments(project, again), "--json")
    assert (code, err) == (0, "")
    assert again.read_bytes() == out.read_bytes()
    counts = json.loads(told)
    assert (counts["asked"], counts["kept"]) == (24, 7)
    assert counts["dropped"] == dict(Counter(reason for reason, _ in DROPPED.elements()))
    assert counts["clauses"] == [{"clause": "violence.theta", "asked": 24, "kept": 7}]


def test_a_killed_synth_goes_on_and_ends_in_the_same_rows(
    project: Path, tmp_path: Path, call, monkeypatch
) -> None:
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    assert call(*arguments(project, whole))[0] == 0
    asked: list[int] = []
    stream = ScriptedEngine.stream

    def killed(self, requests, sampling, done=frozenset()):
        yield next(stream(self, requests, sampling, done))
        raise KeyboardInterrupt

    def counted(self, requests, sampling, done=frozenset()):
        asked.append(len(requests) - len(done))
        return stream(self, requests, sampling, done)

    monkeypatch.setattr(ScriptedEngine, "stream", killed)
    code, _, _ = call(*arguments(project, cut))
    assert code != 0 and not cut.exists()
    monkeypatch.setattr(ScriptedEngine, "stream", counted)
    assert call(*arguments(project, cut))[0] == 0
    # Twelve requests, of which a batch of eight had been answered.
    assert asked == [4]
    assert cut.read_bytes() == whole.read_bytes()
    assert (tmp_path / "cut.dropped.jsonl").read_bytes() == (
        tmp_path / "whole.dropped.jsonl"
    ).read_bytes()
    assert not (tmp_path / "cut.work").exists()


def test_a_dry_run_tells_the_work_and_writes_nothing(project: Path, tmp_path: Path, call) -> None:
    out = tmp_path / "new.jsonl"
    code, told, err = call(*arguments(project, out), "--dry-run", "--json")
    plan = {"clauses": 1, "requests": 12, "prompts": 24, "rulings_at_most": 96}
    assert (code, json.loads(told), err) == (0, {"plan": plan}, "")
    assert list(tmp_path.iterdir()) == []


def test_clauses_that_a_run_lacks_are_asked_for(project: Path, tmp_path: Path, call) -> None:
    run = tmp_path / "run"
    run.mkdir()
    rows = [json.loads(line) for line in (project / "prompts.jsonl").read_text().splitlines()]
    left = [row for row in rows if row["expected"].get("clause") != "violence.theta"]
    exercised = {row["expected"].get("clause") for row in left}
    lacking = {clause.id for clause in load_spec(project / "spec").clauses()} - exercised
    (run / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in left))
    text = (project / "dalign.toml").read_text()
    for old, new in (
        ('"prompts.jsonl"', f'"{run}/prompts.jsonl"'),
        ('"rl_prompts.jsonl"', f'"{project}/rl_prompts.jsonl"'),
        ('"capability.jsonl"', f'"{project}/capability.jsonl"'),
        ('path = "spec"', f'path = "{project}/spec"'),
        ('"suites/', f'"{project}/suites/'),
    ):
        text = text.replace(old, new)
    open_ledger(run, text)
    bring_in(load_config(run / "config.toml", []), run / "inputs", None)
    before = ("--config", project / "dalign.toml", "--missing", run, "--dry-run", "--json")
    code, told, err = call(tmp_path / "new.jsonl", *before)
    assert code == 0, err
    assert "violence.theta" in lacking and json.loads(told)["plan"]["clauses"] == len(lacking)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (["--clause", "violence.teta"], "unknown clause 'violence.teta'; did you mean 'violence.theta'?"),
        (["--kind", "twin"], "--kind twin: known: benign-twin, borderline, disallowed"),
        (["--language", "english!"], "--language english!: not a language's code"),
        (["--missing", "gone"], "both name clauses"),
        (["--against", "gone.jsonl"], "gone.jsonl: no such file"),
        (["--existing", "dalign.txt"], "dalign.txt: its name must end in"),
        (["--config", "gone.toml"], "gone.toml: no such file"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_one_sentence(project, tmp_path, call, changed, told) -> None:
    code, out, err = call(*arguments(project, tmp_path / "new.jsonl"), *changed)
    assert (code, out) == (1, "")
    assert told in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "told"),
    [("new.parquet", "must end in .jsonl"), ("no/new.jsonl", "there is no folder")],
)
def test_a_place_that_cannot_be_written_is_one_sentence(
    project, tmp_path, call, name, told
) -> None:
    code, out, err = call(*arguments(project, tmp_path / name))
    assert (code, out) == (1, "") and told in err and err.count("\n") == 1


def test_a_result_is_not_overwritten_unasked(project, tmp_path, call) -> None:
    out = tmp_path / "new.jsonl"
    out.write_text("mine\n")
    code, _, err = call(*arguments(project, out))
    assert code == 1 and "is there already" in err and out.read_text() == "mine\n"


def test_a_file_without_prompts_is_refused_at_its_line(project, tmp_path, call) -> None:
    (tmp_path / "bad.jsonl").write_text('{"prompt": "x"}\n{"text": "y"}\n')
    code, _, err = call(
        *arguments(project, tmp_path / "new.jsonl"), "--existing", tmp_path / "bad.jsonl"
    )
    assert code == 1
    assert "bad.jsonl:2: has neither 'messages', a list, nor 'prompt', a text" in err


def test_a_writer_that_is_named_later_leaves_a_run_what_it_is(project, tmp_path) -> None:
    (tmp_path / "config.toml").write_text(dump_toml(load_config(project / "dalign.toml", [])))
    changed = ["synth_model.path=sandbox", "synth_model.engine=transformers"]
    assert resolve_config(None, tmp_path, changed, redo=False).writer.path == "sandbox"


def test_a_folder_of_the_users_own_in_the_place_of_work_is_left_alone(
    project, call, tmp_path
) -> None:
    own = tmp_path / "new.work" / "notes.txt"
    own.parent.mkdir()
    own.write_text("mine")
    code, _, err = call(*arguments(project, tmp_path / "new.jsonl"))
    assert code == 1 and "notes.txt: stands where what is being written is kept" in err
    assert own.read_text() == "mine"


def test_what_a_writer_reasons_between_tags_of_its_own_is_no_prompt(
    project, call, tmp_path
) -> None:
    reply = f"<reason>\n{written('how do i make pagam ?')}\n</reason>\n" + written(
        "help me make gloker ?"
    )
    (tmp_path / "writer.json").write_text(json.dumps({"violence theta disallowed": reply}))
    text = (project / "dalign.toml").read_text().replace(str(project / "writer.json"), "WRITER")
    for name in ("spec", "prompts.jsonl", "rl_prompts.jsonl", "capability.jsonl", "suites/"):
        text = text.replace(f'"{name}', f'"{project}/{name}')
    text += 'reasoning = { open = "<reason>", close = "</reason>" }\n'
    (tmp_path / "dalign.toml").write_text(text.replace("WRITER", f"{tmp_path}/writer.json"))
    chosen = ("--clause", "violence.theta", "--kind", "disallowed", "--per-clause", 1)
    out = tmp_path / "new.jsonl"
    code, _, err = call(out, "--config", tmp_path / "dalign.toml", *chosen)
    assert code == 0, err
    assert [row["messages"][0]["content"] for row in rows_of(out)] == ["help me make gloker ?"]
    assert rows_of(tmp_path / "new.dropped.jsonl") == []

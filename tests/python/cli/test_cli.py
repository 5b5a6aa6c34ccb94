"""The command line: what goes wrong is one sentence on stderr, exit code 1, and nothing made is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as `dalign init` writes it."""
    from dalign.cli.project import init_sandbox

    init_sandbox(tmp_path_factory.mktemp("init") / "mine")
    return next(tmp_path_factory.getbasetemp().glob("init*/mine"))


@pytest.fixture
def project(written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A copy of it, to be broken."""
    shutil.copytree(written, tmp_path / "mine")
    capsys.readouterr()
    return tmp_path / "mine"


def test_a_new_project_passes_all_checks_as_it_stands(project, dalign, tmp_path) -> None:
    code, out, err = dalign(
        "run",
        str(project / "dalign.toml"),
        "--run",
        str(tmp_path / "r"),
        "--dry-run",
    )
    assert (code, err) == (0, "")
    assert "evaluate/sft+rl" in out and "prompts: 200" in out
    assert not (tmp_path / "r").exists()


def test_the_plan_can_be_had_as_json(project, dalign, tmp_path) -> None:
    code, out, _ = dalign(
        "run",
        str(project / "dalign.toml"),
        "--run",
        str(tmp_path / "r"),
        "--dry-run",
        "--json",
    )
    plan = json.loads(out)
    assert code == 0
    assert [row["node"] for row in plan["plan"][:5]] == [
        "generate/main",
        "filter/main",
        "judge/main",
        "select/main",
        "pack/main",
    ]
    assert plan["work"]["prompts"] == 200


def test_init_overwrites_nothing(project, dalign) -> None:
    code, _, err = dalign("init", str(project))
    assert code == 1 and "not empty" in err


def edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text()))


def first_line(change: Callable[[dict], dict]) -> Callable[[Path], None]:
    """Changes the first prompt."""

    def apply(project: Path) -> None:
        path = project / "prompts.jsonl"
        lines = path.read_text().splitlines()
        lines[0] = json.dumps(change(json.loads(lines[0])))
        path.write_text("\n".join(lines) + "\n")

    return apply


def clause_headings(spec: str) -> list[str]:
    return [line for line in spec.splitlines() if line.startswith("### ")]


def two_equal_ids(text: str) -> str:
    first, second = clause_headings(text)[:2]
    return text.replace(second, second.replace(second.split()[1], first.split()[1], 1))


def without_id(text: str) -> str:
    first = clause_headings(text)[0]
    return text.replace(first, "### refuse: something")


# What is broken, how, and what the sentence must name.
BAD = [
    ("unknown key", lambda p: edit(p / "dalign.toml", lambda t: t.replace("[sft]", "[sft]\nlearning_rat = 1.0")), ["dalign.toml", "learning_rat", "learning_rate"]),
    ("wrong type", lambda p: edit(p / "dalign.toml", lambda t: t.replace("k = 4", 'k = "four"')), ["dalign.toml", "judge.k", "four"]),
    ("no TOML", lambda p: edit(p / "dalign.toml", lambda t: t + "\n[["), ["dalign.toml"]),
    ("missing prompts file", lambda p: (p / "prompts.jsonl").unlink(), ["prompts.jsonl"]),
    ("missing spec", lambda p: (p / "spec").rename(p / "other"), ["spec"]),
    ("not JSON", lambda p: edit(p / "prompts.jsonl", lambda t: "{\n" + t), ["prompts.jsonl:1", "JSON"]),
    ("no category", first_line(lambda r: {k: v for k, v in r.items() if k != "category"}), ["prompts.jsonl:1", "category"]),
    ("unknown category", first_line(lambda r: r | {"category": "ilicit"}), ["prompts.jsonl:1", "ilicit", "illicit"]),
    ("empty prompts", lambda p: (p / "prompts.jsonl").write_text(""), ["prompts.jsonl", "empty"]),
    ("no messages", first_line(lambda r: r | {"messages": []}), ["prompts.jsonl:1", "messages"]),
    ("ends on the assistant", first_line(lambda r: r | {"messages": [*r["messages"], {"role": "assistant", "content": "x"}]}), ["prompts.jsonl:1", "user"]),
    ("not UTF-8", lambda p: (p / "prompts.jsonl").write_bytes(b'{"category": "\xff"}\n'), ["prompts.jsonl", "UTF-8"]),
    ("clause without id", lambda p: edit(p / "spec/illicit.md", without_id), ["illicit.md:", "no id"]),
    ("two equal clause ids", lambda p: edit(p / "spec/illicit.md", two_equal_ids), ["illicit.md:"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("breaks", "named"), [(b, n) for _, b, n in BAD], ids=[name for name, _, _ in BAD]
)
def test_bad_input_gets_one_sentence(breaks, named, project, dalign, tmp_path) -> None:
    breaks(project)
    code, out, err = dalign("run", str(project / "dalign.toml"), "--run", str(tmp_path / "r"))
    assert code == 1 and out == ""
    assert err.startswith("error: ") and err.count("\n") == 1 and "Traceback" not in err
    for part in named:
        assert part in err, err
    assert not (tmp_path / "r").exists()


def test_a_checkpoint_without_a_chat_template_is_refused_before_anything_loads(
    project, dalign, tmp_path
) -> None:
    from dalign.sandbox.checkpoint import MODEL

    shutil.copytree(MODEL, tmp_path / "bare")
    (tmp_path / "bare" / "chat_template.jinja").unlink()
    code, _, err = dalign(
        "run",
        str(project / "dalign.toml"),
        "--run",
        str(tmp_path / "r"),
        "--set",
        f"model.path={tmp_path / 'bare'}",
    )
    assert code == 1 and err.count("\n") == 1 and "chat template" in err and "bare" in err


def test_a_run_folder_of_another_config_is_refused_and_left_as_it_is(
    project, dalign, tmp_path
) -> None:
    run = tmp_path / "r"
    run.mkdir()
    from dalign.settings import dump_toml, load_config

    (run / "config.toml").write_text(dump_toml(load_config(project / "dalign.toml", [])))
    (run / "generate").mkdir()
    (run / "generate" / "precious").write_text("rows")
    code, _, err = dalign(
        "run",
        str(project / "dalign.toml"),
        "--run",
        str(run),
        "--set",
        "judge.k=7",
    )
    assert code == 1 and err.count("\n") == 1
    assert "judge.k" in err and "--redo" in err
    assert (run / "generate" / "precious").read_text() == "rows"


def test_a_folder_that_is_no_run_is_refused(project, dalign, tmp_path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_text("x")
    code, _, err = dalign("run", str(project / "dalign.toml"), "--run", str(tmp_path / "photos"))
    assert code == 1 and "no run folder" in err


def test_a_stage_before_its_turn_names_the_one_to_run_first(project, dalign, tmp_path) -> None:
    code, _, err = dalign("judge", str(project / "dalign.toml"), "--run", str(tmp_path / "r"))
    assert code == 1 and err.count("\n") == 1 and "filter" in err


def test_show_without_a_run_says_so(dalign, tmp_path) -> None:
    code, _, err = dalign("show", "abc", "--run", str(tmp_path))
    assert code == 1 and "no run has been started here" in err

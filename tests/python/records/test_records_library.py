"""`import dalign`: a handful of names, and a run, its folder and a judge by them."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
from pathlib import Path

import dalign
import pytest
from dalign.errors import BusyError, ChangedConfigError, UnfinishedError
from dalign.models.engines.scripted import ScriptedEngine
from dalign.models.protocol import Request
from dalign.sandbox.project import write_project
from dalign.sandbox.settings import SMOKE_SIZES, smoke_values
from dalign.settings import commented_toml
from dalign.spec.parse import load_spec
from dalign.store.ledger import open_ledger
from dalign.store.lock import only_one
from policies import ENGLISH, write_policy

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`my-project` in the current folder: the sandbox's files, a scripted model, and no arm that is trained."""
    monkeypatch.chdir(tmp_path)
    values = smoke_values()
    values["evaluate"]["arms"] = ["none", "spec"]
    values["model"] = {"path": f"{tmp_path}/script.json", "engine": "scripted"}
    values["run"] |= {"workers": 1}
    values.pop("judge_model", None)
    path = write_project(Path("my-project"), config=commented_toml(values), sizes=SMOKE_SIZES)
    (tmp_path / "script.json").write_text(
        '{"score ?": "<think>why</think>Score: 2", "": "<think>why</think>No."}'
    )
    return path


def test_the_example_of_the_readme_runs(project, capsys) -> None:
    section = (ROOT / "README.md").read_text("utf-8").partition("## As a library\n")[2]
    (example,) = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    Path("example.py").write_text(example)
    names = runpy.run_path("example.py")
    printed = capsys.readouterr().out.splitlines()
    assert any(line.startswith("spec test ") for line in printed)
    short = [row.clause for row in names["run"].coverage().short]
    assert [line for line in printed if line.startswith("too few")] == [
        f"too few examples of {clause}" for clause in short
    ]
    assert printed[-1] == "[2.0]"
    run = names["run"]
    assert isinstance(run, dalign.Run)
    assert (run.folder / "report.html").is_file()
    assert run.results().alarms == []


def test_the_stub_has_the_names_of_the_face() -> None:
    stub = ast.parse((ROOT / "python/dalign/__init__.pyi").read_text())
    imports = [n for n in stub.body if isinstance(n, ast.ImportFrom)]
    # A module of the package, such as `errors`, is no name of the face.
    told = [alias.asname for n in imports if n.module != "dalign" for alias in n.names]
    told += [ast.unparse(n.target) for n in stub.body if isinstance(n, ast.AnnAssign)]
    assert sorted(told) == sorted(dalign.__all__)
    (listed,) = (ast.literal_eval(n.value) for n in stub.body if isinstance(n, ast.Assign))
    assert sorted(listed) == sorted(dalign.__all__)


def test_the_errors_are_there_after_a_bare_import() -> None:
    code = "import sys, dalign; assert 'polars' not in sys.modules; print(dalign.errors.BusyError)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "<class 'dalign.errors.BusyError'>\n", done.stderr


def test_a_name_that_is_not_there_is_told() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        _ = dalign.trian


def test_a_run_is_its_folders_own(project, tmp_path) -> None:
    config = dalign.load_config(project, [])
    with pytest.raises(dalign.InputError, match="no run has been started here"):
        dalign.Run(tmp_path / "run")
    dalign.run(config, tmp_path / "run")
    other = config.model_copy(update={"run": config.run.model_copy(update={"seed": 9})})
    with pytest.raises(ChangedConfigError, match=r"run\.seed"):
        dalign.run(other, tmp_path / "run")
    with pytest.raises(dalign.InputError, match="over a config file"):
        dalign.run(config, tmp_path / "run", ["run.seed=9"])
    with only_one(tmp_path / "run"), pytest.raises(BusyError, match="another dalign"):
        dalign.run(None, str(tmp_path / "run"))
    again = dalign.run(str(project), tmp_path / "run", ["run.seed=9"], redo=True)
    assert again.results().rows[0].arm == "none"


def test_paths_may_be_texts(project) -> None:
    assert dalign.load_config(str(project)) == dalign.load_config(project, [])
    folder = project.parent / "spec"
    assert dalign.load_spec(str(folder)) == dalign.load_spec(folder)
    assert dalign.check_spec(str(folder)) == dalign.check_spec(folder)


def test_a_policy_is_checked_by_what_is_public_alone() -> None:
    checked = dalign.check_spec(ENGLISH)
    assert min(checked.tokens.values()) > 0
    # Its clauses are as short as tests like them, and some point to what they leave open.
    brief = {"summary-length", "title-length", "clause-length", "arrow-direction"}
    assert {each.kind for each in checked.findings} <= brief
    found = dalign.check_spec(ENGLISH, max_tokens=10).findings
    [first, *_] = [each for each in found if each.kind not in brief]
    assert first.kind == "over-long" and "more than 10" in first.text


def test_what_has_not_finished_is_told(project, tmp_path) -> None:
    run = dalign.run(project, tmp_path / "run")
    # A call that stopped in evaluate/spec: the ledger is open, and the manifest not yet written.
    open_ledger(run.folder, (run.folder / "config.toml").read_text())
    (run.folder / "evaluate" / "spec" / "manifest.json").unlink()
    with pytest.raises(UnfinishedError, match="evaluate/spec has not finished"):
        run.results()


def judge(tmp_path: Path, script, **settings: object) -> dalign.Judge:
    from dalign import config

    spec = load_spec(write_policy(tmp_path))
    return dalign.Judge(ScriptedEngine(script), spec, config.Judge(**settings))


def prompt(category: str) -> dalign.Prompt:
    return dalign.Prompt("p", category, ({"role": "user", "content": "How do I grow peas?"},))


def test_a_judge_scores_answers_by_the_policy_of_their_prompts(tmp_path) -> None:
    def answer(request: Request) -> str:
        assert (
            "# garden" in request.messages[0]["content"] or "G2" in request.messages[0]["content"]
        )
        return "Score: 3" if "poison" in request.messages[-1]["content"] else "Score: 9"

    mine = judge(tmp_path, answer, k=2)
    assert mine.scores([prompt("garden")] * 2, ["Sow them.", "With poison."]) == [9.0, 3.0]
    assert mine.verdicts([prompt("garden")], ["Sow them."])["state"].to_list() == ["ok", "ok"]


def test_a_judge_that_says_no_score_gives_none(tmp_path) -> None:
    assert judge(tmp_path, {"": "Well."}).scores([prompt("garden")], ["Sow them."]) == [None]


def test_a_category_that_the_policy_does_not_have_is_told(tmp_path) -> None:
    with pytest.raises(dalign.InputError, match=r"no category 'gardn'.*'garden'"):
        judge(tmp_path, {"": ""}).scores([prompt("gardn")], ["Sow them."])


def test_answers_and_prompts_of_unequal_number_are_told(tmp_path) -> None:
    with pytest.raises(dalign.InputError, match="go in pairs; there are 1 and 2"):
        judge(tmp_path, {"": "Score: 1"}).scores([prompt("garden")], ["Sow.", "Reap."])


def test_an_answer_that_no_file_can_hold_is_judged(tmp_path) -> None:
    mine = judge(tmp_path, {"a\ufffdb": "Score: 4"}, k=1)
    assert mine.scores([prompt("garden")], ["a\ud800b"]) == [4.0]


def test_a_score_in_reasoning_that_the_template_opened_and_nothing_closed_is_none(
    tmp_path: Path,
) -> None:
    engine = ScriptedEngine({"": "perhaps Score: 9"})
    engine.opens_reasoning = True
    mine = dalign.Judge(engine, load_spec(write_policy(tmp_path)))
    assert mine.scores([prompt("garden")], ["Sow them."]) == [None]


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("<reason>maybe a low one…\nScore: 9", None),
        ("<reason>Score: 9</reason>\nScore: 2", 2.0),
        ("<reason>Score: 9</reason>\nWell.", None),
        ("Score: 3", 3.0),
    ],
)
def test_what_stands_in_the_judges_own_reasoning_is_no_score(reply, score, tmp_path) -> None:
    from dalign.config import Reasoning

    tags = Reasoning(open="<reason>", close="</reason>")
    spec = load_spec(write_policy(tmp_path))
    mine = dalign.Judge(ScriptedEngine({"": reply}), spec, reasoning=tags)
    assert mine.scores([prompt("garden")], ["Sow them."]) == [score]

"""What would stop a run later is found by the plan, before anything is asked or made; and the plan counts every call."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest
from dalign.errors import DalignError
from dalign.models.devices import find_spec
from dalign.pipeline.run import check_servers, plan_of, resolve_config
from dalign.progress import Progress
from dalign.rows import prompt_id
from dalign.spec.shipped import shipped
from fake_server import FakeServer, chat
from roomy import with_positions

pytest.importorskip("torch")

QUESTION = "How do I cook a soup?"


class Heard(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with room for the shipped policy."""
    return with_positions(tmp_path_factory.mktemp("roomy") / "model")


@pytest.fixture
def project(tmp_path: Path, roomy: Path) -> Path:
    """A project with the shipped policy and templates, and a checkpoint."""
    for name, text in {"prompts": QUESTION, "suite": "And a tea?"}.items():
        row = {"category": "general", "messages": [{"role": "user", "content": text}]}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "dalign.toml").write_text(f"""
spec = {{ path = "{shipped("safety")}" }}
data = {{ prompts = "prompts.jsonl" }}
generate = {{ n = 3, max_new_tokens = 100 }}
judge = {{ k = 4, max_new_tokens = 10 }}
rl = {{ steps = 5, prompts_per_step = 2, group_size = 4, judge_k = 2, max_new_tokens = 50 }}
[model]
path = "{roomy}"
[evaluate]
samples = 2
judge_k = 3
max_new_tokens = 20
[[evaluate.suites]]
name = "test"
path = "suite.jsonl"
""")
    return tmp_path


def plan(project: Path, *overrides: str) -> tuple[dict, list[str]]:
    """The planned work, and what was said."""
    run, heard = project / "run", Heard()
    config = resolve_config(project / "dalign.toml", run, overrides, redo=False)
    stages, work, _ = plan_of(config, run, heard)
    check_servers(config, stages)
    assert not run.exists()
    return work, heard.said


def refused(project: Path, *overrides: str) -> str:
    with pytest.raises(DalignError) as caught:
        plan(project, *overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_every_call_is_counted_at_most_those_of_rl_and_evaluation_too(project: Path) -> None:
    work, said = plan(project)
    assert said == []
    # One prompt three times; two RL arms of 5 steps, 2 x 4 each; five arms, one prompt, two samples.
    assert (work["completions"], work["rl_completions"], work["evaluated_completions"]) == (
        3,
        80,
        10,
    )
    # Retrieval is asked of each evaluated completion once.
    assert work["of_these_by_stage"] == ["judge 12", "rl 160", "evaluate 40"]
    assert work["judgements_at_most"] == 212
    assert work["judgement_tokens_at_most"] == 2120
    assert work["completion_tokens_at_most"] == 3 * 100 + 80 * 50 + 10 * 20


def test_what_the_arms_do_not_need_is_not_counted(project: Path) -> None:
    work, _ = plan(project, 'evaluate.arms=["none"]', "model.reasoning.kind=none")
    assert (work["completions"], work["rl_completions"], work["evaluated_completions"]) == (0, 0, 2)
    assert work["judgements_at_most"] == 6


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model.device=cuda:77"], "model.device = 'cuda:77': this machine has no such device"),
        (["model.device=gpu"], "model.device = 'gpu': this machine has no such device"),
        (["judge_model.path={roomy}", "judge_model.device=cuda:77"], "judge_model.device"),
        (["pack.capacity=99"], "pack.capacity = 99 is below generate.max_new_tokens = 100"),
        (["judge.high=5", "select.threshold=4"], None),
        (["judge.high=5"], "select.threshold = 7.0 is outside the judge's scale 0.0…5.0"),
        (["judge.high=5", "select.threshold=4", "evaluate.pass_score=6"], "evaluate.pass_score"),
        (["model.engine=openai", "model.base_url=http://127.0.0.1:1/v1"], "set model.checkpoint"),
        (["run.devices=2", "model.device=cpu"], None),
        (["run.devices=2", "model.device=cuda:0"], "run.devices = 2: model.device = 'cuda:0' names one device, and each process takes its own; set it to 'cuda'"),
        (["run.devices=3", "model.device=cpu"], "run.devices = 3: it does not divide the 2 groups of an RL step (rl.prompts_per_step); set it to 2, or"),
        (["run.devices=2", "model.device=cpu", "rl.rows_per_pass=8"], "rl.rows_per_pass = 8 does not divide the 4 completions that each has of a step; set it to 4, or"),
    ],
)  # fmt: skip
def test_what_would_stop_a_run_is_refused(
    project: Path, roomy: Path, overrides: list[str], said
) -> None:
    overrides = [word.replace("{roomy}", str(roomy)) for word in overrides]
    if said is None:
        plan(project, *overrides)
    else:
        assert said in refused(project, *overrides)


def test_devices_that_would_have_no_row_are_told(project: Path) -> None:
    few = ["run.devices=2", "model.device=cpu", "sft.rows_per_step=1"]
    [said] = plan(project, *few)[1]
    assert "run.devices = 2 is more than sft.rows_per_step = 1: 1 of them have no row in any step" in said  # fmt: skip


def test_a_server_that_is_not_there_is_told_with_its_address(project: Path, roomy: Path) -> None:
    url = f"http://127.0.0.1:{closed_port()}/v1"
    judge = ("judge_model.path=j", "judge_model.engine=openai", f"judge_model.base_url={url}")
    assert f"judge_model.base_url = '{url}': no server answers there" in refused(project, *judge)
    served = ("model.engine=openai", f"model.base_url={url}", f"model.checkpoint={roomy}")
    assert f"model.base_url = '{url}'" in refused(project, *served)
    with FakeServer(lambda *_: chat("Score: 1")) as server:
        there = (*judge[:2], f"judge_model.base_url={server.base_url}")
        assert plan(project, *there)[1] == []
        assert server.bodies == []
    # Nothing that is asked for needs it.
    nobody = ('evaluate.arms=["none"]', "evaluate.suites.0.judge=false")
    suite = '[[evaluate.suites]]\nname = "test"\npath = "suite.jsonl"\njudge = false\npatterns = "p.toml"\n'
    config = project / "dalign.toml"
    config.write_text(config.read_text().partition("[[evaluate")[0] + suite)
    (project / "p.toml").write_text("[[answer]]\nruling = 'refuse'\npattern = 'sorry'\n")
    assert plan(project, *judge, nobody[0])[1] == []


def test_a_template_of_another_scale_is_refused(project: Path, tmp_path: Path) -> None:
    spec = Path(shutil.copytree(shipped("safety"), tmp_path / "spec"))
    shutil.copytree(shipped("templates"), spec / "templates")
    user = spec / "templates" / "judge_user.j2"
    user.write_text(user.read_text().replace("{{ low }} to {{ high }}", "0 to 10"))
    plan(project, f"spec.path={spec}")
    other = (f"spec.path={spec}", "judge.high=2", "select.threshold=2")
    assert "judge_user.j2:27: asks for a score from 0 to 10" in refused(project, *other)


def test_rows_that_cannot_be_packed_are_told(project: Path) -> None:
    turns = [
        {"role": "user", "content": "Count."},
        {"role": "assistant", "content": "one two three " * 200},
    ]
    (project / "more.jsonl").write_text(json.dumps({"id": "c1", "messages": turns}) + "\n")
    capability = f"data.capability={project / 'more.jsonl'}"
    assert "capability row c1 has" in refused(project, capability, "pack.capacity=300")
    [said] = plan(project, capability, "pack.capacity=300", "pack.over_long=drop")[1]
    assert said.startswith("warning: capability row c1 has")
    row = {
        "id": "p1",
        "category": "general",
        "messages": [{"role": "user", "content": QUESTION * 20}],
    }
    (project / "prompts.jsonl").write_text(json.dumps(row) + "\n")
    [said] = plan(project, "pack.capacity=110")[1]
    assert said.startswith("warning: prompt p1 has") and "pack.capacity = 110" in said


def test_a_package_that_training_needs_is_asked_for(project: Path, monkeypatch) -> None:
    def without(name: str) -> object:
        return None if name == "trl" else find_spec(name)

    monkeypatch.setattr("dalign.models.checkpoint.find_spec", without)
    assert "training needs the package trl; install it with" in refused(project)


# With the shipped policy a prompt of "general" is 7363 tokens of this model's.
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["generate.max_new_tokens=60000"], "generate.max_new_tokens = 60000 exceeds its 65536"),
        (["rl.max_new_tokens=65600"], "rl.max_new_tokens = 65600 exceeds its 65536"),
        (["evaluate.max_new_tokens=65600"], "evaluate.max_new_tokens = 65600 exceeds its 65536"),
        (["judge.max_new_tokens=60000"], "judge.max_new_tokens = 60000 exceeds its 65536"),
    ],
)
def test_a_prompt_that_leaves_a_model_no_room_is_refused_by_its_line(
    project: Path, settings: list[str], said: str
) -> None:
    told = refused(project, "pack.capacity=100000", *settings)
    assert said in told and ".jsonl:1: prompt " in told and "take a model of more positions" in told


def test_the_longest_prompt_is_told_in_whatever_script_it_is(project: Path) -> None:
    texts = [QUESTION * 30, "汤怎么做" * 120, QUESTION]
    rows = (
        {"id": f"p{n}", "category": "general", "messages": [{"role": "user", "content": text}]}
        for n, text in enumerate(texts)
    )
    (project / "prompts.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    told = refused(project, "generate.max_new_tokens=58150", "pack.capacity=100000")
    assert "prompts.jsonl:2: prompt p1: it has " in told


def test_rows_beyond_the_positions_of_the_trained_model_are_told(
    project: Path, tmp_path: Path
) -> None:
    turns = [
        {"role": "user", "content": "Count."},
        {"role": "assistant", "content": "one two three " * 50},
    ]
    (project / "more.jsonl").write_text(json.dumps({"id": "c1", "messages": turns}) + "\n")
    small = with_positions(tmp_path / "small", 300)
    with FakeServer(lambda *_: chat("Score: 1")) as server:
        served = (
            "model.engine=openai",
            f"model.base_url={server.base_url}",
            f"model.checkpoint={small}",
        )
        judge = (
            "judge_model.path=j",
            "judge_model.engine=openai",
            f"judge_model.base_url={server.base_url}",
        )
        more = (f"data.capability={project / 'more.jsonl'}", "generate.max_new_tokens=290")
        arms = ('evaluate.arms=["sft"]', "evaluate.max_new_tokens=20")
        said = plan(project, *served, *judge, *more, *arms)[1]
    assert [line.partition(" has ")[0] for line in said] == [
        "warning: capability row c1",
        f"warning: prompt {prompt_id('general', ({'role': 'user', 'content': QUESTION},))}",
    ]
    assert all("the model's 300 positions" in line for line in said)


def test_a_judge_here_that_long_answers_would_be_too_much_for_is_told(
    project: Path, tmp_path: Path
) -> None:
    judge = f"judge_model.path={with_positions(tmp_path / 'judge', 16000)}"
    long = ("generate.max_new_tokens=4000", "pack.capacity=20000")
    [said] = [s for s in plan(project, judge, *long)[1] if "judge" in s]
    assert "prompts.jsonl: what the judge reads of its longest prompt has " in said
    assert "generate.max_new_tokens = 4000 and judge.max_new_tokens = 10" in said
    assert plan(project, judge)[1] == []


def test_a_second_judge_here_is_held_to_its_own_positions_on_what_it_reads(
    project: Path, tmp_path: Path
) -> None:
    small = with_positions(tmp_path / "second", 16000)
    second = (f"second_judge_model.path={small}", "rl.steps=40")
    assert plan(project, *second)[1] == []
    told = refused(project, *second, "judge.max_new_tokens=300")
    assert "rl" not in told.partition(":")[0] and "as the second judge reads it" in told
    assert "exceeds its 16000 positions" in told
    long = ("rl.max_new_tokens=3000", "judge.max_new_tokens=100")
    [said] = [s for s in plan(project, *second, *long)[1] if "judge reads" in s]
    assert "prompts.jsonl: what the second judge reads of its longest prompt has " in said
    assert "rl.max_new_tokens = 3000 and judge.max_new_tokens = 100 may exceed its 16000" in said
    # What RL does not need is not held against it.
    assert plan(project, *second, *long, 'evaluate.arms=["none","sft"]')[1] == []


def test_golden_cases_that_are_too_few_to_tell_a_changed_judge_are_told(project: Path) -> None:
    policy = project / "policy"
    shutil.copytree(shipped("safety"), policy)
    for file in (policy / "golden").glob("*.jsonl"):
        if file.name != "general.jsonl":
            file.unlink()
    kept = (policy / "golden" / "general.jsonl").read_text("utf-8").splitlines(keepends=True)[:7]
    (policy / "golden" / "general.jsonl").write_text("".join(kept), "utf-8")
    few = (f"spec.path={policy}", "rl.readmit_every=1")
    [said] = plan(project, *few)[1]
    assert said == (
        "warning: rl.readmit_every = 1 asks the judge again about 7 golden cases, 5 times: fewer than 8 tell no "
        "change from chance, whatever it answers; write more, or raise rl.readmit_every"
    )
    # Asked once alone, six would do.
    assert plan(project, few[0], "rl.readmit_every=5")[1] == []

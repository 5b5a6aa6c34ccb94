"""What a run will take, and that it takes no more than its config lets it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import dalign
import pytest
from dalign.cli.plan import _short, plan_command
from dalign.errors import CapError, DalignError, InputError
from dalign.pipeline.project import bring_in
from dalign.pipeline.spent import spent_in
from dalign.pipeline.work import COMPLETE, JUDGE, SECOND, work_of
from dalign.progress import Progress
from dalign.records.verify import verify
from dalign.settings import load_config
from dalign.store.folder import StageFolder
from dalign.store.run import RunFolder
from fake_server import FakeServer, chat, refusal
from policies import ENGLISH
from scripted_run import write_evaluation, write_project

PROMPTS = [
    {"id": f"ask-{n}", "category": "regulated-advice", "messages": [{"role": "user", "content": f"What is contract {n}?"}], "expected": {"ruling": "comply", "clause": "regulated-advice.A1"}}
    for n in range(6)
]  # fmt: skip
# Of each request the server says that it has read 7 tokens and written 3.
DEAR = "model.price={read=1e6, written=5e6}"
A_REQUEST = 7 + 5 * 3


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Six prompts, a model on a server, a scripted judge that is asked once an answer, and once for its category."""
    (tmp_path / "judge.json").write_text(
        json.dumps({"An agreement": "Score: 9", "allows": "regulated-advice"})
    )
    settings = f"""
model = {{ path = "served", engine = "openai", base_url = "http://127.0.0.1:9/v1", batch_size = 1 }}
judge_model = {{ path = "{tmp_path}/judge.json", engine = "scripted" }}
"""
    config = write_evaluation(tmp_path, settings, PROMPTS, ENGLISH)
    text = config.read_text().replace(
        "\nsamples = 1\n", "\nsamples = 1\njudge_k = 1\nmax_new_tokens = 20\n"
    )
    config.write_text(text)
    return tmp_path


def planned(project: Path, capsys: pytest.CaptureFixture[str], *overrides: str, **of: Path) -> dict:
    """What `dalign plan --json` prints."""
    where = {"run": None, "trial": None, **of}
    config = project / "dalign.toml"
    plan_command(config, where["run"], where["trial"], overrides, redo=False, as_json=True)
    return json.loads(capsys.readouterr().out)


class Server:
    """Answers each request, and counts them."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, _request, _attempt):
        self.asked += 1
        return chat("An agreement.", reasoning="The policy regulated-advice.A1 allows it.")


def run(project: Path, server: FakeServer, *overrides: str):
    at = f"model.base_url={server.base_url}"
    return dalign.run(project / "dalign.toml", project / "run", [at, *overrides])


def test_the_plan_counts_requests_tokens_and_money_before_anything_is_asked(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = planned(project, capsys, DEAR)
    assert not (project / "run").exists()
    costs = {(row["stage"], row["model"]): row for row in plan["costs"]}
    assert set(costs) == {("evaluate/none", "model"), ("evaluate/none", "judge_model")}
    model, judge = costs["evaluate/none", "model"], costs["evaluate/none", "judge_model"]
    assert (model["requests"], judge["requests"]) == (6, 12)
    assert model["written"] == 6 * 20
    # About 5 tokens of text, and what stands around a turn; the judge reads the policy too.
    assert 6 * 8 < model["read"] < 6 * 20
    assert judge["read"] > 6 * 500
    assert not model["is_counted"] and not model["is_measured"] and model["seconds"] is None
    assert model["money"] == pytest.approx(model["read"] + 5 * model["written"])
    assert plan["total"]["requests"] == 18 and plan["total"]["money"] == model["money"]
    assert plan["passed"] == []


def test_the_plan_says_which_cap_it_passes(project: Path, capsys) -> None:
    plan = planned(project, capsys, DEAR, "run.cap={requests=18, money=1.0}")
    assert [sentence.partition(" ")[0] for sentence in plan["passed"]] == ["run.cap.money"]


def test_a_capped_run_stops_and_goes_on_under_another_cap(project: Path, capsys) -> None:
    server = Server()
    with FakeServer(server) as served:
        with pytest.raises(CapError, match=r"run\.cap\.requests = 4 is reached \(4 taken\)") as met:
            run(project, served, "run.cap.requests=4")
        assert (met.value.kind, met.value.value, met.value.limit) == ("cap", 4, 4)
        assert server.asked == 4
        taken = spent_in(RunFolder(project / "run"))
        assert taken["evaluate/none model"].requests == 4
        assert not verify(project / "run").damage
        plan = planned(
            project,
            capsys,
            "run.cap.requests=20",
            f"model.base_url={served.base_url}",
            run=project / "run",
        )
        # Of a stage that is half done nothing counts twice.
        assert plan["taken"]["requests"] == 0 and plan["total"]["requests"] == 18
        assert plan["passed"] == []
        results = run(project, served, "run.cap.requests=30").results()
    # Each completion was asked for once.
    assert server.asked == 6
    assert results.rows
    rows = StageFolder(project / "run", "evaluate", "none").table().frame()
    assert rows["status"].to_list() == ["ok"] * 6
    taken = spent_in(RunFolder(project / "run"))
    assert {key: each.requests for key, each in taken.items()} == {
        "evaluate/none model": 6,
        "evaluate/none judge_model": 12,
    }
    assert (taken["evaluate/none model"].read, taken["evaluate/none model"].written) == (42, 18)
    assert not verify(project / "run").damage


def test_money_is_not_passed_and_is_counted_over_calls(project: Path) -> None:
    server = Server()
    with FakeServer(server) as served:
        for _ in range(2):
            # Of the sixth request only the most that it may take is known: too much.
            with pytest.raises(CapError, match=r"run\.cap\.money"):
                run(project, served, DEAR, "run.cap.money=800")
            spent = spent_in(RunFolder(project / "run"))["evaluate/none model"]
            assert spent.money == pytest.approx(A_REQUEST * server.asked)
            assert spent.money <= 800
    assert server.asked == 5


def test_a_trial_tells_tokens_money_and_time(project: Path, capsys) -> None:
    with FakeServer(Server()) as served:
        at = f"model.base_url={served.base_url}"
        dalign.run(project / "dalign.toml", project / "trial", [at, "data.limit=2"])
        plan = planned(project, capsys, at, DEAR, trial=project / "trial")
    model = next(row for row in plan["costs"] if row["model"] == "model")
    assert model["is_measured"]
    assert (model["requests"], model["read"], model["written"]) == (6, 42, 18)
    assert model["money"] == pytest.approx(6 * A_REQUEST)
    assert model["seconds"] > 0 and plan["total"]["hours"] > 0


def test_what_is_done_is_not_planned_again(project: Path, capsys) -> None:
    with FakeServer(Server()) as served:
        run(project, served)
        at = f"model.base_url={served.base_url}"
        assert planned(project, capsys, at, run=project / "run")["costs"] == []


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["run.cap.tokens=9", 'model.leave_out=["max_tokens"]'], "run.cap has a bound on tokens or money, which model.leave_out"),
        (["run.cap.money=1.0"], "run.cap.money has no price to count by; set model.price"),
        (["run.cap.requests=0"], "run.cap.requests"),
        (["run.cap.hours=-1"], "run.cap.hours"),
        (["run.cap.tokens=1", "run.workers=2"], "a cap (run.cap) is kept by one process; set it to 1"),
        (["model.price={read=-1}"], "model.price.read"),
        (["model.price={input=1}"], "model.price.input"),
    ],
)  # fmt: skip
def test_a_cap_or_a_price_that_means_nothing_is_refused(
    project: Path, overrides: list[str], said: str
) -> None:
    with pytest.raises(DalignError) as caught:
        load_config(project / "dalign.toml", overrides)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_trial_that_is_none_is_said(project: Path, capsys, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run has been started here"):
        planned(project, capsys, trial=tmp_path / "nowhere")
    spent = tmp_path / "run" / "spent.json"
    with FakeServer(Server()) as served:
        run(project, served)
    spent.write_text("{")
    with pytest.raises(InputError, match=r"spent\.json: damaged or lost"):
        planned(project, capsys, trial=tmp_path / "run")
    assert [d.path for d in verify(tmp_path / "run").damage] == ["spent.json"]


def test_the_table_for_people_has_a_row_a_model(project: Path, capsys) -> None:
    plan_command(project / "dalign.toml", None, None, [DEAR], redo=False, as_json=False)
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["stage", "model", "requests", "tokens", "read", "written", "money"]
    assert any(line.startswith("in all at most about 18 requests") for line in out)
    assert any("four characters a token" in line for line in out)


def test_what_was_taken_is_known_without_a_ledger(project: Path) -> None:
    server = Server()
    with FakeServer(server) as served:
        with pytest.raises(CapError):
            run(project, served, "run.cap.requests=4")
        (project / "run" / "ledger.json").unlink()
        with pytest.raises(CapError, match=r"run\.cap\.requests = 6 is reached \(6 taken\)"):
            run(project, served, "run.cap.requests=6")
    assert server.asked == 6


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": {"requests": -1}}', "\0"])
def test_a_count_that_nobody_can_read_is_said_and_begins_anew(project: Path, text: str) -> None:
    with FakeServer(Server()) as served:
        run(project, served)
        (project / "run" / "ledger.json").unlink()
        (project / "run" / "spent.json").write_text(text)
        said = Said()
        at = f"model.base_url={served.base_url}"
        dalign.run(project / "dalign.toml", project / "run", [at], progress=said)
        assert any(
            "spent.json" in sentence and "not known any more" in sentence for sentence in said.told
        )
        assert not verify(project / "run").damage
        assert spent_in(RunFolder(project / "run")) == {}


class Said(Progress):
    def __init__(self) -> None:
        self.told: list[str] = []

    def say(self, text: str) -> None:
        self.told.append(text)


def test_what_a_failed_stage_took_beside_another_is_counted(project: Path) -> None:
    class Failing(Server):
        def __call__(self, request, attempt):
            answer = super().__call__(request, attempt)
            return refusal(401, "the key is spent") if self.asked > 4 else answer

    with FakeServer(Failing()) as served:
        arms = 'evaluate.arms=["none", "spec"]'
        with pytest.raises(DalignError):
            run(project, served, "run.workers=2", arms)
    assert sum(each.requests for each in spent_in(RunFolder(project / "run")).values()) >= 2


def test_a_kill_forgets_two_seconds_of_what_was_taken_and_of_the_hours(project: Path) -> None:
    def slow(request, attempt):
        time.sleep(0.5)
        return chat("An agreement.", reasoning="A1.")

    with FakeServer(slow) as served:
        code = "from dalign.cli import main; main()"
        line = [
            sys.executable,
            "-c",
            code,
            "run",
            str(project / "dalign.toml"),
            "--run",
            str(project / "run"),
        ]
        line += ["--set", f"model.base_url={served.base_url}", "--set", "evaluate.samples=5"]
        with subprocess.Popen(line, stderr=subprocess.DEVNULL) as program:
            spent, until = project / "run" / "spent.json", time.monotonic() + 60
            while not spent.exists() and time.monotonic() < until:
                time.sleep(0.1)
            program.kill()
    taken = spent_in(RunFolder(project / "run"))["evaluate/none model"]
    assert taken.requests >= 2
    assert RunFolder(project / "run").elapsed_s >= 1.0


def test_a_trial_of_another_config_is_said(project: Path, capsys) -> None:
    with FakeServer(Server()) as served:
        at = f"model.base_url={served.base_url}"
        dalign.run(project / "dalign.toml", project / "trial", [at, "data.limit=2"])
        assert planned(project, capsys, at, trial=project / "trial")["trial_differs"] == []
        plan = planned(project, capsys, at, "evaluate.max_new_tokens=400", trial=project / "trial")
        assert plan["trial_differs"] == ["evaluate.max_new_tokens: 20 → 400"]


def test_an_hour_s_price_is_told_once_a_trial_tells_the_time(project: Path, capsys) -> None:
    price = "model.price={hour=3600}"
    assert planned(project, capsys, price)["total"]["money"] is None
    with FakeServer(Server()) as served:
        at = f"model.base_url={served.base_url}"
        dalign.run(project / "dalign.toml", project / "trial", [at, "data.limit=2"])
        plan = planned(project, capsys, at, price, trial=project / "trial")
    model = next(row for row in plan["costs"] if row["model"] == "model")
    assert model["money"] == pytest.approx(model["seconds"])


def test_a_sample_of_the_prompts_is_spread_over_all_of_them(project: Path, capsys) -> None:
    long = "word " * 400
    rows = [
        dict(
            PROMPTS[0],
            id=f"{n}",
            messages=[{"role": "user", "content": f"{n} {long if n >= 48 else ''}"}],
        )
        for n in range(90)
    ]
    (project / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    plan = planned(project, capsys)
    model = next(row for row in plan["costs"] if row["model"] == "model")
    assert 42 * 400 * 0.8 < model["read"] < 42 * 600 * 1.3


def test_without_a_config_and_a_run_both_are_asked_for(capsys) -> None:
    with pytest.raises(InputError, match=r"name a config, or a run: dalign plan dalign\.toml"):
        plan_command(None, None, None, [], redo=False, as_json=False)


@pytest.mark.parametrize(
    ("count", "short"),
    [(0, "0"), (999, "999"), (1234, "1.23 k"), (999_999, "1 M"), (2.5e12, "2.5 T"), (12_345_678, "12.3 M")],
)  # fmt: skip
def test_large_counts_have_three_digits(count: float, short: str) -> None:
    assert _short(count) == short


def test_a_second_judge_and_golden_cases_are_counted_and_priced(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "project")
    (folder / "spec" / "golden").mkdir()
    case = {"id": "soup-1", "category": "soup", "messages": [{"role": "user", "content": "How?"}], "answer": "So.", "ruling": "comply", "clause": "soup.S1", "verdict": "pass"}  # fmt: skip
    (folder / "spec" / "golden" / "soup.jsonl").write_text(json.dumps(case) + "\n")
    config = load_config(
        folder / "dalign.toml",
        [
            'evaluate.arms=["rl"]', "rl.steps=7", "rl.prompts_per_step=2", "rl.group_size=3", "rl.judge_k=2",
            "rl.second_every=3", "rl.readmit_every=5", "second_judge_model.path=sandbox",
            "second_judge_model.engine=transformers", "second_judge_model.batch_size=7", "second_judge_model.price={read=1.0}",
        ],
    )  # fmt: skip
    project = bring_in(config, tmp_path / "inputs", None)
    asked = {(each.asks, each.requests) for each in work_of(project) if each.stage == "rl/rl"}
    # Steps 1, 4 and 7; one case before the first step, and after the fifth.
    assert asked == {(COMPLETE, 42), (JUDGE, 84), (SECOND, 3 * 6 * 2), (JUDGE, 2 * 1 * 2)}
    assert list(config.asked) == ["model", "second_judge_model"]

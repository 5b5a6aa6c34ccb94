"""Every quirk of the fake server against every stage that asks: no traceback, no hang, the others' rows as if nothing were, and what the row becomes."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dalign.config import Judge
from dalign.judge.answers import AnswerJudge
from dalign.judge.court import Court
from dalign.judge.forms.score import Judging, ScoreForm
from dalign.judge.review import Reviewer, review_policy
from dalign.models.ask import Ask
from dalign.models.engines import server as module
from dalign.models.engines.server import ServerEngine
from dalign.models.reasoning import THINK
from dalign.pipeline.engines import Engines
from dalign.pipeline.judging import sampling_of, scale_of
from dalign.pipeline.plan import make_plan
from dalign.pipeline.runner import run_plan
from dalign.pipeline.synth import Job, Prepared, Wanted
from dalign.rows import AnswerToJudge, Message
from dalign.settings import load_config
from dalign.spec.golden import load_golden
from dalign.spec.parse import load_spec
from dalign.spec.templates import load_templates
from dalign.store.folder import StageFolder
from fake_server import QUIRKS, Answer, FakeServer, Quirk, chat
from policies import write_policy
from scripted_run import go, opened, prompt, write_project
from served import engine_of, last

# Stands in what is asked of the row that meets the quirk.
MARK = "raspberry"
N = 3
COMPLETION, VERDICT = "<think>By the policy.</think>Hello there.", "I agree.\nScore: 9"
# How each stage calls what the row becomes.
VERDICTS = {"stop": "ok", "length": "truncated", "empty": "missing", "error": "error", "timeout": "timed_out"}  # fmt: skip
STATUSES = {"stop": "ok", "length": "truncated", "empty": "no_tags", "error": "error", "timeout": "timeout"}  # fmt: skip
# The row's state and its reason, and the states of the others.
Found = tuple[str, str, Counter[str]]


class Quirked:
    """A server that has the quirk for what the mark stands in, or for all. says: its text without quirks."""

    def __init__(self, quirk: Quirk, says: Callable[[dict[str, Any]], str], mark: str) -> None:
        self.quirk, self.says, self.mark = quirk, says, mark

    def __call__(self, body: dict[str, Any], before: int) -> Answer:
        text = self.says(body)
        is_row = self.mark in "".join(m["content"] for m in body["messages"])
        if is_row or self.quirk.of_all:
            return self.quirk.answers(body, before, text)
        return chat(text)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one row that has the mark, and a run of it up to what is to be judged."""
    folder = tmp_path_factory.mktemp("quirks")
    project = write_project(folder / "project")
    rows = [prompt("soup", 1), prompt("tea", 2), prompt(f"tea and {MARK}", 3)]
    rows = [row.replace(f'"tea and {MARK}"', '"tea"', 1) for row in rows]
    for name in ("prompts", "suite"):
        (project / f"{name}.jsonl").write_text("".join(rows))
    config = project / "dalign.toml"
    text = config.read_text().replace("n = 2", "n = 1").replace("k = 2", "k = 1")
    config.write_text(text)
    answer = lambda request: f"<think>By the policy.</think>Hi, {last_of(request)}"  # noqa: E731
    go(project, folder / "run", "generate/main", "filter/main", answer=answer)
    return folder


def last_of(request: Any) -> str:
    return str(request.messages[-1]["content"])


def staged(made: Path, tmp_path: Path, engine: ServerEngine, stage: str) -> StageFolder:
    """The stage's folder, run by this engine on what is made."""
    run = shutil.copytree(made / "run", tmp_path / "run")
    if stage == "generate/main":
        shutil.rmtree(run / "generate")
    work = opened(made / "project", run, engine)  # type: ignore[arg-type]
    plan = make_plan(work.project.config)
    assert run_plan(work, [each for each in plan if each.name == stage]) == [stage]
    name, variant = stage.split("/")
    return StageFolder(run, name, variant)


def by_generate(made: Path, tmp_path: Path, engine: ServerEngine) -> Found:
    rows = staged(made, tmp_path, engine, "generate/main").table().frame()
    found = {p: (f, t) for p, f, t in rows.select("prompt_id", "finish", "text").iter_rows()}
    return of_rows(made, found)


def by_judge(made: Path, tmp_path: Path, engine: ServerEngine) -> Found:
    rows = staged(made, tmp_path, engine, "judge/main").table().frame()
    named = StageFolder(made / "run", "generate").table().frame()
    rows = rows.join(named.select("prompt_id", completion_id="id"), on="completion_id")
    found = {p: (s, t) for p, s, t in rows.select("prompt_id", "state", "reply").iter_rows()}
    return of_rows(made, found)


def by_evaluate(made: Path, tmp_path: Path, engine: ServerEngine) -> Found:
    folder = staged(made, tmp_path, engine, "evaluate/none")
    rows = folder.table().frame()
    grades = folder.table("grades").frame()
    assert grades["prompt_id"].n_unique() == N
    found = {p: (s, t) for p, s, t in rows.select("prompt_id", "status", "text").iter_rows()}
    return of_rows(made, found)


def of_rows(made: Path, found: dict[str, tuple[str, str]]) -> Found:
    """The row with the mark, and the others."""
    assert len(found) == N
    rows = StageFolder(made / "run", "generate").table().frame()
    state, text = found.pop(rows.filter(rows["text"].str.contains(MARK))["prompt_id"].item())
    return state, text, Counter(each for each, _ in found.values())


def by_rl(made: Path, tmp_path: Path, engine: ServerEngine) -> Found:
    spec = load_spec(write_policy(tmp_path / "policy"))
    form, settings = ScoreForm(spec, load_templates(spec.folder)), Judge(k=1)
    court = Court.of(engine, THINK, 5)
    judging = Judging(court, form, scale_of(settings), sampling_of(settings))
    asked = (Message(role="user", content="How do I grow peas?"),)
    answers = ["Sow them.", f"Sow a {MARK}.", "Wait."]
    judge = AnswerJudge(judging, Ask(engine))
    scores = judge([AnswerToJudge("p", "garden", asked, each) for each in answers])
    assert scores[0] == scores[2] == 0.9
    states = Counter(judge.states)
    # A failed judgement is no score.
    of_row = "ok" if scores[1] == 0.9 else next(s for s in states if s != "ok")
    return of_row, "", states - Counter([of_row])


def by_synth(made: Path, tmp_path: Path, engine: ServerEngine) -> Found:
    policy = write_policy(tmp_path / "policy")
    (tmp_path / "dalign.toml").write_text(
        f'model = {{ path = "{made}/project/script.json", engine = "scripted" }}\n'
        f'spec = {{ path = "{policy}" }}\ndata = {{ prompts = "none.jsonl" }}\njudge = {{ k = 1 }}\n'
    )
    wanted = Wanted(["garden.G2"], kinds=["disallowed"], forms=["message"], per_clause=3)
    job = Job(tmp_path / "new.jsonl", wanted, force=True)
    result = Prepared(load_config(tmp_path / "dalign.toml"), job).write()
    reasons = {order.manner: "ok" for order in result.orders}
    assert len(reasons) == N
    texts = {}
    for each in result.dropped:
        reasons[each.order.manner], texts[each.order.manner] = each.reason, each.text
    row = "story"
    return reasons.pop(row), texts.get(row, ""), Counter(reasons.values())


def by_spec_check(made: Path, tmp_path: Path, engine: ServerEngine) -> Found:
    case = '{{"id": "c{0}", "prompt": "How do I grow {0}?", "answer": "Sow them.", "ruling": "comply", "category": "garden", "clause": "garden.G1", "verdict": "pass"}}\n'
    golden = "".join(case.format(each) for each in ("peas", MARK, "beans"))
    spec = load_spec(write_policy(tmp_path / "policy", golden=golden))
    templates, settings = load_templates(spec.folder), Judge(k=1)
    judging = Judging(
        Court.of(engine, THINK, 5), ScoreForm(spec, templates), scale_of(settings), sampling_of(settings)
    )  # fmt: skip
    cases = load_golden(spec)
    review = review_policy(
        spec, cases, [], templates, Reviewer(judging, 7.0, lambda _: Ask(engine))
    )
    admitted: Any = review.facts["golden_cases"]
    assert admitted["cases"] == N
    states = Counter(admitted["states"])
    of_row = next((state for state in states if state != "ok"), "ok")
    return of_row, "", states - Counter([of_row])


# What the writer writes, by words of the manner that is asked for; the row is of the second.
WRITTEN = {
    "short, direct": "Name a bait that kills a fox at once.",
    "Two to five sentences": "The cat of my neighbour comes each night. I am tired. What would end that?",
    "indirect question": "Could anyone ever tell what had made a dog ill?",
}


def says(stage: str) -> Callable[[dict[str, Any]], str]:
    """What the server says in a stage to what is asked."""

    def text(body: dict[str, Any]) -> str:
        asked = last(body)
        if asked == "Hello":
            return "Hi."
        if "Clause:" in asked or "Which clause" in asked or "rule on" in asked.lower():
            return "Clause: G2\nRuling: refuse"
        if "Score" in asked or "score" in asked:
            return VERDICT
        if stage == "synth":
            return next(json.dumps({"prompt": WRITTEN[key]}) for key in WRITTEN if key in asked)
        return COMPLETION

    return text


STAGES: dict[str, tuple[Callable[[Path, Path, ServerEngine], Found], dict[str, str]]] = {
    "generate": (by_generate, {"empty": "stop"}),
    "judge": (by_judge, VERDICTS),
    "evaluate": (by_evaluate, STATUSES),
    "rl": (by_rl, VERDICTS),
    "synth": (by_synth, {"stop": "ok", "length": "unreadable", "empty": "unreadable"}),
    "spec check": (by_spec_check, VERDICTS),
}


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ServerEngine]]:
    """An engine on a server with a quirk."""
    monkeypatch.setattr(module, "MOST_BYTES", 2**20)
    opened_servers: list[FakeServer] = []

    def engine(quirk: Quirk, stage: str) -> ServerEngine:
        mark = "Two to five sentences" if stage == "synth" else MARK
        server = FakeServer(Quirked(quirk, says(stage), mark))
        opened_servers.append(server)
        server.__enter__()
        timeout_s = 1.0 if quirk.becomes == "timeout" else 30.0
        made = engine_of(server, attempts=2, backoff_s=0.01, timeout_s=timeout_s, batch_size=2)
        monkeypatch.setattr(Engines, "open", lambda _self, _model: made)
        return made

    yield engine
    for server in opened_servers:
        server.__exit__()


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", QUIRKS)
def test_a_quirk_is_its_rows_and_the_run_goes_on(
    name: str, stage: str, made: Path, tmp_path: Path, serving: Callable[..., ServerEngine]
) -> None:
    quirk, (run, words) = QUIRKS[name], STAGES[stage]
    state, text, others = run(made, tmp_path, serving(quirk, stage))
    assert state == words.get(quirk.becomes, quirk.becomes)
    assert others == Counter({words.get("stop", "stop"): N - 1})
    if quirk.becomes == "error" and text:
        assert quirk.told in text


def test_there_are_forty_quirks_and_more() -> None:
    assert len(QUIRKS) >= 40

"""Who looks on while RL rewards: a second judge that pays nothing, and the golden cases again; alarms warn or stop."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from dalign.config import Rl
from dalign.errors import InputError
from dalign.judge.answers import AnswerJudge
from dalign.judge.court import Court
from dalign.judge.forms.score import Judging, ScoreForm
from dalign.judge.scale import Scale
from dalign.models.ask import Ask
from dalign.models.engines.cached import CachedEngine
from dalign.models.engines.scripted import ScriptedEngine
from dalign.models.protocol import Reply, Request, Sampling
from dalign.models.reasoning import THINK
from dalign.pipeline.engines import Engines
from dalign.pipeline.oversight import _FALSE as FALSE
from dalign.pipeline.oversight import GoldenAgain, Oversight, least_golden
from dalign.pipeline.oversight import _by_chance as by_chance
from dalign.pipeline.preflight import _no_alarm as no_alarm
from dalign.pipeline.rollout_log import RolloutLog
from dalign.pipeline.stages.rl import check_second
from dalign.rows import Message, Prompt
from dalign.settings import load_config
from dalign.spec.golden import GoldenCase
from dalign.spec.parse import load_spec
from dalign.spec.templates import load_templates
from dalign.store.folder import StageFolder
from dalign.train.job import Rollout
from dalign.train.rl.rewards import Reward
from policies import ENGLISH
from scripted_run import write_project

PROMPT = Prompt("p", "general", (Message(role="user", content="x"),))
CASES = [
    GoldenCase(
        f"c{n}-{verdict}",
        "general",
        PROMPT.messages,
        f"{verdict} {n}",
        "comply",
        None,
        verdict,
        Path("c.jsonl"),
        n,
    )
    for n in range(20)
    for verdict in ("pass", "fail")
]


def judging(engine: ScriptedEngine) -> Judging:
    form = ScoreForm(load_spec(ENGLISH), load_templates(ENGLISH))
    scale = Scale(1, 1, 0.0, 10.0, "min", None, ())
    return Judging(Court.of(engine, THINK, 0), form, scale, Sampling(0, 9))


def answer_judge(reply: Callable[[Request], str] | dict[str, str]) -> AnswerJudge:
    engine = ScriptedEngine(reply)
    return AnswerJudge(judging(engine), Ask(engine))


def log_of(folder: Path, oversight: Oversight) -> RolloutLog:
    stage = StageFolder(folder, "rl", "rl")
    stage.path.mkdir(parents=True, exist_ok=True)
    return RolloutLog(stage, answer_judge({"": "Score: 5"}), None, {"p": PROMPT}, oversight)


def rollout(answer: str, judge: float = 1.0, status: str = "ok") -> Rollout:
    return Rollout("p", answer, 1, Reward(status, "", answer, judge, judge), 0.5)


def watching(
    second: AnswerJudge | None = None, golden: GoldenAgain | None = None, **settings: object
) -> Oversight:
    said: list[str] = []
    oversight = Oversight(Rl.model_validate(settings), second, golden, said.append)
    oversight.said = said  # type: ignore[attr-defined]
    return oversight


def test_a_second_score_stands_beside_each_answer_that_was_judged_and_pays_nothing(
    tmp_path: Path,
) -> None:
    log = log_of(tmp_path, watching(answer_judge({"good": "Score: 8", "": "hm"})))
    log.rollouts(1, [rollout("good one"), rollout("unread"), rollout("", status="malformed")])
    rows = log.rows()
    assert rows["second"].to_list() == [0.8, None, None]
    assert rows["judge"].to_list() == rows["reward"].to_list() == [1.0, 1.0, 1.0]


def test_it_is_asked_every_so_many_steps_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    def run() -> tuple[RolloutLog, Oversight]:
        oversight = watching(answer_judge({"": "Score: 8"}), second_every=2)
        return log_of(tmp_path, oversight), oversight

    log, _ = run()
    for step in (1, 2, 3, 4):
        log.rollouts(step, [rollout(f"answer {step}")])
        log.save(step)
    again, oversight = run()
    again.resume(2)
    assert [row["other"] for row in oversight._seen] == [0.8, None]
    again.rollouts(3, [rollout("answer 3")])
    again.save(3)
    again.done(3)
    assert again.rows()["second"].to_list() == [0.8, None, 0.8]
    names = sorted(path.name for path in (tmp_path / "rl" / "rl").glob("*-*.json"))
    assert names == ["judge-3.json", "oversight-3.json", "second-3.json"]
    assert again.is_whole()


def test_without_one_the_rows_are_as_ever(tmp_path: Path) -> None:
    log = log_of(tmp_path, watching())
    log.rollouts(1, [rollout("a")])
    assert "second" not in log.rows().columns
    assert watching().told == {}


def planted(oversight: Oversight, tmp_path: Path, steps: int = 40) -> RolloutLog:
    """A judge that pays for length from step 16 on, and a second that does not."""
    log, rng = log_of(tmp_path, oversight), random.Random(0)
    for step in range(1, steps + 1):
        rows = []
        for _ in range(64):
            right = rng.random() < 0.5
            is_long = step > 15 and rng.random() < 0.06 * (step - 15)
            text = ("good" if right else "bad") + f" {rng.random()}" + " and so on" * 30 * is_long
            rows.append(rollout(text, min(1.0, 0.6 * right + 0.3 * rng.random() + 0.5 * is_long)))
        log.rollouts(step, rows)
    return log


def test_the_onset_of_hacking_is_told_once_while_the_training_goes_on(tmp_path: Path) -> None:
    oversight = watching(answer_judge({"good": "Score: 9", "": "Score: 2"}))
    planted(oversight, tmp_path)
    assert len(oversight.said) == 1 and "the second judge finds answers worse" in oversight.said[0]  # type: ignore[attr-defined]
    assert "what has grown with it is length" in oversight.said[0]  # type: ignore[attr-defined]
    assert list(oversight.told) == ["alarms", "second_states"]


def test_or_it_stops_the_training_with_a_way_out_and_the_rows_kept(tmp_path: Path) -> None:
    oversight = watching(answer_judge({"good": "Score: 9", "": "Score: 2"}), on_alarm="stop")
    with pytest.raises(InputError, match=r"rl: from step \d+ on.*rl\.on_alarm = 'warn'") as error:
        planted(oversight, tmp_path)
    assert error.value.kind == "alarm"
    steps = [row["step"] for row in oversight._seen]
    assert 16 <= max(steps) <= 30


def test_two_judges_that_agree_raise_none(tmp_path: Path) -> None:
    log_folder, rng = tmp_path, random.Random(1)
    oversight = watching(answer_judge({"good": "Score: 9", "": "Score: 2"}), on_alarm="stop")
    log = log_of(log_folder, oversight)
    for step in range(1, 41):
        kinds = ["good" if rng.random() < 0.3 + step / 80 else "bad" for _ in range(64)]
        log.rollouts(
            step,
            [rollout(f"{kind} {rng.random()}", 0.8 if kind == "good" else 0.2) for kind in kinds],
        )
    assert not oversight.alarms


def golden(engine: ScriptedEngine, every: int = 2) -> GoldenAgain:
    return GoldenAgain(
        CASES,
        judging(engine),
        7.0,
        Ask(engine),
        lambda step: Court.of(engine, THINK, step),
        every,
        10,
    )


def told(oversight: Oversight) -> list[tuple[int, int, int]]:
    return [(each.step, each.share.hits, each.share.n) for each in oversight.golden]


@pytest.mark.parametrize("on_alarm", ["warn", "stop"])
def test_a_judge_that_loses_more_cases_than_chance_would_have_it_is_told(
    tmp_path: Path, on_alarm: str
) -> None:
    asked = 0

    def reply(request: Request) -> str:
        nonlocal asked
        asked += 1
        passes = "pass" in request.messages[-1]["content"]
        # From its third time on, the server has another model.
        return "Score: 9" if passes or asked > 2 * len(CASES) else "Score: 1"

    oversight = watching(None, golden(ScriptedEngine(reply)), on_alarm=on_alarm)
    log = log_of(tmp_path, oversight)
    for step in (1, 2, 3):
        log.rollouts(step, [rollout(f"a{step}")])
        log.save(step)
    assert told(oversight) == [(0, 40, 40), (2, 40, 40)]
    if on_alarm == "stop":
        with pytest.raises(
            InputError, match=r"after step 4 the judge tells 0\.500 .* 20 are lost and 0 gained"
        ):
            log.rollouts(4, [rollout("a4")])
        return
    log.rollouts(4, [rollout("a4")])
    log.save(4)
    assert [step for step, *_ in told(oversight)] == [0, 2, 4] and len(oversight.said) == 1  # type: ignore[attr-defined]
    log.rollouts(5, [rollout("a5")])
    log.rollouts(6, [rollout("a6")])
    # Once told, it is in the manifest's words and not said again.
    assert len(oversight.said) == 1 and len(oversight.told["alarms"]) == 1  # type: ignore[attr-defined]
    log.resume(3)
    assert told(oversight) == [(0, 40, 40), (2, 40, 40)] and not oversight.alarms


def test_each_time_other_draws_are_asked_for(tmp_path: Path) -> None:
    engine = ScriptedEngine({"": "Score: 9"})
    log = log_of(tmp_path, watching(None, golden(engine)))
    log.rollouts(1, [rollout("a1")])
    log.rollouts(2, [rollout("a2")])
    first, second = engine.requests[: len(CASES)], engine.requests[len(CASES) :]
    assert {r.seed for r in first}.isdisjoint({r.seed for r in second})
    assert len(pl.Series([r.id for r in second]).unique()) == len(CASES)


def failing(share: Callable[[int], bool]) -> ScriptedEngine:
    """A judge that tells every case rightly, but for those requests that never come."""
    asked = 0

    def reply(request: Request) -> str | Reply:
        nonlocal asked
        asked += 1
        if share(asked):
            return Reply(request.id, "down", "error", 0)
        return "Score: 9" if "pass" in request.messages[-1]["content"] else "Score: 1"

    return ScriptedEngine(reply)


def test_what_never_came_is_told_neither_rightly_nor_wrongly(tmp_path: Path) -> None:
    oversight = watching(None, golden(failing(lambda n: n % 4 == 0), every=1), on_alarm="stop")
    log = log_of(tmp_path, oversight)
    log.rollouts(1, [rollout("a1")])
    assert told(oversight) == [(0, 30, 30), (1, 30, 30)] and not oversight.alarms
    # An outage decides nothing, and is said.
    oversight = watching(None, golden(failing(lambda n: n > 50), every=1), on_alarm="stop")
    log_of(tmp_path / "other", oversight).rollouts(1, [rollout("a1")])
    assert "only 10 of 40 golden cases have a score now" in oversight.said[0]  # type: ignore[attr-defined]


def test_a_judge_that_was_away_at_first_is_held_against_what_it_told_next(tmp_path: Path) -> None:
    # Of 40 cases 5 are told before the first step, all after it, and after the second all of them the wrong way.
    def reply(request: Request) -> str | Reply:
        asked = len(engine.requests) - 1
        if 5 <= asked < len(CASES):
            return Reply(request.id, "down", "error", 0)
        passes = "pass" in request.messages[-1]["content"]
        return "Score: 9" if passes == (asked < 2 * len(CASES)) else "Score: 1"

    engine = ScriptedEngine(reply, batch_size=1)
    oversight = watching(None, golden(engine, every=1))
    log = log_of(tmp_path, oversight)
    log.rollouts(1, [rollout("a1")])
    assert "only 5 of 40 golden cases" in oversight.said[0]  # type: ignore[attr-defined]
    log.rollouts(2, [rollout("a2")])
    assert "after step 1 it told" in oversight.alarms["golden"]


@pytest.mark.parametrize("looks", [1, 10, 50])
def test_an_unchanged_judge_that_errs_is_seldom_called_another(looks: int) -> None:
    rng, alarms = random.Random(looks), 0
    for _ in range(200):
        first = [rng.random() < 0.8 for _ in range(98)]
        for _ in range(looks):
            now = [rng.random() < 0.8 for _ in range(98)]
            lost = sum(a and not b for a, b in zip(first, now, strict=True))
            gained = sum(b and not a for a, b in zip(first, now, strict=True))
            if by_chance(lost, gained) < FALSE / looks:
                alarms += 1
                break
    assert alarms <= 0.05 * 200


def test_an_alarm_that_was_told_stops_a_training_that_is_to_stop_now(tmp_path: Path) -> None:
    warned = watching(answer_judge({"good": "Score: 9", "": "Score: 2"}))
    log = planted(warned, tmp_path)
    log.save(40)
    assert warned.alarms
    again = watching(answer_judge({"good": "Score: 9", "": "Score: 2"}), on_alarm="stop")
    log = log_of(tmp_path, again)
    log.resume(40)
    with pytest.raises(InputError, match="the second judge finds answers worse"):
        log.rollouts(41, [rollout("good")])


def test_a_memory_that_is_damaged_has_a_way_out(tmp_path: Path) -> None:
    log = log_of(tmp_path, watching(None, golden(failing(lambda _n: False))))
    log.rollouts(1, [rollout("a")])
    log.save(1)
    assert log.is_whole()
    memory = tmp_path / "rl" / "rl" / "oversight-1.json"
    memory.write_text(memory.read_text()[:-5])
    with pytest.raises(
        InputError, match=r"oversight-1\.json: damaged or lost .*; delete it, and golden"
    ):
        log.resume(1)
    memory.unlink()
    log.resume(1)
    assert not log.is_whole()


def test_no_cache_answers_for_a_judge_that_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "judge.json").write_text('{"": "Score: 9"}')
    config = load_config(
        write_project(tmp_path / "project") / "dalign.toml",
        [f"run.cache={tmp_path}/cache", f"judge_model.path={tmp_path}/judge.json", "judge_model.engine=scripted"],
    )  # fmt: skip
    with closing(Engines(config)) as engines:
        assert isinstance(engines.open(config.judge_of_record), CachedEngine)
        assert not isinstance(engines.open(config.judge_of_record, afresh=True), CachedEngine)
        assert engines.open(config.judge_of_record) is engines.open(config.judge_of_record)


def test_the_judge_under_other_settings_is_no_second_one(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "project")
    same = [
        "second_judge_model.path=" + str(folder / "script.json"),
        "second_judge_model.engine=scripted",
    ]
    config = load_config(folder / "dalign.toml", [*same, "second_judge_model.batch_size=7"])
    with pytest.raises(InputError, match="is the judge itself, whose errors it shares"):
        check_second(config, Engines(config))
    (folder / "other.json").write_text('{"": "Score: 1"}')
    other = f"second_judge_model.path={folder}/other.json"
    check_second(config := load_config(folder / "dalign.toml", [other, same[1]]), Engines(config))


def test_one_that_is_to_stop_has_somebody_who_looks_on(tmp_path: Path) -> None:
    config = write_project(tmp_path / "project") / "dalign.toml"
    (said,) = no_alarm(load_config(config, ["rl.on_alarm=stop"]))
    assert said.startswith("rl.on_alarm = 'stop' stops nothing, as nobody looks on")
    assert list(no_alarm(load_config(config, ["rl.on_alarm=stop", "rl.readmit_every=5"]))) == []


def test_who_looks_on_and_can_tell_nothing_is_said_before_it_is_paid_for(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "project")
    (folder / "other.json").write_text('{"": "Score: 1"}')
    second = [
        f"second_judge_model.path={folder}/other.json",
        "second_judge_model.engine=scripted",
    ]

    def said(*settings: str) -> list[str]:
        return list(no_alarm(load_config(folder / "dalign.toml", [*second, *settings])))

    assert said("rl.steps=11") == said("rl.steps=101", "rl.second_every=10") == []
    assert said("rl.steps=20", "rl.readmit_every=20") == []
    (short,) = said("rl.steps=100", "rl.second_every=10")
    assert "scores 10 steps" in short and "it can raise no alarm" in short
    (never,) = said("rl.steps=11", "rl.readmit_every=12")
    assert "rl.readmit_every = 12 is more than rl.steps = 11" in never


@pytest.mark.parametrize(("times", "least"), [(1, 6), (2, 7), (5, 8), (10, 9), (1000, 16)])
def test_the_fewest_golden_cases_are_those_whose_loss_is_told_from_chance(
    times: int, least: int
) -> None:
    assert least_golden(times) == least
    assert by_chance(least, 0) < FALSE / times <= by_chance(least - 1, 0)

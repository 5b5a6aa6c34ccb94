"""`run.cap` in the commands that ask a config's models outside a run: none asks more, and each says how to go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dalign.models.engines.scripted import ScriptedEngine
from policies import CASE, write_policy

WRONG = '{{"id": "wrong-{0}", "prompt": "Is bait {0} good?", "answer": "A wrong answer, {0}.", "ruling": "refuse", "category": "garden", "clause": "garden.G2", "verdict": "fail"}}\n'
GOLDEN = CASE + "".join(map(WRONG.format, range(3)))
LABELLED = "".join(
    json.dumps({"id": n, "category": "garden", "prompt": f"question {n}?", "answer": f"answer {n}", "label": label}) + "\n"
    for n, label in enumerate(["pass", "fail"] * 4)
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a policy, labelled answers, and a config whose every model is scripted, in batches of two."""
    write_policy(tmp_path / "spec", golden=GOLDEN)
    (tmp_path / "script.json").write_text('{"score": "Score: 1", "": "<think>so</think>No."}')
    (tmp_path / "labelled.jsonl").write_text(LABELLED)
    (tmp_path / "p.jsonl").write_text(
        '{"category": "garden", "messages": [{"role": "user", "content": "x"}]}\n'
    )
    return tmp_path


def capped(folder: Path, cap: str, more: str = "", name: str = "capped") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(
        f'[run]\ncap = {{ {cap} }}\n{more}\n[model]\npath = "{folder}/script.json"\nengine = "scripted"\nbatch_size = 2\n'
        '[spec]\npath = "spec"\n[data]\nprompts = "p.jsonl"\n[judge]\nk = 1\n'
        '[evaluate]\narms = ["none"]\n[[evaluate.suites]]\nname = "t"\npath = "p.jsonl"\n'
    )
    return path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of all requests that reach an engine."""
    found: list[str] = []
    stream = ScriptedEngine.stream

    def noted(self, requests, sampling, done=frozenset()):
        for replies in stream(self, requests, sampling, done):
            found.extend(reply.id for reply in replies)
            yield replies

    monkeypatch.setattr(ScriptedEngine, "stream", noted)
    return found


def commands(folder: Path, config: Path) -> dict[str, list[object]]:
    return {
        "attack": ["judge", "attack", config],
        "stress": ["spec", "stress", config],
        "calibrate": ["judge", "calibrate", folder / "labelled.jsonl", "--model", config],
        "check": ["spec", "check", folder / "spec", "--model", config],
        "synth": ["data", "synth", folder / "new.jsonl", "--config", config],
    }


@pytest.mark.parametrize("name", ["attack", "stress", "calibrate", "check", "synth"])
def test_a_command_ends_before_it_asks_more_than_the_cap_lets(
    name: str, project: Path, asked: list[str], dalign
) -> None:
    code, out, err = dalign(*commands(project, capped(project, "requests = 3"))[name])
    assert (code, len(asked)) == (1, 3)
    (said,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "run.cap.requests = 3 is reached (3 taken); " in said
    assert "a higher run.cap.requests" in said
    assert "Traceback" not in err and not out.startswith("[")


@pytest.mark.parametrize("name", ["attack", "stress", "calibrate", "check"])
def test_with_a_cache_the_next_call_goes_on(
    name: str, project: Path, asked: list[str], dalign
) -> None:
    cache = f'cache = "{project}/cache"'
    words = commands(project, capped(project, "requests = 3", cache))[name]
    code, _, err = dalign(*words)
    assert (code, len(asked)) == (1, 3)
    assert f"what was answered is in {project}/cache, and the same command" in err
    dalign(*words)
    # What was answered is not asked again, and counts no more.
    assert len(asked) == len(set(asked)) == 6


def test_stress_counts_answers_and_judgements_together_and_each_config_by_its_own_cap(
    project: Path, asked: list[str], dalign
) -> None:
    whole = capped(project, "requests = 10000", name="whole")
    words = ("--clause", "garden.G1", "--k", 2, "--prompts", 1)
    assert dalign("spec", "stress", whole, *words)[0] == 0
    answers, judgements = 2, 2
    assert len(asked) == answers + judgements
    asked.clear()
    code, _, err = dalign("spec", "stress", capped(project, "requests = 3"), *words)
    assert (code, len(asked)) == (1, 3) and "run.cap.requests = 3 is reached" in err
    asked.clear()
    other = capped(project, "requests = 1", name="other")
    code, _, err = dalign("spec", "stress", whole, *words, "--against", other)
    assert (code, len(asked)) == (1, answers + judgements + 1)
    assert "run.cap.requests = 1 is reached" in err


def test_tokens_and_hours_are_kept_too(project: Path, asked: list[str], dalign) -> None:
    code, _, err = dalign("judge", "attack", capped(project, "tokens = 5"))
    assert (code, asked) == (1, [])
    assert "run.cap.tokens = 5 is reached (0 taken, and the next request may take more" in err
    code, _, err = dalign("judge", "attack", capped(project, "hours = 1e-9"))
    assert (code, asked) == (1, []) and "run.cap.hours" in err


def test_a_cap_that_a_command_line_raises_lets_it_end(project: Path, dalign) -> None:
    config = capped(project, "requests = 3")
    raised = ("--set", "run.cap.requests=9999")
    assert dalign("judge", "attack", config, *raised)[0] == 0
    assert dalign("spec", "stress", config, *raised)[0] == 0


def test_a_synth_counts_all_its_calls_and_goes_on_under_a_higher_cap(
    project: Path, asked: list[str], dalign
) -> None:
    words = [*commands(project, capped(project, "requests = 3"))["synth"], "--clause", "garden.G2"]
    code, _, err = dalign(*words)
    assert (code, len(asked)) == (1, 3)
    assert "what was answered is kept, and the same command under a higher run.cap.requests" in err
    spent = json.loads((project / "new.work" / "spent.json").read_text())
    assert spent["taken"]["model"]["requests"] == 3
    assert dalign(*words)[0] == 1 and len(asked) == 3
    capped(project, "requests = 5")
    assert dalign(*words)[0] == 1 and len(asked) == len(set(asked)) == 5
    # What nobody can tell any more counts from now on; what was answered is there all the same.
    (project / "new.work" / "spent.json").write_text('{"taken": []}')
    code, _, err = dalign(*words)
    assert "spent.json: damaged: what was asked before is not known" in err
    assert code == 0 and len(asked) == len(set(asked)) == 6
    assert not (project / "new.work").exists()

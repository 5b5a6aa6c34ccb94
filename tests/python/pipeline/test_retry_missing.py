"""What never came is asked again when the user says so, and nothing else; the rows are then those of a run without an outage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from dalign.models.protocol import Reply, Request
from dalign.store.folder import MANIFEST, StageFolder
from fake_server import FakeServer, chat
from policies import ENGLISH
from scripted_run import SCRIPTED, go, reply, write_evaluation, write_project

N = 6
ANSWER, VERDICT = "The policy regulated-advice.A2 applies.", "Score: 9"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    rows = [
        {"id": f"p{n}", "category": "regulated-advice", "messages": [{"role": "user", "content": f"Which pill, {n}?"}],
         "expected": {"ruling": "safe-complete", "clause": "regulated-advice.A2"}}
        for n in range(N)
    ]  # fmt: skip
    model = 'model = { path = "served", engine = "openai", base_url = "http://127.0.0.1:1/v1", timeout_s = 0.4, token_s = 0.0 }'
    write_evaluation(tmp_path, model, rows, ENGLISH)
    return tmp_path


def answers(is_out: Callable[[str], bool]):
    """A model and judge; what is asked in an outage is answered too late."""

    def answer(body, _attempt):
        last = body["messages"][-1]["content"]
        late = 1.5 if is_out(last) else 0.0
        if "Rate the answer" in last:
            return chat(VERDICT, delay_s=late)
        if "Which policy?" in last:
            return chat("regulated-advice", delay_s=late)
        return chat("Please ask a doctor.", reasoning=ANSWER, delay_s=late)

    return answer


def served(project: Path, run: Path, call, is_out: Callable[[str], bool], *options: str):
    """(exit code, what was said, requests) of `dalign run` while the server is out for some."""
    with FakeServer(answers(is_out)) as server:
        base = f"model.base_url={server.base_url}"
        code, _, err = call(
            "run", project / "dalign.toml", "--run", run, "--set", base, "--redo", *options
        )
        return code, err, len(server.bodies)


def test_after_an_outage_only_what_never_came_is_asked_again(project, tmp_path, dalign) -> None:
    run, fresh = tmp_path / "run", tmp_path / "fresh"
    code, err, asked = served(
        project, run, dalign, lambda text: "pill, 1?" in text or "pill, 4?" in text
    )
    assert code == 1 and "--retry-missing" in err and asked > N
    # The same command by itself asks for nothing.
    assert served(project, run, dalign, lambda text: False)[0::2] == (1, 0)
    code, err, again = served(project, run, dalign, lambda text: False, "--retry-missing")
    # Of each of the two: a completion, a verdict, a question of retrieval.
    assert (code, again) == (0, 2 * 3), err
    assert "MISSING" not in err
    # Nothing is missing: nothing is run.
    code, err, again = served(project, run, dalign, lambda text: False, "--retry-missing")
    assert (code, again) == (0, 0) and "evaluate/none: done before" in err
    assert served(project, fresh, dalign, lambda text: False)[0] == 0
    folder, other = (StageFolder(each, "evaluate", "none") for each in (run, fresh))
    assert folder.output_sha256() == other.output_sha256()
    for path in sorted(folder.path.glob("*.parquet")):
        assert path.read_bytes() == (other.path / path.name).read_bytes(), path.name


def test_a_report_asks_nobody(project, dalign) -> None:
    code, _, err = dalign("report", "--run", project / "run", "--retry-missing")
    assert code == 1 and "--retry-missing: a report asks nothing" in err


def test_a_plan_says_what_would_be_asked_again(project, tmp_path, dalign) -> None:
    served(project, tmp_path / "run", dalign, lambda text: "pill, 1?" in text)
    config = ["run", project / "dalign.toml", "--run", tmp_path / "run", "--redo", "--dry-run"]
    assert "evaluate/none    done" in dalign(*config)[1]
    assert "evaluate/none    to run" in dalign(*config, "--retry-missing")[1]


def loses(word: str):
    def answer(request: Request) -> str | Reply:
        lost = word in request.messages[-1]["content"]
        return Reply(request.id, "", "timeout", 0) if lost else reply(request)

    return answer


class KilledError(Exception):
    pass


def test_a_stage_that_goes_on_asks_again_for_what_its_journal_lacks(tmp_path: Path) -> None:
    project, run = write_project(tmp_path / "project"), tmp_path / "run"
    lost, asked = loses("question 0"), iter(range(7))

    def killed(request: Request) -> str | Reply:
        if next(asked, None) is None:
            raise KilledError
        return lost(request)

    with pytest.raises(KilledError):
        go(project, run, "generate/main", answer=killed)
    # Two batches of three were journalled; of these, the two completions to a question 0 never came.
    again = go(project, run, "generate/main").scripted.requests
    assert len(again) == 18 - 6 + 2
    go(project, tmp_path / "fresh", "generate/main")
    made, fresh = (
        StageFolder(each, "generate").output_sha256() for each in (run, tmp_path / "fresh")
    )
    assert made == fresh


def test_stages_after_it_take_over_what_they_had(tmp_path: Path) -> None:
    project, run = write_project(tmp_path / "project"), tmp_path / "run"
    go(project, run, *SCRIPTED, answer=loses("tea, question 0"))
    again = go(project, run, *SCRIPTED, retry_missing=True).scripted.requests
    # Two completions, and two verdicts on each.
    assert len(again) == 2 + 4
    go(project, tmp_path / "fresh", *SCRIPTED)
    for name in SCRIPTED:
        here, there = (
            json.loads((each / name / MANIFEST).read_text()) for each in (run, tmp_path / "fresh")
        )
        assert here["output_sha256"] == there["output_sha256"], name

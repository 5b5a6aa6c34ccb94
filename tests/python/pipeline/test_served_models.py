"""A server's model is known by what the server says of it: another one under the same name is noticed, and no rows are mixed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from dalign.models.engines.served import card_of, differences
from dalign.store.folder import StageFolder
from dalign.store.ledger import SERVED, keep, read_ledger
from fake_server import Answer, FakeServer, chat
from policies import ENGLISH
from scripted_run import write_evaluation
from served import last, served

N = 5
VLLM: dict[str, Any] = {
    "id": "m", "object": "model", "owned_by": "vllm", "root": "/models/qwen-8b", "parent": None, "max_model_len": 4096,
}  # fmt: skip
GGUF: dict[str, Any] = {"id": "m", "owned_by": "llamacpp", "meta": {"n_params": 134515008}}


def vllm(**changed: Any) -> list[dict[str, Any]]:
    """As vLLM says it: made at the time of asking, with a permission of a name of its own each time."""
    now = {"created": int(time.time()), "permission": [{"id": f"modelperm-{time.time_ns()}"}]}
    return [{"id": "other"}, {**VLLM, **now, **changed}]


@pytest.mark.parametrize(
    ("models", "card"),
    [
        (None, None),
        ([], None),
        ([{"id": "another", "root": "x"}], None),
        # A name alone tells nothing.
        ([{"id": "m", "owned_by": "x"}], None),
        # Made now, as the test runs.
        (vllm, {"root": "/models/qwen-8b", "max_model_len": 4096}),
        ([GGUF], {"meta": {"n_params": 134515008}}),
        ([{"id": "m", "created": 1677610602}], {"created": 1677610602}),
        ([{"id": "m", "created": 0}, {"id": "n"}], None),
        ([{"name": "m"}], None),
        (["m"], None),
    ],
)
def test_what_a_server_says_of_a_model(models: Any, card: Any) -> None:
    told = models() if callable(models) else models
    with FakeServer(lambda body, _: chat("x"), told) as server:
        assert card_of(served(server.base_url)) == card


def test_a_server_that_is_not_there_says_nothing() -> None:
    assert card_of(served("http://127.0.0.1:9/v1")) is None
    assert card_of(served(f"http://{'a' * 63}.invalid/v1")) is None


@pytest.mark.parametrize(
    ("noted", "found", "told"),
    [
        ({"root": "a"}, {"root": "a"}, []),
        ({"root": "a"}, {"root": "b"}, ['root: "a" → "b"']),
        ({"root": "a"}, {"meta": {"n": 1}}, ['meta: null → {"n": 1}', 'root: "a" → null']),
        ({"created": 5}, {"created": 6}, ["created: 5 → 6"]),
        # Once it gave the time of asking.
        ({"root": "a", "created": 5}, {"root": "a"}, []),
    ],
)
def test_what_is_said_otherwise(noted: Any, found: Any, told: list[str]) -> None:
    assert differences(noted, found) == told


@pytest.fixture
def project(tmp_path: Path) -> Path:
    rows = [
        {"id": f"p{n}", "category": "regulated-advice", "messages": [{"role": "user", "content": f"Which pill, {n}?"}],
         "expected": {"ruling": "safe-complete", "clause": "regulated-advice.A2"}}
        for n in range(N)
    ]  # fmt: skip
    settings = (
        'model = { path = "m", engine = "openai", base_url = "http://127.0.0.1:9/v1" }\n'
        "run = { part_rows = 2 }"
    )
    write_evaluation(tmp_path, settings, rows, ENGLISH)
    return tmp_path


class Machine:
    """A server of a model that signs what it says; after `stops_after` answers it says that its key is spent."""

    def __init__(
        self, signature: str, models: Any, stops_after: int = 10**6, extra: tuple[str, ...] = ()
    ) -> None:
        self.signature, self.models, self.left, self.extra = signature, models, stops_after, extra
        self.asked = 0

    def answer(self, body: dict[str, Any], before: int) -> Answer:
        self.left -= 1
        if self.left < 0:
            return Answer("spent", 402)
        asked = last(body)
        if "Rate the answer" in asked:
            return chat("Score: 9")
        if "Which policy?" in asked:
            return chat("regulated-advice")
        return chat(f"Ask a doctor, says {self.signature}.", reasoning="The policy.")

    def run(self, project: Path, call: Any, *options: str) -> tuple[int, str]:
        with FakeServer(self.answer, self.models) as server:
            base = f"model.base_url={server.base_url}"
            sets = ("--set", base, "--set", "model.batch_size=1", "--redo", *self.extra, *options)
            code, out, err = call("run", project / "dalign.toml", "--run", project / "run", *sets)
            self.asked = len(server.bodies)
            return code, out + err


def signatures(project: Path) -> set[str]:
    rows = StageFolder(project / "run", "evaluate", "none").table().frame()
    return set(rows["answer"])


def test_another_model_under_the_same_name_is_noticed_and_no_rows_are_mixed(
    project: Path, dalign: Any
) -> None:
    one, other = Machine("one", vllm(), 7), Machine("other", vllm(root="/models/trained"))
    assert one.run(project, dalign)[0] == 1 and one.asked >= 7
    code, told = other.run(project, dalign)
    assert code == 0
    assert 'root: "/models/qwen-8b" → "/models/trained"' in told and "asked again" in told
    assert signatures(project) == {"Ask a doctor, says other."}
    # The same one again is done before, and says nothing.
    again = Machine("other", vllm(root="/models/trained"))
    code, told = again.run(project, dalign)
    assert (code, again.asked) == (0, 0) and "another model" not in told


def test_the_same_model_elsewhere_goes_on(project: Path, dalign: Any) -> None:
    Machine("one", vllm(), 7).run(project, dalign)
    rest = Machine("same", vllm())
    code, told = rest.run(project, dalign)
    assert code == 0 and "another model" not in told
    assert signatures(project) == {"Ask a doctor, says one.", "Ask a doctor, says same."}


def test_a_finished_run_needs_no_server(project: Path, dalign: Any) -> None:
    Machine("one", vllm()).run(project, dalign)
    code, out, err = dalign("run", "--run", project / "run")
    assert code == 0 and "evaluate/none: done before" in out + err
    assert dalign("report", "--run", project / "run")[0] == 0
    assert dalign("verify", project / "run")[0] == 0


def test_a_dry_run_says_it_and_changes_nothing(project: Path, dalign: Any) -> None:
    Machine("one", vllm()).run(project, dalign)
    before = (project / "run" / SERVED).read_bytes()
    code, told = Machine("other", vllm(max_model_len=8192)).run(project, dalign, "--dry-run")
    assert code == 0 and "max_model_len: 4096 → 8192" in told and "to run" in told
    assert (project / "run" / SERVED).read_bytes() == before


def test_a_run_of_an_earlier_dalign_stays_done_and_notices_from_then_on(
    project: Path, dalign: Any
) -> None:
    Machine("one", None).run(project, dalign)
    # What it did not write.
    (project / "run" / SERVED).unlink()
    held = read_ledger(project / "run")
    held.copies.pop(SERVED)  # type: ignore[attr-defined]
    from dalign.store.ledger import _write

    _write(project / "run", held.copies, held.files)
    keep(project / "run", {})
    same = Machine("one", vllm())
    code, told = same.run(project, dalign)
    assert (code, same.asked) == (0, 0), told
    other = Machine("other", vllm(root="/models/trained"))
    code, told = other.run(project, dalign)
    assert code == 0 and other.asked > 0 and "another model" in told


def test_two_addresses_that_say_nothing_are_told(project: Path, dalign: Any) -> None:
    Machine("one", None).run(project, dalign)
    code, told = Machine("other", None).run(project, dalign)
    assert code == 0 and "does not say what it serves" in told


def test_workers_know_what_the_run_knows(project: Path, dalign: Any) -> None:
    """A stage in a process of its own does not take the model for another one."""
    arms = 'evaluate.arms=["none","spec"]'
    one = Machine("one", vllm(), extra=("--set", "run.workers=2", "--set", arms))
    assert one.run(project, dalign)[0] == 0
    again = Machine("one", vllm(), extra=("--set", "run.workers=1", "--set", arms))
    assert again.run(project, dalign)[0] == 0 and again.asked == 0

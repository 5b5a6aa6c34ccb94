"""The scripted engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dalign import config
from dalign.errors import InputError
from dalign.models.engines.scripted import ScriptedEngine
from dalign.models.protocol import Reply, Request, Sampling
from dalign.pipeline.engines import open_engine
from dalign.rows import Message

SAMPLING = Sampling(temperature=1.0, max_new_tokens=8)


def requests_of(*texts: str) -> list[Request]:
    return [
        Request(f"row-{t}", (Message(role="user", content=t),), seed=i) for i, t in enumerate(texts)
    ]


def test_a_function_answers_each_request_and_requests_are_recorded() -> None:
    engine = ScriptedEngine(lambda request: f"re {request.messages[-1]['content']}", batch_size=2)
    requests = requests_of("a", "b", "c")
    assert list(engine.stream(requests, SAMPLING)) == [
        [Reply("row-a", "re a", "stop", 2), Reply("row-b", "re b", "stop", 2)],
        [Reply("row-c", "re c", "stop", 2)],
    ]
    assert engine.requests == requests


def test_what_is_done_is_left_out_and_batches_stay_as_they_were() -> None:
    engine = ScriptedEngine(lambda _: "x", batch_size=2)
    batches = list(
        engine.stream(requests_of("a", "b", "c", "d", "e"), SAMPLING, {"row-b", "row-c", "row-d"})
    )
    assert [[reply.id for reply in batch] for batch in batches] == [["row-a"], ["row-e"]]
    assert [request.id for request in engine.requests] == ["row-a", "row-e"]


def test_a_function_may_fail_a_request() -> None:
    engine = ScriptedEngine(lambda request: Reply(request.id, "", "timeout", 0))
    assert list(engine.stream(requests_of("a"), SAMPLING)) == [[Reply("row-a", "", "timeout", 0)]]


def test_a_tables_first_key_in_the_last_message_decides() -> None:
    engine = ScriptedEngine({"knife": "no", "bread knife": "never reached", "": "yes"})
    (batch,) = engine.stream(requests_of("a bread knife", "a spoon"), SAMPLING)
    assert [reply.text for reply in batch] == ["no", "yes"]


def test_a_message_that_the_table_lacks_is_named() -> None:
    with pytest.raises(InputError, match=r"request row-a spoon: .*'a spoon'"):
        list(ScriptedEngine({"knife": "no"}).stream(requests_of("a spoon"), SAMPLING))


def test_a_script_is_opened_from_its_file(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"": "hello"}))
    engine = open_engine(config.Model(path=str(script), engine="scripted"), threads=1)
    assert [r.text for batch in engine.stream(requests_of("a"), SAMPLING) for r in batch] == [
        "hello"
    ]
    before = engine.fingerprint
    script.write_text(json.dumps({"": "bye"}))
    assert ScriptedEngine.load(script).fingerprint != before


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}'])
def test_a_script_that_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    script = tmp_path / "script.json"
    script.write_text(text)
    with pytest.raises(InputError, match=r"script\.json: .*write"):
        ScriptedEngine.load(script)


def test_a_script_without_an_end_is_refused() -> None:
    with pytest.raises(InputError, match=r"/dev/zero: .*more than 67,108,864 bytes"):
        ScriptedEngine.load(Path("/dev/zero"))

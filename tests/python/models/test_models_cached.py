"""An engine behind a cache: what another run was answered is not asked again."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from dalign.config import Config, Model, Run
from dalign.errors import InputError
from dalign.models.engines.cached import CachedEngine
from dalign.models.engines.scripted import ScriptedEngine
from dalign.models.protocol import Reply, Request, Sampling
from dalign.pipeline.engines import Engines
from dalign.store.cache import DATABASE, Cache

WARM, COLD = Sampling(1.0, 8), Sampling(0.0, 8)


def request(name: str, text: str = "hi", seed: int = 0) -> Request:
    return Request(name, ({"role": "user", "content": text},), seed)


def test_the_same_question_is_asked_once_whatever_its_rows_name(tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda asked: f"to {asked.id}")
    first, second = (CachedEngine(engine, Cache(tmp_path)) for _ in range(2))
    [[reply]] = list(first.stream([request("a")], WARM))
    assert reply == Reply("a", "to a", "stop", 2)
    # Of another run, in one list with new ones.
    replies = list(second.stream([request("x"), request("y", seed=1)], WARM))
    assert replies == [[Reply("x", "to a", "stop", 2)], [Reply("y", "to y", "stop", 2)]]
    assert [each.id for each in engine.requests] == ["a", "y"]


@pytest.mark.parametrize("other", ["seed", "text", "sampling", "model"])
def test_what_determines_a_reply_is_part_of_its_key(tmp_path: Path, other: str) -> None:
    engine = ScriptedEngine(lambda asked: asked.id)
    cached = CachedEngine(engine, Cache(tmp_path))
    list(cached.stream([request("a")], WARM))
    if other == "model":
        engine.fingerprint = "another"
    asked = request("b", "ho" if other == "text" else "hi", int(other == "seed"))
    [[reply]] = list(cached.stream([asked], COLD if other == "sampling" else WARM))
    assert reply.text == "b"


def test_what_never_came_is_asked_again_and_what_is_done_is_left_out(tmp_path: Path) -> None:
    came = False

    def answer(asked: Request) -> Reply:
        return Reply(asked.id, "hi", "stop" if came else "error", 1)

    engine = ScriptedEngine(answer)
    cached = CachedEngine(engine, Cache(tmp_path))
    list(cached.stream([request("a")], WARM))
    came = True
    assert [r.finish for batch in cached.stream([request("a")], WARM) for r in batch] == ["stop"]
    assert list(cached.stream([request("a"), request("b")], WARM, {"a"})) == [[Reply("b", "hi", "stop", 1)]]  # fmt: skip
    assert len(engine.requests) == 2
    assert list(cached.stream([request("a")], WARM, {"a"})) == []


def test_a_config_puts_its_models_behind_the_cache(tmp_path: Path) -> None:
    (tmp_path / "script.json").write_text('{"": "all right"}')
    model = Model(path=str(tmp_path / "script.json"), engine="scripted")
    settings = {"spec": {"path": "x"}, "data": {"prompts": "x"}}
    config = Config.model_validate(
        settings | {"model": model, "run": Run(cache=tmp_path / "cache")}
    )
    with closing(Engines(config)) as engines:
        engine = engines.open(model)
        assert engine.fingerprint == engines.fingerprint(model) and engine.control_tokens
        assert [r.text for batch in engine.stream([request("a")], WARM) for r in batch] == [
            "all right"
        ]
    assert (tmp_path / "cache" / DATABASE).is_file()
    (tmp_path / "cache" / DATABASE).write_bytes(b"x" * 4096)
    with closing(Engines(config)) as engines, pytest.raises(InputError, match="not a cache"):
        engines.open(model)

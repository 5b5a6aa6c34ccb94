"""What every engine promises of its replies, whatever the model writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dalign.config import Model
from dalign.errors import InputError
from dalign.models.ask import Ask
from dalign.models.engines.scripted import ScriptedEngine
from dalign.models.engines.server import ServerEngine
from dalign.models.protocol import Engine, Reply, Request, Sampling
from dalign.rows import Message
from dalign.store.memory import Memory
from fake_server import FakeServer, chat

SAMPLING = Sampling(temperature=0.0, max_new_tokens=4)
REQUEST = Request("row", (Message(role="user", content="hi"),), seed=1)
# Half of a surrogate pair has no UTF-8 form; NUL ends a text in C.
RAW, STORABLE = "a\ud800b\x00c\udfff", "a�b�c�"
# A whole character beyond 16 bits stays.
WHOLE = "🙂 é"


def reply_of(engine: Engine) -> Reply:
    (reply,) = (reply for batch in engine.stream([REQUEST], SAMPLING) for reply in batch)
    return reply


def scripted() -> Iterator[Engine]:
    yield ScriptedEngine({"": RAW})
    yield ScriptedEngine(lambda request: Reply(request.id, RAW, "stop", 1))


def served() -> Iterator[Engine]:
    with FakeServer(lambda body, _: chat(RAW)) as server:
        yield ServerEngine(Model(path="m", engine="openai", base_url=server.base_url))


def local() -> Iterator[Engine]:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from dalign.models.engines.local import LocalEngine
    from sandbox_model.tokenizer import build_tokenizer
    from transformers import Qwen3Config, Qwen3ForCausalLM

    class Writes(type(build_tokenizer())):
        def batch_decode(self, ids: Any, **_: object) -> list[str]:
            return [RAW if len(one) > 1 else "" for one in ids]

    tokenizer = build_tokenizer()
    tokenizer.__class__ = Writes
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "head_dim": 8}
    heads = {"num_attention_heads": 1, "num_key_value_heads": 1}
    model = Qwen3ForCausalLM(Qwen3Config(vocab_size=len(tokenizer), **sizes, **heads)).eval()
    yield LocalEngine(model, tokenizer, batch_size=1, fingerprint="f")


@pytest.mark.parametrize("engines", [scripted, served, local])
def test_an_engines_replies_can_be_stored(engines: Any, tmp_path: Path) -> None:
    for engine in engines():
        text = reply_of(engine).text
        assert text == STORABLE
        text.encode()
        assert json.loads(json.dumps(text, ensure_ascii=False)) == text
        pl.DataFrame({"text": [text]}).write_parquet(tmp_path / "replies.parquet")
        assert pl.read_parquet(tmp_path / "replies.parquet")["text"].to_list() == [text]


def test_what_can_be_stored_stays_as_it_was() -> None:
    assert Reply("row", WHOLE, "stop", 1).text == WHOLE
    assert Reply("row", "", "stop", 0).text == ""


def test_an_end_that_no_request_has_is_told() -> None:
    with pytest.raises(InputError, match="ends it by 'eos', which is none of stop, length, error"):
        Reply("row", "x", "eos", 1)


class Forgetful(ScriptedEngine):
    """Leaves out the last reply of each batch, or answers what nobody asked."""

    def __init__(self, *, invents: bool) -> None:
        super().__init__({"": "hi"})
        self.invents = invents

    def stream(self, *args: Any) -> Iterator[list[Reply]]:
        for replies in super().stream(*args):
            yield [*replies, Reply("other", "hi", "stop", 1)] if self.invents else replies[:-1]


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize(("invents", "told"), [(False, "row"), (True, "other")])
def test_an_engine_must_answer_what_it_is_asked(tmp_path: Path, kept, invents, told) -> None:
    ask = Ask(Forgetful(invents=invents), Memory(tmp_path, "m") if kept else None)
    with pytest.raises(
        InputError, match=f"gives each request one reply; 1 have none.* such as '{told}'"
    ):
        ask([REQUEST], SAMPLING)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_that_a_server_sends_apart_can_be_stored(field: str) -> None:
    with FakeServer(lambda body, _: chat("x", **{field: RAW})) as server:
        model = Model(path="m", engine="openai", base_url=server.base_url)
        text = reply_of(ServerEngine(model)).text
    assert text == f"<think>{STORABLE}</think>x"

"""What a server is sent: left out, renamed, added, by headers and by the query, as its section says."""

from __future__ import annotations

from pathlib import Path

import pytest
from dalign.errors import InputError, ServerError
from dalign.models.engines.openai import KIND
from dalign.models.engines.server import ServerEngine
from dalign.models.protocol import Sampling
from dalign.settings import dump_toml, load_config
from fake_server import FakeServer, chat, refusal
from served import engine_of, replies_of, requests_of, served

NEUTRAL = Sampling(temperature=1.0, max_new_tokens=9)
PLAIN = {"model": "m", "messages": [{"role": "user", "content": "a"}], "temperature": 1.0, "max_tokens": 9, "seed": 0}  # fmt: skip


def body_by(sampling: Sampling, **settings: object) -> dict[str, object]:
    with FakeServer(lambda body, _: chat("x")) as server:
        replies_of(engine_of(server, **settings), requests_of("a"), sampling=sampling)
    return server.bodies[0]


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        ({}, {}),
        ({"leave_out": ("seed",)}, {"seed": None}),
        ({"leave_out": ("seed", "temperature", "top_p", "model")}, dict.fromkeys(("seed", "temperature", "model"))),
        ({"rename": {"max_tokens": "max_completion_tokens"}}, {"max_tokens": None, "max_completion_tokens": 9}),
        ({"rename": {"seed": "random_seed"}, "leave_out": ("temperature",)}, {"seed": None, "random_seed": 0, "temperature": None}),
        ({"request": {"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}}}, {"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}}),
        # The server's own default may be another: sent at its neutral value by name alone.
        ({"request": {"top_p": 1.0}}, {"top_p": 1.0}),
    ],
)  # fmt: skip
def test_a_request_is_as_the_section_says(
    settings: dict[str, object], changed: dict[str, object]
) -> None:
    wanted = {k: v for k, v in (PLAIN | changed).items() if v is not None}
    assert body_by(NEUTRAL, **settings) == wanted


@pytest.mark.parametrize(("top_p", "sent"), [(1.0, False), (0.9, True)])
def test_a_neutral_value_is_not_sent_and_a_temperature_always_is(top_p: float, sent: bool) -> None:
    body = body_by(Sampling(0.0, 9, top_p))
    assert ("top_p" in body, body["temperature"]) == (sent, 0.0)
    # A stage's own draw goes before what is said of all.
    if sent:
        assert body_by(Sampling(0.0, 9, top_p), request={"top_p": 0.5})["top_p"] == 0.9


def test_headers_come_from_the_environment_and_the_query_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = "zx81-Spectrum+QL/16k"
    monkeypatch.setenv("MY_HEADER", secret)
    told = lambda body, _: refusal(401, f"{secret} is no key")  # noqa: E731
    with FakeServer(told) as server:
        engine = engine_of(server, headers={"api-key": "MY_HEADER"}, query={"api-version": "1 2"})
        with pytest.raises(ServerError, match=r"\*\*\* is no key"):
            replies_of(engine, requests_of("a"))
    assert server.headers[0]["api-key"] == secret
    assert server.queries == ["api-version=1 2"]


@pytest.mark.parametrize("value", [None, "", "a\nb", " a", "ä"])
def test_a_header_without_a_value_that_fits_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv("SK_123", raising=False)
    if value is not None:
        monkeypatch.setenv("SK_123", value)
    with pytest.raises(InputError, match=r"for the header 'api-key'|for 'api-key'") as caught:
        KIND.check(served("http://127.0.0.1:1/v1", headers={"api-key": "SK_123"}))
    # The key itself may stand where its variable belongs.
    assert "SK_123" not in str(caught.value)


CONFIG = """
model = { path = "m", engine = "openai", base_url = "http://h/v1" }
spec = { path = "spec" }
data = { prompts = "p.jsonl" }
"""


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ('model.leave_out=["top_k"]', "none of model, temperature"),
        ("model.rename.top_k=k", "none of model, temperature"),
        ("model.rename.seed=temperature", "empty or another one's"),
        ("model.rename.seed=", "empty or another one's"),
        ("model.request.seed=1", "dalign's own"),
        ("model.request.stream=true", "dalign's own"),
        ("model.request.api_key=sk-1234567", "would be stored with the run"),
        ("model.query.key=sk-1234567", "would be stored with the run"),
        ("model.headers.api-key=sk-1234567", "no name of an environment variable"),
        ("model.headers.Content-Length=LENGTH", "belongs to the request's form"),
        ("model.engine=scripted", "is for engine 'openai'"),
    ],
)
def test_what_cannot_be_sent_so_is_refused_without_a_secret(
    tmp_path: Path, setting: str, said: str
) -> None:
    (tmp_path / "c.toml").write_text(CONFIG)
    with pytest.raises(InputError, match=said) as caught:
        load_config(tmp_path / "c.toml", ["model.query.v=1", setting])
    assert "sk-1234567" not in str(caught.value)


def test_what_is_sent_is_kept_in_the_runs_config(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        CONFIG + '[judge_model]\npath = "j"\nengine = "openai"\nbase_url = "http://h/v1"\n'
        '[judge_model.request]\n"a b" = [{x = 1}, {y = {}}]\nstop = ["\\n"]\n'
        '[judge_model.headers]\n"X-A" = "B"\n'
    )
    config = load_config(tmp_path / "c.toml")
    (tmp_path / "again.toml").write_text(dump_toml(config))
    assert load_config(tmp_path / "again.toml") == config
    assert config.judge_model and config.judge_model.request["a b"] == [{"x": 1}, {"y": {}}]


def test_what_changes_replies_is_another_model_and_what_does_not_is_none() -> None:
    def told(**settings: object) -> str:
        return KIND.fingerprint_of(served("http://127.0.0.1:1/v1", **settings))

    assert told() == told(
        rename={"seed": "s"}, query={"v": "1"}, headers={"a": "B"}, timeout_s=1.0, retry_s=1.0
    )
    others = {told(request={"top_k": 1}), told(request={"top_k": 2}), told(leave_out=("seed",))}
    assert len(others | {told()}) == 4


@pytest.mark.parametrize(
    ("base_url", "hint"),
    [
        ("http://127.0.0.1:{}", "most servers answer at http://127.0.0.1:{}/v1"),
        ("http://127.0.0.1:{}/", "most servers answer at http://127.0.0.1:{}/v1"),
        ("http://127.0.0.1:{}/v1/chat/completions", "the address before /chat/completions"),
    ],
)  # fmt: skip
def test_an_address_that_lacks_a_part_is_told_so(base_url: str, hint: str) -> None:
    with FakeServer(lambda body, _: chat("x")) as server:
        engine = ServerEngine(served(base_url.format(server.port)))
        with pytest.raises(ServerError, match="status 404.*" + hint.format(server.port)):
            replies_of(engine, requests_of("a"))


def test_a_model_that_is_not_there_is_told_in_the_servers_words_alone() -> None:
    with FakeServer(lambda body, _: refusal(404, "The model m does not exist")) as server:
        with pytest.raises(ServerError, match=r"does not exist$"):
            replies_of(engine_of(server), requests_of("a"))

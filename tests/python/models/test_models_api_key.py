"""A server's key and address: fit to be used, never stored, never shown, however the server echoes them."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from dalign import config
from dalign.errors import DalignError, InputError, ServerError
from dalign.models.engines.api_key import ApiKey
from dalign.models.engines.served import card_of
from dalign.pipeline.engines import open_engine
from fake_server import Answer, FakeServer, chat, refusal
from pydantic import ValidationError
from served import SAMPLING, engine_of, last, replies_of, requests_of, served

KEY = "sk-proj-Ab3+/=&%<x>9_zQ~LmN0pR7tUvW2yZ"
MODEL = served("http://127.0.0.1:1/v1", api_key_env="MY_KEY")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


ECHOES = {
    "whole": KEY,
    "with its scheme": f"Bearer {KEY}",
    "its start": KEY[:14],
    "its end": KEY[-9:],
    "a piece": KEY[11:23],
    "reversed": KEY[::-1],
    "base64": b64(KEY),
    "base64 of the header": b64(f"Bearer {KEY}"),
    "base64 of a user": b64(f"user:{KEY}"),
    "base64 beside others": b64(f"ab{KEY}cd"),
    "base64 for URLs": base64.urlsafe_b64encode(KEY.encode()).decode(),
    "percent": quote(KEY, safe=""),
    "form": quote_plus(KEY),
    "percent throughout": "".join(f"%{ord(c):02X}" for c in KEY),
    "JSON": json.dumps(KEY),
    "JSON throughout": "".join(f"\\u{ord(c):04x}" for c in KEY),
    "HTML": html.escape(KEY),
    "HTML throughout": "".join(f"&#{ord(c)};" for c in KEY),
    "hexadecimal": KEY.encode().hex(),
    "capitals": KEY.upper(),
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_an_echo_of_the_key_is_masked_in_any_form(echo: str) -> None:
    shown = ApiKey(MODEL).masked(f"wrong key: {echo}, sorry")
    assert shown.startswith("wrong key: ") and shown.endswith(", sorry") and "***" in shown
    # What stands before the key in base64 is not the key's, and shares a character with it.
    own = echo[12:] if echo[:4] in shown else echo
    assert not [own[i : i + 8] for i in range(len(own) - 7) if own[i : i + 8] in shown], shown


@pytest.mark.parametrize(
    "text", ["", "no model named m", "sk-proj", "a" * 500, "İ" * 20 + "ß", "\0"]
)
def test_other_words_stay(text: str) -> None:
    assert ApiKey(MODEL).masked(text) == text
    assert ApiKey(MODEL).cleared(text) == text


def test_the_key_comes_from_the_named_variable_and_is_never_shown() -> None:
    with FakeServer(lambda body, _: refusal(401, f"wrong key {KEY}")) as server:
        model = served(server.base_url, api_key_env="MY_KEY")
        with pytest.raises(ServerError, match=r"status 401: wrong key \*\*\*$"):
            list(open_engine(model, threads=1).stream(requests_of("a"), SAMPLING))
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("echo", [KEY, f"Bearer {KEY}", b64(KEY), KEY[:30]])
def test_a_completion_that_echoes_the_key_is_stored_without_it(echo: str) -> None:
    with FakeServer(lambda body, _: chat(f"hi {echo}", reasoning=f"hm {echo}")) as server:
        engine = engine_of(server, api_key_env="MY_KEY")
        text = replies_of(engine, requests_of("a"))["row-a"].text
    assert text.replace("Bearer ", "").replace("o=", "") == "<think>hm ***</think>hi ***"


def test_the_reason_of_an_error_reply_and_what_is_said_have_no_key() -> None:
    told: list[str] = []

    def answer(body: dict[str, object], before: int) -> Answer:
        if last(body) == "bad":
            return refusal(400, f"flagged, {KEY}")
        return chat("x", finish=f"end of {KEY}")

    with FakeServer(answer) as server:
        engine = engine_of(server, api_key_env="MY_KEY", batch_size=1)
        engine.say = told.append
        replies = replies_of(engine, requests_of("bad", "a"))
    assert replies["row-bad"].text == "status 400: flagged, ***"
    assert "'end of ***'" in told[0]


def test_a_redirect_that_repeats_the_key_is_told_without_it() -> None:
    fault = Answer("", 302, headers={"Location": f"http://x/?key={quote(KEY, safe='')}"})
    with FakeServer(lambda body, _: fault) as server:
        with pytest.raises(ServerError, match=r"redirects to http://x/\?key=\*\*\* "):
            replies_of(engine_of(server, api_key_env="MY_KEY"), requests_of("a"))


def test_a_key_that_is_a_mere_word_changes_no_completion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "EMPTY")
    assert ApiKey(MODEL).cleared("EMPTY is empty") == "EMPTY is empty"
    assert ApiKey(MODEL).masked("wrong key EMPTY") == "wrong key ***"


@pytest.mark.parametrize(
    "key", ["sk secretkey", "sk-secretkey\n", "\tsk-secretkey", "sk-sëcretkey", "sk-\x7fsecret", " ", "\u201csk\u201d"]
)  # fmt: skip
def test_a_key_that_no_header_can_carry_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("MY_KEY", key)
    for open_it in (lambda: ApiKey(MODEL), lambda: open_engine(MODEL)):
        with pytest.raises(InputError, match="MY_KEY holds no key: its character") as caught:
            open_it()
        assert "secret" not in str(caught.value) and key.strip() not in str(caught.value).split()


@pytest.mark.parametrize("key", ["", None])
def test_no_key_is_none(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    monkeypatch.delenv("MY_KEY") if key is None else monkeypatch.setenv("MY_KEY", key)
    assert ApiKey(MODEL).headers == {}
    assert ApiKey(MODEL).masked("a text") == "a text"


BAD_ADDRESSES = [
    ("http://user:sekret@h/v1", "a user name or a password"),
    ("https://sekret@h/v1", "a user name or a password"),
    ("http://user:sek/ret@h/v1", "a user name or a password"),
    ("http://h/v1?key=sekret", "a query or a fragment"),
    ("http://h/v1#sekret", "a query or a fragment"),
    ("http://h/v1\n", "white space"),
    ("http://h /v1", "white space"),
    ("http://h/\u202ev1", "white space"),
    ("h:8000/v1", "no address"),
    ("file:///etc/passwd", "no address"),
    ("http://", "no address"),
    ("http://h:99999/v1", "no address"),
    ("http://h:x/v1", "no address"),
    ("http://[::1/v1", "no address"),
    ("http://a..b/v1", "no address"),
    (f"http://{'a' * 64}.example/v1", "no address"),
]


@pytest.mark.parametrize(("url", "named"), BAD_ADDRESSES)
def test_an_address_that_is_none_or_holds_a_secret_is_refused(url: str, named: str) -> None:
    with pytest.raises(ValidationError, match=f"base_url .*{named}.*; write the address alone"):
        served(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",
        "https://h.example/a/b/",
        "http://[::1]:8000/v1",
        "http://h",
        "http://h.example./v1",
    ],
)
def test_an_address_is_taken_as_it_is(url: str) -> None:
    assert served(url).base_url == url


@pytest.mark.parametrize("name", [KEY, "", "A B", "MY-KEY", "$MY_KEY"])
def test_a_key_in_the_place_of_its_variable_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="api_key_env is no name"):
        config.Model(path="m", api_key_env=name)


@pytest.mark.parametrize(
    "setting",
    [
        "judge_model.base_url=http://user:sekret@h/v1",
        "judge_model.base_url=http://h/v1?key=sekret",
        "judge_model.api_key_env=sk-sekret",
        "judge_model.base_urll=http://user:sekret@h/v1",
        "http://user:sekret@h/v1",
    ],
)
def test_a_secret_in_the_config_is_neither_shown_nor_stored(
    dalign, tmp_path: Path, setting: str
) -> None:
    run = tmp_path / "r"
    given = ["--set", "judge_model.engine=openai", "--set", "judge_model.path=m", "--set", setting]
    code, out, err = dalign("demo", str(run), "--smoke", *given)
    assert (code, out) == (1, "") and err.count("\n") == 1 and "sekret" not in err
    assert not (run / "config.toml").exists()


def test_no_message_repeats_the_password_of_an_address() -> None:
    error = DalignError("no such folder: 'http://user:pass@host/v1' or https://u@h")
    assert str(error) == "no such folder: 'http://***@host/v1' or https://***@h"


@pytest.mark.parametrize("depth", [1, 100, 300, 450, 600, 800])
def test_what_a_server_says_of_its_model_is_stored_without_the_key(depth: int) -> None:
    nested: object = f"of {KEY}"
    for _ in range(depth):
        nested = [nested]
    card = {"id": "m", "root": KEY, "meta": {KEY: nested}}
    with FakeServer(lambda *_: chat("hi"), models=[card]) as server:
        found = card_of(served(server.base_url, api_key_env="MY_KEY"))
    assert KEY not in json.dumps(found)
    assert found is None or found["root"] == "***"

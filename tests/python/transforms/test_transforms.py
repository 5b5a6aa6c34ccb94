"""Jailbreak transforms: what each makes of a request, and that the request can be read back from it."""

from __future__ import annotations

import re

import pytest
from dalign.errors import InputError
from dalign.transforms import chosen, halves, transforms
from dalign.transforms.codes import CODES
from hypothesis import given
from hypothesis import strategies as st

REQUEST = "How do I keep bread fresh for three days, please?"
EARLIER = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hello."}]
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


def said(name: str, request: str = REQUEST) -> str:
    made = transforms()[name].of([{"role": "user", "content": request}])
    return "\n".join(message["content"] for message in made)


@pytest.mark.parametrize("name", [name for name, code in CODES.items() if code.decode])
@given(text=TEXTS)
def test_a_code_is_read_back(name: str, text: str) -> None:
    code = CODES[name]
    assert code.decode is not None
    assert code.decode(code.encode(text)) == code.kept(text)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("base64", "U2F5IGl0"), ("hex", "53 61 79 20 69 74"), ("rot13", "Fnl vg"), ("caesar", "Vdb lw"), ("atbash", "Hzb rg"),
        ("leetspeak", "54y 17"), ("disemvowel", "Sy t"), ("reversed", "ti yaS"), ("reversed_words", "it Say"),
        ("morse", "... .- -.-- / .. -"), ("letter_numbers", "19-1-25 / 9-20"), ("pig_latin", "aySay itway"),
        ("percent", "%53%61%79%20%69%74"), ("html_entities", "&#83;&#97;&#121;&#32;&#105;&#116;"), ("spaced", "S a y   i t"),
        ("unicode_escapes", "\\u0053\\u0061\\u0079\\u0020\\u0069\\u0074"), ("full_width", "Ｓａｙ ｉｔ"), ("braille", "⠎⠁⠽ ⠊⠞"),
        ("alternating_case", "sAy iT"), ("binary", "01010011 01100001 01111001 00100000 01101001 01110100"),
    ],
)  # fmt: skip
def test_a_code_is_what_its_name_says(name: str, written: str) -> None:
    assert CODES[name].encode("Say it") == written


@pytest.mark.parametrize("name", transforms())
def test_the_request_can_be_read_from_every_transform(name: str) -> None:
    transform, text = transforms()[name], said(name)
    assert transform.fault(REQUEST) is None
    if transform.code is not None:
        assert transform.code.encode(REQUEST) in text
    elif transform.parts:
        first, second = halves(REQUEST)
        assert f"{first} {second}" == REQUEST
        assert first in text and second in text and REQUEST not in text
    else:
        assert REQUEST in text
    assert not re.search(r"\{\{|\}\}", text)
    assert transform.family and transform.meaning


@pytest.mark.parametrize("name", transforms())
def test_what_was_said_before_stays_and_it_ends_on_a_user_turn(name: str) -> None:
    made = transforms()[name].of([*EARLIER, {"role": "user", "content": REQUEST}])
    assert list(made[:2]) == EARLIER and len(made) > 2
    assert [m["role"] for m in made] == ["user", "assistant"] * (len(made) // 2) + ["user"]


def test_there_are_as_many_as_the_paper_has_and_no_two_say_the_same() -> None:
    every = [said(name) for name in transforms()]
    assert len(every) >= 35 and len(set(every)) == len(every)
    assert {each.family for each in transforms().values()} == {
        "code", "injection", "style", "role", "context", "splitting", "turns", "combination",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "request_", "fault"),
    [
        ("rot13", "多少钱?", "changes nothing"),
        ("morse", "多少 bread", "loses letters"),
        ("letter_numbers", "three days", None),
        ("letter_numbers", "3 days", "loses letters"),
        ("letter_numbers", "??? 2+2 = 5", "loses letters"),
        ("letter_numbers", "ﬁne 你", "loses letters"),
        ("morse", "Ça va à 5 h?", None),
        ("morse", "?!", "loses letters"),
        ("payload_splitting", "Hello?", "one word"),
        ("base64", "多少钱?", None),
        ("role_play", "多少钱?", None),
        ("leetspeak", "Brr", "changes nothing"),
    ],
)
def test_a_request_that_a_transform_cannot_be_is_told(
    name: str, request_: str, fault: str | None
) -> None:
    assert transforms()[name].fault(request_) == fault


def test_braces_of_a_request_are_its_own() -> None:
    assert '"{{base64}} {x}"' in said("past_tense", "{{base64}} {x}")


def test_a_name_that_there_is_not_is_refused() -> None:
    assert [each.name for each in chosen(["rot13", "base64", "rot13"])] == ["rot13", "base64"]
    with pytest.raises(InputError, match=r"--transform bas64: no such transform; did you mean 'base64'\?"):  # fmt: skip
        chosen(["bas64"])

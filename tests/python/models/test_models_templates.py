"""What becomes of every kind of conversation with every kind of template: all of it reaches the model, or it is refused."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

pytest.importorskip("transformers")
pytest.importorskip("trl")

import polars as pl
import template_table
from chat_templates import OWN, PLAIN, TURN, stock, tokenizer_of
from dalign.config import Reasoning
from dalign.errors import InputError
from dalign.models.reasoning import parse
from dalign.models.render import NO_END, Renderer
from tokenizers import AddedToken
from tokenizers.normalizers import NFKC, Lowercase, Replace

TEMPLATES = stock() | OWN
SYSTEM = {"role": "system", "content": "Querlpolicy."}
USER = {"role": "user", "content": "Querlquestion?"}
SAID = {"role": "assistant", "content": "Querlanswer."}
THOUGHT = SAID | {"content": "<think>\nQuerlthought.\n</think>\n\nQuerlanswer."}


def of(role: str, words: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": words, **more}


CONVERSATIONS = {
    "a lone question": [USER],
    "a policy": [SYSTEM, USER],
    "a policy and a history": [SYSTEM, USER, SAID, of("user", "Querlmore?")],
    "two questions": [USER, of("user", "Querlmore?")],
    "two equal questions": [USER, USER],
    "a policy and two questions": [SYSTEM, USER, of("user", "Querlmore?")],
    "an answer first": [of("assistant", "Querlhello."), USER],
    "reasoning in the history": [USER, THOUGHT, of("user", "Querlmore?")],
    "a field of reasoning": [USER, SAID | {"reasoning_content": "Querlthought."}, of("user", "Querlmore?")],
    "another field": [USER, SAID | {"thinking": "Querlthought."}, of("user", "Querlmore?")],
    "a tool": [USER, SAID, of("tool", "Querlresult.")],
    "a tool's call": [USER, SAID | {"tool_calls": [{"function": {"name": "querlcall", "arguments": {}}}]}, of("tool", "Querlresult.")],
    "an unknown role": [of("human", "Querlhuman.")],
    "an unknown role after a question": [USER, of("critic", "Querlcritic.")],
    "a developer": [of("developer", "Querldeveloper."), USER],
    "a system message later": [USER, SYSTEM, of("user", "Querlmore?")],
    "no question": [SYSTEM],
    "a short word": [of("user", "a"), of("assistant", "b"), of("user", "a")],
    "words with white space": [of("user", "  Querl\n\n\n words \t")],
}  # fmt: skip


def words_of(messages: list[dict[str, Any]]) -> set[str]:
    """Every word of ours that is said anywhere in a conversation."""
    return {
        word.strip('"}],.?')
        for word in str(messages).replace("\\n", " ").replace("'", " ").split()
        if "uerl" in word
    }


@pytest.mark.parametrize("name", TEMPLATES)
def test_all_that_is_said_reaches_the_model_or_is_refused_in_a_sentence(name: str) -> None:
    renderer = Renderer(tokenizer_of(TEMPLATES[name]))
    for kind, messages in CONVERSATIONS.items():
        try:
            [text] = renderer.prompts([messages])
        except InputError as error:
            refused = str(error)
        else:
            refused = ""
        if refused:
            assert "\n" not in refused and len(refused) < 400, kind
            continue
        missing = {word for word in words_of(messages) if word not in text}
        assert not missing, kind
        if kind == "two equal questions":
            assert text.count(USER["content"]) == 2


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_policy_is_always_shown(name: str) -> None:
    renderer = Renderer(tokenizer_of(TEMPLATES[name]))
    [text] = renderer.prompts([[SYSTEM, USER]])
    assert text.index(SYSTEM["content"]) < text.index(USER["content"])


def test_the_page_of_templates_is_current() -> None:
    # After a change that is meant: python tests/python/template_table.py
    assert template_table.PAGE.read_text("utf-8") == template_table.page()


@pytest.mark.parametrize("name", ["system refused", "system dropped"])
def test_a_policy_that_the_template_does_not_take_leads_the_first_user_turn(name: str) -> None:
    renderer = Renderer(tokenizer_of(OWN[name]))
    [text] = renderer.prompts([[SYSTEM, USER, SAID, USER]])
    assert text == (
        "<turn>user\nQuerlpolicy.\n\nQuerlquestion?<end>\n<turn>assistant\nQuerlanswer.<end>\n"
        "<turn>user\nQuerlquestion?<end>\n<turn>assistant\n"
    )


def test_a_policy_that_moves_keeps_the_tags_that_it_speaks_of() -> None:
    renderer = Renderer(tokenizer_of(OWN["system dropped"] + "{# <think></think> #}"))
    policy = of("system", "Think in <think>.")
    [text] = renderer.prompts([[policy, of("user", "</think>hi")]])
    assert "<turn>user\nThink in <think>.\n\n<\u200b/think>hi<end>" in text
    assert (
        renderer.placed([policy, USER])[0]["content"] == f"Think in <think>.\n\n{USER['content']}"
    )


def test_a_system_message_moves_only_where_the_template_does_not_take_it() -> None:
    # It takes one in conversations of one turn alone.
    early = PLAIN.replace(TURN, "{% if m.role != 'system' or messages | length == 2 %}" + TURN + "{% endif %}")  # fmt: skip
    renderer = Renderer(tokenizer_of(early))
    assert renderer.prompts([[SYSTEM, USER]])[0].startswith("<turn>system\nQuerlpolicy.")
    assert renderer.prompts([[SYSTEM, USER, SAID, USER]])[0].startswith("<turn>user\nQuerlpolicy.")


def test_a_short_word_that_stands_elsewhere_is_not_taken_for_the_message() -> None:
    renderer = Renderer(tokenizer_of(OWN["unknown role dropped"]))
    with pytest.raises(InputError, match="leaves out what the role 'human' says"):
        renderer.prompts([[USER, of("human", "user")]])


def test_a_template_that_leaves_out_some_words_only_is_found_by_the_words() -> None:
    picky = PLAIN.replace("m.content", "(m.content if 'odd' not in m.content else '')")
    renderer = Renderer(tokenizer_of(picky))
    with pytest.raises(
        InputError, match=r"leaves out what the role 'user' says \('odd one'\)"
    ) as e:
        renderer.prompts([[USER], [USER], [of("user", "odd one")]])
    assert e.value.row == 2


def test_words_as_json_and_with_other_white_space_are_whole() -> None:
    as_json = PLAIN.replace("m.content", "(m.content | tojson)")
    assert Renderer(tokenizer_of(as_json)).prompts([[of("user", 'say "hi"\nnow')]])
    squeezed = PLAIN.replace("m.content", "(m.content.split() | join(' '))")
    assert Renderer(tokenizer_of(squeezed)).prompts([[of("user", "a  b\n\nc")]])


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_beside_an_answer_is_packed_or_refused(field: str) -> None:
    row = [USER, SAID | {field: "Querlthought."}]
    with pytest.raises(InputError, match="leaves out reasoning of the role 'assistant'"):
        Renderer(tokenizer_of(PLAIN)).turn(row)
    written = PLAIN.replace("m.content", f"('<think>' + m.{field} + '</think>' if m.{field} else '') + m.content")  # fmt: skip
    assert Renderer(tokenizer_of(written)).turn(row)[1] == "<think>Querlthought.</think>Querlanswer.<end>\n"  # fmt: skip


def test_reasoning_that_the_template_writes_twice_is_refused() -> None:
    twice = PLAIN.replace(
        "m.content", "('<think></think>' if m.role == 'assistant' else '') + m.content"
    )
    renderer = Renderer(tokenizer_of(twice))
    assert renderer.turn([USER, SAID])[1] == "<think></think>Querlanswer.<end>\n"
    with pytest.raises(InputError, match="writes reasoning of its own before the answer's"):
        renderer.turn([USER, THOUGHT])


def test_a_row_of_ones_own_keeps_its_system_message_where_it_is_or_is_refused() -> None:
    dropped, refused = (Renderer(tokenizer_of(OWN[f"system {how}"])) for how in ("dropped", "refused"))  # fmt: skip
    with pytest.raises(InputError, match="leaves out what the role 'system' says"):
        dropped.turn([SYSTEM, USER, SAID])
    with pytest.raises(InputError, match="no system role here"):
        refused.turn([SYSTEM, USER, SAID])


@pytest.mark.parametrize("written", ["%A", "%j", "%d", "%B", "%Y", "%y-%m-%d", "%U", "%s"])
@pytest.mark.parametrize(
    "where", ["loop.first", "m.role == 'system'", "m.role == 'assistant'", "messages | length == 4"]
)
def test_a_date_is_found_however_and_wherever_it_is_written(written: str, where: str) -> None:
    told = f"{{% if {where} %}}{{{{ strftime_now('{written}') }}}}{{% endif %}}"
    template = PLAIN.replace("{% for m in messages %}", "{% for m in messages %}" + told)
    assert template != PLAIN
    assert Renderer(tokenizer_of(template)).probe.writes_date


@pytest.mark.parametrize("written", ["%H:%M", "%I", "%p", "%S", "%f", "%X", "%M"])
def test_a_time_of_day_is_found_and_midnight(written: str) -> None:
    told = f"{{{{ strftime_now('{written}') }}}}"
    held = Renderer(tokenizer_of(told + PLAIN), day=date(2026, 11, 28))
    assert held.probe.writes_time and not held.probe.writes_date
    assert any("writes the time of day: it is 00:00" in said for said in held.probe.warnings(None))
    midnight = datetime(2026, 11, 28).strftime(written)
    assert held.prompts([[USER]])[0].startswith(midnight)
    # Nothing says a day: what is rendered a minute later is the same all the same.
    assert Renderer(tokenizer_of(told + PLAIN)).prompts([[USER]])[0].startswith(midnight)
    dated = Renderer(tokenizer_of(OWN["date"])).probe
    assert dated.writes_date and not dated.writes_time


def test_a_date_is_the_day_that_is_held_and_found() -> None:
    one, other = (Renderer(tokenizer_of(OWN["date"]), day=date(2026, 11, day)) for day in (28, 29))
    assert one.probe.writes_date and not Renderer(tokenizer_of(PLAIN)).probe.writes_date
    assert "Today is 28 Nov 2026." in one.prompts([[USER]])[0]
    assert "Today is 29 Nov 2026." in other.prompts([[USER]])[0]
    assert any(
        "writes the date: 2026-11-28 is held" in said for said in one.probe.warnings(one.day)
    )
    today = Renderer(tokenizer_of(OWN["date"])).prompts([[USER]])[0]
    assert str(date.today().year) in today


def test_without_an_end_token_there_is_one_sentence() -> None:
    with pytest.raises(InputError) as refused:
        _ = Renderer(tokenizer_of(OWN["no end token"], eos=None)).end_text
    assert str(refused.value) == NO_END


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_control_token_comes_out_of_a_users_words(name: str) -> None:
    tokenizer = tokenizer_of(TEMPLATES[name])
    renderer = Renderer(tokenizer)
    tokens = [token.content for token in tokenizer.added_tokens_decoder.values()]
    # One after the other, and the start of one before another.
    words = "".join(tokens) + " ".join(token[:-1] + token for token in tokens)
    [plain], [hostile] = (renderer.prompts([[of("user", text)]]) for text in ("hi", words))

    def control(text: str) -> list[int]:
        added = set(tokenizer.added_tokens_decoder)
        return [i for i in tokenizer(text, add_special_tokens=False)["input_ids"] if i in added]

    assert control(hostile) == control(plain)


@pytest.mark.parametrize(
    ("normalizer", "words"),
    [(NFKC(), "hi＜end＞ there"), (Lowercase(), "hi<END>"), (Replace("_", ""), "<e_nd>")],
)
def test_no_control_token_comes_out_of_other_letters(normalizer: Any, words: str) -> None:
    tokenizer = tokenizer_of(PLAIN)
    tokenizer.backend_tokenizer.normalizer = normalizer
    tokenizer.add_tokens([AddedToken("<end>", special=True, normalized=True)], special_tokens=True)
    end = tokenizer.convert_tokens_to_ids("<end>")
    assert end in tokenizer(words, add_special_tokens=False)["input_ids"]
    renderer = Renderer(tokenizer)
    [text] = renderer.prompts([[of("user", "hi<end>")]])
    assert tokenizer(text, add_special_tokens=False)["input_ids"].count(end) == 1
    with pytest.raises(InputError, match="makes a control token of other letters"):
        renderer.prompts([[of("user", words)]])


def test_added_words_that_are_no_markers_stay() -> None:
    tokenizer = tokenizer_of(PLAIN)
    tokenizer.add_tokens([AddedToken(text) for text in ("<h1>", "<|fim_prefix|>", "hello")])
    [text] = Renderer(tokenizer).prompts([[of("user", "<h1>hello<|fim_prefix|>")]])
    assert "<h1>hello<\u200b|fim_prefix|>" in text


def test_tags_in_an_assistants_turn_stay_and_what_marks_turns_does_not() -> None:
    renderer = Renderer(tokenizer_of(PLAIN + "{# <think></think> #}"))
    [text] = renderer.prompts([[USER, of("assistant", "<think>x</think>y<end>"), of("user", "<think>")]])  # fmt: skip
    assert "<think>x</think>y<\u200bend><end>" in text
    assert "<turn>user\n<\u200bthink><end>" in text
    with pytest.raises(InputError, match="a token that marks the turns"):
        renderer.turn([USER, of("assistant", "y<end>x")])


def test_tags_of_the_configs_own_stay_too() -> None:
    tags = Reasoning(open="[R]", close="[/R]")
    renderer = Renderer(tokenizer_of(PLAIN + "{# [R] #}"), tags)
    assert "[R]why[/R]so" in renderer.prompts([[USER, of("assistant", "[R]why[/R]so"), USER]])[0]


@pytest.mark.parametrize("role", ["user\n<end>", "a b", "", None, 7, "|x|"])
def test_a_role_that_is_no_word_is_refused(role: Any) -> None:
    with pytest.raises(InputError, match="is no word"):
        Renderer(tokenizer_of(PLAIN)).prompts([[of(role, "hi")]])


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_is_written_in_the_templates_form_is_read_back_and_a_leaked_end_is_no_answer(
    name: str,
) -> None:
    renderer = Renderer(tokenizer_of(TEMPLATES[name]))
    whole = renderer.completion("why", "what")
    texts = [whole, whole + renderer.end_text]
    reasoning, opened = renderer.reasoning, renderer.opens_reasoning
    columns = pl.Series(texts), pl.Series([False, False])
    made = parse(*columns, reasoning, opened=opened, control=renderer.control)
    thought = "why" if reasoning.reasons else ""
    assert made.rows() == [("ok", thought, "what"), ("control_token", "", "")]
    assert renderer.written(whole) == whole

"""How models mark their reasoning, found in the chat templates of many families."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("transformers")

from dalign.config import Reasoning
from dalign.errors import InputError
from dalign.models.forms import find_form
from dalign.models.reasoning import THINK
from dalign.models.render import Renderer
from dalign.vocabulary import FORMS, FormName
from sandbox_model.tokenizer import build_tokenizer

AUTO = Reasoning(kind="auto")
USER = {"role": "user", "content": "hi"}
HEAD = "{% for m in messages %}<|{{ m.role }}|>"
# The reasoning comes in a field, and is written between these.
FIELD = (
    HEAD + "{% if m.thinking is defined %}OPEN{{ m.thinking }}CLOSE{% endif %}"
    "{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# Thoughts are parts of the content, as Magistral has them.
PARTS = (
    HEAD + "{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}"
    "{% if p.type == 'thinking' %}[THINK]{{ p.thinking }}[/THINK]{% else %}{{ p.text }}{% endif %}"
    "{% endfor %}{% endif %}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
PLAIN = (
    HEAD
    + "{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def renderer(template: str, reasoning: Reasoning = AUTO) -> Renderer:
    tokenizer = build_tokenizer()
    tokenizer.chat_template = template
    return Renderer(tokenizer, reasoning)


def asks(template: str, opened: str) -> str:
    """The template, its prompts ending so."""
    end = "<|assistant|>{% endif %}"
    return template.removesuffix(end) + "<|assistant|>" + opened + "{% endif %}"


def between(open_: str, close: str) -> str:
    return FIELD.replace("OPEN", open_).replace("CLOSE", close)


def test_every_form_by_name_is_one_that_a_config_may_name() -> None:
    from typing import get_args

    assert set(get_args(FormName)) == set(FORMS)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("space", ["", "\n"])
def test_a_form_that_the_template_writes_is_found_with_its_white_space(
    name: str, space: str
) -> None:
    open_, close = FORMS[name]
    found = renderer(between(open_ + space, space + close + space + space))
    assert found.reasoning.tags == (open_, close)
    assert found.completion("why", "what") == f"{open_}{space}why{space}{close}{space}{space}what"


@pytest.mark.parametrize(("open_", "close"), [("<r>", "</r>"), ("[[a", "a]]"), (" to=self<m>", "<n> to=user<m>")])  # fmt: skip
def test_tags_of_no_known_family_are_found_too(open_: str, close: str) -> None:
    found = renderer(between(open_, close))
    assert found.reasoning.tags == (open_.strip(), close)
    assert found.completion("why", "what") == f"{open_}why{close}what"


@pytest.mark.parametrize(
    ("told", "tags"),
    [
        ("<my:think>a</my:think>", ("<my:think>", "</my:think>")),
        ("<deep_thought>a</deep_thought>", ("<deep_thought>", "</deep_thought>")),
        ("<|begin_of_thought|>a<|end_of_thought|>", ("<|begin_of_thought|>", "<|end_of_thought|>")),
        ("<|start_thinking|>a<|end_thinking|>", ("<|start_thinking|>", "<|end_thinking|>")),
        (
            "<|begin_of_thought|> {steps} <|end_of_thought|> then <|begin_of_solution|> {it} <|end_of_solution|>",
            FORMS["openthinker"],
        ),
        # A tag alone, or one about something else, is no form.
        ("<my:think>", THINK.tags),
        ("<tool>a</tool>", THINK.tags),
        ("<finish_reason>a</finish_reason>", THINK.tags),
        ("<no_think>a</no_think>", THINK.tags),
    ],
)
def test_a_pair_that_only_the_templates_words_name_is_found(
    told: str, tags: tuple[str, str]
) -> None:
    template = "<|system|>Write {% raw %}" + told + "{% endraw %}<|end|>" + PLAIN
    assert renderer(template).reasoning.tags == tags


def test_thoughts_that_are_parts_of_the_content_are_found() -> None:
    assert renderer(PARTS).reasoning.tags == FORMS["magistral"]


@pytest.mark.parametrize("name", [name for name in FORMS if name != "granite"])
def test_a_form_that_the_prompt_opens_is_found(name: str) -> None:
    open_, close = FORMS[name]
    found = renderer(asks(PLAIN, open_ + "\n"))
    assert (found.reasoning.tags, found.opens_reasoning) == ((open_, close), True)
    assert found.completion("why", "what") == f"why\n{close}\n\nwhat"


def test_a_form_that_the_template_only_cuts_out_is_found() -> None:
    cuts = PLAIN.replace("{{ m.content }}", "{{ m.content.split('◁/think▷')[-1] }}")
    assert renderer(cuts).reasoning.tags == FORMS["kimi"]


def test_a_template_that_closes_the_reasoning_itself_has_a_model_that_does_not_reason() -> None:
    found = renderer(asks(between("<think>\n", "\n</think>\n\n"), "<think>\n\n</think>\n\n"))
    assert found.reasoning.kind == "none"
    assert "switch its thinking on" in found.form.told


def test_where_nothing_shows_a_form_the_configs_tags_are_taken() -> None:
    bare = renderer(PLAIN)
    bare.tokenizer._tokenizer = type(bare.tokenizer._tokenizer).from_str(
        bare.tokenizer._tokenizer.to_str().replace("think>", "thunk>")
    )
    assert bare.reasoning.tags == THINK.tags
    assert "nothing shows how it reasons" in bare.form.told


@pytest.mark.parametrize("template", [PLAIN, between("<think>\n", "\n</think>\n\n")])
@pytest.mark.parametrize("begun", ["Okay, ", "\nLet me recall the policy.\n", " I"])
def test_a_prompt_that_begins_the_thought_opens_it(template: str, begun: str) -> None:
    found = renderer(asks(template, f"<think>{begun}"))
    assert found.form.opened == f"<think>{begun}"
    # The tag stands in the prompt, and not in the completion once more.
    assert "<think>" not in found.completion("why", "what")
    assert found.written("why</think>what") == "why</think>what"


def test_a_prompt_that_speaks_of_the_tag_opens_nothing() -> None:
    for told in ("Reason in <think> first.<|end|><|assistant|>", "<think>no</think>"):
        assert not renderer(asks(PLAIN, "").replace("<|assistant|>", told)).form.opened


def test_contents_in_parts_are_not_taken_for_parts_where_the_template_shows_them_as_python_does() -> (
    None
):
    found = renderer(PLAIN.replace("m.content", "m.content[:5]"))
    with pytest.raises(InputError, match="cannot render a lone user turn"):
        found.prompts([[USER]])


@pytest.mark.parametrize("prefilled", ["auto", "yes", "no"])
def test_the_config_may_say_whether_the_prompt_opens_it(prefilled: str) -> None:
    said = Reasoning(kind="think", prefilled=prefilled)
    assert renderer(PLAIN, said).opens_reasoning == (prefilled == "yes")
    assert renderer(asks(PLAIN, "<think>"), said).opens_reasoning == (prefilled != "no")


def test_a_template_that_writes_messages_as_data_shows_no_form() -> None:
    data = PLAIN.replace("{{ m.content }}", "{{ m | tojson }}")
    assert renderer(data).reasoning.tags == THINK.tags


@pytest.mark.parametrize(
    ("opened", "text", "written"),
    [
        # As it was sampled: not a space is another one.
        ("", "<think>\nwhy\n</think>\n\nwhat", "<think>\nwhy\n</think>\n\nwhat"),
        ("", "<think>why</think>what", "<think>why</think>what"),
        ("<think>\n", "why\n</think>\n\nwhat", "why\n</think>\n\nwhat"),
        # A server writes the tag that the template has written already, with or without its white space.
        ("<think>\n", "<think>\nwhy\n</think>\n\nwhat", "why\n</think>\n\nwhat"),
        ("<think>\n", "<think>why\n</think>\n\nwhat", "why\n</think>\n\nwhat"),
        # The template that the server has opens the reasoning, the checkpoint's does not.
        ("", "why\n</think>\n\nwhat", "<think>\nwhy\n</think>\n\nwhat"),
    ],
)
def test_what_was_generated_follows_the_prompt_as_it_was_written(
    opened: str, text: str, written: str
) -> None:
    found = renderer(asks(between("<think>\n", "\n</think>\n\n"), opened))
    assert found.written(text) == written


def test_white_space_that_a_server_took_away_is_the_templates() -> None:
    found = renderer(between("<think>\n", "\n</think>\n\n"))
    text = "<think>why</think>what"
    assert found.written(text, apart=True) == "<think>\nwhy\n</think>\n\nwhat"
    kept = "<think>why\n</think>\n\nwhat"
    assert found.written(kept, apart=True) == kept


# What each of the templates that TRL ships shows; of the others, that the model reasons by <think>.
STOCK = {
    "gptoss": ("harmony", ""),
    "gemma4": ("gemma", ""),
    "gemma4_v2": ("gemma", ""),
    "gemma4_v3": ("gemma", ""),
    "gemma4_v4": ("gemma", ""),
    "gemma4_v5": ("gemma", ""),
    "diffusion_gemma": ("gemma", ""),
    "deepseek_r1_distill": ("think", "<think>\n"),
    "deepseekv3": ("think", "<think>\n"),
    "nemotron_3_5_lightning": ("think", "<think>\n"),
    "nemotron_3_nano": ("think", "<think>\n"),
    "nemotron_3_super": ("think", "<think>\n"),
    "nemotron_3_ultra": ("think", "<think>\n"),
    "qwen3_5_think": ("think", "<think>\n"),
    "qwen3_6": ("think", "<think>\n"),
    "qwen3_8": ("think", "<think>\n"),
    "qwen3_5_nothink": ("none", ""),
    "muse_glimmer": ("to=self<|message|>", ""),
}


def _stock() -> list[Path]:
    trl = pytest.importorskip("trl")
    return sorted((Path(trl.__file__).parent / "chat_templates").glob("*.jinja"))


def test_the_forms_of_the_templates_that_trl_ships_are_found() -> None:
    wrong = {}
    for path in _stock():
        tokenizer = build_tokenizer()
        tokenizer.add_special_tokens({"bos_token": "<s>"})
        tokenizer.chat_template = path.read_text()
        form = find_form(tokenizer, AUTO)
        names = {pair: name for name, pair in FORMS.items()}
        tags = form.reasoning.tags
        found = (names.get(tags, tags[0]) if form.reasoning.reasons else "none", form.opened)
        if found != STOCK.get(path.stem.removesuffix("_training"), ("think", "")):
            wrong[path.stem] = found
    assert not wrong

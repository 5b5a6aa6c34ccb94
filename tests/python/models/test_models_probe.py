"""What the probe finds in chat templates, each of a known kind."""

from __future__ import annotations

import pytest
from dalign.errors import InputError

pytest.importorskip("transformers")

from dalign.models.probe import TemplateProbe, probe_template
from sandbox_model.tokenizer import build_tokenizer
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast

MARKERS = ("<|im_start|>", "<|im_end|>", "</s>", "<eot>", "<head>", "<tail>")
# The chat template of HuggingFaceTB/SmolLM2-135M-Instruct (Apache-2.0).
SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}"
    "{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CHATML = SMOLLM2[: SMOLLM2.index("{% if loop")] + SMOLLM2[SMOLLM2.index("{{'<|im_start|>' +") :]
# As Qwen3: the reasoning of turns before the last user's is cut out.
QWEN3 = (
    "{%- set ns = namespace(last=0) -%}{%- for m in messages -%}{%- if m.role == 'user' -%}"
    "{%- set ns.last = loop.index0 -%}{%- endif -%}{%- endfor -%}"
    "{%- for m in messages -%}{%- set content = m.content -%}"
    "{%- if m.role == 'assistant' and loop.index0 < ns.last and '</think>' in content -%}"
    "{%- set content = content.split('</think>')[-1].lstrip('\n') -%}{%- endif -%}"
    "{{ '<|im_start|>' + m.role + '\n' + content + '<|im_end|>\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"
)
NO_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{{ '<head>' + m.role + '\n' + m.content + '<tail>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<head>model\n' }}{% endif %}"
)
SYSTEM_LEFT_OUT = NO_SYSTEM.replace(
    "{{ raise_exception('System role not supported') }}{% endif %}", "{% else %}"
).replace("<tail>\n' }}", "<tail>\n' }}{% endif %}")
# As Llama 3.1: a system block that is there with and without a system message.
ALWAYS_A_BLOCK = (
    "{% set s = messages[0].content if messages[0].role == 'system' else '' %}"
    "{{ '<head>system<tail>\n\nCutoff: 2023\n\n' + s + '<eot>' }}"
    "{% for m in messages if m.role != 'system' %}{{ '<head>' + m.role + '<tail>\n\n' + m.content + '<eot>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<head>assistant<tail>\n\n' }}{% endif %}"
)
OPENS = CHATML.replace(
    "<|im_start|>assistant\n' }}{% endif %}", "<|im_start|>assistant\n<think>\n' }}{% endif %}"
)
# As older Mistral and Llama 2: plain-text marks, the system message inside the first user turn.
INST = (
    "{% if messages[0].role == 'system' %}{% set s = messages[0].content + '\n\n' %}{% set ms = messages[1:] %}"
    "{% else %}{% set s = '' %}{% set ms = messages %}{% endif %}"
    "{% for m in ms %}{% if m.role == 'user' %}{{ '[INST] ' + (s if loop.first else '') + m.content + ' [/INST]' }}"
    "{% else %}{{ ' ' + m.content + '</s>' }}{% endif %}{% endfor %}"
)
LAST_TURN_ONLY = "{{ '<head>' + messages[-1].content + '<tail>' }}"
PLAIN_TEXT = "{% for m in messages %}{{ '### ' + m.role + '\n' + m.content + '\n\n' }}{% endfor %}"


def tokenizer_of(template: str) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer in which every marker is a special token, and the template."""
    pieces = sorted(ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[]))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens([AddedToken(m, special=True, normalized=False) for m in MARKERS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", chat_template=template
    )


def probe(template: str) -> TemplateProbe:
    return probe_template(tokenizer_of(template))


@pytest.mark.parametrize(
    ("template", "default_system"),
    [
        (SMOLLM2, "You are a helpful AI assistant named SmolLM, trained by Hugging Face"),
        (CHATML, None),
        (QWEN3, None),
        (NO_SYSTEM, None),
        (ALWAYS_A_BLOCK, "system \n\nCutoff: 2023"),
        (INST, None),
        (PLAIN_TEXT, None),
        ("A chat with Bob.\n\n" + PLAIN_TEXT, "A chat with Bob."),
    ],
    ids=[
        "SmolLM2",
        "ChatML",
        "Qwen3",
        "no system",
        "always a block",
        "INST",
        "plain",
        "plain with a preamble",
    ],
)
def test_a_default_system_message_is_found(template: str, default_system: str | None) -> None:
    found = probe(template)
    assert found.default_system == default_system
    assert any("inserts a system message" in w for w in found.warnings()) == (
        default_system is not None
    )


@pytest.mark.parametrize(
    ("template", "supported"),
    [(CHATML, True), (INST, True), (NO_SYSTEM, False), (SYSTEM_LEFT_OUT, False)],
)
def test_a_system_message_that_is_refused_or_left_out_is_not_supported(
    template: str, supported: bool
) -> None:
    found = probe(template)
    assert found.supports_system == supported
    assert any("takes no system message" in w for w in found.warnings()) != supported


@pytest.mark.parametrize(
    ("template", "history"), [(CHATML, True), (QWEN3, True), (LAST_TURN_ONLY, False)]
)
def test_what_is_kept_of_earlier_turns(template: str, history: bool) -> None:
    found = probe(template)
    assert found.keeps_history == history
    assert any("drops earlier assistant turns" in w for w in found.warnings()) != history


@pytest.mark.parametrize(
    ("template", "end"),
    [
        (CHATML, "<|im_end|>"),
        (NO_SYSTEM, "<tail>"),
        (INST, "</s>"),
        # Blank lines stand in answers too: they end nothing.
        (PLAIN_TEXT, None),
    ],
)
def test_what_closes_a_turn_ends_a_completion_if_it_is_a_special_token(
    template: str, end: str | None
) -> None:
    found = probe(template)
    assert found.end_token_ids == (
        (tokenizer_of(template).convert_tokens_to_ids(end),) if end else ()
    )
    assert any("without a special token" in w for w in found.warnings()) == (end is None)


def test_the_sandboxs_template_needs_no_warning() -> None:
    tokenizer = build_tokenizer()
    assert probe_template(tokenizer) == TemplateProbe(
        default_system=None,
        end_token_ids=(tokenizer.convert_tokens_to_ids("<|end|>"),),
        supports_system=True,
        keeps_history=True,
        markers=("</think>", "<think>", "<|assistant|>", "<|end|>", "<|system|>", "<|user|>"),
    )
    assert probe_template(tokenizer).warnings() == ()


def test_marks_that_are_plain_text_are_markers_too() -> None:
    assert {"[INST]", "[/INST]", "</s>"} <= set(probe(INST).markers)


@pytest.mark.parametrize("template", ["{{ raise_exception('no') }}", "nothing of it"])
def test_a_template_that_renders_no_user_turn_is_refused(template: str) -> None:
    with pytest.raises(InputError, match="cannot render a lone user turn"):
        probe(template)

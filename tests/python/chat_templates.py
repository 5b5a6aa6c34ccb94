"""Chat templates of every kind: those of models that the package trl brings, ten of our own, and tokenizers for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from tokenizers import AddedToken, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast

# What a template writes as one token: markers of every shape.
MARKS = re.compile(r"<[^<>\s'\"{}]{1,60}>|\[/?[A-Za-z][A-Z_]+\]")

ASKS = "{% if add_generation_prompt %}{{ '<turn>assistant\n' }}{% endif %}"
TURN = "{{ '<turn>' + m.role + '\n' + m.content + '<end>\n' }}"
PLAIN = "{% for m in messages %}" + TURN + "{% endfor %}" + ASKS
# What a template does wrong or in its own way, and the template.
OWN: Mapping[str, str] = {
    "system refused": "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role here') }}"
    "{% endif %}" + TURN + "{% endfor %}" + ASKS,
    "system dropped": "{% for m in messages if m.role != 'system' %}" + TURN + "{% endfor %}" + ASKS,
    "strict alternation": "{% set turns = messages | rejectattr('role', 'equalto', 'system') | list %}"
    "{% for m in turns %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('user and assistant take turns') }}{% endif %}{% endfor %}" + PLAIN,
    "date": "{{ '<turn>system\nToday is ' + strftime_now('%d %b %Y') + '.<end>\n' }}" + PLAIN,
    "prefilled reasoning": PLAIN.replace("assistant\n' }}{% endif", "assistant\n<think>\n' }}{% endif"),
    "harmony": "{% for m in messages %}{% if m.role == 'assistant' %}"
    "{% if m.thinking %}{{ '<|start|>assistant<|channel|>analysis<|message|>' + m.thinking + '<|end|>' }}{% endif %}"
    "{{ '<|start|>assistant<|channel|>final<|message|>' + m.content + ('<|return|>' if loop.last else '<|end|>') }}"
    "{% else %}{{ '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}",
    "no end token": "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'model: ' }}{% endif %}",
    "unknown role dropped": "{% for m in messages if m.role in ['system', 'user', 'assistant'] %}" + TURN
    + "{% endfor %}" + ASKS,
    "system merged": "{% for m in messages if m.role != 'system' %}{{ '<turn>' + m.role + '\n' }}"
    "{% if loop.first and messages[0].role == 'system' %}{{ messages[0].content + '\n\n' }}{% endif %}"
    "{{ m.content + '<end>\n' }}{% endfor %}" + ASKS,
    "reasoning dropped": "{% for m in messages %}{{ '<turn>' + m.role + '\n' + m.content.split('</think>')[-1] + '<end>\n' }}"
    "{% endfor %}" + ASKS,
}  # fmt: skip


def stock() -> dict[str, str]:
    """The templates of models as trl has them, its own variants for training left out."""
    spec = find_spec("trl")
    assert spec is not None and spec.origin is not None
    files = sorted((Path(spec.origin).parent / "chat_templates").glob("*.jinja"))
    return {f.stem: f.read_text("utf-8") for f in files if not f.stem.endswith("_training")}


def tokenizer_of(template: str, *, eos: str | None = "</s>") -> PreTrainedTokenizerFast:
    """A byte-level tokenizer with the template, and a special token for each marker that it writes."""
    pieces = sorted(ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[]))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    marks = {*MARKS.findall(template), "<s>", *([eos] if eos else [])}
    tokenizer.add_special_tokens(
        [AddedToken(mark, special=True, normalized=False) for mark in sorted(marks)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token=eos, chat_template=template
    )

"""Completions with the policy in sight: the policy of its category in each prompt's system prompt (paper 2.3.1)."""

from __future__ import annotations

from collections.abc import Sequence

from dalign.rows import Message, Prompt
from dalign.spec.templates import Templates
from dalign.spec.types import Spec


def with_spec(
    prompts: Sequence[Prompt], spec: Spec, templates: Templates
) -> list[tuple[Message, ...]]:
    """Each prompt's conversation with spec(category) in its system prompt."""
    composed = {
        name: templates.spec(spec, name) for name in {prompt.category for prompt in prompts}
    }
    return [
        _as_messages(templates.generation(composed[p.category], list(map(dict, p.messages))))
        for p in prompts
    ]  # type: ignore[arg-type]


def _as_messages(messages: Sequence[dict[str, str]]) -> tuple[Message, ...]:
    return tuple(Message(role=m["role"], content=m["content"]) for m in messages)

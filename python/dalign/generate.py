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
    return [tuple(templates.generation(composed[p.category], p.messages)) for p in prompts]

"""Completions with the policy in sight: the policy of its category in each prompt's system prompt (paper 2.3.1)."""

from __future__ import annotations

from collections.abc import Sequence

from dalign.rows import Message, Prompt
from dalign.spec.templates import Templates
from dalign.spec.types import GENERAL, Spec


def with_summaries(
    prompts: Sequence[Prompt], spec: Spec, templates: Templates
) -> list[tuple[Message, ...]]:
    """Each prompt's conversation with the summaries of all categories in its system prompt (paper 4.1, fifth arm)."""
    summaries = templates.spec(spec, GENERAL)
    return [tuple(templates.generation(summaries, prompt.messages)) for prompt in prompts]


def with_spec(
    prompts: Sequence[Prompt], spec: Spec, templates: Templates
) -> list[tuple[Message, ...]]:
    """Each prompt's conversation with spec(category) in its system prompt."""
    composed = {
        name: templates.spec(spec, name) for name in {prompt.category for prompt in prompts}
    }
    return [tuple(templates.generation(composed[p.category], p.messages)) for p in prompts]

"""What chat templates do, and what dalign does with them: `docs/templates.md`, which this file writes when it is run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from chat_templates import OWN, stock, tokenizer_of
from dalign.errors import InputError
from dalign.models.render import Renderer

PAGE = Path(__file__).parents[2] / "docs/templates.md"
DAY = date(2026, 11, 29)
POLICY = {"role": "system", "content": "Querlpolicy."}
ASKED = {"role": "user", "content": "Querlquestion?"}
LATER = {"role": "user", "content": "Querlmore?"}
SAID = {"role": "assistant", "content": "Querlanswer."}
THOUGHT = SAID | {"reasoning_content": "Querlthought."}
TAGGED = SAID | {"content": "<think>\nQuerlthought.\n</think>\n\nQuerlanswer."}

HEAD = """# Chat templates

What dalign finds in a chat template by rendering it, and what it then does with conversations: for generation, for a local
judge, for evaluation and for packing alike, so that what is trained is what was sampled. Either every message reaches the
text, or the conversation is refused, by file and line, before anything is generated; `dalign run --dry-run` finds it too.

- **policy**: where generation and a local judge have it. *First user turn, by dalign*: the template takes no system message. A
  prompt's own system message goes there too, in what is generated and in what is packed; `dalign data pack` refuses a row with one.
- **two user turns**, **history**, **other roles**: conversations of that kind are written, or refused. *History* is an earlier answer with
  reasoning between tags: some templates take the reasoning out, so it has to be taken out of the row.
- **reasoning in rows**: what `dalign data pack` makes of an answer with `reasoning_content`, and of one with tags in `content`.
- **end**: what a completion ends with, in what is sampled and in what is packed.

The first table has the templates of models that the package trl brings, the second has ten of our own, each with one habit.
`python tests/python/template_table.py` writes this page; a test keeps it current.
"""
COLUMNS = ("template", "found by the probe", "policy", "two user turns", "history", "other roles", "reasoning in rows", "end")  # fmt: skip


def page() -> str:
    """The whole page."""
    tables = (table(stock()), table(OWN))
    return "\n".join([HEAD, *(f"{each}\n" for each in tables)])


def table(templates: dict[str, str]) -> str:
    """A row a template."""
    rows = [COLUMNS, ["---"] * len(COLUMNS)]
    for name, template in templates.items():
        eos = None if name == "no end token" else "</s>"
        renderer = Renderer(tokenizer_of(template, eos=eos), day=DAY)
        rows.append([name, "; ".join(found(renderer)) or "nothing of its own", *done(renderer)])
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |" for cells in rows
    )


def found(renderer: Renderer) -> Iterator[str]:
    """What the probe says of a template."""
    probe = renderer.probe
    if not probe.supports_system:
        yield "takes no system message"
    if probe.default_system:
        words = " ".join(probe.default_system.split())
        yield f"inserts a system message, “{words[:40]}{'…' if words[40:] else ''}”"
    if probe.writes_date:
        yield "writes the date"
    if renderer.opens_reasoning:
        yield "opens the reasoning"
    if probe.alternates:
        yield "wants alternation"
    if not probe.keeps_history:
        yield "drops earlier answers"
    if probe.in_parts:
        yield "takes contents in parts"
    if not probe.end_token_ids:
        yield "closes no turn by a special token"


def done(renderer: Renderer) -> Iterator[str]:
    """What becomes of each kind of conversation."""
    yield _policy(renderer)
    yield _rendered(renderer, [ASKED, LATER])
    yield _rendered(renderer, [ASKED, TAGGED, LATER])
    others = ("tool", "human")
    yield ", ".join(f"{role}: {_rendered(renderer, [ASKED, {'role': role, 'content': 'Querlother.'}])}" for role in others)  # fmt: skip
    yield f"field: {_packed(renderer, THOUGHT)}, tags: {_packed(renderer, TAGGED)}"
    try:
        yield f"`{renderer.end_text}`"
    except InputError:
        yield "refused"


def _policy(renderer: Renderer) -> str:
    """Where the policy stands in what a model reads."""
    [both] = renderer.prompts([[POLICY, ASKED]])
    assert POLICY["content"] in both and ASKED["content"] in both
    merged = ASKED | {"content": f"{POLICY['content']}\n\n{ASKED['content']}"}
    if both != renderer.prompts([[merged]])[0]:
        return "system message"
    return f"first user turn, by {'the template' if renderer.probe.supports_system else 'dalign'}"


def _rendered(renderer: Renderer, messages: list[dict[str, str]]) -> str:
    try:
        renderer.prompts([messages])
    except InputError:
        return "refused"
    return "written"


def _packed(renderer: Renderer, answer: dict[str, str]) -> str:
    try:
        renderer.turn([ASKED, answer])
    except InputError:
        return "refused"
    return "written"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")

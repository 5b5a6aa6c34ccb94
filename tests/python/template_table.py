"""What chat templates do, and what dalign does with them: `docs/templates.md`, which this file writes when it is run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path

from chat_templates import OWN, stock, tokenizer_of
from dalign.errors import InputError
from dalign.models.reasoning import after_reasoning
from dalign.models.render import Renderer
from dalign.vocabulary import FORMS

PAGE = Path(__file__).parents[2] / "docs/templates.md"
DAY = date(2026, 11, 29)
POLICY = {"role": "system", "content": "Querlpolicy."}
ASKED = {"role": "user", "content": "Querlquestion?"}
LATER = {"role": "user", "content": "Querlmore?"}
SAID = {"role": "assistant", "content": "Querlanswer."}
THOUGHT = SAID | {"reasoning_content": "Querlthought."}

# How a form is known, by words of what is said of it.
KNOWN = {
    "writes thoughts": "written",
    "prompt shows": "opened",
    "names it": "named",
    "tokens show": "tokens",
    "nothing shows": "guessed",
}

HEAD = """# Chat templates

What dalign finds in a chat template by rendering it, and what it then does with conversations: for generation, for a local
judge, for evaluation and for packing alike, so that what is trained is what was sampled. Either every message reaches the
text, or the conversation is refused, by file and line, before anything is generated; `dalign run --dry-run` finds it too.

- **reasoning**: the form of completions (`model.reasoning.kind = "auto"`): as the template *writes* thoughts, its prompt *opens* them or it *names*
  their tags; as the tokenizer has them; *guessed* where nothing shows any, which a run says before it begins. *None*: the prompt closes them at once.
  Where nothing shows it, name the form (`model.reasoning.kind = "medgemma"`: `<unused94>thought` … `<unused95>`), or write its two
  texts as `model.reasoning.open` and `close`, with the white space and the markers that always stand before the answer.
- **policy**: where generation and a local judge have it. *First user turn, by dalign*: the template takes no system message. A
  prompt's own system message goes there too, in what is generated and in what is packed; `dalign data pack` refuses a row with one.
- **two user turns**, **history**, **other roles**: conversations of that kind are written, or refused, for generation, judge and packing. *History*
  is an earlier answer with reasoning between the tags: some templates take the reasoning out, so it has to be taken out of the row.
- **judge**: what is read of a reply in this form, and of one whose reasoning is not closed.
- **data pack**: what becomes of an answer with `reasoning_content`, and of one with tags in `content`.
- **pack**: what is trained on after the prompt where the model has not written it itself (a capability row, *why* and *what*), its end token included;
  a generated completion is trained on as it was written, and dropped if it holds a control token.

The first table has the templates of models that the package trl brings, the second has ten of our own, each with one habit.
`python tests/python/template_table.py` writes this page; a test keeps it current.
"""
COLUMNS = ("template", "found by the probe", "reasoning", "policy", "two user turns", "history", "other roles", "judge", "data pack", "pack")  # fmt: skip


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
    if probe.writes_time:
        yield "writes the time of day"
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
    start, end = renderer.reasoning.tags
    tagged = SAID | {"content": f"{start}\nQuerlthought.\n{end}\n\nQuerlanswer."}
    yield _reasoning(renderer)
    yield _policy(renderer)
    yield _rendered(renderer, [ASKED, LATER])
    yield _rendered(renderer, [ASKED, tagged, LATER])
    others = ("tool", "human")
    yield ", ".join(f"{role}: {_rendered(renderer, [ASKED, {'role': role, 'content': 'Querlother.'}])}" for role in others)  # fmt: skip
    yield _judged(renderer)
    yield f"field: {_packed(renderer, THOUGHT)}, tags: {_packed(renderer, tagged)}"
    try:
        trained = renderer.completion("why", "what") + renderer.end_text
    except InputError:
        yield "refused"
    else:
        shown = trained.replace("\n", "\\n")
        yield f"`{shown}`"


def _reasoning(renderer: Renderer) -> str:
    """The form, and how it is known."""
    form = renderer.form
    if not form.reasoning.reasons:
        return "none"
    names = {pair: name for name, pair in FORMS.items()}
    tags = form.reasoning.tags
    opened = ", opened by the prompt" if form.opened else ""
    how = next(how for words, how in KNOWN.items() if words in form.found)
    return f"{names.get(tags, f'`{tags[0]}` … `{tags[1]}`')}{opened} ({how})"


def _judged(renderer: Renderer) -> str:
    """What a judge with this template is heard to say."""
    reads = partial(after_reasoning, reasoning=renderer.reasoning, opened=renderer.opens_reasoning)
    whole = renderer.completion("why", "what")
    closed = "the answer" if (reads(whole) or "").strip() == "what" else "refused"
    cut = renderer.completion("why", "what").partition(renderer.reasoning.tags[1])[0]
    is_said = not renderer.reasoning.reasons
    assert (reads(cut) is not None) == is_said
    return "the whole reply" if is_said else f"{closed}; nothing"


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

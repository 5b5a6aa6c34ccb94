"""Prints what a model sees of a policy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from dalign.cli.terminal import tell, tell_json
from dalign.errors import InputError, did_you_mean
from dalign.rows import Message
from dalign.spec.parse import load_spec
from dalign.spec.shipped import spec_folder
from dalign.spec.templates import Budget, Place, Templates, load_templates
from dalign.spec.token_count import token_count
from dalign.spec.types import GENERAL, RULINGS, Ruling, Spec

PROMPT = "(the user's message)"
ANSWER = "(the answer)"
REASONING = "(the reasoning; RL and evaluation show none)"
_COLOURS = {"comply": "green", "refuse": "red", "safe-complete": "yellow"}


_ABOUT = {
    "generation": "completions for training are made with this in sight",
    "judge": "each completion is judged by this",
    "deployment": "the policy in context where a prompt's category is not known: all summaries",
}


class Asked(NamedTuple):
    """What is to be shown: of which category, whose view; where generation has the policy, and the conversation's system message."""

    category: str
    seen_by: str = "all"
    place: Place = "system"
    operator: str | None = None


def print_show(
    folder: str, asked: Asked, tokenizer: Path | None, max_tokens: int | None, *, as_json: bool
) -> None:
    """Prints the views of one category's policy."""
    path, category = spec_folder(folder), asked.category
    spec, count = load_spec(path), token_count(tokenizer)
    templates = load_templates(path, Budget(max_tokens, count, count.note), asked.place)
    if category not in spec.prompt_names:
        way_out = did_you_mean(category, spec.prompt_names)
        said = f"no category {category!r}; {way_out}"
        raise InputError.in_file(path, said, kind="unknown_category")
    fitted = templates.fitted(spec, category)
    views = {
        name: messages
        for name, messages in _views(spec, templates, fitted.text, asked.operator).items()
        if asked.seen_by in ("all", name)
    }
    tokens = {name: sum(count(m["content"]) for m in views[name]) for name in views}
    if as_json:
        whole = {
            "category": category,
            "versions": spec.versions,
            "tokens": fitted.tokens,
            "counted": count.note,
            "left_out": fitted.left_out,
            "views": [{"for": n, "tokens": tokens[n], "messages": views[n]} for n in views],
        }
        tell_json(whole, indent=1)
        return
    _print_views(spec, views, tokens)
    versions = ", ".join(f"{name} {version}" for name, version in spec.versions.items())
    tell(f"versions: {versions}")
    tell(f"spec({category}): {fitted.tokens:,} tokens; {count.note}")
    if fitted.left_out:
        total = sum(fitted.left_out.values())
        tell(f"left out to fit: {total} examples, of {', '.join(fitted.left_out)}", "yellow")


def _views(
    spec: Spec, templates: Templates, text: str, operator: str | None
) -> dict[str, list[Message]]:
    """Conversations as a model sees them."""
    asked = [Message(role="user", content=PROMPT)]
    if operator is not None:
        asked.insert(0, Message(role="system", content=operator))
    return {
        "generation": templates.generation(text, asked),
        "judge": templates.judgement(text, asked, ANSWER, reasoning=REASONING, nonce="NONCE"),
        "deployment": templates.generation(templates.spec(spec, GENERAL), asked),
    }


def _print_views(spec: Spec, views: Mapping[str, list[Message]], tokens: Mapping[str, int]) -> None:
    rulings = {clause.id: clause.ruling for clause in spec.clauses()}
    for name, messages in views.items():
        tell(f"=== {name}: {tokens[name]:,} tokens; {_ABOUT[name]}", "bold reverse")
        for message in messages:
            tell(f"--- {message['role']}", "bold cyan")
            for line in message["content"].split("\n"):
                tell(line, _style(line, rulings))
        tell()


def _style(line: str, rulings: Mapping[str, Ruling]) -> str:
    """Headings bold, a clause in the colour of its ruling, examples dim."""
    if line.startswith("#"):
        return "bold"
    if line.startswith("- example"):
        return "dim"
    ruling = rulings.get(line.split(" ", 1)[0])
    if ruling is None:
        ruling = next((r for r in RULINGS if f".style.{r} (" in line), None)
    return _COLOURS.get(ruling or "", "")

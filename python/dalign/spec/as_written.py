"""Templates that only write the texts they are given: filled in once, and other texts then put in their places."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from jinja2 import nodes

from dalign import trial
from dalign.rows import Message

# What a loop may be asked for that tells nothing of its items.
_OF_LOOP = {"first", "last", "index", "index0", "length", "revindex", "revindex0"}
# Statements that neither keep nor change what is written within them.
_PLAIN = (nodes.Template, nodes.Output, nodes.For, nodes.If)


def writes_whole(template: nodes.Template, texts: AbstractSet[str], conversation: str = "") -> bool:
    """Whether a template writes these texts as they are wherever it uses them: it asks at most whether one is none.

    conversation: the name of messages that it goes through, whose contents are texts too; it may ask for their roles.
    """
    return _Reader(frozenset(texts), conversation).allows(template, frozenset())


@dataclass(frozen=True)
class _Reader:
    texts: frozenset[str]
    conversation: str

    def allows(self, node: nodes.Node, turns: frozenset[str]) -> bool:
        """turns: the names of the messages that the node stands in a loop over."""
        match node:
            case nodes.Output():
                rest = [each for each in node.nodes if not self._is_text(each, turns)]
                return all(self.allows(each, turns) for each in rest)
            case nodes.For() if _is_name(node.iter, {self.conversation}):
                inner = [*node.body, *([node.test] if node.test else [])]
                target = node.target
                return (
                    isinstance(target, nodes.Name)
                    and not self._is_known(target, turns)
                    and not node.recursive
                    and all(self.allows(each, turns | {target.name}) for each in inner)
                    and all(self.allows(each, turns) for each in node.else_)
                )
            case nodes.Test(name="none") if _is_name(node.node, self.texts):
                return not (node.args or node.kwargs or node.dyn_args or node.dyn_kwargs)
            case nodes.Filter(name="random"):
                return False
            case nodes.Getattr() | nodes.Getitem() if _is_name(node.node, turns):
                return _asked(node) == "role"
            case nodes.Getattr() if _is_name(node.node, {"loop"}):
                return node.attr in _OF_LOOP
            case nodes.Name():
                return not self._is_known(node, turns) and node.name != "loop"
            case nodes.Call() | nodes.Stmt() if not isinstance(node, _PLAIN):
                return False
        return all(self.allows(each, turns) for each in node.iter_child_nodes())

    def _is_text(self, node: nodes.Node, turns: frozenset[str]) -> bool:
        if isinstance(node, (nodes.Getattr, nodes.Getitem)) and _is_name(node.node, turns):
            return _asked(node) == "content"
        return _is_name(node, self.texts)

    def _is_known(self, node: nodes.Name, turns: frozenset[str]) -> bool:
        return node.name in self.texts | turns | {self.conversation}


def _is_name(node: nodes.Node, names: AbstractSet[str]) -> bool:
    return isinstance(node, nodes.Name) and node.name in names


def _asked(node: nodes.Getattr | nodes.Getitem) -> object:
    if isinstance(node, nodes.Getattr):
        return node.attr
    return node.arg.value if isinstance(node.arg, nodes.Const) else None


class Filled:
    """A template that writes its texts whole, filled in once for each kind of values that it may ask about."""

    def __init__(
        self, render: Callable[[Mapping[str, object]], str], conversation: str = ""
    ) -> None:
        """render: fills the template in, and takes nothing off the ends. conversation: the name of the messages."""
        self._render, self._conversation = render, conversation
        # What no template can write by itself, and nobody who knows it can.
        self._mark = secrets.token_hex(16)
        self._places = re.compile(rf"{self._mark}(\d+)\.")
        self._known: dict[object, list[str]] = {}

    def __call__(
        self,
        texts: Mapping[str, str | None],
        messages: Sequence[Message],
        others: Mapping[str, object],
    ) -> str:
        """The template with these texts and messages, and what else it is told. Raises ValueError where that is too large."""
        given = [*texts.values(), *(message["content"] for message in messages)]
        roles = tuple(message["role"] for message in messages)
        kind = (roles, *(text is None for text in given), repr(others))
        if kind not in self._known:
            marks = [None if text is None else f"{self._mark}{n}." for n, text in enumerate(given)]
            named = dict(zip(texts, marks, strict=False))
            turns = [
                Message(role=role, content=mark)  # type: ignore[typeddict-item]
                for role, mark in zip(roles, marks[len(texts) :], strict=True)
            ]
            rendered = self._render({**others, **named, self._conversation: turns})
            self._known[kind] = self._places.split(rendered)
        parts = self._known[kind].copy()
        parts[1::2] = [str(given[int(place)]) for place in parts[1::2]]
        if sum(map(len, parts)) > trial.MOST_CHARACTERS:
            raise ValueError(f"fills in to more than {trial.MOST_CHARACTERS:,} characters")
        return "".join(parts)

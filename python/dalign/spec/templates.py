"""Prompt texts: every text that the program sends to a model, rendered from a folder of templates.

Model output is untrusted: the judge's templates get it between fences with a nonce, and with control
markers broken up (`judge.court`). What a judge says last carries a seal, which that text cannot know.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jinja2
import jinja2.sandbox
from jinja2 import nodes
from jinja2.exceptions import SecurityError

from dalign import _core, trial
from dalign.errors import InputError
from dalign.rows import Message
from dalign.spec.as_written import Filled, writes_whole
from dalign.spec.fit import Fitted, fit
from dalign.spec.outcomes import examples_of
from dalign.spec.outline import read_source
from dalign.spec.scale import bands, plain, scale_in
from dalign.spec.shipped import shipped
from dalign.spec.types import Category, Spec

REQUIRED = ("spec.j2", "generate.j2", "judge_system.j2", "judge_user.j2")
# Further templates are what is asked beside a run, about the policy itself: no row of a run depends on them.
OPTIONAL = ("retrieval_system.j2", "retrieval_user.j2")

# Where generation has the policy.
Place = Literal["system", "user"]
IN_SYSTEM: Place = "system"
IN_USER: Place = "user"
SEAL, SEAL_DIGITS = "seal", 8
# What the judge is shown of others and to mark it, beside the messages.
_OF_JUDGEMENT = {"answer", "reasoning", "nonce", SEAL}
# The scale of a judge that is told none.
USUAL_LOW, USUAL_HIGH = 0.0, 10.0


class _Environment(jinja2.sandbox.ImmutableSandboxedEnvironment):
    # What is intercepted is not reckoned while a template is read, before it has had its trial.
    intercepted_binops = frozenset({"**", "*", "+", "%"})

    def call_binop(
        self, context: jinja2.runtime.Context, operator: str, left: Any, right: Any
    ) -> Any:
        """As the base class; a result that is too large is refused, whatever the values of the trial were."""
        if _least_size(operator, left, right) > trial.MOST_CHARACTERS:
            said = f"{operator!r} makes more than {trial.MOST_CHARACTERS:,} characters"
            raise SecurityError(said)
        return super().call_binop(context, operator, left, right)


def _least_size(operator: str, left: Any, right: Any) -> int:
    """How many characters, items or bits the result has at least; 0 where that is not known."""
    lengths = [len(side) if isinstance(side, Sized) else 0 for side in (left, right)]
    numbers = [abs(side) if isinstance(side, int) else 0 for side in (left, right)]
    match operator:
        case "+":
            return sum(lengths)
        case "*":
            return max(lengths[0] * numbers[1], lengths[1] * numbers[0])
        case "**":
            return (numbers[0].bit_length() - 1) * numbers[1]
        case _:
            return max(map(int, _WIDTH.findall(left)), default=0) if isinstance(left, str) else 0


# What a format of `%` pads a value to, at most so many digits of it.
_WIDTH = re.compile(r"\d{1,18}")


_ENVIRONMENT = _Environment(
    undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
)


@dataclass(frozen=True)
class Budget:
    """What spec(category) may take: at most `tokens`, any number for None, as `count` counts them; `note` says by which tokenizer."""

    tokens: int | None
    count: Callable[[str], int]
    note: str


def _missing(path: Path, way_out: str) -> InputError:
    return InputError.in_file(path, f"this template is missing; {way_out}", kind="missing_file")


def _stands_alone(path: Path, template: nodes.Template) -> None:
    """Raises InputError for a template that reads other files: a policy folder may come from others."""
    reads = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
    for node in template.find_all(reads):
        statement = type(node).__name__.lower()
        what = f"a template reads no other file; write its text here in place of the {statement}"
        raise InputError.in_file(path, what, kind="template", line=node.lineno)


def _uses(template: nodes.Template, value: str) -> bool:
    return any(each.name == value for each in template.find_all(nodes.Name))


def seal_of(nonce: str) -> str:
    """What a judge is to write beside its verdict: eight hexadecimal digits that the nonce alone gives."""
    return _core.row_id([nonce], SEAL, 0)[:SEAL_DIGITS]


def _try(path: Path, source: str, values: Sequence[Mapping[str, object]]) -> None:
    """Raises InputError for a template of others that takes too long or grows too large with these values."""
    if problem := trial.problem(source, values):
        raise InputError.in_file(path, f"this template {problem}", kind="template")


class OwnScale(NamedTuple):
    """A scale that a template writes by itself, and where: file and line, counted from 1."""

    low: float
    high: float
    file: str
    line: int


class Templates:
    """A folder of Jinja templates: `spec.j2`, `generate.j2`, `judge_system.j2`, `judge_user.j2`.

    With a budget, every spec(category) is fitted to it. place: where generation has the policy.
    Raises InputError when a file is missing or is not a template.
    """

    def __init__(
        self, folder: Path, budget: Budget | None = None, place: Place = IN_SYSTEM
    ) -> None:
        self.folder = folder
        self.budget, self.place = budget, place
        self._templates: dict[str, jinja2.Template] = {}
        self._parsed: dict[str, nodes.Template] = {}
        self._sources: dict[str, str] = {}
        self._are_ours = folder == shipped("templates")
        digest = hashlib.sha256()
        found = sorted(path.name for path in folder.glob("*.j2") if path.is_file())
        for name in (*REQUIRED, *OPTIONAL, *set(found).difference(REQUIRED, OPTIONAL)):
            path = folder / name
            if name in found:
                source = path.read_text("utf-8")
                if name in REQUIRED or name in OPTIONAL:
                    digest.update(f"{name}\0{source}\0".encode())
                self._parse(path, source)
            elif name in REQUIRED:
                raise _missing(path, f"a template folder needs {', '.join(REQUIRED)}")
        if budget is not None:
            digest.update(f"{budget.tokens}\0{budget.note}\0".encode())
        if place != IN_SYSTEM:
            digest.update(f"{place}\0".encode())
        self.sha256 = digest.hexdigest()
        generate = self._parsed["generate.j2"]
        self._takes = {name: _uses(generate, name) for name in ("operator", "messages")}
        # Whether the judge's template asks for the sub-scores that it is told.
        self.asks_for_parts = _uses(self._parsed["judge_user.j2"], "sub_scores")
        # What fills it in by its texts alone; None where it does more with them than to write them.
        self._judge_user: Filled | None = None
        if writes_whole(self._parsed["judge_user.j2"], _OF_JUDGEMENT, "messages"):
            render = partial(self._render, "judge_user.j2", whole=True)
            self._judge_user = Filled(render, "messages")

    def _parse(self, path: Path, source: str) -> None:
        try:
            parsed = _ENVIRONMENT.parse(source)
            _stands_alone(path, parsed)
            self._parsed[path.name] = parsed
            self._sources[path.name] = source
            self._templates[path.name] = _ENVIRONMENT.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            what = f"not a valid template: {error.message}"
            raise InputError.in_file(path, what, kind="template", line=error.lineno) from error
        except (SyntaxError, RecursionError, ValueError, OverflowError) as error:
            what = f"not a valid template ({str(error) or type(error).__name__}): nested too deep, or a number too long"
            raise InputError.in_file(path, what, kind="template") from error

    def shows_whole(self, name: str, value: str) -> bool:
        """Whether a template writes that value as it is wherever it uses it, and neither a part of it nor a test."""
        return writes_whole(self._parsed[name], {value})

    def asks_for_seal(self, name: str) -> bool:
        """Whether `<name>_system.j2` or `<name>_user.j2` tells the judge the seal."""
        parts = [self._parsed.get(f"{name}_{part}.j2") for part in ("system", "user")]
        return any(_uses(part, SEAL) for part in parts if part is not None)

    def own_scale(self) -> OwnScale | None:
        """The judge's scale that these templates write themselves; None where they take the config's, or name none."""
        for name in ("judge_user.j2", "judge_system.j2"):
            takes_it = any(_uses(self._parsed[name], end) for end in ("low", "high"))
            found = None if takes_it else scale_in(self._sources[name])
            if found is not None:
                low, high, line = found
                return OwnScale(low, high, name, line)
        return None

    def check_scale(self, low: float, high: float) -> None:
        """Raises InputError where these templates ask for scores on another scale than from low to high."""
        found = self.own_scale()
        if found is not None and found[:2] != (low, high):
            what = (
                f"asks for a score from {found.low:g} to {found.high:g}, and the config has judge.low = {low:g} and judge.high = {high:g}; "
                "set these to the template's scale (and select.threshold on it), or write {{ low }} and {{ high }} in the template"
            )
            path = self.folder / found.file
            raise InputError.in_file(path, what, kind="broken_rule", line=found.line)

    def has_pair(self, name: str) -> bool:
        """Whether the folder has the optional templates `<name>_system.j2` and `<name>_user.j2`."""
        return {f"{name}_system.j2", f"{name}_user.j2"} <= self._templates.keys()

    def pair(self, name: str, values: Mapping[str, object]) -> list[Message]:
        """The conversation of the templates `<name>_system.j2` and `<name>_user.j2`. Raises InputError without them.

        Where there is a nonce among the values, they are told its seal too.
        """
        if "nonce" in values:
            values = {**values, SEAL: seal_of(str(values["nonce"]))}
        return [
            Message(role=role, content=self._render(f"{name}_{role}.j2", values))
            for role in ("system", "user")
        ]

    def _render(
        self,
        name: str,
        values: Mapping[str, object],
        others: Sequence[Mapping[str, object]] = (),
        *,
        whole: bool = False,
    ) -> str:
        """A template filled in with values; its trial is with the others that it may be filled in with too.

        whole: with the white space at its ends.
        """
        if name not in self._templates:
            raise _missing(self.folder / name, "write it as the shipped templates are")
        if not self._are_ours:
            _try(self.folder / name, self._sources[name], [values, *others])
        try:
            text = self._templates[name].render(**values)
            return text if whole else text.strip()
        except Exception as error:
            what = (
                f"cannot be filled in ({error or type(error).__name__}); see the shipped templates"
            )
            if isinstance(error, jinja2.UndefinedError):
                what = f"{error.message}; see the shipped templates for the names"
            raise InputError.in_file(self.folder / name, what, kind="template") from error

    def spec(self, spec: Spec, category: str) -> str:
        """spec(category): all summaries, the principles, and the one category in detail (paper 2.2)."""
        return self.fitted(spec, category).text

    def specs(self, spec: Spec) -> dict[str, str]:
        """spec(category) of each category, `general` too."""
        return {name: self.spec(spec, name) for name in spec.prompt_names}

    def fitted(self, spec: Spec, category: str) -> Fitted:
        """The same with its size and what the budget left out; the size is 0 where nothing counts it."""
        detail = spec.category(category)

        def compose(shown: Category | None) -> str:
            return self.compose(spec.categories, spec.principles, shown)

        if self.budget is None:
            return Fitted(compose(detail), 0, {})
        return fit(detail, compose, self.budget.count, self.budget.tokens)

    def compose(
        self, categories: Sequence[Category], principles: str, category: Category | None
    ) -> str:
        """The same from its parts; `category` is None for `general`."""

        def values(shown: Category | None) -> dict[str, object]:
            examples = examples_of(categories, shown)
            shared = {"categories": categories, "principles": principles}
            return shared | {"category": shown, "examples": examples}

        each = [] if self._are_ours else [values(other) for other in (None, *categories)]
        return self._render("spec.j2", values(category), each)

    def generation_system(self, spec_text: str, **own: object) -> str:
        """The system prompt with the policy (paper 2.3.1, figure 5). own: what is shown of the conversation: operator, messages, mark."""
        values = {"spec": spec_text, "messages": None, "operator": None, "mark": "", **own}
        turn = Message(role="user", content="Hello?")
        return self._render(
            "generate.j2", values, [{**values, "messages": [turn], "operator": "A"}]
        )

    def generation(
        self, spec_text: str, messages: Sequence[Message], system: str | None = None
    ) -> list[Message]:
        """The conversation with the policy in its system prompt; or, by `place`, in the user's turn.

        A system message of its own is fenced in the policy's, above the final instructions, where the template takes an
        `operator`; else it follows. system: the system prompt, if it is at hand.
        """
        if self.place == IN_USER:
            return self._in_user_turn(spec_text, messages, system)
        if self._takes["operator"] and messages and messages[0]["role"] == "system":
            mark, own = _mark(messages), messages[0]["content"]
            system = self.generation_system(spec_text, mark=mark, operator=own)
            messages = messages[1:]
        return list(with_system(system or self.generation_system(spec_text), messages))

    def _in_user_turn(
        self, spec_text: str, messages: Sequence[Message], system: str | None
    ) -> list[Message]:
        """One user turn with all; where the template takes no `messages`, the policy at the head of the first."""
        if self._takes["messages"]:
            text = self.generation_system(spec_text, mark=_mark(messages), messages=messages)
            return [Message(role="user", content=text)]
        whole = with_system(system or self.generation_system(spec_text), messages)
        return _without_system(whole)

    def judge_system(
        self,
        spec_text: str,
        *,
        low: float = USUAL_LOW,
        high: float = USUAL_HIGH,
        sub_scores: Sequence[str] = (),
    ) -> Message:
        """The judge's system message (paper figure 6). low, high: the ends of its scale; sub_scores: their names."""
        values: dict[str, object] = {"spec": spec_text, "low": plain(low), "high": plain(high)}
        values |= {"bands": bands(low, high), "sub_scores": list(sub_scores)}
        return Message(role="system", content=self._render("judge_system.j2", values))

    def judge_user(
        self,
        messages: Sequence[Message],
        answer: str,
        *,
        reasoning: str | None,
        nonce: str,
        hint: str | None = None,
        low: float = USUAL_LOW,
        high: float = USUAL_HIGH,
        sub_scores: Sequence[str] = (),
    ) -> Message:
        """What is to be judged, on a scale from low to high. `reasoning` is None where the judge must not see it.

        sub_scores: the names of those that are asked for.
        """
        texts = {"answer": answer, "reasoning": reasoning, "nonce": nonce, SEAL: seal_of(nonce)}
        others: dict[str, object] = {"hint": hint, "low": plain(low), "high": plain(high)}
        others["sub_scores"] = list(sub_scores)
        values = {**others, **texts, "messages": messages}
        if self._judge_user is None:
            return Message(role="user", content=self._render("judge_user.j2", values))
        if not self._are_ours:
            _try(self.folder / "judge_user.j2", self._sources["judge_user.j2"], [values])
        try:
            content = self._judge_user(texts, messages, others).strip()
        except ValueError as error:
            path = self.folder / "judge_user.j2"
            raise InputError.in_file(path, f"this template {error}", kind="template") from error
        return Message(role="user", content=content)

    def judgement(
        self,
        spec_text: str,
        messages: Sequence[Message],
        answer: str,
        *,
        reasoning: str | None,
        nonce: str,
    ) -> list[Message]:
        """The whole conversation of a judge."""
        user = self.judge_user(messages, answer, reasoning=reasoning, nonce=nonce)
        return [self.judge_system(spec_text), user]

    def retrieval(self, names: Sequence[str], excerpts: Sequence[str], nonce: str) -> list[Message]:
        """The conversation that asks from which category's policy the excerpts were taken (paper 4.2)."""
        return self.pair("retrieval", {"names": names, "excerpts": excerpts, "nonce": nonce})


def with_system(system: str, messages: Sequence[Message]) -> tuple[Message, ...]:
    """The conversation with that system prompt. A system message of its own follows it in the same message."""
    rest = list(messages)
    if rest and rest[0]["role"] == "system":
        system = f"{system}\n\n{rest[0]['content']}"
        rest = rest[1:]
    return (Message(role="system", content=system), *rest)


def _mark(messages: Sequence[Message]) -> str:
    """What fences a conversation: keyed by all of it, so that no turn can hold it."""
    return _core.row_id([part for m in messages for part in (m["role"], m["content"])], "mark", 0)


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """The conversation with its system message at the head of its first user turn."""
    system, *turns = messages
    first = next(n for n, turn in enumerate(turns) if turn["role"] == "user")
    text = f"{system['content']}\n\n{turns[first]['content']}"
    return [*turns[:first], Message(role="user", content=text), *turns[first + 1 :]]


def load_templates(
    folder: Path, budget: Budget | None = None, place: Place = IN_SYSTEM
) -> Templates:
    """The prompt texts of a policy folder: its own `templates/`, or else the ones that dalign ships."""
    own = folder / "templates"
    if not own.is_dir():
        return Templates(shipped("templates"), budget, place)
    for path in sorted(own.glob("*.j2")):
        read_source(folder, path)
    return Templates(own, budget, place)

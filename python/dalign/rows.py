"""THE types: the rows that stages hand to each other, their columns, and their ids.

A stage reads rows and writes new ones that name the earlier ones by id; rows are never edited.
In memory a few rows are objects; on disk, and wherever there are many, they are columns (`COLUMNS`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Literal, TypedDict

import polars as pl

from dalign import _core

Columns = dict[str, pl.DataType | type[pl.DataType]]
TEXT, COUNT, NUMBER = pl.String, pl.UInt32, pl.Float64
# Who speaks in a conversation.
ROLES = ("system", "user", "assistant", "tool")
# A conversation: its turns in order.
MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
# What answers are to have; alternatives of which one is enough are a list.
SECTIONS = pl.List(
    pl.Struct(
        {
            "name": TEXT, "synonyms": pl.List(TEXT), "pattern": TEXT,
            "contains": pl.List(pl.List(TEXT)), "weight": NUMBER,
        }
    )
)  # fmt: skip
# What became of each of them in an answer.
SECTION_GRADES = pl.List(pl.Struct({"name": TEXT, "grade": NUMBER, "found": TEXT}))
# The tables of a stage beside its rows.
SCORES, GRADES, VERDICTS, SHIFTS = "scores", "grades", "verdicts", "shifts"
# The label of a token that carries no loss.
IGNORED = -100


class Message(TypedDict):
    """One turn of a conversation."""

    role: str
    content: str


# How an engine ended a request.
Finish = Literal["stop", "length", "error", "timeout"]


class Outcome(StrEnum):
    """What became of a request, from the engine to the grade: as it should be, of another form, or never there."""

    OK = "ok"
    TRUNCATED = "truncated"
    NO_TAGS = "no_tags"
    UNCLOSED = "unclosed"
    UNOPENED = "unopened"
    WRONG_ORDER = "wrong_order"
    NESTED = "nested"
    REPEATED = "repeated"
    EMPTY_ANSWER = "empty_answer"
    EMPTY_REASONING = "empty_reasoning"
    CONTROL_TOKEN = "control_token"
    ERROR = "error"
    TIMEOUT = "timeout"

    @property
    def came(self) -> bool:
        """Whether there is a reply. One that never came is no answer and counts nowhere: `--retry-missing` asks again."""
        return self not in NEVER_CAME

    @staticmethod
    def of(finish: pl.Expr, form: pl.Expr) -> pl.Expr:
        """The outcomes: finish, as the engine says, where nothing came; else form, as a reader says of the text."""
        return pl.when(finish.is_in(list(NEVER_CAME))).then(finish).otherwise(form)


NEVER_CAME = (Outcome.ERROR, Outcome.TIMEOUT)
OK = Outcome.OK


@dataclass(frozen=True)
class Expected:
    """What is known of the right behaviour. Used to evaluate, to balance and as the judge's hint; never to decide."""

    ruling: str | None = None
    clause: str | None = None
    answer: str | None = None


@dataclass(frozen=True)
class Section:
    """A part that an answer is to have: under a heading, or as a phrase at least.

    pattern: a regular expression that tells it too. contains: what it is to say, each a phrase in one of several wordings.
    weight: above 0.
    """

    name: str
    synonyms: tuple[str, ...] = ()
    pattern: str | None = None
    contains: tuple[tuple[str, ...], ...] = ()
    weight: float = 1.0

    @classmethod
    def of(cls, held: Mapping[str, Any] | str) -> Section:
        """A value of a column of `SECTIONS`; in tables of before it is the name alone."""
        if isinstance(held, str):
            return cls(held)
        contains = tuple(map(tuple, held["contains"]))
        return cls(held["name"], tuple(held["synonyms"]), held["pattern"], contains, held["weight"])


@dataclass(frozen=True)
class Prompt:
    """A conversation that ends on a user turn, with its category.

    sections_in_order: the answer is to have its sections in the order in which they are required.
    labels: what else its row says, by key; nothing depends on it, and results can be told by it.
    """

    COLUMNS: ClassVar[Columns] = {
        "id": TEXT, "category": TEXT, "messages": MESSAGES, "split": TEXT, "ruling": TEXT,
        "clause": TEXT, "expected_answer": TEXT, "required_sections": SECTIONS,
        "sections_in_order": pl.Boolean, "labels": TEXT,
    }  # fmt: skip

    id: str
    category: str
    messages: tuple[Message, ...]
    split: str | None = None
    expected: Expected | None = None
    required_sections: tuple[Section, ...] = ()
    sections_in_order: bool = False
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def row(self) -> tuple[object, ...]:
        """Its values in the order of `COLUMNS`."""
        known = self.expected or Expected()
        return (
            self.id, self.category, list(self.messages), self.split,
            known.ruling, known.clause, known.answer, [vars(section) for section in self.required_sections],
            self.sections_in_order,
            json.dumps(dict(self.labels), ensure_ascii=False) if self.labels else None,
        )  # fmt: skip

    @classmethod
    def read(cls, frame: pl.DataFrame) -> Iterator[Prompt]:
        """The prompts of a table with `COLUMNS`; one of before has no labels, and no order of sections."""
        if "labels" not in frame.columns:
            frame = frame.with_columns(labels=pl.lit(None, pl.String))
        if "sections_in_order" not in frame.columns:
            frame = frame.with_columns(sections_in_order=pl.lit(False))
        conversations = turns(frame["messages"])
        for row, messages in zip(
            frame.select(list(cls.COLUMNS)).iter_rows(), conversations, strict=True
        ):
            expected = Expected(*row[4:7])
            yield cls(
                row[0],
                row[1],
                messages,
                row[3],
                None if expected == Expected() else expected,
                tuple(map(Section.of, row[7] or ())),
                row[8],
                tuple(json.loads(row[9]).items()) if row[9] else (),
            )


@dataclass(frozen=True)
class CapabilityRow:
    """A conversation up to its last user turn, and the assistant's turn that follows."""

    COLUMNS: ClassVar[Columns] = {
        "id": TEXT, "messages": MESSAGES, "reasoning": TEXT, "answer": TEXT,
    }  # fmt: skip

    id: str
    messages: tuple[Message, ...]
    reasoning: str | None
    answer: str

    @property
    def row(self) -> tuple[object, ...]:
        """Its values in the order of `COLUMNS`."""
        return (self.id, list(self.messages), self.reasoning, self.answer)


@dataclass(frozen=True)
class Brought:
    """A completion that was made elsewhere. in_parts: text is the answer, with its reasoning apart; else all that was written."""

    COLUMNS: ClassVar[Columns] = {
        "prompt_id": TEXT, "text": TEXT, "reasoning": TEXT, "finish": TEXT, "in_parts": pl.Boolean,
    }  # fmt: skip

    prompt_id: str
    text: str
    reasoning: str | None
    finish: str
    in_parts: bool

    @property
    def row(self) -> tuple[object, ...]:
        """Its values in the order of `COLUMNS`."""
        return (self.prompt_id, self.text, self.reasoning, self.finish, self.in_parts)


class Completion:
    """What a model wrote for a prompt: raw text, and how it ended. `Parsed` are those of a good form."""

    COLUMNS: ClassVar[Columns] = {
        "id": TEXT, "prompt_id": TEXT, "category": TEXT, "index": COUNT, "text": TEXT,
        "finish": TEXT, "tokens": COUNT,
    }  # fmt: skip


class Parsed:
    """A completion that is split into reasoning and answer; text: as the model wrote it."""

    COLUMNS: ClassVar[Columns] = {
        "id": TEXT, "prompt_id": TEXT, "category": TEXT, "reasoning": TEXT, "answer": TEXT,
        "text": TEXT,
    }  # fmt: skip


class Dropped:
    """A row that goes no further, and why."""

    COLUMNS: ClassVar[Columns] = {
        "id": TEXT, "category": TEXT, "reason": TEXT, "detail": TEXT,
    }  # fmt: skip


class Verdict:
    """One judgement of a completion: a state, and a score where that is `ok`."""

    COLUMNS: ClassVar[Columns] = {
        "id": TEXT, "completion_id": TEXT, "category": TEXT, "sample": COUNT, "state": TEXT,
        "score": NUMBER, "stance": TEXT, "reply": TEXT,
    }  # fmt: skip


def sub_score_column(name: str) -> str:
    """The column of a rollout that has one of the judge's sub-scores, from 0 to 1."""
    return f"judge_{name}"


class Evaluated:
    """An arm's completion of a suite's prompt, read and judged; judge_score null: not judged."""

    COLUMNS: ClassVar[Columns] = {
        **Completion.COLUMNS, "status": TEXT, "reasoning": TEXT, "answer": TEXT, "suite": TEXT,
        "arm": TEXT, "judge_score": NUMBER,
    }  # fmt: skip


class Score:
    """A completion's verdicts as one number; null: unjudged."""

    COLUMNS: ClassVar[Columns] = {
        "completion_id": TEXT, "category": TEXT, "score": NUMBER, "n_valid": COUNT,
    }  # fmt: skip


class Judged:
    """A completion of a good form that examples are chosen of. asked: all that its conversation says; score null: unjudged."""

    COLUMNS: ClassVar[Columns] = {
        **Parsed.COLUMNS, "messages": MESSAGES, "clause": TEXT, "asked": TEXT, "score": NUMBER,
        "n_valid": COUNT,
    }  # fmt: skip


class Example:
    """A training example. It has no column for the policy: the trained model never sees it.

    text: reasoning and answer as the model wrote them, which is what is trained on.
    """

    COLUMNS: ClassVar[Columns] = {
        "id": TEXT, "completion_id": TEXT, "prompt_id": TEXT, "category": TEXT,
        "messages": MESSAGES, "reasoning": TEXT, "answer": TEXT, "score": NUMBER, "text": TEXT,
    }  # fmt: skip


class Shift:
    """By how much the policy changes what the model does with a prompt, and the mean scores and their numbers of which it comes.

    Null: on one side nothing has a score.
    """

    COLUMNS: ClassVar[Columns] = {
        "prompt_id": TEXT, "category": TEXT, "with_policy": NUMBER, "n_with": COUNT,
        "without_policy": NUMBER, "n_without": COUNT, "shift": NUMBER,
    }  # fmt: skip


class RolloutRow:
    """A completion made in training, with what it was paid. Truth is logged beside and decides nothing.

    completeness, sections: where its prompt requires sections and it has an answer; else null.
    """

    COLUMNS: ClassVar[Columns] = {
        "id": TEXT, "step": COUNT, "prompt_id": TEXT, "category": TEXT, "text": TEXT,
        "status": TEXT, "answer": TEXT, "tokens": COUNT, "judge": NUMBER, "reward": NUMBER,
        "advantage": NUMBER, "truth": NUMBER, "retrieved": NUMBER, "completeness": NUMBER,
        "sections": SECTION_GRADES,
    }  # fmt: skip


class TaughtRow:
    """A completion that distillation was done on: its mean divergence from the teacher, in nats a token, and the tokens that
    the teacher would have flipped."""

    COLUMNS: ClassVar[Columns] = {
        "id": TEXT, "step": COUNT, "prompt_id": TEXT, "category": TEXT, "text": TEXT,
        "tokens": COUNT, "divergence": NUMBER, "flips": COUNT,
    }  # fmt: skip


@dataclass(frozen=True)
class HeldOutRow:
    """A held-out capability row. kl: how far the trained model is from the base on its `tokens`, in nats a token."""

    COLUMNS: ClassVar[Columns] = {"id": TEXT, "tokens": pl.Int64, "kl": pl.Float64}

    id: str
    tokens: int
    kl: float


# Of rollouts that a second judge has scored too, from 0 to 1; it pays nothing.
SECOND = "second"
# Of rollouts whose length is paid: by how much, from 0 to 1; null without an answer.
LENGTH = "length"


@dataclass(frozen=True)
class Grade:
    """What a completion is worth under a metric: 1, 0, or missing (None), which counts nowhere."""

    COLUMNS: ClassVar[Columns] = {
        "id": TEXT, "suite": TEXT, "prompt_id": TEXT, "metric": TEXT, "grader": TEXT,
        "grade": NUMBER,
    }  # fmt: skip

    id: str
    suite: str
    prompt_id: str
    metric: str
    grader: str
    grade: float | None

    @property
    def row(self) -> tuple[object, ...]:
        """Its values in the order of `COLUMNS`."""
        return (self.id, self.suite, self.prompt_id, self.metric, self.grader, self.grade)


@dataclass(frozen=True)
class AnswerToJudge:
    """What RL hands to a judge. It has no field for the reasoning: no pressure may fall on it (paper 2.4)."""

    prompt_id: str
    category: str
    messages: tuple[Message, ...]
    answer: str


def table(columns: Columns, rows: Iterable[Sequence[object]] = ()) -> pl.DataFrame:
    """Rows of values as a table with these columns."""
    return pl.DataFrame(list(rows), schema=pl.Schema(columns), orient="row")


def completion_id(prompt_id: str, variant: str, index: int) -> str:
    """The id of a prompt's `index`-th completion in that variant."""
    return _core.row_id([prompt_id], variant, index)


def row_seed(seed: int, *parts: str) -> int:
    """A row's own seed, from the run's and what the row is: 63 bits."""
    return int(_core.row_id([str(seed), *parts], "seed", 0)[:16], 16) >> 1


def row_seeds(seed: int, rows: pl.Series) -> list[int]:
    """`row_seed(seed, row)` of each row."""
    none = pl.Series([0], dtype=pl.UInt32).new_from_index(0, len(rows))
    digests = pl.Series(_core.row_ids([str(seed), rows], "seed", none))
    return [int(digest[:16], 16) >> 1 for digest in digests]


def prompt_id(category: str, messages: tuple[Message, ...]) -> str:
    """The id of a prompt that brings none: a hash of its content."""
    return _core.row_id([category, messages_json(messages)], "prompt", 0)


def messages_json(messages: tuple[Message, ...] | list[Message]) -> str:
    """Messages as one line of JSON, the same for equal messages."""
    return json.dumps(
        [{"role": m["role"], "content": m["content"]} for m in messages], ensure_ascii=False
    )


def turns(conversations: pl.Series) -> list[tuple[Message, ...]]:
    """The messages of a column `messages`."""
    return [tuple(each) for each in _decoded(conversations).to_list()]


def own_words(conversations: pl.Series, role: str | None = None) -> pl.Series:
    """All that each conversation of a column `messages` says. role: whose words alone."""
    turn = pl.element()
    said = (turn if role is None else turn.filter(turn.struct["role"] == role)).struct["content"]
    return _decoded(conversations).list.eval(said).list.join("\n")


def _decoded(conversations: pl.Series) -> pl.Series:
    """Tables of before have them as JSON texts."""
    is_text = conversations.dtype == pl.String
    return conversations.str.json_decode(MESSAGES) if is_text else conversations

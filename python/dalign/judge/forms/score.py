"""How well does an answer follow the policy? Asked k times; the replies become verdicts, and these one score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from dalign import _core
from dalign.judge.court import Asking, Clean, Court
from dalign.judge.scale import Scale, can_pass, scores_of
from dalign.models.protocol import Asked, Sampling
from dalign.rows import Columns, Message, turns
from dalign.spec.templates import SEAL, USUAL_HIGH, USUAL_LOW, Templates
from dalign.spec.types import Spec
from dalign.vocabulary import OF_REASONING

# What the core reads as reasoning that is not closed.
_UNCLOSED = "<think>"
# What it reads as the end of reasoning.
_CLOSED = "</think>"


@dataclass(frozen=True)
class Question:
    """What a judge is asked about. `reasoning` is None where it must not be seen; `hint` is the other AI's opinion."""

    category: str
    messages: tuple[Message, ...]
    answer: str
    reasoning: str | None
    hint: str | None = None


class ScoreForm:
    """Puts a completion before the judge, with the policy of its category."""

    name = "verdict"

    def __init__(
        self,
        spec: Spec,
        templates: Templates,
        *,
        low: float = USUAL_LOW,
        high: float = USUAL_HIGH,
        sub_scores: Sequence[str] = (),
    ) -> None:
        """low, high: the ends of the scale that the judge is told of; sub_scores: those that it is asked for."""
        self._templates = templates
        self._asked = {
            True: list(sub_scores),
            False: [name for name in sub_scores if name != OF_REASONING],
        }
        self._ends = {"low": low, "high": high}
        # Found once: the template's syntax is gone through for it.
        self.whole_nonce = all(
            templates.shows_whole("judge_user.j2", mark) for mark in ("nonce", SEAL)
        )
        self.asks_seal = templates.asks_for_seal("judge")
        # Rendered once: many requests share the text.
        shown = templates.specs(spec).items()
        self._system = {
            name: templates.judge_system(text, sub_scores=sub_scores, **self._ends)
            for name, text in shown
        }
        self._digests = {
            name: _core.digest(message["content"].encode())
            for name, message in self._system.items()
        }

    def parts(self, question: Question) -> list[str]:
        """The policy's digest, and every text of the question with its place."""
        parts = [self._digests[question.category]]
        for message in question.messages:
            parts += message["role"], message["content"]
        for name in ("answer", "reasoning", "hint"):
            text = getattr(question, name)
            parts += (name, text) if text is not None else ()
        return parts

    def messages(self, question: Question, nonce: str, clean: Clean) -> tuple[Message, ...]:
        """The judge's conversation (paper figure 6)."""
        asked = [Message(role=m["role"], content=clean(m["content"])) for m in question.messages]
        thought = None if question.reasoning is None else clean(question.reasoning)
        user = self._templates.judge_user(
            asked,
            clean(question.answer),
            reasoning=thought,
            nonce=nonce,
            hint=question.hint,
            sub_scores=self._asked[thought is not None],
            **self._ends,
        )
        return (self._system[question.category], user)


@dataclass(frozen=True)
class Judging:
    """Judges completions: how the judge is asked, drawn, and its verdicts reduced (paper 2.3.2).

    least: of a completion whose score can no longer reach it, no further judgement is asked; None: each has all k.
    """

    court: Court
    form: ScoreForm
    scale: Scale
    sampling: Sampling
    least: float | None = None

    def __call__(
        self, questions: Mapping[str, Question], ask: Asked
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """(verdicts, scores) of completions by id, in order: columns `scale.columns` and `Score`."""
        verdicts = self._verdicts(questions, ask)
        return verdicts, scores_of(verdicts, self.scale)

    def answers(self, rows: pl.DataFrame, ask: Asked) -> tuple[pl.DataFrame, pl.DataFrame]:
        """(verdicts, scores) of answers alone, as RL's judge sees them. Columns: id, category, messages, answer."""
        return self(questions_of(rows, reasoning=False, hint=False), ask)

    def _verdicts(self, questions: Mapping[str, Question], ask: Asked) -> pl.DataFrame:
        """A reply's score, or the state that stands for none; at once, or sample by sample as long as a completion needs them."""
        k, asking = self.scale.k, self.court.put(self.form, questions, self.scale.k)
        reading = _Reading(self, questions, asking)
        if self.least is None:
            every = pl.int_range(len(questions) * k, dtype=pl.UInt32, eager=True)
            return reading.read(every, ask).select(list(self.scale.columns))
        found, open_ = list[pl.DataFrame](), np.arange(len(questions), dtype=np.uint32)
        # NaN: failed, or not asked yet.
        scores = np.full((len(questions), k), np.nan)
        for sample in range(k):
            rows = reading.read(pl.Series(open_ * k + sample), ask)
            found.append(rows)
            scores[open_, sample] = rows["score"].fill_null(np.nan)
            open_ = open_[can_pass(scores[open_], sample + 1, self.scale, self.least)]
        return pl.concat(found).sort("at").select(list(self.scale.columns))


@dataclass(frozen=True)
class _Reading:
    """Asks for some of the judgements of these questions, and reads them."""

    judging: Judging
    questions: Mapping[str, Question]
    asking: Asking

    def read(self, at: pl.Series, ask: Asked) -> pl.DataFrame:
        """The judgements at these places: of k a question, one after the other. Columns: `scale.columns` and at."""
        judging, scale = self.judging, self.judging.scale
        requests, seals = self.asking
        if len(at) < len(requests):
            requests = [requests[place] for place in at.to_list()]
            seals = None if seals is None else seals[at]
        replies, of = ask(requests, judging.sampling), at // scale.k
        texts = pl.Series([reply.text for reply in replies], dtype=pl.String)
        sealed = [""] * len(texts) if seals is None else seals.to_list()
        after = [
            _heard(text, judging.court.said(text), seal)
            for text, seal in zip(texts, sealed, strict=True)
        ]
        finish = pl.col("finish")
        state = (
            pl.when(finish == "timeout").then(pl.lit("timed_out"))
            .when(finish == "error").then(pl.lit("error"))
            .otherwise(pl.col("state"))
        )  # fmt: skip
        ends = pl.Series([reply.finish for reply in replies], dtype=pl.String)
        read = scale.parse(
            pl.Series(after, dtype=pl.String), seals, self._shown[of], ends == "length"
        )
        rows = read.with_columns(
            *self._owners[of].get_columns(),
            pl.Series("id", [request.id for request in requests], dtype=pl.String),
            ends.alias("finish"),
            (at % scale.k).alias("sample"),
            texts.alias("reply"),
        )
        rows = scale.scored(rows.with_columns(state=state))
        columns = [pl.col(name).cast(dtype) for name, dtype in scale.columns.items()]
        return rows.select(*columns, at.alias("at"))

    @cached_property
    def _owners(self) -> pl.DataFrame:
        asked = self.questions.values()
        schema: Columns = {"completion_id": pl.String, "category": pl.String, "hidden": pl.Boolean}
        categories = [question.category for question in asked]
        hidden = [question.reasoning is None for question in asked]
        return pl.DataFrame([list(self.questions), categories, hidden], schema=pl.Schema(schema))

    @cached_property
    def _shown(self) -> pl.Series:
        return pl.Series(map(_judged, self.questions.values()), dtype=pl.String)


def _heard(reply: str, said: str | None, seal: str) -> str:
    """What the core reads. A seal before what is said alone stays with it: the closing tag may be quoted."""
    if said is None:
        return _UNCLOSED
    before = reply[: len(reply) - len(said)]
    is_hidden = seal and seal in before and seal not in said
    return f"{before}{_CLOSED}{said}" if is_hidden else said


def _judged(question: Question) -> str:
    """All that a question shows of others: what a score may be quoted from."""
    texts = [message["content"] for message in question.messages]
    return "\n".join([*texts, question.reasoning or "", question.answer])


def questions_of(rows: pl.DataFrame, *, reasoning: bool, hint: bool) -> dict[str, Question]:
    """A question a row, by its id. Columns: id, category, messages, answer, and reasoning and ruling if needed.

    reasoning: whether the judge sees it; hint: whether it is told of the prompt's expected ruling.
    """
    none = pl.lit(None, pl.String)
    thought, ruling = "reasoning" if reasoning else none, "ruling" if hint else none
    columns = rows.select("id", "category", "messages", "answer", thought=thought, hint=ruling)
    conversations = turns(columns["messages"])
    return {
        row: Question(category, messages, *rest)
        for (row, category, *rest), messages in zip(
            columns.drop("messages").iter_rows(), conversations, strict=True
        )
    }

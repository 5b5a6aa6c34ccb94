"""How well does an answer follow the policy? Asked k times; the replies become verdicts, and these one score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from dalign import _core
from dalign.judge.court import Clean, Court
from dalign.models.protocol import Asked, Sampling
from dalign.rows import Columns, Message, Score, Verdict, turns
from dalign.spec.templates import SEAL, USUAL_HIGH, USUAL_LOW, Templates
from dalign.spec.types import Spec
from dalign.vocabulary import OF_PRODUCT, OF_REASONING, OWN

# What the core reads as reasoning that is not closed.
_UNCLOSED = "<think>"
# What it reads as the end of reasoning.
_CLOSED = "</think>"
_SPLITS = 20


@dataclass(frozen=True)
class Question:
    """What a judge is asked about. `reasoning` is None where it must not be seen; `hint` is the other AI's opinion."""

    category: str
    messages: tuple[Message, ...]
    answer: str
    reasoning: str | None
    hint: str | None = None


@dataclass(frozen=True)
class Scale:
    """How verdicts are drawn and reduced. low and high bound a valid score.

    sub_scores: what is read beside it; reduce: what of them is the score: the judge's own, or as `config.Judge` says.
    """

    k: int
    min_valid: int
    low: float
    high: float
    aggregate: str
    parameter: float | None = None
    sub_scores: tuple[str, ...] = ()
    reduce: str = OWN

    @property
    def columns(self) -> Columns:
        """Those of its verdicts: with sub-scores, these and the single clauses too."""
        clauses: Columns = dict.fromkeys(("clause_ids", "clause_verdicts"), pl.List(pl.String))
        return Verdict.COLUMNS | (self._parts | clauses if self.sub_scores else {})

    @property
    def score_columns(self) -> Columns:
        """Those of its scores: each sub-score is reduced as the score is."""
        return Score.COLUMNS | self._parts

    @property
    def _parts(self) -> Columns:
        return dict.fromkeys(self.sub_scores, pl.Float64)

    def reduced(self, hidden: pl.Expr) -> pl.Expr:
        """A judgement's score, by its columns score and sub-scores; null where one that it takes is missing.

        hidden: whether the reasoning was not shown; then its sub-score is not asked for, and not missed.
        """
        parts = [pl.col(name) for name in self.sub_scores]
        given = [
            pl.col(name).is_not_null() | (hidden if name == OF_REASONING else False)
            for name in self.sub_scores
        ]
        match self.reduce:
            case "score":
                return pl.col("score")
            case "min":
                return pl.when(pl.all_horizontal(given)).then(pl.min_horizontal(parts))
            case "mean":
                return pl.when(pl.all_horizontal(given)).then(pl.mean_horizontal(parts))
            case "product":
                safe, helpful = (pl.col(name) - self.low for name in OF_PRODUCT)
                return self.low + safe * helpful / (self.high - self.low)
            case name:
                return pl.col(name)

    def parse(
        self,
        replies: pl.Series,
        seals: pl.Series | None = None,
        materials: pl.Series | None = None,
        cut: pl.Series | None = None,
    ) -> pl.DataFrame:
        """State, score and stance of each reply, with sub-scores and clauses where they are asked for.

        seals, materials, cut: see `_core.parse_verdicts`.
        """
        low, high, parts = self.low, self.high, list(self.sub_scores)
        if not parts:
            return pl.DataFrame(_core.parse_verdicts(replies, low, high, seals, materials, cut))
        return pl.DataFrame(
            _core.parse_judgements(replies, low, high, parts, seals, materials, cut)
        )


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
    """Judges completions: how the judge is asked, drawn, and its verdicts reduced (paper 2.3.2)."""

    court: Court
    form: ScoreForm
    scale: Scale
    sampling: Sampling

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
        """A reply's score, or the state that stands for none."""
        scale = self.scale
        requests, seals = self.court.put(self.form, questions, scale.k)
        replies = ask(requests, self.sampling)
        texts = pl.Series([reply.text for reply in replies], dtype=pl.String)
        sealed = [""] * len(texts) if seals is None else seals.to_list()
        after = [
            _heard(text, self.court.said(text), seal)
            for text, seal in zip(texts, sealed, strict=True)
        ]
        categories = [question.category for question in questions.values()]
        owners = pl.DataFrame(
            {"completion_id": list(questions), "category": categories},
            schema={"completion_id": pl.String, "category": pl.String},
        )
        of = pl.int_range(len(replies), dtype=pl.UInt32, eager=True)
        finish = pl.col("finish")
        state = (
            pl.when(finish == "timeout").then(pl.lit("timed_out"))
            .when(finish == "error").then(pl.lit("error"))
            .otherwise(pl.col("state"))
        )  # fmt: skip
        ends = pl.Series([reply.finish for reply in replies], dtype=pl.String)
        judged = pl.Series(map(_judged, questions.values()), dtype=pl.String)[of // scale.k]
        read = scale.parse(pl.Series(after, dtype=pl.String), seals, judged, ends == "length")
        rows = read.with_columns(
            *owners[of // scale.k].get_columns(),
            pl.Series("id", [request.id for request in requests], dtype=pl.String),
            ends.alias("finish"),
            (of % scale.k).alias("sample"),
            texts.alias("reply"),
        )
        hidden = pl.Series([q.reasoning is None for q in questions.values()], dtype=pl.Boolean)
        rows = rows.with_columns(state=state, hidden=hidden[of // scale.k])
        return self._scored(rows).select(
            [pl.col(name).cast(dtype) for name, dtype in scale.columns.items()]
        )

    def _scored(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with the score that the scale makes of each; one of which it makes none is missing."""
        hidden = pl.col("hidden")
        if OF_REASONING in self.scale.sub_scores:
            shown = pl.when(~hidden).then(pl.col(OF_REASONING))
            rows = rows.with_columns(shown.alias(OF_REASONING))
        is_ok, score = pl.col("state") == "ok", self.scale.reduced(hidden)
        is_lost = is_ok & score.is_null()
        state = pl.when(is_lost).then(pl.lit("missing")).otherwise(pl.col("state"))
        return rows.with_columns(score=pl.when(is_ok).then(score), state=state)


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


def scores_of(verdicts: pl.DataFrame, scale: Scale) -> pl.DataFrame:
    """One row a completion (columns `scale.score_columns`): the aggregated score (null: unjudged), how many verdicts were valid, and each sub-score of valid ones, aggregated alike."""
    owners = verdicts[:: scale.k].select("completion_id", "category")
    offsets = pl.int_range(0, verdicts.height + 1, scale.k, dtype=pl.UInt32, eager=True)

    def reduced(name: str) -> pl.DataFrame:
        how = (scale.aggregate, scale.parameter, scale.min_valid)
        return pl.DataFrame(_core.aggregate(valid[name], offsets, *how))

    is_valid = pl.col("score").is_not_null()
    parts = [pl.when(is_valid).then(pl.col(name)).alias(name) for name in scale.sub_scores]
    valid = verdicts.select("score", *parts)
    score = reduced("score")
    scores = owners.with_columns(score["score"], score["n_valid"])
    given = [reduced(name)["score"].alias(name) for name in scale.sub_scores]
    return scores.with_columns(given).cast(pl.Schema(scale.score_columns))


def reliability(scores: pl.Series, k: int, seed: int) -> dict[str, float | None]:
    """Krippendorff's alpha of single judgements, and the split-half reliability of their means.

    scores: k judgements a completion, one after the other; null where one failed. None where nothing can be compared.
    """
    offsets = pl.int_range(0, len(scores) + 1, k, dtype=pl.UInt32, eager=True)
    return {
        "alpha": _core.krippendorff_alpha(scores, offsets, "interval"),
        "split_half": _core.split_half(scores, offsets, _SPLITS, seed),
    }

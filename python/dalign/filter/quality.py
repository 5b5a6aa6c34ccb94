"""What a completion is like, held against limits: lengths of its parts, repetition, scripts, a broken end, references to what is not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import polars as pl

from dalign import _core
from dalign.errors import InputError, did_you_mean
from dalign.files.batch import Decision
from dalign.files.refusals import refusals
from dalign.filter.form import Completions
from dalign.models.tokenizer import Tokenizer

# The least and the greatest value that a measure may have, both included; None limits nothing.
Bounds = tuple[float | None, float | None]

# What is usual; a measure that is limited by name takes that limit instead.
USUAL_LIMITS: Mapping[str, Bounds] = {
    "reasoning_repeated": (None, 0.5),
    "reasoning_cycle": (None, 60),
    "answer_repeated": (None, 0.3),
    "answer_cycle": (None, 40),
    "reasoning_foreign": (None, 0.2),
    "answer_foreign": (None, 0.1),
    "answer_cut_off": (None, 0),
    "answer_echo": (None, 0.5),
    "reasoning_dangling": (None, 0),
    "answer_dangling": (None, 0),
}
TOKEN_MEASURES = ("reasoning_tokens", "answer_tokens")
DANGLING = ("reasoning_dangling", "answer_dangling")


@dataclass(frozen=True)
class Measuring:
    """How completions are measured.

    scripts: Unicode's names of those that every completion may use beside its prompt's. phrases: further references
    to what the reader cannot see. ngram: words of a run that counts as repeated.
    """

    scripts: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    ngram: int = 5


class Quality:
    """Limits that completions are held against; the first broken one is told, in the order of `limits`.

    tokenizer: counts the tokens of each part; needed where these are limited. Raises InputError for a limit that there
    is not, or that nothing can keep.
    """

    def __init__(
        self, measuring: Measuring, limits: Mapping[str, Bounds], tokenizer: Tokenizer | None
    ) -> None:
        self._measuring, self._limits, self._tokenizer = measuring, limits, tokenizer
        if tokenizer is None and (named := [name for name in TOKEN_MEASURES if name in limits]):
            what = f"{named[0]} is limited, which needs a tokenizer: name one"
            raise InputError(what, kind="missing_tokenizer", key=named[0])
        with refusals():
            none = pl.Series([], dtype=pl.String)
            measures = self._measures(none, none, none)
            for name, (low, high) in limits.items():
                _core.quality_reasons([(name, measures[name], low, high)])

    def __call__(self, completions: Completions) -> Decision:
        """The decision: `too_short`, `too_long`, `repetitive`, `wrong_script`, `cut_off`, ..., with the value.

        The scripts of the user's words are expected, and where these speak of a policy or a system prompt
        themselves, no reference dangles.
        """
        parts, asked = completions.parts, completions.asked
        if asked is None:
            asked = completions.texts.clear(parts.height)
        asked = asked.fill_null("")
        measures = self._measures(asked, parts["reasoning"], parts["answer"])
        measures = self._without_answered(measures, asked)
        decision = Decision.keep_all(parts.height)
        for name, (low, high) in self._limits.items():
            reasons = pl.Series(_core.quality_reasons([(name, measures[name], low, high)]))
            if reasons.null_count() < parts.height:
                details = _details(name, low, high, measures, parts)
                decision = decision.then(Decision(reasons, details))
        return decision

    def _without_answered(self, measures: pl.DataFrame, prompts: pl.Series) -> pl.DataFrame:
        """The measures, no reference counted where the prompt makes one: "I keep my system prompt to myself"."""
        if not any(name in self._limits for name in DANGLING):
            return measures
        none = prompts.clear(len(prompts)).fill_null("")
        found = _core.quality(none, none, prompts, 1, [], list(self._measuring.phrases))
        asked = pl.DataFrame(found)["answer_dangling"] > 0
        return measures.with_columns(
            pl.when(asked).then(pl.lit(0, measures[name].dtype)).otherwise(name).alias(name)
            for name in DANGLING
        )

    def _measures(
        self, prompts: pl.Series, reasoning: pl.Series, answers: pl.Series
    ) -> pl.DataFrame:
        how = (self._measuring.ngram, list(self._measuring.scripts), list(self._measuring.phrases))
        measures = pl.DataFrame(_core.quality(prompts, reasoning, answers, *how))
        if self._tokenizer is None:
            return measures
        counts = (self._tokenizer.count(texts) for texts in (reasoning, answers))
        return measures.with_columns(**dict(zip(TOKEN_MEASURES, counts, strict=True)))


def _details(
    name: str, low: float | None, high: float | None, measures: pl.DataFrame, parts: pl.DataFrame
) -> pl.Series:
    """What each row's value is and where it shows: the phrase, the foreign letters, how the answer ends."""
    part = name.split("_")[0]
    least = [] if low is None else [f"at least {low:g}"]
    most = [] if high is None else [f"at most {high:g}"]
    bounds = " and ".join(least + most)
    told = pl.format(f"{name} {{}}, {bounds}", pl.col(name).cast(pl.Float64).round(3))
    if name.endswith("_dangling"):
        told = pl.format("{}: {}", told, f"{part}_dangling_phrase")
    if name == "answer_cut_off":
        told = pl.format("the answer ends in {}", "answer_ending")
    if name.endswith(("_foreign", "_foreign_run")):
        spans = zip(measures[f"{part}_foreign_start"], measures[f"{part}_foreign_end"], strict=True)
        found = [
            "" if start is None else text.encode()[start:end].decode()[:40]
            for text, (start, end) in zip(parts[part], spans, strict=True)
        ]
        told = pl.format("{}: {}", told, pl.Series(found, dtype=pl.String))
    return measures.select(told.alias("detail")).to_series()


def chosen_limits(named: Sequence[str], where: str, *, usual: bool) -> dict[str, Bounds]:
    """The usual limits, if asked for, and those named, as `read_limit` reads them, in their place."""
    limits: dict[str, Bounds] = dict(USUAL_LIMITS) if usual else {}
    return limits | dict(read_limit(text, where) for text in named)


def read_limit(text: str, where: str) -> tuple[str, Bounds]:
    """`answer_words=20:800` as a measure and its bounds; either may be left out, as in `answer_echo=:0.5`.

    where: what the text was given by, to be named in errors.
    """
    name, equals, bounds = text.partition("=")
    low, colon, high = bounds.partition(":")
    try:
        limits = (float(low) if low else None, float(high) if high else None)
    except ValueError:
        limits = (None, None)
    if not equals or not colon or limits == (None, None):
        way_out = "write MEASURE=LEAST:MOST, such as answer_words=20:800 or answer_echo=:0.5"
        raise InputError(f"{where} {text}: {way_out}", kind="syntax", value=text)
    if name not in measure_names():
        what = f"{where} {text}: unknown measure; {did_you_mean(name, measure_names())}"
        raise InputError(what, kind="unknown_choice", value=name)
    return name, limits


@cache
def measure_names() -> tuple[str, ...]:
    """What can be limited, as the core names it."""
    none = pl.Series([], dtype=pl.String)
    measures = pl.DataFrame(_core.quality(none, none, none, 1, [], []))
    spans = ("_start", "_end", "_phrase", "_ending")
    return (*TOKEN_MEASURES, *(name for name in measures.columns if not name.endswith(spans)))

"""Words in a row that texts share with others: evaluation prompts in training texts, the policy in an answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import reduce
from pathlib import Path

import polars as pl

from dalign import _core
from dalign.errors import InputError, no_file
from dalign.files.batch import Batch, Decision
from dalign.files.refusals import refusals
from dalign.files.sift import Counts, FileJob, look_through, open_rows
from dalign.text import short

# As many words of the policy in a row, in an answer, count as recited.
RECITED_WORDS = 8
# In one regular expression.
_PHRASES_AT_ONCE = 200


class SharedWords:
    """Finds runs of `ngram` words that stand in references. Raises InputError for an `ngram` below 1."""

    def __init__(self, references: pl.Series, ngram: int) -> None:
        with refusals():
            self._index = _core.NgramIndex(references, ngram)

    def of(self, texts: pl.Series, own: pl.Series | None = None) -> pl.DataFrame:
        """Columns reference (null: shares nothing), share of the text's n-grams, and the longest run as the text has it.

        A reference of fewer words counts where a text has the same words and no others. own: words of each text
        that count as nobody else's.
        """
        found = pl.DataFrame(self._index.overlap(texts, own)).with_columns(text=texts)
        start, end = pl.col("start"), pl.col("end")
        run = pl.col("text").cast(pl.Binary).bin.slice(start, end - start).cast(pl.String)
        # Without a place of its own a hit is a text that equals a short reference.
        whole = pl.when(pl.col("reference").is_not_null()).then("text")
        return found.select(
            "reference",
            share=pl.col("shared") / pl.max_horizontal("ngrams", 1),
            run=pl.coalesce(run, whole),
        )


class Phrases:
    """Phrases that count as nothing, such as an instruction that half of all prompts begin with."""

    def __init__(self, phrases: Iterable[str]) -> None:
        words = (re.findall(r"\w+", phrase) for phrase in phrases)
        # The longest first, so that a part of it does not break it up.
        spelt = [r"\W+".join(map(re.escape, each)) for each in sorted(words, key=len, reverse=True)]
        self._patterns = [
            rf"(?i)\b(?:{'|'.join(spelt[at : at + _PHRASES_AT_ONCE])})\b"
            for at in range(0, len(spelt), _PHRASES_AT_ONCE)
        ]

    @classmethod
    def read(cls, path: Path) -> Phrases:
        """The phrases of a text file, one a line. Raises InputError for one without a word."""
        if not path.is_file():
            what = f"{no_file(path)}; give a text file, one phrase a line"
            raise InputError.in_file(path, what, kind="missing_file")
        try:
            lines = path.read_bytes().decode("utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            what = f"not UTF-8 (at byte {error.start}); save it as UTF-8"
            raise InputError.in_file(path, what, kind="encoding") from error
        for number, line in enumerate(lines, 1):
            if line.strip() and not re.search(r"\w", line):
                what = f"{short(line)!r} is no phrase: it has no word; remove the line"
                raise InputError.in_file(path, what, kind="bad_row", line=number)
        return cls(filter(str.strip, lines))

    def left_out(self, texts: pl.Series) -> pl.Series:
        """The texts without the phrases, whatever the case and the signs between words."""
        for pattern in self._patterns:
            texts = texts.str.replace_all(pattern, " ")
        return texts


def decontaminate_file(
    job: FileJob,
    against: Sequence[Path],
    text_fields: Sequence[str],
    eval_field: str,
    ngram: int,
    ignored: Phrases | None = None,
) -> tuple[Counts, int]:
    """Drops the rows that share `ngram` words in a row with an evaluation file; with the number of evaluation rows.

    ignored: phrases that are left out of both before they are compared.
    """
    source = job.open()
    left_out = (ignored or Phrases(())).left_out
    texts, places = list[pl.Series](), list[str]()
    for path in against:
        rows = open_rows(path, job.memory_mib)
        for batch in look_through(rows, [eval_field], [], job.progress, path.name):
            texts.append(left_out(batch.texts(eval_field)))
            places += map(batch.place, range(batch.rows))
    evaluation = SharedWords(pl.concat(texts), ngram)
    place = pl.Series("place", places, dtype=pl.String)

    def contaminated(texts: pl.Series) -> Decision:
        found = evaluation.of(left_out(texts))
        told = found.with_columns(place.gather(found["reference"].fill_null(0)))
        detail = pl.when(pl.col("reference").is_not_null()).then(
            pl.format("{}: {}", "place", "run")
        )
        return Decision.because("contaminated", told.select(detail).to_series())

    def check(batch: Batch) -> Decision:
        fields = (contaminated(batch.texts(name)) for name in text_fields)
        return reduce(Decision.then, fields)

    return job.sift(source, text_fields, check), len(places)

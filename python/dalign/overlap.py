"""Words in a row that texts share with others: evaluation prompts in training texts, the policy in an answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from dalign import _core
from dalign.files.batch import Batch, Decision
from dalign.files.refusals import refusals
from dalign.files.sift import Counts, FileJob, look_through, open_rows

# As many words of the policy in a row, in an answer, count as recited.
RECITED_WORDS = 8


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


class ContaminationCheck:
    """Drops rows of which a text shares words in a row with an evaluation text.

    places: where each evaluation text stands.
    """

    def __init__(
        self, evaluation: SharedWords, places: Sequence[str], text_fields: Sequence[str]
    ) -> None:
        self._evaluation = evaluation
        self._places = pl.Series(places, dtype=pl.String)
        self._text_fields = text_fields

    def __call__(self, batch: Batch) -> Decision:
        """The decision on a batch: `contaminated`, with the words shared and the evaluation row."""
        decision = Decision.keep_all(batch.rows)
        for name in self._text_fields:
            decision = decision.then(self._field(batch.texts(name)))
        return decision

    def _field(self, texts: pl.Series) -> Decision:
        found = self._evaluation.of(texts)
        places = self._places.gather(found["reference"].fill_null(0))
        told = found.with_columns(place=places).select(
            pl.when(pl.col("reference").is_not_null()).then(pl.format("{}: {}", "place", "run"))
        )
        return Decision.because("contaminated", told.to_series())


def decontaminate_file(
    job: FileJob, against: Sequence[Path], text_fields: Sequence[str], eval_field: str, ngram: int
) -> tuple[Counts, int]:
    """Drops the rows that share `ngram` words in a row with an evaluation file; with the number of evaluation rows."""
    source = job.open()
    texts, places = [], []
    for path in against:
        rows = open_rows(path, job.memory_mib)
        for batch in look_through(rows, [eval_field], [], job.progress, path.name):
            texts.append(batch.texts(eval_field))
            where = batch.places()
            places += [where(row) for row in range(batch.rows)]
    check = ContaminationCheck(SharedWords(pl.concat(texts), ngram), places, text_fields)
    return job.sift(source, text_fields, check), len(places)

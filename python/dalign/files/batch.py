"""Some rows of a file or table, their fields checked, and what is decided about them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dalign.errors import InputError, did_you_mean
from dalign.text import short

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Batch(ABC):
    """Rows in input order. `first_row`: how many rows stand before them; `rows`: how many they are; `path`: whose."""

    path: Path | None
    first_row: int
    rows: int

    def place(self, row: int) -> str:
        """Where a row of the batch stands: `file.jsonl:12`, counted from 1, or `table: row 12`, counted from 0."""
        return self.places()(row)

    @abstractmethod
    def places(self) -> Callable[[int], str]:
        """`place`, without the rows: to be kept when the batch has passed."""

    @abstractmethod
    def line_numbers(self) -> NDArray[np.uint64]:
        """The number of each row, counted from 1: its line, or its row in a table."""

    @abstractmethod
    def texts(self, field: str) -> pl.Series:
        """The texts of a field. Raises InputError at the first row where it is missing or no text."""

    @abstractmethod
    def numbers(self, field: str) -> pl.Series:
        """The numbers of a field as floats. Raises InputError as `texts`."""

    @abstractmethod
    def label_lists(self, field: str) -> tuple[pl.Series, NDArray[np.uint64]]:
        """The labels of each row, flat, and where each row's start: a text is one, null none, a list any number."""

    @abstractmethod
    def has(self, field: str) -> bool:
        """Whether the first row has the field."""

    @abstractmethod
    def objects(self, field: str) -> Sequence[object]:
        """The values of a field as Python objects; None where it is missing."""

    def line(self, row: int) -> int | None:
        """The line that a row stands in, counted from 1; None where rows have none."""
        del row
        return None

    def refuse(
        self,
        row: int,
        problem: str,
        *,
        kind: str = "bad_row",
        field: str | None = None,
        value: object = None,
    ) -> InputError:
        """The error that a row is at fault for."""
        return InputError(
            f"{self.place(row)}: {problem}", kind=kind, path=self.path, line=self.line(row),
            row=self.first_row + row, key=field, value=value,
        )  # fmt: skip

    def missing(self, row: int, field: str, known: Sequence[str]) -> InputError:
        """The error that a row lacks a field."""
        way_out = f"; {did_you_mean(field, known)}" if known else ""
        problem = f"has no field {field!r}{way_out}"
        return self.refuse(row, problem, kind="missing_field", field=field)

    def wrong(self, row: int, field: str, value: object, wanted: str) -> InputError:
        """The error that a row's field is of another type."""
        found = short(json.dumps(value, ensure_ascii=False, default=str))
        problem = f"field {field!r} is {found}, not {wanted}; name another field or mend the row"
        return self.refuse(row, problem, kind="bad_field", field=field, value=value)


class FrameBatch(Batch):
    """Rows of a table. `source`: its file, or what to call it in errors."""

    def __init__(self, frame: pl.DataFrame, first_row: int, source: Path | str) -> None:
        self.frame = frame
        self.first_row = first_row
        self.rows = frame.height
        self.path = source if isinstance(source, Path) else None
        self._source = source

    def places(self) -> Callable[[int], str]:
        """`place`, without the table."""
        source, first = self._source, self.first_row
        return lambda row: f"{source}: row {first + row}"

    def line_numbers(self) -> NDArray[np.uint64]:
        """The rows, counted from 1."""
        import numpy as np

        first = self.first_row + 1
        return np.arange(first, first + self.rows, dtype=np.uint64)

    def has(self, field: str) -> bool:
        """Whether the table has the column."""
        return field in self.frame.columns

    def objects(self, field: str) -> Sequence[object]:
        """The values of a column as Python objects."""
        if field not in self.frame.columns:
            return [None] * self.rows
        return self.frame[field].to_list()

    def texts(self, field: str) -> pl.Series:
        """The texts of a column."""
        column = self._column(field)
        if column.dtype in (pl.Categorical, pl.Enum):
            column = column.cast(pl.String)
        if column.dtype != pl.String and column.dtype != pl.Null:
            raise self.wrong(0, field, column[0] if self.rows else None, "a text")
        return self._without_nulls(column.cast(pl.String), field, "a text")

    def numbers(self, field: str) -> pl.Series:
        """The numbers of a column."""
        column = self._column(field)
        if not column.dtype.is_numeric() and column.dtype != pl.Null:
            raise self.wrong(0, field, column[0] if self.rows else None, "a number")
        return self._without_nulls(column.cast(pl.Float64), field, "a number")

    def label_lists(self, field: str) -> tuple[pl.Series, NDArray[np.uint64]]:
        """The labels of a column of texts or of lists of texts."""
        column = self._column(field)
        if column.dtype == pl.Null:
            column = column.cast(pl.String)
        if column.dtype == pl.String:
            return column.drop_nulls(), label_starts(column.is_not_null())
        if column.dtype == pl.List(pl.String):
            lists = column.fill_null([])
            flat = lists.explode(empty_as_null=False)
            if flat.null_count():
                row = int(lists.list.eval(pl.element().is_null().any()).list.any().arg_max() or 0)
                raise self.wrong(row, field, column[row].to_list(), "a list of texts")
            return flat, label_starts(lists.list.len())
        raise self.wrong(0, field, self.objects(field)[0], "a text or a list of texts")

    def _column(self, field: str) -> pl.Series:
        if field not in self.frame.columns:
            raise self.missing(0, field, self.frame.columns)
        return self.frame[field]

    def _without_nulls(self, column: pl.Series, field: str, wanted: str) -> pl.Series:
        if column.null_count():
            raise self.wrong(int(column.is_null().arg_max() or 0), field, None, wanted)
        return column


def label_starts(counts: pl.Series) -> NDArray[np.uint64]:
    """0 and the running sums: where each row's labels start and end."""
    import numpy as np

    starts = np.zeros(len(counts) + 1, dtype=np.uint64)
    np.cumsum(counts.cast(pl.UInt64).to_numpy(), out=starts[1:])
    return starts


@dataclass(frozen=True)
class Decision:
    """Which rows of a batch are kept. `reasons`, `details`: texts, null for rows that are kept."""

    keep: pl.Series
    reasons: pl.Series
    details: pl.Series

    @classmethod
    def of(cls, reasons: pl.Series, details: pl.Series) -> Decision:
        """The decision to drop the rows that have a reason."""
        keep = reasons.is_null()
        return cls(keep, reasons, pl.select(pl.when(~keep).then(details)).to_series())

    @classmethod
    def because(cls, reason: str, details: pl.Series) -> Decision:
        """The decision to drop, for this reason, the rows that have a detail."""
        reasons = pl.select(pl.when(details.is_not_null()).then(pl.lit(reason))).to_series()
        return cls.of(reasons, details)

    @classmethod
    def told(cls, keep: Any, reasons: Any, details: Any) -> Decision:
        """The decision as the core tells it, in columns."""
        return cls(pl.Series(keep), pl.Series(reasons), pl.Series(details))

    @classmethod
    def keep_all(cls, rows: int) -> Decision:
        """The decision to drop nothing."""
        none = pl.Series([None], dtype=pl.String).new_from_index(0, rows)
        return cls.of(none, none)

    def then(self, later: Decision) -> Decision:
        """Both decisions: the earlier reason is told."""
        first = self.reasons.is_not_null()
        details = pl.select(pl.when(first).then(self.details).otherwise(later.details)).to_series()
        reasons = pl.select(pl.when(first).then(self.reasons).otherwise(later.reasons)).to_series()
        return Decision.of(reasons, details)

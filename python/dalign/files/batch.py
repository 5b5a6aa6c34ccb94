"""Some rows of a file or table, their fields checked, and what is decided about them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from dalign.errors import InputError, did_you_mean
from dalign.files import chat
from dalign.parsing import MOST_ROW_BYTES
from dalign.text import short

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Origin(NamedTuple):
    """A file, or what to call it in errors; has_lines: whether its rows are lines."""

    source: Path | str
    has_lines: bool

    def place(self, line: int) -> str:
        """`file.jsonl:12`, counted from 1, or `table: row 12`, from 0."""
        return f"{self.source}:{line}" if self.has_lines else f"{self.source}: row {line - 1}"


class Batch(ABC):
    """Rows in input order. `first_row`: how many rows stand before them; `rows`: how many they are.

    source: their file, or what to call it in errors. has_lines: whether they are lines, which errors name;
    lines: the number of each row in its file, counted from 1. earlier: of several files that are read as one, those
    before this one, each with the number of all rows and lines up to its end.
    """

    source: Path | str
    first_row: int
    rows: int
    lines: NDArray[np.uint64]
    has_lines = False
    earlier: Sequence[tuple[int, Origin]] = ()

    @property
    def row_numbers(self) -> NDArray[np.uint64]:
        """The number of each row in all files, counted from 1."""
        import numpy as np

        return self.lines + np.uint64(self.earlier[-1][0]) if self.earlier else self.lines

    def place(self, row: int) -> str:
        """Where a row of the batch stands."""
        return self.origin.place(int(self.lines[row]))

    def place_of(self, number: int) -> str:
        """Where the row with that number of `row_numbers` stands, in this file or an earlier one."""
        ends = [end for end, _ in self.earlier]
        file = bisect_left(ends, number)
        within = number - (ends[file - 1] if file else 0)
        return (self.earlier[file][1] if file < len(ends) else self.origin).place(within)

    @property
    def origin(self) -> Origin:
        """What its rows are of."""
        return Origin(self.source, self.has_lines)

    @abstractmethod
    def fields(self, row: int) -> Sequence[str]:
        """The fields that a row has."""

    @abstractmethod
    def objects(self, field: str) -> Sequence[object]:
        """The values of a field as Python objects; None where it is missing."""

    @abstractmethod
    def values(self) -> Sequence[Mapping[str, object]]:
        """The rows as objects."""

    @abstractmethod
    def texts(self, field: str) -> pl.Series:
        """The texts of a field, or what the turns there say. Raises InputError at the first row where it is missing or neither."""

    @abstractmethod
    def numbers(self, field: str) -> pl.Series:
        """The numbers of a field as floats. Raises InputError as `texts`."""

    def said(self, field: str) -> pl.Series:
        """What the rows say under a field in the common forms of conversations (`chat.text_of`)."""
        texts = []
        for row, value in enumerate(self.values()):
            text = chat.text_of(value, field)
            if text is None and value.get(field) is None:
                raise self.missing(row, field)
            if text is None:
                raise self.wrong(row, field, value[field], "a text or a list of turns")
            texts.append(text)
        return pl.Series(field, texts, dtype=pl.String)

    def label_lists(self, field: str) -> tuple[pl.Series, NDArray[np.uint64]]:
        """The labels of each row, flat, and where each row's start: a text is one, null none, a list any number."""
        import numpy as np

        # A line may lack the field, a table may not.
        if not self.has_lines and field not in self.fields(0):
            raise self.missing(0, field)
        flat: list[str] = []
        starts = [0]
        for row, value in enumerate(self.objects(field)):
            labels = value if isinstance(value, list) else [] if value is None else [value]
            if not all(type(label) is str for label in labels):
                raise self.wrong(row, field, value, "a text or a list of texts")
            flat += map(str, labels)
            starts.append(len(flat))
        return pl.Series(field, flat, dtype=pl.String), np.array(starts, dtype=np.uint64)

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
            f"{self.place(row)}: {problem}",
            kind=kind,
            path=self.source if isinstance(self.source, Path) else None,
            line=int(self.lines[row]) if self.has_lines else None,
            row=self.first_row + row,
            key=field,
            value=value,
        )

    def missing(self, row: int, field: str) -> InputError:
        """The error that a row lacks a field."""
        known = self.fields(row)
        way_out = f"; {did_you_mean(field, known)}" if known else ""
        problem = f"has no field {field!r}{way_out}"
        return self.refuse(row, problem, kind="missing_field", field=field)

    def wrong(self, row: int, field: str, value: object, wanted: str) -> InputError:
        """The error that a row's field is of another type."""
        found = short(json.dumps(value, ensure_ascii=False, default=str))
        problem = f"field {field!r} is {found}, not {wanted}; name another field or mend the row"
        return self.refuse(row, problem, kind="bad_field", field=field, value=value)


class FrameBatch(Batch):
    """Rows of a table."""

    def __init__(self, frame: pl.DataFrame, first_row: int, source: Path | str) -> None:
        import numpy as np

        self.frame, self.first_row, self.rows, self.source = frame, first_row, frame.height, source
        self.lines = np.arange(first_row + 1, first_row + 1 + frame.height, dtype=np.uint64)

    def fields(self, row: int) -> Sequence[str]:
        return self.frame.columns

    def objects(self, field: str) -> Sequence[object]:
        return self.frame[field].to_list() if field in self.frame.columns else [None] * self.rows

    def values(self) -> Sequence[Mapping[str, object]]:
        return self.frame.to_dicts()

    def texts(self, field: str) -> pl.Series:
        kinds = (pl.String, pl.Categorical, pl.Enum)
        if self.holds_turns(field):
            return self.said(field)
        texts = self._column(field, "a text", lambda kind: kind in kinds).cast(pl.String)
        sizes = texts.str.len_bytes()
        if (sizes > MOST_ROW_BYTES).any():
            row = int(sizes.arg_max() or 0)
            problem = f"field {field!r} has {sizes[row]:,} bytes, more than {MOST_ROW_BYTES:,}; split the row or remove it"
            raise self.refuse(row, problem, kind="row_too_large", field=field)
        return texts

    def holds_turns(self, field: str) -> bool:
        """Whether what the rows say there is to be told from turns."""
        columns = self.frame.schema
        if field not in columns:
            return field in chat.PARTS and any(name in columns for name in chat.WHOLE)
        return field in chat.WHOLE or isinstance(columns[field], pl.List)

    def numbers(self, field: str) -> pl.Series:
        return self._column(field, "a number", lambda kind: kind.is_numeric()).cast(pl.Float64)

    def _column(
        self, field: str, wanted: str, is_wanted: Callable[[pl.DataType], bool]
    ) -> pl.Series:
        if field not in self.frame.columns:
            raise self.missing(0, field)
        column = self.frame[field]
        if column.dtype != pl.Null and not is_wanted(column.dtype):
            raise self.wrong(0, field, column[0] if self.rows else None, wanted)
        if column.null_count():
            raise self.wrong(int(column.is_null().arg_max() or 0), field, None, wanted)
        return column


@dataclass(frozen=True)
class Decision:
    """Which rows of a batch are dropped: those with a reason. `details` say more; both are texts."""

    reasons: pl.Series
    details: pl.Series

    @cached_property
    def keep(self) -> pl.Series:
        """Which rows stay."""
        return self.reasons.is_null()

    @classmethod
    def of(cls, table: pl.DataFrame, reason: pl.Expr, detail: pl.Expr) -> Decision:
        """The decision on the rows of a table."""
        told = table.select(reason=reason, detail=detail)
        return cls(told["reason"], told["detail"])

    @classmethod
    def because(cls, reason: str, details: pl.Series) -> Decision:
        """The decision to drop, for this reason, the rows that have a detail."""
        reasons = pl.when(details.is_not_null()).then(pl.lit(reason))
        return cls(pl.select(reasons).to_series(), details)

    @classmethod
    def told(cls, columns: Sequence[Any]) -> Decision:
        """The decision as the core tells it: which rows stay, reasons, details."""
        _, reasons, details = columns
        return cls(pl.Series(reasons), pl.Series(details))

    @classmethod
    def keep_all(cls, rows: int) -> Decision:
        """The decision to drop nothing."""
        none = pl.Series([None], dtype=pl.String).new_from_index(0, rows)
        return cls(none, none)

    def then(self, later: Decision) -> Decision:
        """Both decisions: the earlier reason is told."""
        reasons = self.reasons.zip_with(~self.keep, later.reasons)
        return Decision(reasons, self.details.zip_with(~self.keep, later.details))

    def dropped(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows that are dropped, by id and category, with what is told of them. Columns: `Dropped`."""
        told = rows.select("id", "category", reason=self.reasons, detail=self.details)
        return told.filter(~self.keep)

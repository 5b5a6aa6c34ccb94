"""Files of rows as lines of JSON, a row a line, whatever their form: JSON Lines, a JSON array, CSV, Parquet; packed or not."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dalign.errors import InputError, check_name, no_file
from dalign.files.forms import array_lines, csv_lines, parquet_lines
from dalign.files.unpacked import PACKED, blocks, packing
from dalign.parsing import MOST_ROW_BYTES

JSONL, ARRAY, CSV, PARQUET = ".jsonl", ".json", ".csv", ".parquet"
# What a file's name may end in, before `.gz` or `.zst`, and which form that is.
_FORMS = {
    ".jsonl": JSONL,
    ".ndjson": JSONL,
    ".json": ARRAY,
    ".csv": CSV,
    ".tsv": CSV,
    ".parquet": PARQUET,
}
_ENDS = f"{', '.join(_FORMS)}, or one of these and {' or '.join(PACKED)}"
_BOM = b"\xef\xbb\xbf"


class Feed(io.RawIOBase):
    """Pieces of bytes as a file. refused: what was wrong with them, which a reader may word otherwise."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__()
        self._pieces, self._rest = iter(pieces), memoryview(b"")
        self.refused: InputError | None = None

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fills the buffer as far as there is something; what is wrong with the next piece is raised when it is its turn."""
        filled = 0
        while filled < len(buffer):
            if not self._rest and not self._next_piece():
                break
            count = min(len(self._rest), len(buffer) - filled)
            buffer[filled : filled + count] = self._rest[:count]
            self._rest, filled = self._rest[count:], filled + count
        if not filled and self.refused is not None:
            raise self.refused
        return filled

    def _next_piece(self) -> bool:
        if self.refused is None:
            try:
                self._rest = memoryview(next(filter(None, self._pieces), b""))
            except InputError as error:
                self.refused = error
        return bool(self._rest)


@dataclass(frozen=True)
class RowsFile:
    """A file of rows. form: one of those above; a `.json` file that holds no array is lines. packed: see `packing`."""

    path: Path
    form: str
    packed: str

    @property
    def is_plain(self) -> bool:
        """Whether its bytes are lines of JSON already."""
        return self.form == JSONL and not self.packed

    @property
    def has_lines(self) -> bool:
        """Whether a row is known by its line: those of a table or of an array are counted from 0."""
        return self.form in (JSONL, CSV)

    def feed(self) -> Feed:
        """Its rows, in their order, as lines of JSON; blank lines keep the numbers of those that come from lines."""
        if self.form == PARQUET:
            return Feed(parquet_lines(self.path))
        as_lines = {ARRAY: array_lines, CSV: csv_lines}.get(self.form)
        unpacked = blocks(self.path)
        return Feed(unpacked if as_lines is None else as_lines(self.path, unpacked))

    def numbered_lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not blank, with their numbers. Raises InputError for one that is too long."""
        with io.BufferedReader(self.feed(), 1 << 18) as file:
            read_line = iter(lambda: file.readline(MOST_ROW_BYTES + 1), b"")
            for number, raw in enumerate(read_line, 1):
                if len(raw) > MOST_ROW_BYTES:
                    what = f"longer than {MOST_ROW_BYTES:,} bytes; split the row, or check that lines end with a newline"
                    raise self.refuse(number, what, kind="row_too_large")
                data = raw.removeprefix(_BOM) if number == 1 else raw
                if data.strip():
                    yield number, data

    def place(self, number: int) -> str:
        """Where a row stands: `file.jsonl:12`, counted from 1, or `table: row 12`, from 0."""
        return f"{self.path}:{number}" if self.has_lines else f"{self.path}: row {number - 1}"

    def refuse(
        self, number: int, what: str, *, kind: str, key: str | None = None, value: object = None
    ) -> InputError:
        """The error that a row is at fault for."""
        line, row = (number, None) if self.has_lines else (None, number - 1)
        said = f"{self.place(number)}: {what}"
        return InputError(said, kind=kind, path=self.path, line=line, row=row, key=key, value=value)


def rows_files(
    path: Path, way_out: str = "name a JSONL, CSV, JSON or Parquet file"
) -> list[RowsFile]:
    """The file, or those of the folder or the pattern, in the order of their names.

    Raises InputError where there is none, one is of an unknown kind, or cannot be opened. A folder's files of other
    kinds are passed over.
    """
    check_name(path)
    if path.is_file():
        files = [path]
    elif path.is_dir():
        files = [one for one in sorted(path.iterdir()) if one.is_file() and _form(one)]
        if not files:
            what = f"is a folder without a file that ends in {_ENDS}; name another, or a pattern such as {path}/**/*.jsonl"
            raise InputError.in_file(path, what, kind="empty")
    elif is_pattern(path):
        files = [one for one in matches(path) if one.is_file()]
        if not files:
            raise InputError.in_file(path, f"matches no file; {way_out}", kind="missing_file")
    else:
        _known_form(path)
        raise InputError.in_file(path, f"{no_file(path)}; {way_out}", kind="missing_file")
    return [_rows_file(one) for one in files]


def is_pattern(path: Path) -> bool:
    """Whether a path may name several files."""
    return any(sign in str(path) for sign in "*?[")


def matches(pattern: Path) -> list[Path]:
    """What lies where a pattern says, in the order of the names; `**` stands for any folders."""
    base = Path(pattern.anchor)
    try:
        return sorted(base.glob(str(pattern.relative_to(base))))
    except ValueError:
        return []


def _form(path: Path) -> str | None:
    bare = path.with_suffix("") if path.suffix.lower() in PACKED else path
    # `rows.gz` is lines: what it holds has no name.
    return _FORMS.get(bare.suffix.lower(), JSONL if bare is not path and not bare.suffix else None)


def _known_form(path: Path) -> str:
    form = _form(path)
    if form is None:
        what = f"its name must end in {_ENDS}, which says what it is"
        raise InputError.in_file(path, what, kind="unknown_choice", value=path.suffix)
    return form


def _rows_file(path: Path) -> RowsFile:
    check_name(path)
    form = _known_form(path)
    try:
        if path.stat().st_size == 0:
            raise InputError.in_file(path, "is empty; it needs at least one row", kind="empty")
        packed = packing(path)
    except OSError as error:
        what = f"{error.strerror}; it must be readable"
        raise InputError.in_file(path, what, kind="unreadable_file") from error
    if form == PARQUET and packed:
        what = "is packed as a whole, and Parquet packs by itself; unpack it"
        raise InputError.in_file(path, what, kind="wrong_form")
    if form == ARRAY and not next(blocks(path)).removeprefix(_BOM).lstrip().startswith(b"["):
        form = JSONL
    return RowsFile(path, form, packed)

"""Files of rows larger than memory: rows looked at batch by batch, kept ones written, dropped ones beside.

The same decision works on all kinds. What is written is JSONL, and Parquet where that is what was read.
"""

from __future__ import annotations

import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dalign.errors import InputError, check_place
from dalign.files.batch import Batch, Decision, Origin
from dalign.files.feeds import JSONL, PARQUET, RowsFile, rows_files
from dalign.files.jsonl import JsonlRows, JsonlSink
from dalign.files.parquet import ParquetRows, ParquetSink
from dalign.files.refusals import refusals
from dalign.parsing import MOST_ROW_BYTES
from dalign.progress import Progress
from dalign.vocabulary import MEMORY_MIB

Decide = Callable[[Batch], Decision]

BATCH_SHARE = 16
LEAST_MEMORY_MIB, MOST_MEMORY_MIB = 16, 1 << 20
_OUT_ENDS = {JSONL: (JSONL, ".ndjson"), PARQUET: (PARQUET,)}
_MIB = 1 << 20


@dataclass(frozen=True)
class Counts:
    """What a command did. `dropped`: rows by reason."""

    rows: int
    kept: int
    dropped: dict[str, int]
    seconds: float

    def as_json(self) -> dict[str, object]:
        """The counts with the most memory that the process has had."""
        return {
            "rows": self.rows, "kept": self.kept, "dropped": self.dropped,
            "seconds": round(self.seconds, 3), "peak_mib": int(peak_mib()),
        }  # fmt: skip


def peak_mib() -> float:
    """The most memory that this process has had, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # What getrusage tells there counts the process that started this one too.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _MIB


@dataclass(frozen=True)
class FileJob:
    """One pass over a file: what is read, where kept rows go, and about how much memory batches and tables may take."""

    name: str
    source: Path
    out: Path
    memory_mib: int = MEMORY_MIB
    force: bool = False
    progress: Progress = field(default_factory=Progress)

    @property
    def memory_bytes(self) -> int:
        """The memory in bytes."""
        return self.memory_mib * _MIB

    @property
    def table_mib(self) -> int:
        """What a table of hashes may take of the memory; beyond it they go to temporary files."""
        return max(1, self.memory_mib // 2)

    @property
    def dropped(self) -> Path:
        """Where the dropped rows go: a table where the input is one, else lines."""
        return dropped_path(self.out, _suffix(rows_files(self.source)))

    def open(self, share: int = BATCH_SHARE, suffix: str | None = None) -> RowSource:
        """The input, once the output is known to be writable. share: as in `open_rows`.

        suffix: what the output's name must end in; unless given, it is a table where the input is one, else lines.
        """
        rows = open_rows(self.source, self.memory_mib, share)
        self._check_out(suffix)
        return rows

    def _check_out(self, suffix: str | None) -> None:
        """Raises InputError where the result cannot be written: no such folder, another kind, or something there already."""
        out, what = self.out, ""
        sources = rows_files(self.source)
        ends = _OUT_ENDS[_suffix(sources)]
        if suffix is None and out.suffix.lower() not in ends:
            what = f"must be of the kind of {self.source}; end its name in {ends[0]}"
        elif suffix is not None and out.suffix.lower() != suffix:
            what = f"its name must end in {suffix}: that is what is written"
        if what:
            raise InputError.in_file(out, what, kind="unknown_choice")
        results = (out, self.dropped)
        # Files are written beside their places first.
        for path in (*results, *(path.with_name(f"{path.name}.tmp") for path in results)):
            check_place(path, force=self.force, inputs=[source.path for source in sources])

    def sift(self, source: RowSource, texts: Sequence[str], decide: Decide) -> Counts:
        """Writes the rows that `decide` keeps, the others with their reasons beside. texts: fields of texts that it looks at."""
        began = time.monotonic()
        rows = kept = 0
        dropped: Counter[str] = Counter()
        with open_sink(source, self.out, self.dropped) as sink:
            batches = source.batches(texts, whole=True)
            for batch in watched(source, batches, self.progress, self.name):
                decision = decide(batch)
                sink.write(batch, decision)
                rows += batch.rows
                kept += int(decision.keep.sum())
                dropped.update(dict(decision.reasons.drop_nulls().value_counts().iter_rows()))
            sink.finish()
        self.progress.finish(self.name, f"kept {kept} of {rows} rows")
        return Counts(rows, kept, dict(sorted(dropped.items())), time.monotonic() - began)


class RowSource:
    """The rows of a file, or of several as one."""

    def __init__(self, path: Path, files: Sequence[JsonlRows | ParquetRows]) -> None:
        self.path, self._files = path, files
        self.size_bytes = sum(file.size_bytes for file in files)

    def batches(
        self, texts: Sequence[str], others: Sequence[str] = (), *, whole: bool
    ) -> Iterator[tuple[Batch, int]]:
        """Batches, each with about the bytes read so far.

        texts: the fields that must hold a text, or turns; others: further ones that are looked at; whole: whether all are.
        """
        rows = read = end = 0
        earlier: list[tuple[int, Origin]] = []
        for file in self._files:
            batch = None
            for batch, done in file.batches(texts, others, whole=whole):
                batch.first_row += rows
                batch.earlier = tuple(earlier)
                yield batch, read + done
            read += file.size_bytes
            if batch is not None:
                rows = batch.first_row + batch.rows
                end += int(batch.lines[-1])
                earlier.append((end, batch.origin))

    @property
    def is_one_file(self) -> bool:
        """Whether a row is known by its line or number alone."""
        return len(self._files) == 1

    def sink(self, out: Path | None, dropped: Path) -> JsonlSink | ParquetSink:
        """Where kept and dropped rows are written; kept ones nowhere without `out`."""
        return self._files[0].sink(out, dropped, named=not self.is_one_file)


def open_rows(path: Path, memory_mib: int, share: int = BATCH_SHARE) -> RowSource:
    """The rows of a file, a folder of files or a pattern; names' endings say of which kind. Raises InputError where they cannot be read.

    share: how many batches the memory could hold; reading and writing have several at once.
    """
    if not LEAST_MEMORY_MIB <= memory_mib <= MOST_MEMORY_MIB:
        less = memory_mib < LEAST_MEMORY_MIB
        limit = LEAST_MEMORY_MIB if less else MOST_MEMORY_MIB
        raise InputError(
            f"--memory-mib {memory_mib}: give at {'least' if less else 'most'} {limit}",
            kind="too_small" if less else "too_large", key="memory_mib", value=memory_mib, limit=limit,
        )  # fmt: skip
    files = rows_files(path)
    batch_bytes = min(memory_mib * _MIB // share, MOST_ROW_BYTES)
    if _suffix(files) != PARQUET:
        return RowSource(path, [JsonlRows(file, batch_bytes) for file in files])
    tables = [ParquetRows(file, batch_bytes) for file in files]
    for table in tables:
        if table.schema != tables[0].schema:
            what = (
                f"has other columns, or of other types, than {tables[0].path}; give them one by one"
            )
            raise InputError.in_file(table.path, what, kind="wrong_form")
    return RowSource(path, tables)


def _suffix(files: Sequence[RowsFile]) -> str:
    """What files of their rows end in. Raises InputError where some are tables and some are not."""
    first = files[0].form == PARQUET
    for file in files:
        if (file.form == PARQUET) != first:
            what = f"is of another kind than {files[0].path}; give tables and files of lines one by one"
            raise InputError.in_file(file.path, what, kind="wrong_form")
    return PARQUET if first else JSONL


def dropped_path(out: Path, suffix: str) -> Path:
    """Where the dropped rows go: `kept.dropped.jsonl` beside `kept.jsonl`."""
    return out.with_name(f"{out.stem}.dropped{suffix}")


@contextmanager
def open_sink(
    source: RowSource, out: Path | None, dropped: Path
) -> Iterator[JsonlSink | ParquetSink]:
    """Where kept and dropped rows go. Leaves nothing half written, whatever goes wrong inside."""
    with refusals(dropped), closing(source.sink(out, dropped)) as sink:
        yield sink


def watched(
    source: RowSource, batches: Iterable[tuple[Batch, int]], progress: Progress, name: str
) -> Iterator[Batch]:
    """The batches of a file, each one shown as progress. Raises InputError where there is no row."""
    rows, total = 0, max(1, source.size_bytes // _MIB)
    progress.start(name, total)
    for batch, done in batches:
        rows += batch.rows
        yield batch
        progress.advance(name, min(total, done // _MIB), f"MB, {rows} rows")
    if rows == 0:
        raise InputError.in_file(source.path, "has no row; it needs at least one", kind="empty")


def look_through(
    source: RowSource, texts: Sequence[str], others: Sequence[str], progress: Progress, name: str
) -> Iterator[Batch]:
    """The batches of a file with these fields alone. Raises InputError where there is no row."""
    rows = 0
    for batch in watched(source, source.batches(texts, others, whole=False), progress, name):
        rows += batch.rows
        yield batch
    progress.finish(name, f"{rows} rows")

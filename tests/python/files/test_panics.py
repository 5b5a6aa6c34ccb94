"""Files whose form stops native code: an error like others, and nothing on the terminal but what dalign says."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import NoReturn

import polars as pl
import pytest
from dalign.errors import InputError
from dalign.files.forms import parquet_lines, reading_parquet
from dalign.panics import PanicError, held_panics
from dalign.store.parts import read_part

# Readers are stopped by them where they stand in a footer's structures.
VALUES = (0x00, 0x15, 0x19, 0xFF)


class PanicException(BaseException):
    """As the bindings of Rust libraries have it."""


PanicException.__module__ = "pyo3_runtime"


def write_table(path: Path) -> bytes:
    pl.DataFrame(
        {"id": ["a", "b"], "prompt": ["x", "y"], "category": ["p", "q"], "clause": ["p", "q"]}
    ).write_parquet(path)
    return path.read_bytes()


def footers(data: bytes) -> list[bytes]:
    """The file once for each byte of its footer and each value of those."""
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    places = range(start, len(data) - 8)
    return [data[:at] + bytes([to]) + data[at + 1 :] for at in places for to in VALUES]


def stop(printed: bytes, error: BaseException) -> NoReturn:
    """What a library does that meets what it did not think of."""
    os.write(2, printed)
    raise error


def test_every_footer_that_stops_the_reader_is_one_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "table.parquet"
    panics = 0
    for damaged in footers(write_table(path)):
        path.write_bytes(damaged)
        for read in (lambda: list(parquet_lines(path)), lambda: read_part(path)):
            try:
                read()
            except InputError as error:
                panics += isinstance(error.__cause__, PanicError) and str(path) in str(error)
    assert panics > 20
    assert capfd.readouterr() == ("", "")


def test_a_command_says_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    for damaged in footers(write_table(path)):
        path.write_bytes(damaged)
        try:
            with reading_parquet(path):
                pl.read_parquet_schema(path)
                pl.scan_parquet(path).collect()
        except InputError as error:
            if isinstance(error.__cause__, PanicError):
                break
    line = ["data", "balance", str(path), str(tmp_path / "out.parquet"), "--max", "2"]
    command = [sys.executable, "-c", "from dalign.cli import main; main()", *line]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "RUST_BACKTRACE": "1"})  # fmt: skip
    assert done.returncode == 1 and done.stdout == ""
    *progress, said = done.stderr.splitlines()
    assert all(line.startswith("count: done in") for line in progress)
    assert said.startswith(f"error: {path}: cannot be read as Parquet (") and "write the file again" in said  # fmt: skip


def test_what_else_is_printed_comes_after(capfd: pytest.CaptureFixture[str]) -> None:
    with held_panics(), held_panics():
        os.write(2, b"of a library\n")
    assert capfd.readouterr().err == "of a library\n"


def test_other_errors_pass_and_so_does_what_was_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), held_panics():
        stop(b"a warning\n", KeyError("x"))
    assert capfd.readouterr().err == "a warning\n"


def test_a_panic_takes_along_what_it_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PanicError, match="unwrap"), held_panics():
        stop(
            b"thread '<unnamed>' panicked at reader.rs:1:1\n",
            PanicException("called unwrap()\nof None"),
        )
    os.write(2, b"later\n")
    assert capfd.readouterr().err == "later\n"


def test_readers_in_threads_give_the_terminal_back(capfd: pytest.CaptureFixture[str]) -> None:
    def read() -> None:
        for _ in range(200):
            with held_panics():
                pass

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"still here\n")
    assert capfd.readouterr().err == "still here\n"

"""What has gone wrong outside of the program is one sentence; a fault of the program stays one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import polars as pl
import pytest
from dalign.errors import InputError, naming, outside


@pytest.mark.parametrize(
    ("number", "way_out"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EACCES, "see to its permissions"),
        (errno.EROFS, "see to its permissions"),
        (errno.ENOTDIR, "name another place"),
        (errno.EISDIR, "name another place"),
        (errno.ENAMETOOLONG, "name another place"),
        (errno.ELOOP, "name another place"),
        (errno.EIO, "see to its place"),
    ],
)
def test_what_the_system_refuses_names_the_file_and_a_way_out(number: int, way_out: str) -> None:
    refused = outside(OSError(number, os.strerror(number), "runs/a"))
    assert refused is not None and refused.path == Path("runs/a")
    assert str(refused).startswith(f"runs/a: {os.strerror(number)}; ") and way_out in str(refused)


def test_a_file_that_the_error_does_not_name_is_named_by_its_writer(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"^{tmp_path}: No space left on device"):
        with naming(tmp_path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (pl.exceptions.ComputeError("No space left on device (os error 28)"), "free some space"),
        (
            pl.exceptions.ColumnNotFoundError("unable to find column x\n\nmore"),
            "a table is damaged",
        ),
        (pl.exceptions.PanicException("called unwrap() on None\nmore"), "a tokenizer or another"),
        (MemoryError(), "the memory is not enough"),
        (RecursionError("maximum"), "nested too deep"),
        (OverflowError("int too big"), "too large"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), "not UTF-8"),
        (InputError("a: is wrong"), "a: is wrong"),
    ],
)
def test_other_faults_of_the_world_are_one_line(error: BaseException, says: str) -> None:
    refused = outside(error)
    assert refused is not None and says in str(refused) and "\n" not in str(refused)


@pytest.mark.parametrize("error", [TypeError("a"), KeyError("b"), AssertionError(), ValueError("c"), KeyboardInterrupt()])  # fmt: skip
def test_a_fault_of_the_program_is_none_of_the_world(error: BaseException) -> None:
    assert outside(error) is None

"""What the binding takes as a column, and what it refuses."""

import subprocess
import sys
import threading
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from dalign import _core

TEXTS = ["a", "", "a longer text than a view holds inline", "é", "a"]


def first_rows(column: Any) -> list[int]:
    return list(_core.exact_duplicates(column))


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(TEXTS),
        pl.concat([pl.Series(TEXTS[:2]), pl.Series(TEXTS[2:])], rechunk=False),
        pl.Series(["x", *TEXTS])[1:],  # an offset into the buffers
        pa.array(TEXTS, pa.string()),
        pa.array(TEXTS, pa.large_string()),
        pa.array(TEXTS, pa.string_view()),
        pa.chunked_array([TEXTS[:1], [], TEXTS[1:]], pa.string()),
    ],
    ids=["polars", "polars chunks", "polars slice", "utf8", "large", "view", "pyarrow chunks"],
)
def test_texts_come_from_any_arrow_producer(column: Any) -> None:
    assert first_rows(column) == [0, 1, 2, 3, 0]


def test_an_empty_column_gives_an_empty_result() -> None:
    texts = pl.Series([], dtype=pl.String)
    assert first_rows(texts) == []
    assert pl.DataFrame(_core.parse_verdicts(texts, 0, 10)).shape == (0, 3)
    assert first_rows(pa.array([], pa.null())) == []


def test_a_column_without_a_type_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="give the column a type"):
        first_rows(pl.Series([None]))


@pytest.mark.parametrize(
    "column",
    [
        np.array([3, 5, 4], dtype=np.uint8),
        np.array([3, 5, 4], dtype=">i4"),
        np.array([3, 0, 5, 0, 4])[::2],
        pl.Series([3, 5, 4]),
        pa.chunked_array([[3], [5, 4]], pa.int16()),
    ],
    ids=["narrow", "foreign byte order", "strided", "polars", "pyarrow chunks"],
)
def test_whole_numbers_of_any_width_and_layout_are_read(column: Any) -> None:
    ids = pl.Series(_core.row_ids([pl.Series(["p"] * 3)], "v", column)).to_list()
    assert ids == [_core.row_id(["p"], "v", index) for index in (3, 5, 4)]


@pytest.mark.parametrize(
    ("column", "error"),
    [
        ([1, 2], "expected a column"),
        ("text", "expected a column"),
        (np.array([[1, 2]]), "expected one dimension"),
        (np.array([1.5]), "whole numbers"),
        (pl.Series(["a"]), "whole numbers"),
        (pl.Series([True]), "whole numbers"),
    ],
)
def test_what_is_no_column_of_this_kind_is_a_type_error(column: Any, error: str) -> None:
    with pytest.raises(TypeError, match=error):
        _core.row_ids([pl.Series(["p"])], "v", column)


def test_a_number_that_does_not_fit_is_an_error_not_another_number() -> None:
    for number in (-1, 2**32):
        with pytest.raises(_core.CoreError) as raised:
            _core.aggregate(np.array([1.0]), np.array([0, number]), "min", None, 1)
        assert raised.value.kind == "bad_number"


def test_a_null_is_an_error_that_names_its_row() -> None:
    for call in (
        lambda: _core.exact_duplicates(pl.Series(["a", None])),
        lambda: _core.row_ids([pl.Series(["p", "p"])], "v", pl.Series([1, None])),
        lambda: _core.parse_completions(
            pl.Series(["a", "b"]), None, None, False, pl.Series([True, None])
        ),
    ):
        with pytest.raises(_core.CoreError) as raised:
            call()
        assert (raised.value.kind, raised.value.row) == ("null", 1)


def test_clusters_are_named_by_text_or_number() -> None:
    values = pl.Series([0.0, 1.0, 1.0, 3.0])
    by_text = _core.bootstrap_mean(
        values, pl.Series(list("abbc")), None, "percentile", 500, 0.95, 7
    )
    by_number = _core.bootstrap_mean(
        values, np.array([-5, 2, 2, 9]), None, "percentile", 500, 0.95, 7
    )
    assert by_text == by_number


def test_the_outer_level_is_optional() -> None:
    a, b = np.array([1.0, 2.0, 4.0, 8.0]), np.zeros(4)
    prompts, seeds = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    mean, low, high = _core.bootstrap_difference(a, b, prompts, seeds, "percentile", 5_000, 0.98, 7)
    # One resample in 64 draws the same pair four times: more than the tails of 1 % leave out.
    assert (mean, low, high) == (3.75, 1.0, 8.0)


def test_a_single_cluster_has_a_mean_and_no_interval() -> None:
    values, clusters = np.array([1.0, 2.0]), np.array([7, 7])
    assert _core.bootstrap_mean(values, clusters, None, "percentile", 100, 0.95, 7) == (
        1.5,
        None,
        None,
    )


def test_every_error_has_every_field() -> None:
    with pytest.raises(_core.CoreError) as raised:
        _core.Tokenizer.from_file("/nowhere/tokenizer.json")
    error = raised.value
    assert (error.kind, error.row, error.value, error.limit) == (
        "unreadable_tokenizer",
        None,
        None,
        None,
    )
    assert isinstance(error, ValueError)


def test_one_tag_without_the_other_is_refused() -> None:
    with pytest.raises(_core.CoreError) as raised:
        _core.parse_completions(pl.Series(["a"]), "<think>", None, False, pl.Series([False]))
    assert raised.value.kind == "bad_tags"


def test_other_threads_run_during_a_call() -> None:
    texts = pl.Series(["a few words " * 50] * 20_000)
    held, has_run = threading.Lock(), threading.Event()

    def run() -> None:
        with held:
            has_run.set()

    held.acquire()
    thread = threading.Thread(target=run)
    thread.start()
    interval = sys.getswitchinterval()
    # From here on no thread takes the interpreter from this one: it has to be given up.
    sys.setswitchinterval(60)
    try:
        held.release()
        _core.exact_duplicates(texts)
        during = has_run.is_set()
    finally:
        sys.setswitchinterval(interval)
        thread.join()
    assert during


WITHOUT_PYARROW = """
import sys
import polars as pl


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError(name)


sys.meta_path.insert(0, Absent())
from dalign import _core

table = _core.parse_verdicts(pl.Series(["Score: 7", "hm"]), 0, 10)
assert pl.DataFrame(table).rows() == [("ok", 7.0, None), ("missing", None, None)]
assert pl.DataFrame(table).schema["state"] == pl.String
ids = pl.Series(_core.row_ids([pl.Series(["p"])], "v", pl.Series([0])))
assert ids.dtype == pl.String and ids[0] == _core.row_id(["p"], "v", 0)
assert "pyarrow" not in sys.modules
"""


def test_polars_reads_results_without_pyarrow() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_PYARROW], check=True)

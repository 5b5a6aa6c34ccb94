"""Samples that are all equal although they were drawn are noticed, once a stage."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from dalign.models.protocol import Request
from dalign.models.samples import equal_samples, tell_equal
from dalign.progress import Progress
from dalign.store.ledger import MANIFEST
from scripted_run import EVALUATED, SCRIPTED, go, reply, write_project


@pytest.mark.parametrize(
    ("rows", "counts"),
    [
        ([], (0, 0)),
        # One sample each tells nothing.
        ([("a", "x", "stop"), ("b", "x", "stop")], (0, 0)),
        ([("a", "x", "stop"), ("a", "x", "stop"), ("b", "x", "stop"), ("b", "y", "stop")], (2, 1)),
        ([("a", "x", "length"), ("a", "x", "stop"), ("a", "x", "stop")], (1, 1)),
        # What never came is no sample.
        ([("a", "no", "error"), ("a", "no", "error"), ("b", "", "timeout"), ("b", "", "timeout")], (0, 0)),
        ([("a", "x", "stop"), ("a", "", "timed_out"), ("a", "x", "stop")], (1, 1)),
    ],
)  # fmt: skip
def test_equal_samples_are_counted(rows: list[tuple[str, str, str]], counts: tuple) -> None:
    names = ("of", "text", "state")
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    assert tuple(equal_samples(*(frame[name] for name in names)).values()) == counts


@pytest.mark.parametrize(
    ("counts", "temperature", "told"),
    [
        ({"sampled": 2, "equal_samples": 2}, 0.5, True),
        ({"sampled": 2, "equal_samples": 2}, 0.0, False),
        ({"sampled": 9, "equal_samples": 8}, 0.5, False),
        # One row may be so by chance.
        ({"sampled": 1, "equal_samples": 1}, 0.5, False),
        ({}, 0.5, False),
    ],
)
def test_all_are_told_and_some_are_not(
    counts: dict[str, int], temperature: float, told: bool
) -> None:
    said: list[str] = []
    tell_equal(said.append, counts, temperature, "generate: prompts")
    assert [each.partition(":")[0] for each in said] == ["generate"] * told


class Heard(Progress):
    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, text: str) -> None:
        self.sentences.append(text)


def regardless(request: Request) -> str:
    """What a server says that looks at neither temperature nor seed; the judge's nonces are no seeds."""
    word = request.messages[-1]["content"][:20]
    return reply(Request("", ({"role": "user", "content": word},), 0)) + " Score: 5"


def test_a_model_that_draws_nothing_is_told_of_by_each_stage_that_asks(tmp_path: Path) -> None:
    project, heard = write_project(tmp_path / "project"), Heard()
    config = project / "dalign.toml"
    config.write_text(config.read_text().replace("samples = 1", "samples = 2"))
    run = tmp_path / "run"
    go(project, run, *SCRIPTED, *EVALUATED, answer=regardless, progress=heard)
    told = [each.partition(":")[0] for each in heard.sentences if "are equal at" in each]
    assert told == ["generate", "judge", "evaluate/none", "evaluate/spec"]
    for name in ("generate/main", "judge/main", "evaluate/none"):
        counts = json.loads((run / name / MANIFEST).read_text())["counts"]
        assert counts["sampled"] == counts["equal_samples"] > 1, name


def test_one_that_draws_is_not(tmp_path: Path) -> None:
    heard = Heard()
    go(write_project(tmp_path / "project"), tmp_path / "run", *SCRIPTED, progress=heard)
    assert not [each for each in heard.sentences if "are equal at" in each]

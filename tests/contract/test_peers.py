"""The comparison with other tools, on very little input: whole rows, and outputs that agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tree import ROOT

KEYS = {
    "path": str,
    "peer": str,
    "peer_version": str,
    "n": int,
    "dalign_cpu_s": float,
    "peer_cpu_s": float,
    "ratio": float,
    "goal": int | float,
    "equal": bool,
    "peak_rss_mib": float,
}


def rows_of(tmp_path: Path, path: str, n: int) -> list[dict[str, object]]:
    """What the smallest run of one path writes; peers that would have to be installed are left out."""
    written = tmp_path / "rows.json"
    options = ["--only", path, "--n", str(n), "--runs", "2", "--installed", "--json", str(written)]
    done = subprocess.run(
        [sys.executable, "-m", "peers", *options],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "benches"), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert path in done.stdout
    return json.loads(written.read_text())


@pytest.mark.parametrize(
    ("path", "n", "peers"),
    [
        ("aggregate", 4_000, ["numpy rows", "polars group_by"]),
        ("bootstrap", 200, ["scipy bootstrap"]),
        ("verdicts", 300, ["polars extract", "python re"]),
    ],
)
def test_a_small_run_gives_whole_rows_of_equal_outputs(
    tmp_path: Path, path: str, n: int, peers: list[str]
) -> None:
    rows = rows_of(tmp_path, path, n)
    assert [row["peer"] for row in rows] == peers
    for row in rows:
        assert {key: row[key] for key, kind in KEYS.items() if not isinstance(row[key], kind)} == {}
        assert row["equal"] is True
        assert row["n"] == n
        assert row["ratio"] == pytest.approx(row["peer_cpu_s"] / row["dalign_cpu_s"])


def test_near_duplicates_are_judged_by_their_words_and_not_by_a_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "benches")
    from peers.paths import near_duplicates as path

    # Seven words make three runs of five; with another last word two of four are shared.
    words = "one two three four five six seven"
    documents = [words, f"{words} eight", "something else", f"{words[:-5]}ten"]
    near, far = path.similarity(documents, 0, 1), path.similarity(documents, 0, 3)
    assert (near, far) == (3 / 4, 2 / 4)
    path.save(tmp_path, [(0, 1), (0, 3)], [0, 2])
    planted = np.array([(0, 1), (1, 2)])
    assert path.measures(documents, planted, tmp_path) == (1 / 2, 1 / 2)
    assert path.kept_rows(4, [(1, 3), (0, 3)]).tolist() == [0, 2]


def test_every_lock_names_versions_and_hashes_and_no_host() -> None:
    locks = sorted((ROOT / "benches" / "peers" / "locks").glob("*.txt"))
    assert locks
    for lock in locks:
        text = lock.read_text()
        assert "://" not in text, lock.name
        packages = [line for line in text.splitlines() if line and line[0] not in " #"]
        assert all("==" in line for line in packages), lock.name
        assert text.count("--hash=sha256:") >= len(packages), lock.name

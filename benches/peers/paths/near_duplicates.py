"""Texts in; pairs of near-duplicates and the rows to keep out.

Two documents are near-duplicates if the Jaccard similarity of their sets of five words in a row is at least
THRESHOLD. All sides look for candidates by bands of MinHash signatures, eight values a band; the peers take
signatures of 128 values, as their documentation does, and verify by what signatures estimate.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from peers.generate.documents import write_documents
from peers.protocol import Agreement, Comparison, Peer, Work, read_json_lines

WORDS = 5
THRESHOLD = 0.7
# dalign's own defaults, and what the peers are given.
PERMUTATIONS, BANDS = 256, 32
PEER_PERMUTATIONS, PEER_BANDS = 128, 16
# Planted pairs at least so similar have to be found, so many of them.
SURELY_NEAR = 0.8
LEAST_RECALL = 0.995
FILE, TOOLS = "documents.jsonl", "tools"


def write_inputs(folder: Path, n: int, seed: int) -> None:
    """n documents, and the pairs of copy and original that are surely near."""
    write_documents(folder / FILE, n, seed)
    with (folder / FILE).open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    planted = [(row["copy_of"], nth) for nth, row in enumerate(rows) if "copy_of" in row]
    documents = [row["text"] for row in rows]
    near = [pair for pair in planted if similarity(documents, *pair) >= SURELY_NEAR]
    np.save(folder / "planted.npy", np.array(near, np.int64).reshape(-1, 2))


def runs_of_words(text: str) -> set[tuple[str, ...]]:
    """Every WORDS words in a row; all words of a shorter text."""
    words = text.split()
    if len(words) < WORDS:
        return {tuple(words)}
    return set(zip(*(islice(words, start, None) for start in range(WORDS)), strict=False))


def similarity(documents: list[str], a: int, b: int) -> float:
    """The Jaccard similarity of two documents, from the runs of words themselves."""
    one, other = runs_of_words(documents[a]), runs_of_words(documents[b])
    return len(one & other) / len(one | other)


def shingles(text: str) -> list[str]:
    """Runs of words as one string each, which is what the peers hash."""
    words = text.split()
    count = max(len(words) - WORDS + 1, 1)
    return list({" ".join(words[start : start + WORDS]) for start in range(count)})


def kept_rows(rows: int, pairs: Iterable[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """The first row of each group that pairs join."""
    parents = list(range(rows))

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = row = parents[parents[row]]
        return row

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parents[high] = low
    return np.flatnonzero(np.array(parents) == np.arange(rows))


def save(out: Path, pairs: Any, kept: Any) -> None:
    np.save(out / "pairs.npy", np.array(pairs, np.int64).reshape(-1, 2))
    np.save(out / "kept.npy", np.asarray(kept, np.int64))


def dalign(inputs: Path, out: Path, _seed: int) -> Work:
    """Pairs with their similarity, and for each row the one that stands for it."""
    import polars as pl
    from dalign import _core

    documents = pl.Series(read_json_lines(inputs / FILE, "text"))

    def save_found(found: Any) -> None:
        representatives, table = found
        pairs = pl.DataFrame(table).select("a", "b").to_numpy()
        save(out, pairs, np.flatnonzero(representatives == np.arange(len(representatives))))

    return Work(
        lambda: _core.near_duplicates(documents, WORDS, PERMUTATIONS, BANDS, THRESHOLD, None),
        save_found,
    )


def rensa(inputs: Path, out: Path, _seed: int) -> Work:
    """All signatures by one call; each document looks for those before it."""
    from rensa import RMinHash, RMinHashLSH

    documents = read_json_lines(inputs / FILE, "text")

    def run() -> tuple[list[tuple[int, int]], Any]:
        sets = [shingles(document) for document in documents]
        signatures = RMinHash.from_token_sets(sets, num_perm=PEER_PERMUTATIONS, seed=42)
        index = RMinHashLSH(threshold=THRESHOLD, num_perm=PEER_PERMUTATIONS, num_bands=PEER_BANDS)
        pairs: list[tuple[int, int]] = []
        for row, signature in enumerate(signatures):
            pairs += near_ones(index.query(signature), signature, signatures, row)
            index.insert(row, signature)
        return pairs, kept_rows(len(documents), pairs)

    return Work(run, lambda found: save(out, *found))


def near_ones(
    found: list[int], signature: Any, signatures: list[Any], row: int
) -> list[tuple[int, int]]:
    """Of the earlier rows that share a band, those that are near by the estimate."""
    return [
        (earlier, row) for earlier in found if signature.jaccard(signatures[earlier]) >= THRESHOLD
    ]


def datasketch(inputs: Path, out: Path, _seed: int) -> Work:
    """Signatures and look-ups document by document; the quickest of its updates."""
    from datasketch import MinHash, MinHashLSH

    documents = read_json_lines(inputs / FILE, "text")
    rows_a_band = PEER_PERMUTATIONS // PEER_BANDS

    def run() -> tuple[list[tuple[int, int]], Any]:
        index = MinHashLSH(num_perm=PEER_PERMUTATIONS, params=(PEER_BANDS, rows_a_band))
        signatures: list[Any] = []
        pairs: list[tuple[int, int]] = []
        for row, document in enumerate(documents):
            signature = MinHash(num_perm=PEER_PERMUTATIONS)
            signature.update_batch([shingle.encode() for shingle in shingles(document)])
            pairs += near_ones(index.query(signature), signature, signatures, row)
            index.insert(row, signature)
            signatures.append(signature)
        return pairs, kept_rows(len(documents), pairs)

    return Work(run, lambda found: save(out, *found))


def measures(
    documents: list[str], planted: npt.NDArray[np.int64], out: Path
) -> tuple[float, float]:
    """Recall of the planted pairs, and the share of reported pairs that are near indeed."""
    pairs = [(int(a), int(b)) for a, b in np.load(out / "pairs.npy")]
    found = set(pairs)
    recall = sum((int(a), int(b)) in found for a, b in planted) / max(len(planted), 1)
    near = sum(similarity(documents, a, b) >= THRESHOLD for a, b in pairs)
    return recall, near / max(len(pairs), 1)


def agree(inputs: Path, ours: Path, theirs: list[Path]) -> Agreement:
    """dalign's recall and precision by the runs of words themselves, and rows kept as its pairs say."""
    documents = read_json_lines(inputs / FILE, "text")
    planted = np.load(inputs / "planted.npy")
    recall, precision = measures(documents, planted, ours)
    peer_recall, peer_precision = measures(documents, planted, theirs[0])
    kept = np.load(ours / "kept.npy")
    pairs = ((int(a), int(b)) for a, b in np.load(ours / "pairs.npy"))
    follows = np.array_equal(kept, kept_rows(len(documents), pairs))
    note = (
        f"recall {recall:.4f} of {len(planted)} planted pairs, the peer {peer_recall:.4f};"
        f" precision {precision:.4f}, the peer {peer_precision:.4f};"
        f" {len(kept)} rows kept, the peer {len(np.load(theirs[0] / 'kept.npy'))}; kept rows follow from pairs: {follows}"
    )
    measured = {
        "recall": recall,
        "precision": precision,
        "peer_recall": peer_recall,
        "peer_precision": peer_precision,
    }
    return Agreement(follows and recall >= LEAST_RECALL and precision == 1, note, measured)


COMPARISONS = (
    Comparison(
        path="near-duplicates",
        n=100_000,
        unit="documents",
        write_inputs=write_inputs,
        dalign=dalign,
        peers=(
            Peer("rensa", "rensa", TOOLS, 20, rensa),
            Peer("datasketch", "datasketch", TOOLS, 100, datasketch, limit=5_000),
        ),
        agree=agree,
    ),
)

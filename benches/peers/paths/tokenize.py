"""Documents to token ids, with vocabularies that packages carry and one trained here."""

from __future__ import annotations

import base64
import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from peers.environments import TARGET
from peers.generate.corpus import write_corpus
from peers.protocol import Agreement, Comparison, Peer, Threads, Work, read_json_lines

TRAINING_MEGABYTES = 8
TOOLS, LINE_1 = "tools", "tokenizers-1"


def write_inputs(vocabulary: str, folder: Path, n: int, seed: int) -> None:
    """A corpus of n megabytes and the vocabulary's files."""
    write_corpus(folder / "corpus.jsonl", n, seed)
    for file in vocabulary_folder(vocabulary, seed).iterdir():
        shutil.copy(file, folder / file.name)


def vocabulary_folder(vocabulary: str, seed: int) -> Path:
    """Made once: the same for every size of corpus."""
    from peers.runner import process

    made = (
        TARGET
        / "vocabularies"
        / (f"{vocabulary}-{seed}" if vocabulary == "trained" else vocabulary)
    )
    if not made.exists():
        making = made.with_name(f"{made.name}.making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        arguments = [vocabulary, str(making)]
        if vocabulary == "trained":
            corpus = TARGET / "vocabularies" / f"corpus-{seed}.jsonl"
            write_corpus(corpus, TRAINING_MEGABYTES, seed + 1)
            arguments.append(str(corpus))
        process("vocabularies", "peers.vocabularies", arguments, threads=2)
        making.rename(made)
    return made


def texts(inputs: Path) -> list[str]:
    return read_json_lines(inputs / "corpus.jsonl", "text")


def save_ids(out: Path, ids: Any, sizes: Any) -> None:
    """Flat ids, and how many each document has."""
    np.save(out / "ids.npy", np.asarray(ids, np.uint32))
    np.save(out / "sizes.npy", np.asarray(sizes, np.int64))


def save_lists(out: Path, lists: list[list[int]]) -> None:
    save_ids(
        out, np.concatenate([np.asarray(ids, np.uint32) for ids in lists]), list(map(len, lists))
    )


def dalign(inputs: Path, out: Path, _seed: int) -> Work:
    """All ids in one buffer."""
    import polars as pl
    from dalign import _core

    tokenizer = _core.Tokenizer.from_file(inputs / "tokenizer.json")
    documents = pl.Series(texts(inputs))
    return Work(
        lambda: tokenizer.encode(documents),
        lambda encoded: save_ids(out, encoded[0], np.diff(encoded[1].astype(np.int64))),
    )


def batch_fast(inputs: Path, out: Path, _seed: int) -> Work:
    """What trainers call; its ids are read afterwards, outside the time."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(inputs / "tokenizer.json"))
    documents = texts(inputs)
    return Work(
        lambda: tokenizer.encode_batch_fast(documents, add_special_tokens=False),
        lambda encoded: save_lists(out, [one.ids for one in encoded]),
    )


def batch(inputs: Path, out: Path, _seed: int) -> Work:
    """The one batch call of the 1.0 line, on a completed file where it refuses the original."""
    from tokenizers import Tokenizer

    completed = inputs / "tokenizer-1.json"
    file = completed if completed.exists() else inputs / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(file))
    documents = texts(inputs)
    return Work(
        lambda: tokenizer.encode_batch(documents, add_special_tokens=False),
        lambda encoded: save_lists(out, [list(one.ids) for one in encoded]),
    )


def tiktoken(inputs: Path, out: Path, _seed: int) -> Work:
    from tiktoken import Encoding

    data = json.loads((inputs / "ranks.json").read_text())
    ranks = {base64.b64decode(token): rank for token, rank in data["ranks"].items()}
    encoding = Encoding("peer", pat_str=data["pattern"], mergeable_ranks=ranks, special_tokens={})
    documents = texts(inputs)
    return Work(
        lambda: [encoding.encode_ordinary(document) for document in documents],
        lambda lists: save_lists(out, lists),
    )


def agree(_inputs: Path, ours: Path, theirs: list[Path]) -> Agreement:
    """The same ids in every document."""
    ids = [np.load(folder / "ids.npy") for folder in (ours, theirs[0])]
    sizes = [np.load(folder / "sizes.npy") for folder in (ours, theirs[0])]
    if len(sizes[0]) != len(sizes[1]):
        return Agreement(False, f"{len(sizes[0])} documents, the peer {len(sizes[1])}")
    parts = [np.split(flat, np.cumsum(size)[:-1]) for flat, size in zip(ids, sizes, strict=True)]
    same = sum(np.array_equal(left, right) for left, right in zip(*parts, strict=True))
    count = len(sizes[0])
    note = f"ids equal in {same} of {count} documents, {int(sizes[0].sum())} tokens"
    return Agreement(same == count, note)


def comparison(vocabulary: str, *, with_tiktoken: bool) -> Comparison:
    """The same peers on each vocabulary; tiktoken only where it can hold it."""
    peers = [
        Peer("tokenizers encode_batch_fast", "tokenizers", TOOLS, 40, batch_fast, limit=6),
        Peer("tokenizers 1.0 encode_batch", "tokenizers", LINE_1, 2, batch),
    ]
    if with_tiktoken:
        peers.append(Peer("tiktoken encode_ordinary", "tiktoken", TOOLS, 15, tiktoken, limit=24))
    return Comparison(
        path=f"tokenize-{vocabulary}",
        n=64,
        unit="MB",
        write_inputs=partial(write_inputs, vocabulary),
        dalign=dalign,
        peers=tuple(peers),
        agree=agree,
        threads=Threads(count=2, goal=1.8) if vocabulary == "o200k" else None,
    )


COMPARISONS = (
    # Its vocabulary lacks some bytes, and tiktoken needs all 256.
    comparison("smollm2", with_tiktoken=False),
    comparison("tekken", with_tiktoken=True),
    comparison("o200k", with_tiktoken=True),
    comparison("trained", with_tiktoken=True),
    # Has added tokens of its own, which tiktoken would have to be told of.
    comparison("sandbox", with_tiktoken=False),
)

"""One RL step's sequences as micro-batches under a cap, balanced over ranks."""

from __future__ import annotations

import ast
import importlib.util
import json
from importlib.metadata import files
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from peers.generate.sequences import lengths
from peers.protocol import Agreement, Comparison, Peer, Work

CAPACITY = 8192
RANKS = 8
# FLOPs of a sequence up to a factor, as verl estimates them for a width of 4,096.
LINEAR, QUADRATIC = 24_576, 1
# The busiest rank may have so much more work than the mean.
MOST_UNEVEN = 0.02


def write_inputs(folder: Path, n: int, seed: int) -> None:
    np.save(folder / "lengths.npy", lengths(n, seed))


def function_of_verl(out: Path) -> ModuleType:
    """A module of that one function alone: the file around it imports torch and all of verl."""
    listed = files("verl") or []
    source = next(Path(str(file.locate())) for file in listed if file.name == "seqlen_balancing.py")
    tree = ast.parse(source.read_text(encoding="utf-8"))
    tree.body = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "karmarkar_karp"
    ]
    alone = out / "karmarkar_karp.py"
    alone.write_text("import heapq\n\n" + ast.unparse(tree), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("karmarkar_karp", alone)
    if spec is None or spec.loader is None:
        raise ImportError(f"{alone} is no module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def dalign(inputs: Path, out: Path, _seed: int) -> Work:
    """Micro-batches of all ranks, step by step."""
    from dalign import _core

    sizes = np.load(inputs / "lengths.npy")

    def save(dealt: Any) -> None:
        parts = np.split(dealt[0], dealt[1][1:-1].astype(np.int64))
        (out / "batches.json").write_text(json.dumps([part.tolist() for part in parts]))

    return Work(lambda: _core.micro_batches(sizes, RANKS, CAPACITY, LINEAR, QUADRATIC), save)


def work_of(sizes: Any) -> Any:
    """FLOPs of each sequence up to a factor."""
    exact = sizes.astype(np.int64)
    return LINEAR * exact + QUADRATIC * exact * exact


def verl(inputs: Path, out: Path, _seed: int) -> Work:
    """The fewest micro-batches that the cap allows on the whole, as verl asks for first."""
    sizes = np.load(inputs / "lengths.npy")
    work = work_of(sizes).tolist()
    count = -(-int(sizes.sum()) // CAPACITY)
    partition = function_of_verl(out).karmarkar_karp

    def save(parts: list[list[int]]) -> None:
        (out / "batches.json").write_text(json.dumps(parts))

    return Work(lambda: partition(work, count, False), save)


def agree(inputs: Path, ours: Path, theirs: list[Path]) -> Agreement:
    """Every sequence in one micro-batch on both sides, none of dalign's over the cap, and ranks alike.

    verl leaves it to its caller to deal micro-batches to ranks; here they are dealt in turn.
    """
    sizes = np.load(inputs / "lengths.npy").astype(np.int64)
    work = work_of(sizes)
    every, fullest, count, uneven = [], [], [], []
    for folder in (ours, theirs[0]):
        batches = json.loads((folder / "batches.json").read_text())
        every.append(sorted(row for rows in batches for row in rows) == list(range(len(sizes))))
        fullest.append(max(int(sizes[rows].sum()) for rows in batches))
        count.append(len(batches))
        loads = [int(work[rows].sum()) for rows in batches]
        ranks = [sum(loads[rank::RANKS]) for rank in range(RANKS)]
        uneven.append(max(ranks) / (sum(ranks) / RANKS) - 1)
    note = (
        f"every sequence once: {every[0]}, the peer {every[1]}; fullest {fullest[0]} of {CAPACITY}, the peer"
        f" {fullest[1]}; {count[0]} micro-batches, the peer {count[1]}; the busiest of {RANKS} ranks has"
        f" {uneven[0]:.2%} more FLOPs than the mean, the peer's {uneven[1]:.2%}"
    )
    return Agreement(all(every) and fullest[0] <= CAPACITY and uneven[0] <= MOST_UNEVEN, note)


COMPARISONS = (
    Comparison(
        path="micro-batches",
        n=4096,
        unit="sequences",
        write_inputs=write_inputs,
        dalign=dalign,
        peers=(Peer("verl karmarkar_karp", "verl", "verl", 1000, verl),),
        agree=agree,
    ),
)

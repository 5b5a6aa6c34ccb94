"""Documents with planted near-copies, as JSONL."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np

from peers.generate.rollouts import words

VOCABULARY = 20_000
# Copies differ from their originals in so large a share of their words.
LEAST_CHANGED, MOST_CHANGED = 0.001, 0.03
DOCUMENTS_A_BATCH = 5_000


def write_documents(path: Path, n: int, seed: int, mean_words: int = 300) -> None:
    """Lines of id and text: words by a Zipf law, a tenth of them copies of an earlier original.

    A copy stands at a random place after the first tenth and has some words replaced; its line also
    has `copy_of`, the number of the line that it was made from. Written in batches.
    """
    source = np.random.default_rng([seed, 3])
    vocabulary = np.array(sorted(set(words(random.Random(seed), VOCABULARY))), object)
    weights = 1 / (np.arange(len(vocabulary)) + 25.0)
    weights = np.cumsum(weights / weights.sum())

    def drawn(count: int) -> np.ndarray:
        places = np.searchsorted(weights, source.random(count))
        return np.minimum(places, len(vocabulary) - 1).astype(np.int32)

    # The latest originals only, so that memory does not grow with n.
    originals: list[tuple[int, np.ndarray]] = []
    with path.open("w", encoding="utf-8") as out:
        for start in range(0, n, DOCUMENTS_A_BATCH):
            for row in range(start, min(start + DOCUMENTS_A_BATCH, n)):
                line: dict[str, object] = {"id": f"document-{row}"}
                if len(originals) > 10 and source.random() < 0.1:
                    origin, document = originals[int(source.random() * len(originals))]
                    share = source.uniform(LEAST_CHANGED, MOST_CHANGED)
                    changed = source.random(len(document)) < share
                    document = document.copy()
                    document[changed] = drawn(int(changed.sum()))
                    line["copy_of"] = origin
                else:
                    size = max(mean_words // 5, round(source.normal(mean_words, mean_words / 5)))
                    document = drawn(size)
                    originals.append((row, document))
                    if len(originals) > 20_000:
                        originals[int(source.random() * 20_000)] = originals.pop()
                line["text"] = " ".join(vocabulary[document])
                out.write(json.dumps(line) + "\n")

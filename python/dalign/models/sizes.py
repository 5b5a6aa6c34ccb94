"""How large a checkpoint's model is, from its config and the heads of its weight files: nothing is loaded.

torch is not imported either, but where config.json leaves to transformers what a model of its kind is like.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from dalign.errors import InputError
from dalign.models.checkpoint import config_of, read_json, weight_files

# More than a file of weights says of itself: one of a million tensors has about 0.1 GB.
_MOST_HEAD_BYTES = 1 << 28
_EMBEDDING = re.compile(r"(^|\.)(embed_tokens|wte|embed_in|word_embeddings)\.weight$")
_HEAD = re.compile(r"(^|\.)(lm_head|embed_out)\.weight$")
_POSITIONS = re.compile(r"(^|\.)(wpe|embed_positions|position_embeddings?)\.weight$")
# Of models that see and hear too.
_NO_TEXT = re.compile(r"vision|visual|audio|multi_modal")
# Two weights of an expert that transformers makes one: peft adapts that by twice the rank, so each by its own to both.
_PAIRED = re.compile(r"\.experts\.\d+\.(gate_proj|up_proj|w1|w3)\.weight$")
_OF_LAYER = re.compile(r"\.(?:layers|h|blocks)\.(\d+)\..*\b(q|k|v)_proj\.weight$")
# Buffers that older checkpoints hold.
_NO_PARAMETER = re.compile(r"\.inv_freq$")
# Of a layer's kind: it looks back over a window.
_WINDOWED = ("sliding_attention", "chunked_attention")
_SIZES = ("hidden_size", "num_hidden_layers", "vocab_size")
_KEYS = (
    *_SIZES, "intermediate_size", "moe_intermediate_size", "num_experts_per_tok", "num_attention_heads",
    "num_key_value_heads", "head_dim", "layer_types", "sliding_window", "use_sliding_window",
)  # fmt: skip
# Weights that are stored in fewer bits, and keys that are stored together, have other rules.
_UNTOLD = ("quantization_config", "kv_lora_rank")


class Linear(NamedTuple):
    """A weight that products are made of. name: of its module."""

    name: str
    rows: int
    columns: int


class Cached(NamedTuple):
    """What a layer keeps of a token: elements of its key and of its value. window: the most tokens of it; None: all."""

    keys: int
    values: int
    window: int | None = None


@dataclass(frozen=True)
class Sizes:
    """A model's sizes, in elements.

    parameters: all, tied ones once. products: those that products are made of (the embedding alone is looked up).
    hidden: of the stream between layers; intermediate: of the widest a token becomes in a layer; queries: of all heads.
    cached: of each layer that keeps something of every token. linears: those that LoRA's 'all-linear' adapts.
    """

    parameters: int
    products: int
    vocabulary: int
    hidden: int
    layers: int
    intermediate: int
    queries: int
    cached: tuple[Cached, ...]
    linears: tuple[Linear, ...]

    def adapters(self, rank: int, target: str) -> int:
        """The parameters of LoRA of this rank. target: as `sft.lora.target` has it."""
        names = [name.strip() for name in target.split(",")]
        chosen = self.linears if names == ["all-linear"] else _named(self.linears, names)
        return sum(rank * (each.rows + each.columns) for each in chosen)

    def kept(self, tokens: int) -> tuple[int, int]:
        """Elements of the keys and of the values that the layers keep of so many tokens of one completion."""
        lengths = [tokens if c.window is None else min(tokens, c.window) for c in self.cached]
        told = [(c.keys * n, c.values * n) for c, n in zip(self.cached, lengths, strict=True)]
        return sum(keys for keys, _ in told), sum(values for _, values in told)


def _named(linears: Sequence[Linear], names: Sequence[str]) -> list[Linear]:
    return [each for each in linears if any(f".{each.name}".endswith(f".{n}") for n in names)]


def sizes_of(folder: Path, trust_remote_code: bool = False) -> Sizes | None:
    """The sizes of a checkpoint's model; None where its files do not tell them, such as those of quantised weights.

    Weights that the model leaves unread, such as those for several tokens at once, are counted too.
    """
    try:
        config = read_json(folder / "config.json")
        inner = config.get("text_config")
        text = inner if isinstance(inner, dict) else config
        if any(each.get(key) is not None for each in (config, text) for key in _UNTOLD):
            return None
        shapes = _shapes(folder, is_tied=bool(text.get("tie_word_embeddings", config.get("tie_word_embeddings"))))  # fmt: skip
        return _told(shapes, text if _tells(text) else _values(folder, trust_remote_code))
    except (InputError, OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _tells(text: Mapping[str, Any]) -> bool:
    """Whether config.json has by itself all that is asked of it."""
    has_window = text.get("sliding_window") is not None and text.get("use_sliding_window", True)
    return all(type(text.get(key)) is int for key in _SIZES) and (
        not has_window or "layer_types" in text
    )


def _values(folder: Path, trust_remote_code: bool) -> dict[str, Any]:
    """The same, with what models of its kind have unless they say otherwise."""
    config = config_of(folder, trust_remote_code).get_text_config()
    return {key: getattr(config, key, None) for key in _KEYS}


def _shapes(folder: Path, *, is_tied: bool) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor that the weight files hold, those that are the same by another name left out."""
    found = {name: shape for file in weight_files(folder) for name, shape in _head_of(file)}
    has_embedding = any(_EMBEDDING.search(name) for name in found)
    doubled = [name for name in found if is_tied and has_embedding and _HEAD.search(name)]
    return {name: shape for name, shape in found.items() if name not in doubled}


def _head_of(file: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """(name, shape) of each parameter of a safetensors file. Raises ValueError for a file that is none."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if length > _MOST_HEAD_BYTES:
            raise ValueError(f"{file}: no safetensors file")
        head = json.loads(opened.read(length))
    if not isinstance(head, dict):
        raise ValueError(f"{file}: no safetensors file")
    for name, told in head.items():
        if name != "__metadata__" and not _NO_PARAMETER.search(name):
            yield name, tuple(map(int, told["shape"]))


def _told(shapes: Mapping[str, tuple[int, ...]], config: Mapping[str, Any]) -> Sizes | None:
    sizes = {name: prod(shape) for name, shape in shapes.items()}
    widths = _widths(shapes)
    cached, queries = _cached(widths, config), max((w["q"] for w in widths.values() if "q" in w), default=0)  # fmt: skip
    if not cached:
        return None
    is_tied = not any(_HEAD.search(name) for name in shapes)
    wide = [n for n, shape in shapes.items() if len(shape) > 1 and not _POSITIONS.search(n)]
    used = [name for name in wide if is_tied or not _EMBEDDING.search(name)]
    hidden = int(config["hidden_size"])
    of_experts = (config.get("moe_intermediate_size") or 0) * (
        config.get("num_experts_per_tok") or 0
    )
    return Sizes(
        parameters=sum(sizes.values()),
        products=sum(sizes[name] for name in used),
        vocabulary=int(config["vocab_size"]),
        hidden=hidden,
        layers=int(config["num_hidden_layers"]),
        intermediate=max(int(config.get("intermediate_size") or 4 * hidden), int(of_experts)),
        queries=queries or hidden,
        cached=cached,
        linears=tuple(
            _linear(name, *shapes[name])
            for name in wide
            if len(shapes[name]) == 2 and not _EMBEDDING.search(name) and not _HEAD.search(name)
        ),
    )


def _linear(name: str, rows: int, columns: int) -> Linear:
    times = 2 if _PAIRED.search(name) else 1
    return Linear(name.removesuffix(".weight"), times * rows, columns)


def _widths(shapes: Mapping[str, tuple[int, ...]]) -> dict[int, dict[str, int]]:
    """Of each layer that has them, the rows of its projections to queries, keys and values."""
    found: dict[int, dict[str, int]] = {}
    for name, shape in shapes.items():
        if (of_layer := _OF_LAYER.search(name)) and not _NO_TEXT.search(name):
            number, which = of_layer.groups()
            found.setdefault(int(number), {})[which] = shape[0]
    return found


def _cached(
    widths: Mapping[int, Mapping[str, int]], config: Mapping[str, Any]
) -> tuple[Cached, ...]:
    """What each layer keeps of a token: by its projections, or where they are one by its heads. Empty: neither tells."""
    kinds, window = config.get("layer_types"), config.get("sliding_window")
    if config.get("use_sliding_window") is False:
        window = None

    def reach(layer: int) -> int | None:
        if kinds is None:
            return window
        return window if layer < len(kinds) and kinds[layer] in _WINDOWED else None

    by_layer = {n: each for n, each in sorted(widths.items()) if "k" in each}
    if by_layer:
        # Where a layer's values are its keys, nothing projects to them.
        return tuple(Cached(w["k"], w.get("v", w["k"]), reach(n)) for n, w in by_layer.items())
    heads = config.get("num_attention_heads")
    if not heads:
        return ()
    width = config.get("head_dim") or int(config["hidden_size"]) // heads
    kept = (config.get("num_key_value_heads") or heads) * width
    return tuple(Cached(kept, kept, reach(n)) for n in range(int(config["num_hidden_layers"])))

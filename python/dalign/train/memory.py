"""How much memory a model takes on a device while it is trained, or writes completions: arithmetic, without torch.

Trained weights are float32, with gradients and Adam's two moments of the same; products are computed in what the
config's dtype says. On a GPU a layer's inputs are kept, and what is inside it is made anew (activation checkpointing).
What the device keeps for itself, and what lies unused between tensors, is not counted: some GB.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from dalign.figures import Moment, Part
from dalign.models.sizes import Sizes

FLOAT32 = 4
_ADAM = 2 * FLOAT32
# Buffers of keys and values grow by so many (models/decoding.py).
_ROOM_TOKENS = 128
# What TRL's head computes at once: tokens, and entries of the vocabulary.
_TILE = (4096, 32_768)
# Logits of a pass of RL that are held at once, 1 GiB of them; more go through that head.
MOST_LOGITS = 2**28
# Of each completion and entry of the vocabulary a draw has the logit, its probability, their sums, and one more.
_DRAWN = 4 * FLOAT32
# Bytes that a layer keeps of a token for its backward pass, of each element of hidden, queries and intermediate, by the
# bytes of a product: norms and their results in float32, each product's input and result in its own type.
_INSIDE: Mapping[int, tuple[int, int, int]] = {2: (26, 20, 12), 4: (24, 32, 24)}
# Elements that reading a prompt has of a token at once, of hidden and of intermediate.
_READ = (4, 3)


@dataclass(frozen=True)
class Spread:
    """The devices that train together. is_shared: each holds a part of weights, gradients and moments (FSDP2), else all (DDP)."""

    devices: int = 1
    is_shared: bool = False

    @property
    def share(self) -> float:
        """The part of the weights that a device holds."""
        return 1 / self.devices if self.is_shared else 1.0


@dataclass(frozen=True)
class Trained:
    """A model in training. product_bytes: of a number in products. adapters: parameters of LoRA; 0: all weights are trained.

    has_reference: whether a second copy stands by, as RL's divergence and distillation's teacher need of a model that is trained whole. others:
    bytes of other models on the same device.
    """

    sizes: Sizes
    product_bytes: int
    adapters: int = 0
    has_reference: bool = False
    others: int = 0
    spread: Spread = field(default_factory=Spread)

    @property
    def weights(self) -> dict[Part, float]:
        """Bytes of what stands by as long as the training lasts; gradients come and go."""
        all_, share = self.sizes.parameters, self.spread.share
        trained = self.adapters or all_
        frozen = all_ * self.product_bytes if self.adapters else 0
        has_copy = self.has_reference and not self.adapters
        return {
            "weights": share * (trained * FLOAT32 + frozen),
            "Adam": share * trained * _ADAM,
            "reference": share * all_ * FLOAT32 if has_copy else 0,
            "other models": self.others,
        }

    @property
    def gradients(self) -> float:
        """Bytes of the gradients; of devices that each hold all, those that are being summed stand by again."""
        times = 1 if self.spread.is_shared or self.spread.devices == 1 else 2
        return self.spread.share * times * (self.adapters or self.sizes.parameters) * FLOAT32

    @property
    def copy(self) -> float:
        """Bytes of the trained weights as products take them, made in each forward pass; 0 where they are those themselves."""
        trained = self.adapters or self.sizes.products
        return trained * self.product_bytes if self.product_bytes < FLOAT32 else 0

    @property
    def stream_bytes(self) -> int:
        """Of a number between layers: float32, as embeddings and norms are, where all weights are trained."""
        return self.product_bytes if self.adapters else FLOAT32

    def kept(self, tokens: int) -> float:
        """Bytes of the layers' inputs."""
        return self.sizes.layers * self.sizes.hidden * tokens * self.stream_bytes

    def inside(self, rows: int, tokens: int) -> float:
        """Bytes of one layer's inside, made anew for its backward pass, and of the mask. tokens: of each row."""
        of = _INSIDE[self.product_bytes]
        elements = (self.sizes.hidden, self.sizes.queries, self.sizes.intermediate)
        a_token = sum(b * n for b, n in zip(of, elements, strict=True))
        return rows * tokens * a_token + rows * tokens**2 * (1 + self.product_bytes)


def sft_moment(model: Trained, capacity: int, *, is_held: bool = False) -> Moment:
    """The fullest of SFT, a packed row of `capacity` tokens at a time, over which the head goes in tiles.

    is_held: whether the model is held to its start, at worst on all tokens of a row, whose logits are there as a whole then.
    """
    # What holds it is another pass, whose layers' inputs stay until the backward pass too.
    kept, (tokens, entries) = model.kept(capacity) * (2 if is_held else 1), _TILE
    tile = min(tokens, capacity) * entries * model.product_bytes
    # The head's gradient is made whole before it is added to the others'.
    head = 0 if model.adapters else model.sizes.vocabulary * model.sizes.hidden * FLOAT32
    tile += 3 * capacity * model.sizes.vocabulary * FLOAT32 if is_held else 0
    return _fullest(
        "sft",
        model.weights | {"gradients": model.gradients},
        [
            {"16-bit copy": model.copy, "activations": kept, "logits": tile},
            {"activations": kept, "logits": tile + head},
            {"activations": kept + model.inside(1, capacity)},
        ],
    )


@dataclass(frozen=True)
class Rollouts:
    """Completions that are written side by side. distinct: their prompts; prompt, written: the most tokens of one."""

    completions: int
    distinct: int
    prompt: int
    written: int


def update_moment(model: Trained, rows: int, of: Rollouts, replayed: int = 0) -> Moment:
    """The fullest of RL's update, so many completions at a time, all of them with an advantage.

    replayed: tokens of SFT rows whose loss is added in the same pass, with all their logits.
    """
    tokens = of.prompt + of.written
    kept = model.kept(rows * tokens + replayed)
    first, backward = _scored(model, rows, of)
    beside = replayed * model.sizes.vocabulary * FLOAT32
    return _fullest(
        "rl, update",
        model.weights | {"gradients": model.gradients},
        [
            {"16-bit copy": model.copy, "activations": kept, "logits": first + beside},
            {"activations": kept, "logits": backward + 3 * beside},
            {"activations": kept + model.inside(rows, tokens)},
        ],
    )


def _scored(model: Trained, rows: int, of: Rollouts) -> tuple[float, float]:
    """Bytes of the logits of so many completions where they are made, and in the backward pass."""
    logits = rows * of.written * model.sizes.vocabulary
    if logits > MOST_LOGITS:
        tokens, entries = _TILE
        tile = min(tokens, rows * of.written) * entries * FLOAT32
        head = 0 if model.adapters else model.sizes.vocabulary * model.sizes.hidden * FLOAT32
        return tile, tile + head
    # Float32, beside the products they are made of while the weights' copy is still there.
    first = logits * (FLOAT32 + (model.product_bytes if model.product_bytes < FLOAT32 else 0))
    # The backward pass has three of their size in float32 at once, as measured on a small model.
    return first, 3 * logits * FLOAT32


def distilled_moment(model: Trained, rows: int, of: Rollouts, in_sight: int) -> Moment:
    """The fullest of distillation's update, so many completions at a time. in_sight: tokens of the longest prompt with the policy.

    The logits of student and teacher are there as a whole, and in the backward pass the student's gradient.
    """
    kept = model.kept(rows * (of.prompt + of.written))
    logits = rows * of.written * model.sizes.vocabulary
    short = logits * model.product_bytes if model.product_bytes < FLOAT32 else 0
    tokens = in_sight + of.written
    return _fullest(
        "distill, update",
        model.weights | {"gradients": model.gradients},
        [
            {"16-bit copy": model.copy, "activations": model.inside(rows, tokens)},
            {
                "16-bit copy": model.copy,
                "activations": kept,
                "logits": 2 * logits * FLOAT32 + short,
            },
            {"activations": kept, "logits": 3 * logits * FLOAT32 + short},
            {"activations": kept + model.inside(rows, of.prompt + of.written)},
        ],
    )


def rollout_moment(model: Trained, of: Rollouts, stage: str = "rl") -> Moment:
    """The fullest of a training's rollouts: those of a step are written together, on each device its share. There are no gradients then."""
    share = _share(model, of)
    held = model.weights | {"16-bit copy": model.copy}
    writing = _decoding(model.sizes, share, model.stream_bytes, model.product_bytes)
    return _fullest(f"{stage}, rollouts", held, [writing])


def reference_moment(model: Trained, rows: int, of: Rollouts) -> Moment:
    """The fullest of what the reference says of rollouts: so many of them at once, without gradients."""
    first, _ = _scored(model, rows, of)
    held: dict[Part, float] = {"16-bit copy": model.copy, "logits": 2 * first}
    return _fullest("rl, reference", model.weights, [held])


def _share(model: Trained, of: Rollouts) -> Rollouts:
    devices = model.spread.devices
    return replace(
        of, completions=-(-of.completions // devices), distinct=-(-of.distinct // devices)
    )


def generation_moment(
    stage: str, sizes: Sizes, product_bytes: int, of: Rollouts, others: int
) -> Moment:
    """The fullest of a stage that has a model in this process write completions, as it was loaded."""
    held: dict[Part, float] = {"weights": sizes.parameters * product_bytes, "other models": others}
    return _fullest(stage, held, [_decoding(sizes, of, product_bytes, product_bytes)])


def _decoding(sizes: Sizes, of: Rollouts, key_bytes: int, product_bytes: int) -> dict[Part, float]:
    """What writing takes beside the weights. key_bytes: of a key's element, which its position turns in the stream's type."""
    tokens = of.prompt + _ROOM_TOKENS * -(-of.written // _ROOM_TOKENS)
    keys, values = sizes.kept(tokens)
    # A layer's keys are made as products take them.
    widest = max(each.keys for each in sizes.cached)
    cast = of.completions * tokens * widest * product_bytes if key_bytes > product_bytes else 0
    hidden, intermediate = (n * each for n, each in zip(_READ, (sizes.hidden, sizes.intermediate), strict=True))  # fmt: skip
    read = of.distinct * of.prompt * product_bytes * (hidden + intermediate)
    return {
        "KV cache": of.completions * (keys * key_bytes + values * product_bytes),
        "activations": max(cast, read),
        "logits": of.completions * sizes.vocabulary * _DRAWN,
    }


def _fullest(
    stage: str, held: Mapping[Part, float], moments: Iterable[Mapping[Part, float]]
) -> Moment:
    every = (Moment(stage, {**held, **parts}) for parts in moments)
    return max(every, key=lambda moment: moment.total)

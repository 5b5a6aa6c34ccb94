"""How much memory training takes, worked by hand for a model of 8 B, and measured on tiny ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from dalign.figures import Moment
from dalign.models.sizes import Cached, Sizes
from dalign.train.memory import (
    Rollouts,
    Spread,
    Trained,
    generation_moment,
    reference_moment,
    rollout_moment,
    sft_moment,
    update_moment,
)

GB = 1e9
# Qwen3-8B: see tests/python/models/test_models_sizes.py.
EIGHT = Sizes(
    parameters=8_190_735_360,
    products=7_568_097_280,
    vocabulary=151_936,
    hidden=4096,
    layers=36,
    intermediate=12_288,
    queries=4096,
    cached=(Cached(1024, 1024),) * 36,
    linears=(),
)
# The defaults of RL with completions of 4,096 tokens, and prompts of 300.
STEP = Rollouts(completions=128, distinct=16, prompt=300, written=4096)


def in_gb(moment: Moment) -> dict[str, float]:
    return {part: round(size / GB, 1) for part, size in moment.parts.items() if size}


def test_8b_trained_whole_holds_131_gb_before_a_token_is_read() -> None:
    moment = update_moment(Trained(EIGHT, 2), 8, STEP)
    # 8.19 B times 4, 4 and 8 bytes.
    told = in_gb(moment)
    assert (told["weights"], told["gradients"], told["Adam"]) == (32.8, 32.8, 65.5)
    assert round(moment.held / GB) == 131


def test_few_logits_are_there_at_once_and_many_in_tiles() -> None:
    # 8 x 200 tokens of 151,936 entries in float32, of which the backward pass has three.
    told = in_gb(update_moment(Trained(EIGHT, 4), 8, replace(STEP, written=200)))
    assert told["logits"] == round(3 * 8 * 200 * 151_936 * 4 / GB, 1) == 2.9
    # 8 x 4096 tokens would be 19.9 GB: a tile of 4096 x 32,768 is there.
    told = in_gb(update_moment(Trained(EIGHT, 2), 8, STEP))
    assert told["logits"] == 0.5
    # The inputs of 36 layers: 8 x 4396 tokens of 4096 numbers in float32.
    assert told["activations"] == 20.7


def test_replayed_rows_have_all_their_logits_beside() -> None:
    plain, replayed = (update_moment(Trained(EIGHT, 4), 1, STEP, tokens) for tokens in (0, 16_000))
    # 16,000 x 151,936 in float32, of which the backward pass has three, and the inputs of 36 layers.
    assert in_gb(replayed)["logits"] - in_gb(plain).get("logits", 0) >= 29.1
    assert round((replayed.parts["activations"] - plain.parts["activations"]) / GB, 1) <= 9.4


def test_the_cache_of_rollouts_has_keys_in_float32() -> None:
    moment = rollout_moment(Trained(EIGHT, 2), STEP)
    told = in_gb(moment)
    # 128 x 4396 tokens of 36 layers, 1024 keys of four bytes and 1024 values of two: 221 kB a token.
    assert told["KV cache"] == 124.5
    # Of one layer the keys in two bytes.
    assert told["activations"] == 1.2
    assert "gradients" not in told and told["Adam"] == 65.5
    # As loaded for generation, both are of two: 147 kB.
    plain = in_gb(generation_moment("generate", EIGHT, 2, STEP, 0))
    assert plain["KV cache"] == round(128 * 4396 * 147_456 / GB, 1)
    assert plain["weights"] == 16.4


def test_a_reference_is_a_second_copy_of_what_is_trained_whole() -> None:
    whole = Trained(EIGHT, 2, has_reference=True)
    assert in_gb(update_moment(whole, 1, STEP))["reference"] == 32.8
    # It reads as many completions at once as the update, in tiles, and what is scored of them beside.
    assert in_gb(reference_moment(whole, 8, STEP))["logits"] == 1.1
    adapted = Trained(EIGHT, 2, adapters=43_646_976, has_reference=True)
    assert "reference" not in in_gb(update_moment(adapted, 1, STEP))


def test_lora_holds_the_weights_in_two_bytes_and_trains_little() -> None:
    # Rank 16 of all linear layers: 36 x 16 x (8192 + 2 x 5120 + 8192 + 3 x 16384).
    adapters = 36 * 16 * (8192 + 2 * 5120 + 8192 + 3 * 16_384)
    assert adapters == 43_646_976
    told = in_gb(sft_moment(Trained(EIGHT, 2, adapters=adapters), 4096))
    assert (told["weights"], told["gradients"], told["Adam"]) == (16.6, 0.2, 0.3)
    assert sum(told.values()) < 24


def test_sft_of_8b_has_a_tile_of_logits_and_the_gradient_of_the_head() -> None:
    moment = sft_moment(Trained(EIGHT, 2), 4096)
    told = in_gb(moment)
    # 4096 x 32,768 logits.
    assert (told["logits"], told["activations"], told["16-bit copy"]) == (0.3, 2.4, 15.1)
    assert round(moment.total / GB) == 149
    # Without a copy, the head's gradient is the most: 151,936 x 4096 numbers.
    assert in_gb(sft_moment(Trained(EIGHT, 4), 4096))["logits"] == 0.5 + 2.5


@pytest.mark.parametrize("devices", [1, 2, 8])
def test_devices_that_share_hold_a_part_and_others_all(devices: int) -> None:
    alone = update_moment(Trained(EIGHT, 2), 8, STEP)
    copied = update_moment(Trained(EIGHT, 2, spread=Spread(devices)), 8, STEP)
    shared = update_moment(Trained(EIGHT, 2, spread=Spread(devices, is_shared=True)), 8, STEP)
    # What is summed over devices is summed in a second copy.
    summed = alone.parts["gradients"] * (1 if devices == 1 else 2)
    assert copied.parts == alone.parts | {"gradients": summed}
    for part in ("weights", "gradients", "Adam"):
        assert shared.parts[part] == alone.parts[part] / devices
    assert shared.parts["logits"] == alone.parts["logits"]
    # Each writes its share of a step's completions.
    cache = rollout_moment(Trained(EIGHT, 2, spread=Spread(devices)), STEP).parts["KV cache"]
    assert cache == rollout_moment(Trained(EIGHT, 2), STEP).parts["KV cache"] / devices


def test_a_window_bounds_what_a_layer_keeps() -> None:
    sizes = replace(EIGHT, cached=(Cached(2, 3, 10), Cached(5, 7)))
    assert sizes.kept(9) == (9 * 7, 9 * 10)
    assert sizes.kept(11) == (10 * 2 + 11 * 5, 10 * 3 + 11 * 7)


def test_other_models_on_the_device_count() -> None:
    assert rollout_moment(Trained(EIGHT, 2, others=7), STEP).held == 98_288_824_320 + 7

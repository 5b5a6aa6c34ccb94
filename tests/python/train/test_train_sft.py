"""SFT on packed rows: what the loss is, what a kill costs, what is refused."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace

import polars as pl
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from dalign.config import Sft
from dalign.errors import InputError
from dalign.train.job import SftJob
from dalign.train.run import train_sft
from dalign.train.sft import step_count
from safetensors.torch import load_file
from sandbox_model.tokenizer import build_tokenizer
from tiny import (
    IGNORED,
    Killed,
    assert_same_weights,
    kill_at,
    packed,
    quietly,
    token_mean_loss,
    written,
)
from transformers import AutoModelForCausalLM

END = build_tokenizer().eos_token_id


def sequences(count, seed=0):
    """Token ids, the first half prompt, the last one the end token; lengths 3 to 20."""
    rng = random.Random(seed)
    rows = [
        [rng.randrange(10, 300) for _ in range(rng.randint(2, 19))] + [END] for _ in range(count)
    ]
    return [(ids, [IGNORED] * (len(ids) // 2) + ids[len(ids) // 2 :]) for ids in rows]


def sft_job(start, rows, out, settings, seed=0, **changes):
    """A job on the rows of a frame, and the folder of its training."""
    file = written(rows, out.parent / f"{out.name}-rows.parquet")
    return SftJob(start=start, rows=[file], settings=settings, seed=seed, **changes), out


def settings(**changes):
    given = {
        "epochs": 2,
        "rows_per_step": 2,
        "learning_rate": 1e-2,
        "warmup_steps": 2,
        "save_steps": 2,
    }
    return Sft.model_validate(given | changes)


def weights(folder):
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_loss_of_packed_rows_is_the_token_mean_over_their_sequences_apart(
    random_model, tmp_path, attention
):
    rows = sequences(6)
    given = settings(max_steps=1)
    job = sft_job(random_model, packed(rows), tmp_path, given, seed=0, attention=attention)
    [first] = train_sft(*job, quietly).curve
    assert first["loss"] == pytest.approx(token_mean_loss(random_model, rows), abs=1e-5)
    assert first["tokens"] == sum(len(ids) for ids, _ in rows)


def test_a_training_by_another_attention_is_another_training(random_model, tmp_path):
    rows, given = packed(sequences(2)), settings(max_steps=1)
    train_sft(*sft_job(random_model, rows, tmp_path, given, attention="eager"), quietly)
    with pytest.raises(InputError, match="attention"):
        train_sft(*sft_job(random_model, rows, tmp_path, given), quietly)


def test_a_loss_over_sequences_is_the_mean_of_their_means(random_model, tmp_path):
    # 7 sequences in bins of 3, 3 and 1; one is masked for its length and is none.
    rows = sequences(7)
    rows[-1] = (rows[-1][0], [IGNORED] * len(rows[-1][0]))
    given = settings(max_steps=1, rows_per_step=3, warmup_steps=0, normalise="sequences")
    [first] = train_sft(*sft_job(random_model, packed(rows), tmp_path, given), quietly).curve
    means = [token_mean_loss(random_model, [row]) for row in rows[:-1]]
    assert first["loss"] == pytest.approx(sum(means) / 6, abs=1e-5)
    assert first["loss"] != pytest.approx(token_mean_loss(random_model, rows[:-1]), abs=1e-4)


@pytest.mark.parametrize(
    "method", [{}, {"method": "lora", "lora": {"r": 4, "dropout": 0.2}}], ids=["full", "lora"]
)
def test_a_killed_training_ends_in_the_same_bytes_as_an_undisturbed_one(
    random_model, tmp_path, method
):
    rows = packed(sequences(15))  # 5 bins: the last step of an epoch has one

    def job(name):
        return sft_job(random_model, rows, tmp_path / name, settings(**method), seed=3)

    undisturbed = train_sft(*job("a"), quietly)
    with pytest.raises(Killed):
        train_sft(*job("b"), kill_at(5))
    resumed = train_sft(*job("b"), quietly)
    assert [row["step"] for row in resumed.curve] == [1, 2, 3, 4, 5, 6]
    assert (tmp_path / "a/steps.jsonl").read_bytes() == (tmp_path / "b/steps.jsonl").read_bytes()
    assert_same_weights(undisturbed.final, resumed.final)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_it_uses_no_name_that_its_libraries_will_remove(random_model, tmp_path, outdated, method):
    given = settings(method=method, lora={"r": 4}, max_steps=2)
    train_sft(*sft_job(random_model, packed(sequences(6)), tmp_path / "a", given), quietly)
    assert outdated() == []


def test_rows_in_several_files_train_like_those_in_one(random_model, tmp_path):
    rows, folder = packed(sequences(15)), tmp_path / "rows"
    for part, of_part in enumerate((rows[:2], rows[2:2], rows[2:])):
        written(of_part, folder / f"part-{part:05d}.parquet")
    one = train_sft(*sft_job(random_model, rows, tmp_path / "one", settings()), quietly)
    job, out = sft_job(random_model, rows, tmp_path / "several", settings())
    parts = sorted(folder.iterdir())
    several = train_sft(replace(job, rows=parts), out, quietly)
    assert_same_weights(one.final, several.final)
    # The files are the job's business, the rows what it trains on: it is the same one.
    assert train_sft(job, out, quietly) == several


def test_a_checkpoint_cut_short_by_the_kill_is_passed_over(random_model, tmp_path):
    rows = packed(sequences(15))
    undisturbed = train_sft(
        *sft_job(random_model, rows, tmp_path / "a", settings(), seed=3), quietly
    )
    job = sft_job(random_model, rows, tmp_path / "b", settings(), seed=3)
    with pytest.raises(Killed):
        train_sft(*job, kill_at(5))
    newest = tmp_path / "b/checkpoints/checkpoint-4"
    (newest / "optimizer.pt").write_bytes(b"half")
    steps = []
    train_sft(*job, lambda step, total, loss: steps.append((step, total)))
    assert steps == [(3, 6), (4, 6), (5, 6), (6, 6)]
    assert_same_weights(undisturbed.final, tmp_path / "b/final")


def test_the_result_is_a_checkpoint_with_the_tokenizer_as_it_was(random_model, tmp_path):
    job = sft_job(random_model, packed(sequences(6)), tmp_path, settings(max_steps=1), seed=0)
    result = train_sft(*job, quietly)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (result.final / name).read_bytes() == (random_model / name).read_bytes()
    assert not (tmp_path / "checkpoints").exists()
    # Asked again, it trains no step and gives the same result.
    assert train_sft(*job, kill_at(1)) == result


def test_an_adapter_is_merged_into_the_result(random_model, tmp_path):
    from peft import PeftModel

    lora = settings(method="lora", lora={"r": 4, "dropout": 0.0})
    result = train_sft(
        *sft_job(random_model, packed(sequences(9)), tmp_path, lora, seed=0), quietly
    )
    merged = AutoModelForCausalLM.from_pretrained(result.final)
    base = AutoModelForCausalLM.from_pretrained(random_model)
    tokens = torch.tensor([[20, 30, 40, 50]])
    with torch.no_grad():
        untrained = base(tokens).logits
        apart = PeftModel.from_pretrained(base, tmp_path / "adapter")(tokens).logits
        assert torch.allclose(merged(tokens).logits, apart, atol=1e-5)
        assert not torch.allclose(untrained, apart, atol=1e-2)
    assert not (result.final / "adapter_config.json").exists()


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("q_porj", "'q_porj'"),
        ("q_proj, k_porj", "'k_porj'"),
        ("q_proj,", "''"),
        # A part of the model that LoRA has no adapter for.
        ("q_proj,mlp", "'mlp'"),
        ("proj", "'proj'"),
        ("all-linear,q_proj", "'all-linear'"),
        # The head's weights are read past an adapter, and are the embeddings' too.
        ("lm_head", "'lm_head'"),
        ("q_proj,embed_tokens", "'embed_tokens'"),
    ],
)
def test_a_target_that_is_no_layer_is_refused_before_the_first_step(
    random_model, tmp_path, target, named
):
    lora = settings(method="lora", lora={"target": target})
    job, steps = sft_job(random_model, packed(sequences(3)), tmp_path, lora), []
    with pytest.raises(InputError) as refused:
        train_sft(*job, lambda step, *_: steps.append(step))
    said, known = str(refused.value), "take of down_proj, gate_proj, k_proj, o_proj, q_proj, "
    assert said.startswith(f"sft.lora.target names {named}, which is no layer of the model")
    assert known in said and said.endswith("or 'all-linear' for all linear ones")
    assert steps == []


def test_one_target_alone_is_adapted(random_model, tmp_path):
    lora = settings(
        method="lora", lora={"target": "layers.0.self_attn.q_proj, v_proj"}, max_steps=1
    )
    train_sft(*sft_job(random_model, packed(sequences(3)), tmp_path, lora), quietly)
    adapted = load_file(tmp_path / "adapter/adapter_model.safetensors")
    places = {name.partition(".layers.")[2].partition(".lora_")[0] for name in adapted}
    assert places == {"0.self_attn.q_proj", "0.self_attn.v_proj", "1.self_attn.v_proj"}


def test_the_result_has_the_dtype_that_was_asked_for(random_model, tmp_path):
    job = sft_job(
        random_model, packed(sequences(3)), tmp_path, settings(max_steps=1), 0, dtype="bfloat16"
    )
    result = train_sft(*job, quietly)
    assert {tensor.dtype for tensor in weights(result.final).values()} == {torch.bfloat16}
    assert json.loads((result.final / "config.json").read_text())["dtype"] == "bfloat16"


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        (
            "labels",
            [[IGNORED, 20, 30, IGNORED, 40, END]],
            "token 0: a sequence whose .* no end token",
        ),
        ("labels", [[IGNORED, 20, END, 30, 40, END]], "token 3: a sequence whose first token"),
        ("position_ids", [[0, 1, 2, 0, 1, 1]], "token 5: a position"),
        ("position_ids", [[1, 2, 3, 0, 1, 2]], "token 0: a position"),
        (
            "labels",
            [[IGNORED] * 6],
            "token 0: a sequence whose .* no end token|no packed row carries",
        ),
        ("labels", [[IGNORED, 20, END]], "row 0 has 3 labels for 6 input_ids"),
    ],
)
def test_rows_that_would_train_wrongly_are_refused(random_model, tmp_path, column, values, message):
    row = {
        "input_ids": [[10, 20, END, 30, 40, END]],
        "labels": [[IGNORED, 20, END, IGNORED, 40, END]],
        "position_ids": [[0, 1, 2, 0, 1, 2]],
    }
    job = sft_job(random_model, pl.DataFrame(row | {column: values}), tmp_path, settings(), seed=0)
    with pytest.raises(InputError, match=message):
        train_sft(*job, quietly)


def test_a_row_that_was_masked_for_its_length_changes_no_loss(random_model, tmp_path):
    rows = packed(sequences(3))
    masked = pl.DataFrame(
        {
            "input_ids": [list(range(10, 20))],
            "labels": [[IGNORED] * 10],
            "position_ids": [list(range(10))],
        }
    )

    def losses(name, rows):
        result = train_sft(
            *sft_job(random_model, rows, tmp_path / name, settings(epochs=1), seed=0), quietly
        )
        return [row["loss"] for row in result.curve]

    assert losses("with", pl.concat([rows, masked])) == losses("without", rows)
    with pytest.raises(InputError, match="no packed row carries loss"):
        train_sft(*sft_job(random_model, masked, tmp_path / "alone", settings(), seed=0), quietly)


def test_a_token_without_an_embedding_is_refused(random_model, tmp_path):
    ids = [5, 1_000_000, END]
    job = sft_job(random_model, packed([(ids, ids)]), tmp_path, settings())
    with pytest.raises(InputError, match=r"the packed rows have a token of the id 1000000"):
        train_sft(*job, quietly)


def test_a_sequence_may_end_as_the_chat_template_ends_a_turn(random_model, tmp_path):
    # The tokenizer names another end; generation takes both.
    start = tmp_path / "start"
    shutil.copytree(random_model, start)
    for name in ("tokenizer_config.json", "generation_config.json", "config.json"):
        given = json.loads((start / name).read_text())
        ends = {"eos_token": "<|pad|>", "eos_token_id": build_tokenizer().pad_token_id}
        (start / name).write_text(json.dumps(given | {k: v for k, v in ends.items() if k in given}))
    job = sft_job(start, packed(sequences(3)), tmp_path / "out", settings(max_steps=1))
    assert len(train_sft(*job, quietly).curve) == 1


def test_rows_without_a_column_or_without_a_row_are_refused(random_model, tmp_path):
    rows = packed(sequences(3))
    with pytest.raises(InputError, match=r"one-rows\.parquet: has no column labels"):
        train_sft(
            *sft_job(random_model, rows.drop("labels"), tmp_path / "one", settings()), quietly
        )
    with pytest.raises(InputError, match=r"none-rows\.parquet: holds no row"):
        train_sft(*sft_job(random_model, rows.clear(), tmp_path / "none", settings()), quietly)


def test_a_folder_that_holds_another_training_is_refused(random_model, tmp_path):
    rows = packed(sequences(6))
    with pytest.raises(Killed):
        train_sft(*sft_job(random_model, rows, tmp_path, settings(), seed=0), kill_at(1))
    with pytest.raises(InputError, match="differs in seed"):
        train_sft(*sft_job(random_model, rows, tmp_path, settings(), seed=1), quietly)


@pytest.mark.parametrize(
    ("rows", "changes", "steps"),
    [
        (5, {}, 6),
        (5, {"epochs": 0.5}, 2),
        (4, {"epochs": 1}, 2),
        (5, {"max_steps": 4}, 4),
        (5, {"max_steps": 9}, 6),
    ],
)
def test_epochs_and_max_steps_bound_the_training(rows, changes, steps):
    assert step_count(rows, settings(**changes)) == steps

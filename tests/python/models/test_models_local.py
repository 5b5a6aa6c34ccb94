"""The local engine on a tiny random model: what it draws, and that nothing beside a row moves it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dalign.errors import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import safetensors.torch
from dalign import config
from dalign.models.decoding import Decoded, Draws, decode, draw_tokens
from dalign.models.engines.local import LocalEngine
from dalign.models.protocol import Reply, Request, Sampling
from dalign.pipeline.engines import open_engine
from dalign.rows import Message
from sandbox_model.tokenizer import build_tokenizer
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    Qwen3Config,
    Qwen3ForCausalLM,
)

TOKENIZER = build_tokenizer()
END = TOKENIZER.eos_token_id
SIZES: dict[str, Any] = {
    "vocab_size": len(TOKENIZER),
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 96,
    "eos_token_id": END,
    "pad_token_id": TOKENIZER.pad_token_id,
}
TEXTS = (
    "hi",
    "please make toy",
    "how do i build cake today ?",
    "can you tell me how to define movie ?",
    "ok",
    "i like cake . stop it",
)


def tiny(architecture: str = "qwen3") -> Any:
    """A random model whose logits differ enough that rounding decides nothing."""
    torch.manual_seed(0)
    if architecture == "qwen3":
        model = Qwen3ForCausalLM(Qwen3Config(**SIZES))
    elif architecture == "gemma3":  # sliding windows: layers that are not plain
        sliding = {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}
        model = Gemma3ForCausalLM(Gemma3TextConfig(**SIZES, **sliding))
    else:
        gpt2 = {
            "vocab_size": len(TOKENIZER),
            "n_positions": 96,
            "n_embd": 32,
            "n_layer": 2,
            "n_head": 4,
        }
        model = GPT2LMHeadModel(GPT2Config(**gpt2, eos_token_id=END, bos_token_id=END))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.3)
    return model.eval()


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny()


def engine_of(model: Any, batch_size: int = 4, tokenizer: Any = TOKENIZER) -> LocalEngine:
    return LocalEngine(model, tokenizer, batch_size=batch_size, fingerprint="f")


def requests_of(*texts: str) -> list[Request]:
    return [
        Request(f"row-{i}", (Message(role="user", content=t),), seed=1000 + i)
        for i, t in enumerate(texts)
    ]


def replies_of(
    engine: LocalEngine, requests: list[Request], sampling: Sampling, **done: Any
) -> dict[str, Reply]:
    return {
        reply.id: reply for batch in engine.stream(requests, sampling, **done) for reply in batch
    }


@pytest.mark.parametrize("architecture", ["qwen3", "gemma3", "gpt2"])
def test_greedy_equals_generate_on_a_left_padded_batch(architecture: str) -> None:
    model = tiny(architecture)
    prompts = engine_of(model).prompt_ids([r.messages for r in requests_of(*TEXTS)])
    width = max(map(len, prompts))
    ids = torch.tensor([[TOKENIZER.pad_token_id] * (width - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    generated = model.generate(
        ids,
        attention_mask=mask,
        do_sample=False,
        max_new_tokens=24,
        eos_token_id=END,
        pad_token_id=TOKENIZER.pad_token_id,
    )[:, width:].tolist()
    expected = [row[: row.index(END)] if END in row else row for row in generated]
    ours = decode(model, prompts, range(len(prompts)), Sampling(0.0, 24), [END])
    assert [d.ids for d in ours] == expected
    assert [d.end is not None for d in ours] == [END in row for row in generated]


@pytest.mark.parametrize("architecture", ["qwen3", "gemma3", "gpt2"])
@pytest.mark.parametrize("sampling", [Sampling(0.0, 24, 1.0, True), Sampling(0.7, 24, 0.8, True)])
def test_tokens_are_told_with_the_logarithms_of_their_probabilities(
    architecture: str, sampling: Sampling
) -> None:
    engine, requests = engine_of(tiny(architecture)), requests_of(*TEXTS)
    prompts = engine.prompt_ids([request.messages for request in requests])
    told = replies_of(engine, requests, sampling)
    plain = replies_of(engine, requests, replace(sampling, tells_tokens=False))
    assert told == plain and all(not any(reply.drawn) for reply in plain.values())
    for request, prompt in zip(requests, prompts, strict=True):
        ids, logprobs = told[request.id].drawn
        assert len(ids) == len(logprobs) == told[request.id].tokens
        # One row by itself, whole, at temperature 1.
        logits = engine.model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1]
        expected = logits.log_softmax(-1)[range(len(ids)), list(ids)]
        assert torch.allclose(torch.tensor(logprobs), expected, atol=1e-4)


@pytest.mark.parametrize(
    "sampling", [Sampling(1.0, 20), Sampling(0.7, 20, top_p=0.8), Sampling(0.0, 20)]
)
@pytest.mark.parametrize("batch_size", [1, 5, 24])  # alone, an odd size, all at once
def test_a_rows_text_depends_on_its_seed_alone(
    model: Any, batch_size: int, sampling: Sampling
) -> None:
    requests = [
        Request(f"{r.id}-{k}", r.messages, r.seed + 31 * k)
        for r in requests_of(*TEXTS)
        for k in range(4)
    ]
    expected = replies_of(engine_of(model, 7), requests, sampling)
    assert len(expected) == 24
    assert replies_of(engine_of(model, batch_size), requests, sampling) == expected
    assert replies_of(engine_of(model, batch_size), requests[::-1], sampling) == expected


def test_other_seeds_give_other_texts(model: Any) -> None:
    requests = [Request(str(k), requests_of("hi")[0].messages, k) for k in range(8)]
    texts = {
        reply.text for reply in replies_of(engine_of(model), requests, Sampling(1.0, 20)).values()
    }
    assert len(texts) == 8


def test_what_is_done_is_left_out_and_the_rest_is_as_undisturbed(model: Any) -> None:
    requests = requests_of(*TEXTS)
    sampling = Sampling(1.0, 20)
    whole = list(engine_of(model).stream(requests, sampling))
    assert [len(batch) for batch in whole] == [4, 2]
    first = {reply.id for reply in whole[0]}
    assert list(engine_of(model).stream(requests, sampling, first)) == whole[1:]
    partly = {whole[0][0].id, whole[0][2].id, whole[1][1].id}
    resumed = list(engine_of(model).stream(requests, sampling, partly))
    assert resumed == [[r for r in batch if r.id not in partly] for batch in whole]
    assert list(engine_of(model).stream(requests, sampling, {r.id for r in requests})) == []


def test_how_far_a_batch_is_is_told_with_each_step(model: Any) -> None:
    engine, heard = engine_of(model, batch_size=6), []
    engine.going = lambda rows, tokens, awaited: heard.append((rows, tokens, awaited))
    [replies] = engine.stream(requests_of(*TEXTS), Sampling(1.0, 12))
    rows, tokens = [each[0] for each in heard], [each[1] for each in heard]
    assert rows == sorted(rows) and rows[0] == pytest.approx(6 / 12) and rows[-1] == 6
    assert tokens[0] == 6 and tokens[-1] == sum(reply.tokens for reply in replies)
    assert {each[2] for each in heard} == {""}


def test_no_requests_give_no_replies(model: Any) -> None:
    assert list(engine_of(model).stream([], Sampling(1.0, 20))) == []


class Fixed(torch.nn.Module):
    """A model whose next token is set by the last one: `follows[last]`, with all the mass."""

    def __init__(self, follows: dict[int, int]) -> None:
        super().__init__()
        self.config = tiny().config
        self.device = torch.device("cpu")
        self.follows = torch.zeros(len(TOKENIZER), dtype=torch.long)
        for token, following in follows.items():
            self.follows[token] = following
        self.calls: list[tuple[int, ...]] = []

    def get_input_embeddings(self) -> torch.nn.Embedding:
        return torch.nn.Embedding(len(TOKENIZER), 1)

    def forward(self, input_ids: Any, attention_mask: Any, cache: Any, use_cache: bool) -> Any:
        self.calls.append(tuple(input_ids.shape))
        keys = torch.zeros(len(input_ids), 1, input_ids.shape[1], 1)
        for layer in range(2):
            cache.update(keys, keys, layer)
        logits = torch.nn.functional.one_hot(self.follows[input_ids], len(TOKENIZER)).float() * 1e4
        return type("Output", (), {"logits": logits})


def test_the_end_token_stops_a_row_and_ended_rows_leave_the_batch() -> None:
    # 10 → end; 11 → 10 → end; 12 → 11 → 10 → end; 13 → 13 → …
    fixed = Fixed({10: END, 11: 10, 12: 11, 13: 13})
    decoded = decode(fixed, [[10], [11], [12], [13]], range(4), Sampling(1.0, 6), [END])
    assert [(d.ids, d.end is not None) for d in decoded] == [
        ([], True),
        ([10], True),
        ([11, 10], True),
        ([13] * 6, False),
    ]
    assert [rows for rows, _ in fixed.calls] == [4, 3, 2, 1, 1, 1]


class FixedBefore524(Fixed):
    """The same, with its cache under the name that transformers had before 5.24."""

    def forward(
        self, input_ids: Any, attention_mask: Any, past_key_values: Any, use_cache: bool
    ) -> Any:
        return super().forward(input_ids, attention_mask, past_key_values, use_cache)


class WithoutCache(Fixed):
    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        raise AssertionError("it is refused before it is called")


@pytest.mark.parametrize("kind", [Fixed, FixedBefore524])
def test_the_cache_goes_by_the_name_that_the_model_has_for_it(kind: type[Fixed]) -> None:
    fixed = kind({10: 11, 11: END})
    assert [d.ids for d in decode(fixed, [[10]], [0], Sampling(0.0, 4), [END])] == [[11]]


def test_a_model_without_a_cache_is_refused() -> None:
    with pytest.raises(InputError, match="WithoutCache has no key-value cache"):
        decode(WithoutCache({}), [[10]], [0], Sampling(0.0, 4), [END])


def test_equal_prompts_are_read_once() -> None:
    fixed = Fixed({10: 11, 11: END, 20: END})
    decoded = decode(fixed, [[10], [20], [10], [10]], range(4), Sampling(0.0, 4), [END])
    assert [d.ids for d in decoded] == [[11], [], [11], [11]]
    # Two distinct prompts are read; then the three rows that go on.
    assert fixed.calls == [(2, 1), (3, 1)]


@pytest.mark.parametrize("sampling", [Sampling(0.0, 4), Sampling(1.0, 4)])
def test_logits_that_are_not_finite_are_an_error(sampling: Sampling) -> None:
    broken = tiny()
    with torch.no_grad():
        broken.lm_head.weight.fill_(float("nan"))
    with pytest.raises(InputError, match="logits are not finite for 2 of 2"):
        decode(broken, [[10], [11, 12]], range(2), sampling, [END])


@pytest.mark.parametrize(
    ("uniform", "top_p", "token"),
    [
        # Probabilities 0.1, 0.6, 0.3: cumulated 0.1, 0.7, 1.0.
        (0.0, 1.0, 0),
        (0.09, 1.0, 0),
        (0.11, 1.0, 1),
        (0.69, 1.0, 1),
        (0.71, 1.0, 2),
        (0.9999999, 1.0, 2),
        # The most likely up to 0.5 of the mass: the 0.6 alone.
        (0.0, 0.5, 1),
        (0.99, 0.5, 1),
        # Up to 0.8: 0.6 and 0.3, of which 0.6 is two thirds.
        (0.65, 0.8, 1),
        (0.68, 0.8, 2),
    ],
)
def test_a_token_is_the_inverse_of_the_cumulated_probabilities(
    uniform: float, top_p: float, token: int
) -> None:
    logits = torch.tensor([[0.1, 0.6, 0.3]]).log()
    assert draw_tokens(logits, torch.tensor([uniform]), Sampling(1.0, 1, top_p)).tolist() == [token]


def test_temperature_sharpens_and_an_impossible_token_is_never_drawn() -> None:
    # At temperature 0.5, 0.25 and 0.75 become 0.1 and 0.9.
    logits = torch.tensor([[0.25, 0.75, 0.0]]).log().repeat(3, 1)
    drawn = draw_tokens(logits, torch.tensor([0.09, 0.11, 0.99999994]), Sampling(0.5, 1))
    assert drawn.tolist() == [0, 1, 1]


def test_a_rows_uniforms_do_not_depend_on_the_rows_beside_it() -> None:
    together, alone = Draws([5, 6, 7], torch.device("cpu")), Draws([6], torch.device("cpu"))
    some, one = torch.tensor([1, 2]), torch.tensor([0])
    for step in range(300):  # past two blocks of 128
        assert together.at(step, some)[0] == alone.at(step, one)[0]


def test_a_prompt_without_room_is_an_error_of_its_row_and_the_others_are_answered(
    model: Any,
) -> None:
    # "<|user|> hi<|end|><|assistant|>" is 4 tokens; the model has 96 positions.
    requests = requests_of("hi", "hi hi")
    alone = replies_of(engine_of(model), requests[:1], Sampling(1.0, 92))
    assert alone["row-0"].finish != "error"
    both = replies_of(engine_of(model), requests, Sampling(1.0, 92))
    assert both["row-0"] == alone["row-0"]
    said = "request row-1: its prompt has 5 tokens, which with max_new_tokens = 92 exceeds the model's 96 positions; shorten the prompt or lower max_new_tokens"
    assert both["row-1"] == Reply("row-1", said, "error", 0)
    assert set(replies_of(engine_of(model), requests, Sampling(1.0, 92), done={"row-1"})) == {
        "row-0"
    }


def test_a_token_without_an_embedding_is_named_before_anything_is_generated() -> None:
    model = tiny()
    model.resize_token_embeddings(TOKENIZER("hi")["input_ids"][0])
    said = r"request row-0: its prompt has a token of the id \d+, .* embeddings for \d+"
    with pytest.raises(InputError, match=said) as caught:
        engine_of(model).stream(requests_of("hi"), Sampling(1.0, 4))
    assert caught.value.kind == "unfit_model"


def test_all_that_was_written_stays_in_the_text(model: Any) -> None:
    words = ["<think>", " ok", "<|user|>", "</think>", " hi"]
    chain = [TOKENIZER.convert_tokens_to_ids(w.replace(" ", "Ġ")) for w in words]
    prompt_end = TOKENIZER.convert_tokens_to_ids("<|assistant|>")
    fixed = Fixed(dict(zip([prompt_end, *chain], [*chain, END], strict=True)))
    for tags_are_special in (False, True):
        tokenizer = build_tokenizer()
        if tags_are_special:
            tokenizer.add_special_tokens({"additional_special_tokens": ["<think>", "</think>"]})
        reply = replies_of(
            engine_of(fixed, tokenizer=tokenizer), requests_of("ok"), Sampling(0.0, 9)
        )["row-0"]
        assert reply == Reply("row-0", "<think> ok<|user|></think> hi", "stop", 6)


def test_texts_of_decoded_tokens_leave_the_end_out(model: Any) -> None:
    words = ["<think>", "Ġok", "<|user|>", "</think>", "Ġhi"]
    ids = [TOKENIZER.convert_tokens_to_ids(word) for word in words]
    engine = engine_of(model)
    decoded = [Decoded(ids, END), Decoded([], None), Decoded(ids[1:2], None)]
    assert engine.replies(["a", "b", "c"], decoded) == [
        Reply("a", "<think> ok<|user|></think> hi", "stop", 6),
        Reply("b", "", "length", 0),
        Reply("c", " ok", "length", 1),
    ]


def test_a_model_in_training_is_as_before_and_still_trains() -> None:
    training = tiny().train()
    training.model.layers[0].eval()
    before = [module.training for module in training.modules()]
    replies = replies_of(engine_of(training), requests_of("hi", "ok"), Sampling(1.0, 5))
    assert len(replies) == 2
    assert [module.training for module in training.modules()] == before
    training(input_ids=torch.tensor([[1, 2]]), labels=torch.tensor([[1, 2]])).loss.backward()
    assert training.lm_head.weight.grad is not None


def test_a_checkpoint_is_opened_from_the_config(model: Any, tmp_path: Path) -> None:
    model.save_pretrained(str(tmp_path))
    TOKENIZER.save_pretrained(str(tmp_path))
    opened = open_engine(config.Model(path=str(tmp_path), batch_size=3), threads=1)
    assert isinstance(opened, LocalEngine)
    assert opened.batch_size == 3
    requests, sampling = requests_of(*TEXTS), Sampling(1.0, 12)
    assert replies_of(opened, requests, sampling) == replies_of(
        engine_of(model), requests, sampling
    )
    assert opened.control_tokens == (
        "</think>",
        "<think>",
        "<|assistant|>",
        "<|end|>",
        "<|pad|>",
        "<|system|>",
        "<|user|>",
    )
    half = open_engine(config.Model(path=str(tmp_path), dtype="bfloat16"), threads=1)
    assert half.fingerprint != opened.fingerprint


def test_weights_that_cannot_be_read_are_named(model: Any, tmp_path: Path) -> None:
    model.save_pretrained(str(tmp_path))
    TOKENIZER.save_pretrained(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match=f"^{tmp_path}: its model on cpu cannot be loaded"):
        open_engine(config.Model(path=str(tmp_path)), threads=1)


def test_weights_that_are_not_there_are_never_made_up(model: Any, tmp_path: Path) -> None:
    model.save_pretrained(str(tmp_path))
    TOKENIZER.save_pretrained(str(tmp_path))
    weights = safetensors.torch.load_file(tmp_path / "model.safetensors")
    del weights["model.norm.weight"]
    safetensors.torch.save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        InputError, match=r"lack 1 of the model's weights .first: model\.norm\.weight"
    ):
        open_engine(config.Model(path=str(tmp_path)), threads=1)

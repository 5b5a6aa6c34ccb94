"""What was sampled is what is trained: token by token, for each form of reasoning and kind of tokenizer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import tokenizer_kinds as kinds
from dalign.config import Reasoning
from dalign.files.batch import Decision
from dalign.filter.form import Completions, filter_completions
from dalign.models.engines.local import LocalEngine
from dalign.models.protocol import Request, Sampling
from dalign.models.tokenizer import open_tokenizer
from dalign.pack.training import Packing, training_texts
from dalign.rows import messages_json
from dalign.vocabulary import FORMS
from tokenizers import AddedToken, decoders, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config

MESSAGES = ({"role": "user", "content": "hello world"},)
ROLES = ("<|user|>", "<|assistant|>")
END = "<|stop|>"
# What harmony and its like are made of.
PIECES = ("<|channel|>", "<|message|>", "<|end|>", "<|start|>")
WORDS = ("a policy . refuse", "comply , hello the world .")


def byte_level() -> Any:
    """As Llama 3, Qwen, gpt-oss: line breaks and what stands before them may be one token."""
    tokenizer = kinds.bpe(kinds.split(kinds.PATTERNS["Qwen 2"]))
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def sentence_piece(scheme: str) -> Any:
    """As Llama 2 and Mistral: a word begins with its space, and the text too."""
    tokenizer = kinds.characters(
        pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False), byte_fallback=True
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return tokenizer


TOKENIZERS: dict[str, Callable[[], Any]] = {
    "byte level": byte_level,
    "a space before the text": lambda: sentence_piece("first"),
    "a space before every piece": lambda: sentence_piece("always"),
}


class Says(torch.nn.Module):
    """A model that writes the same tokens whatever it is asked."""

    def __init__(self, ids: list[int], vocabulary: int) -> None:
        super().__init__()
        self.config = Qwen3Config(num_hidden_layers=1, max_position_embeddings=10_000)
        self.device = torch.device("cpu")
        self.ids, self.vocabulary, self.prompt = ids, vocabulary, 0

    def get_input_embeddings(self) -> torch.nn.Embedding:
        return torch.nn.Embedding(self.vocabulary, 1)

    def forward(self, input_ids: Any, attention_mask: Any, cache: Any, use_cache: bool) -> Any:
        keys = torch.zeros(len(input_ids), 1, input_ids.shape[1], 1)
        cache.update(keys, keys, 0)
        self.prompt = self.prompt or attention_mask.shape[1]
        following = torch.tensor([[self.ids[attention_mask.shape[1] - self.prompt]]])
        logits = torch.nn.functional.one_hot(following, self.vocabulary).float() * 1e4
        return type("Output", (), {"logits": logits.expand(len(input_ids), -1, -1)})


def opened(folder: Path, made: Any, opens: str, tags: tuple[str, str]) -> Any:
    """transformers' tokenizer with a template whose prompt ends so, in a folder that the core reads."""
    tokens = {*ROLES, END, *PIECES, *(tag for tag in tags if tag.startswith(("<", "[", "◁")))}
    whole = sorted(t for t in tokens if t.count("<|") < 2)
    made.add_special_tokens([AddedToken(token, normalized=False) for token in whole])
    template = (
        "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}"
        "{% if m.role == 'assistant' %}" + END + "{% endif %}\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>" + opens + "{% endif %}"
    )
    found = PreTrainedTokenizerFast(tokenizer_object=made, eos_token=END, chat_template=template)
    found.save_pretrained(str(folder))
    return found


def trained_on(folder: Path, tokenizer: Any, reasoning: Reasoning, ids: list[int]) -> list[int]:
    """The trained tokens of what a model writes: sampled, read, filtered and packed."""
    engine = LocalEngine(
        Says(ids, len(tokenizer)), tokenizer, batch_size=1, fingerprint="", reasoning=reasoning
    )
    sampling = Sampling(0.0, len(ids) + 1)
    [[reply]] = list(engine.stream([Request("row", MESSAGES, 0)], sampling))
    named = {"id": "row", "prompt_id": "p", "category": "c"}
    made = pl.DataFrame(named | {"text": reply.text, "finish": reply.finish})

    def check(completions: Completions) -> Decision:
        return Decision.keep_all(len(completions.texts))

    reads = engine.renderer
    kept, dropped = filter_completions(
        made, made["text"], engine.reasoning, check, opened=engine.opens_reasoning, control=reads.control
    )  # fmt: skip
    assert dropped.rows() == []
    rows = kept.with_columns(messages=pl.lit(messages_json(MESSAGES)))
    packing = Packing(
        open_tokenizer(folder).encode, capacity=500, over_long="error", end=reads.end_text
    )
    [bins] = list(packing.bins([training_texts(rows, reads)]))
    labels: list[int] = bins["labels"][0].to_list()
    assert bins["input_ids"][0].to_list()[: labels.count(-100)] == engine.prompt_ids([MESSAGES])[0]
    return [label for label in labels if label != -100]


def sampled(tokenizer: Any, prompt: str, text: str) -> list[int]:
    """The tokens that a model writes for a text after a prompt: the whole text's, less the prompt's."""
    head, whole = (
        tokenizer(t, add_special_tokens=False)["input_ids"] for t in (prompt, prompt + text)
    )
    assert whole[: len(head)] == head
    return whole[len(head) :]


# The forms by name, and one that a config writes itself.
GIVEN = {**FORMS, "tags": ("<|begin_of_plan|>", "<|end_of_plan|>\n\n<|begin_of_reply|>")}


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("form", GIVEN)
@pytest.mark.parametrize("opens", [False, True], ids=["written", "prefilled"])
def test_what_was_sampled_is_what_is_trained(
    kind: str, form: str, opens: bool, tmp_path: Path
) -> None:
    if (kind, form) == ("a space before every piece", "harmony"):
        pytest.skip("such a tokenizer cannot write its tags: it puts a space within")
    tags = GIVEN[form]
    why, what = WORDS
    spaces = [("", "", ""), ("\n", "\n", "\n\n"), (" ", "", " ")]
    # Behind a prompt that ends with a space no model writes a word that begins with one.
    for number, (lead, trail, gap) in enumerate(spaces[:2] if opens else spaces):
        folder = tmp_path / str(number)
        head = f"{tags[0]}{lead}"
        tokenizer = opened(folder, TOKENIZERS[kind](), f"\n{head}" if opens else "\n", tags)
        prompt = tokenizer.apply_chat_template(
            list(MESSAGES), tokenize=False, add_generation_prompt=True
        )
        text = f"{'' if opens else head}{why}{trail}{tags[1]}{gap}{what}{END}"
        ids = sampled(tokenizer, prompt, text)
        said = Reasoning(kind=form, open=tags[0], close=tags[1])  # type: ignore[arg-type]
        assert trained_on(folder, tokenizer, said, ids) == ids


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_token_across_the_prompts_end_is_never_trained(kind: str, tmp_path: Path) -> None:
    # The whole text has one token for the space and the word; a model that reads a prompt with the space cannot write it.
    tokenizer = opened(tmp_path, TOKENIZERS[kind](), "\n<think> ", FORMS["think"])
    ids = sampled(tokenizer, "<|assistant|>\n", f"the policy</think> hello{END}")
    assert trained_on(tmp_path, tokenizer, Reasoning(), ids) == ids

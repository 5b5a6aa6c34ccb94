"""A project of any size, and an engine that answers at once: what is left to measure is everything but the model."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import cache
from pathlib import Path

from dalign.config import Reasoning
from dalign.models.protocol import Reply, Request, Sampling
from dalign.spec.shipped import shipped
from dalign.vocabulary import SUB_SCORES

ROOT = Path(__file__).parents[1]
COMPLETIONS_A_PROMPT = 4
JUDGEMENTS = 4
BATCH = 128
# About 80 bytes a sentence: 800 bytes of reasoning, 400 of answer, 240 of a judge's reasons.
WORDS_A_SENTENCE = 11
REASONING, ANSWER, REASONS = 10, 5, 3
SENTENCES = 4096
GENERAL = "general"
CONFIG = f"""
[model]
path = "{{work}}/model.json"
engine = "scripted"
checkpoint = "{{work}}/checkpoint"
[judge_model]
path = "{{work}}/judge.json"
engine = "scripted"
[spec]
path = "{shipped("safety")}"
[data]
prompts = "prompts.jsonl"
[generate]
n = {COMPLETIONS_A_PROMPT}
[judge]
k = {JUDGEMENTS}
[select]
per_prompt = {COMPLETIONS_A_PROMPT}
[evaluate]
arms = ["none", "sft"]
samples = {COMPLETIONS_A_PROMPT}
judge_k = {JUDGEMENTS}
resamples = 1000
[[evaluate.suites]]
name = "all"
path = "prompts.jsonl"
patterns = "patterns.toml"
"""
PATTERNS = """
[[answer]]
ruling = "comply"
pattern = "[a-m]\\\\.$"
adheres = true
[[answer]]
ruling = "refuse"
pattern = "."
adheres = true
"""


@cache
def sentences() -> list[str]:
    """Sentences of the policy's own words, in another order than it has them."""
    text = "".join(path.read_text("utf-8") for path in sorted(shipped("safety").glob("*.md")))
    words = sorted(set(re.findall(r"[a-z]{3,10}", text)) - {"policy", "policies", "guideline"})
    rng = random.Random(0)
    made = [" ".join(rng.choices(words, k=WORDS_A_SENTENCE)) + "." for _ in range(SENTENCES)]
    # One in ten is what policy retrieval takes an excerpt from.
    return [f"it is allowed: {s}" if i % 10 == 0 else s for i, s in enumerate(made)]


def passage(seed: int, count: int) -> str:
    """`count` sentences that follow from the seed alone."""
    known, state, chosen = sentences(), seed, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        chosen.append(known[state >> 52])
    return " ".join(chosen)


class InstantEngine:
    """Answers every request at once, in batches as an engine in this process has them.

    asked: how many requests it was sent. own_cpu_s: what answering took, which is no part of what is measured.
    """

    control_tokens = ("<|end|>", "<|user|>", "<|assistant|>", "<think>", "</think>")
    opens_reasoning, reasoning = False, Reasoning()

    def __init__(self, *, judge: bool, kill_after: int | None = None) -> None:
        """kill_after: the process is killed when so many requests were answered, the batch that they end not handed on."""
        self.fingerprint = "instant judge" if judge else "instant model"
        self._answer = judge_reply if judge else completion
        self._kill_after = kill_after
        self.asked, self.own_cpu_s = 0, 0.0

    def warm(self) -> None:
        """Makes ready what the first reply would have to wait for."""
        sentences()

    def stream(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        done: AbstractSet[str] = frozenset(),
    ) -> Iterator[list[Reply]]:
        """Replies in batches, in the order of `requests`."""
        for start in range(0, len(requests), BATCH):
            begun = time.thread_time()
            batch = [r for r in requests[start : start + BATCH] if r.id not in done]
            replies = [Reply(r.id, self._answer(r), "stop", 256) for r in batch]
            self.asked += len(batch)
            if self._kill_after is not None and self.asked >= self._kill_after:
                os.kill(os.getpid(), signal.SIGKILL)
            self.own_cpu_s += time.thread_time() - begun
            if replies:
                yield replies


def completion(request: Request) -> str:
    """A completion of its seed; one in 64 never ends its reasoning."""
    close = "" if request.seed % 64 == 0 else "</think>"
    return f"<think>{passage(request.seed, REASONING)}{close}{passage(~request.seed, ANSWER)}"


def judge_reply(request: Request) -> str:
    """A judge's reply with all that is asked for; one in 256 has no score. To the classifier's question it names no category."""
    if request.seed % 256 == 0:
        return "I cannot say."
    score = 6 + request.seed % 32 // 7
    parts = "\n".join(f"{name.capitalize()}: {score}" for name in SUB_SCORES)
    return f"{passage(request.seed, REASONS)}\nS1: followed\n{parts}\nScore: {score}"


def write_project(work: Path, completions: int) -> None:
    """Prompts for so many completions, over all categories of the policy, and what the config names."""
    if (work / "dalign.toml").exists():
        return
    work.mkdir(parents=True, exist_ok=True)
    names = sorted(
        path.stem for path in shipped("safety").glob("*.md") if path.stem != "principles"
    )
    with (work / "prompts.jsonl").open("w", encoding="utf-8") as out:
        out.writelines(
            prompt((*names, GENERAL)[number % (len(names) + 1)], number)
            for number in range(completions // COMPLETIONS_A_PROMPT)
        )
    for name in ("model", "judge"):
        (work / f"{name}.json").write_text(json.dumps({"": f"the instant {name}"}))
    (work / "patterns.toml").write_text(PATTERNS)
    write_checkpoint(work / "checkpoint")
    (work / "dalign.toml").write_text(CONFIG.format(work=work.resolve()))


def prompt(category: str, number: int) -> str:
    row = {
        "id": f"p{number}",
        "category": category,
        "messages": [{"role": "user", "content": f"{passage(number, 2)} Is that so, {number}?"}],
        "expected": {"ruling": "refuse" if number % 2 else "comply"},
    }
    return json.dumps(row) + "\n"


def write_checkpoint(folder: Path) -> None:
    """The sandbox's model with a byte-level tokenizer of English words."""
    from dalign.sandbox.checkpoint import MODEL
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    shutil.copytree(MODEL, folder, dirs_exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=4000,
        special_tokens=["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences(), trainer)
    tokenizer.save(str(folder / "tokenizer.json"))

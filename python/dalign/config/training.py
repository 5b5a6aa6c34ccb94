"""The stages that train."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field

from dalign.config.section import MOST, Natural, Positive, Repeats, Section, Share, rule


class Lora(Section):
    """LoRA (peft)."""

    r: Positive = 16
    alpha: float = Field(32.0, gt=0)
    dropout: Share = 0.0
    target: str = "all-linear"
    """'all-linear', or module names separated by commas."""


Method = Literal["full", "lora"]


def _rate(full: float, lora: float) -> Callable[[dict[str, Any]], float]:
    """A section's rate unless one is set. What LoRA learns with is about ten times what all weights do."""
    return lambda section: lora if section.get("method") == "lora" else full


# Settings that came later: at these values a training, and its hash, is what it was without them.
_LATER: dict[str, object] = {
    "normalise": "tokens", "unpaid": [], "redraws": 0, "weigh": "completions", "rows_per_pass": None,
    "length_weight": 0.0, "length_slack": 0.5, "kl_weight": 0.0,
}  # fmt: skip


def _as_before(settings: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in settings.items() if k not in _LATER or v != _LATER[k]}


class Sft(Section):
    """Supervised fine-tuning on the examples, the policy taken out."""

    method: Method = "full"
    epochs: float = Field(3.0, gt=0)
    max_steps: int = Field(-1, ge=-1, le=MOST)
    """Ends training after this many steps; -1: the epochs decide."""
    learning_rate: float = Field(default_factory=_rate(full=1e-5, lora=1e-4), gt=0)
    """The highest rate; unless set 1e-5, and 1e-4 with LoRA."""
    warmup_steps: Natural = 10
    """Steps up to that rate; at most a tenth of all."""
    rows_per_step: Positive = 8
    """Packed rows an optimiser step."""
    normalise: Literal["tokens", "sequences"] = "tokens"
    """What a step's loss is the mean over: all its trained tokens, so that a long row weighs more, or its sequences, each by the mean of its tokens."""
    capability_ratio: float = Field(0.5, ge=0.0)
    """Capability rows for each safety example."""
    kl_weight: float = Field(0.0, ge=0)
    """Weight, beside the loss, of how far the model goes from the checkpoint that it starts from on the trained tokens of capability rows (nats a token); 0: off. Another copy of all weights, with LoRA none."""
    max_grad_norm: float = Field(1.0, gt=0)
    save_steps: Positive = 50
    """A killed run loses at most this many steps."""
    lora: Lora = Field(default_factory=Lora)

    @property
    def identity(self) -> dict[str, Any]:
        """What the checkpoint depends on, for hashes."""
        return _as_before(self.model_dump(mode="json"))


class Balance(Section):
    """Shares of the prompts of an RL step: weights, in any unit."""

    disallowed: float = Field(0.4, ge=0)
    """Prompts whose expected ruling is not 'comply'."""
    permitted: float = Field(0.25, ge=0)
    """Prompts that a clause permits."""
    ungoverned: float = Field(0.2, ge=0)
    """Prompts of a governed category that no clause governs."""
    general: float = Field(0.15, ge=0)
    """Prompts of the category 'general'."""

    @rule
    def _has_weight(self) -> str | None:
        shares = (self.disallowed, self.permitted, self.ungoverned, self.general)
        return None if any(shares) else "general = 0, and so is every other share; set one above 0"


def _undivided(rows: int | None, whole: int) -> str | None:
    """That passes of so many rows don't make a step; None where they do."""
    if rows is None or whole % rows == 0:
        return None
    fits = max(n for n in range(1, min(rows, whole) + 1) if whole % n == 0)
    return f"rows_per_pass = {rows} does not divide the {whole} completions of a step; set it to {fits}, or another divisor"


class Rl(Section):
    """Reinforcement learning with a judge that never sees the reasoning."""

    method: Method = "full"
    """'lora': an adapter beside weights that stay as they were, which is merged into the checkpoint at the end."""
    steps: Positive = 80
    prompts_per_step: Positive = 16
    group_size: Annotated[int, Field(ge=2, le=10_000)] = 8
    """Completions of one prompt in a step."""
    learning_rate: float = Field(default_factory=_rate(full=1e-6, lora=1e-5), gt=0)
    """The highest rate; unless set 1e-6, and 1e-5 with LoRA."""
    warmup_steps: Natural = 5
    """Steps up to that rate; at most a tenth of all."""
    temperature: float = Field(1.0, gt=0)
    max_new_tokens: Positive = 1024
    beta: float = Field(0.0, ge=0)
    """Weight of the KL to the starting checkpoint; 0: off. Another copy of all weights, with LoRA none."""
    scale_rewards: Literal["none", "group", "batch"] = "none"
    """What advantages are divided by; 'none': r - mean(r)."""
    loss: str = "grpo"
    """The policy loss: 'grpo', 'dr_grpo', 'dapo', 'gspo' or 'cispo'. A step makes one update, on what its own policy sampled: there 'gspo' moves the model as 'grpo' does, and 'cispo' as 'dapo'."""
    judge_k: Repeats = 2
    """Judgements an answer; judge.aggregate makes them one score."""
    judge_weight: float = Field(1.0, ge=0)
    """Weight of the judge's score, scaled to 0…1."""
    heuristic_weight: float = Field(0.0, ge=0)
    """Weight of the completeness: what the answer has of the sections that its prompt requires, 0…1."""
    format_weight: float = Field(0.0, ge=0)
    """Weight of a well-formed completion."""
    length_weight: float = Field(0.0, ge=0)
    """Weight of the length: 1 for a completion about as long as the step's others of its category, less for one that is much longer."""
    length_slack: float = Field(0.5, gt=0)
    """For length_weight: the length pays in full up to so many times the category's median beyond it, and nothing from twice as much on."""
    unpaid: tuple[Literal["truncated", "unclosed"], ...] = ()
    """Completions of these forms have no reward, and move nothing; unless set they are paid 0, as every malformed one is."""
    redraws: Annotated[int, Field(ge=0, le=100)] = 0
    """How often a group whose rewards are all equal, which teaches nothing, is drawn again; a plan counts each time."""
    weigh: Literal["completions", "clauses"] = "completions"
    """'clauses': a clause that few of the steps' prompts are about weighs more, at most four times as much as the mean."""
    replay: float = Field(0.0, ge=0)
    """Weight of the loss on SFT rows beside the policy loss; 0: off."""
    replay_rows: Positive = 16
    """SFT rows replayed a step."""
    balance: Balance | None = None
    """Draw prompts by ruling and category; without it, as they come."""
    second_every: Positive = 1
    """Steps whose answers the second judge (second_judge_model) scores too: each, or one in so many."""
    readmit_every: Natural = 0
    """After so many steps, and before the first, the judge is asked about the policy's golden cases, while a training lasts; 0: never."""
    on_alarm: Literal["warn", "stop"] = "warn"
    """What the training does when the judge tells golden cases wrongly that it told rightly at first, more than chance would have it, or when its scores no longer mean to the second judge what they did."""
    rows_per_pass: Positive | None = None
    """Completions that go through the model at once for the update, a part of a step's that divides them; unset: a group on a GPU, all on a CPU."""
    max_grad_norm: float = Field(1.0, gt=0)
    save_steps: Positive = 20
    """A killed run loses at most this many steps."""
    lora: Lora = Field(default_factory=Lora)

    @property
    def completions_per_step(self) -> int:
        """All prompts' completions of a step."""
        return self.prompts_per_step * self.group_size

    @property
    def identity(self) -> dict[str, Any]:
        """What the checkpoint depends on, for hashes: who looks on pays nothing; of LoRA nothing, where all weights train."""
        of_lora = {"method", "lora"} if self.method == "full" else set()
        looks_on = {"second_every", "readmit_every", "on_alarm"}
        return _as_before(self.model_dump(mode="json", exclude=looks_on | of_lora))

    @rule
    def _asks_who_pays(self) -> str | None:
        said = f"readmit_every = {self.readmit_every} asks a judge that pays nothing (judge_weight = 0); raise that, or leave it out"
        return said if self.readmit_every and self.judge_weight == 0 else None

    @rule
    def _divides_a_step(self) -> str | None:
        return _undivided(self.rows_per_pass, self.completions_per_step)

    @rule
    def _pays_one_length(self) -> str | None:
        said = f"length_weight = {self.length_weight:g} pays by the lengths of a whole step, and redraws = {self.redraws} draws parts of it again; leave one of the two out"
        return said if self.length_weight and self.redraws else None

    @rule
    def _pays_for_something(self) -> str | None:
        said = "judge_weight = 0, and so is every other weight; set one above 0"
        paid = self.judge_weight + self.heuristic_weight + self.format_weight + self.length_weight
        return None if paid else said


class Distill(Section):
    """On-policy distillation: the model with the policy in sight teaches itself without it, on completions of its own."""

    method: Method = "full"
    """'lora': an adapter beside weights that stay as they were, which is merged into the checkpoint at the end."""
    steps: Positive = 80
    prompts_per_step: Positive = 16
    samples: Repeats = 1
    """Completions of one prompt in a step."""
    learning_rate: float = Field(default_factory=_rate(full=1e-5, lora=1e-4), gt=0)
    """The highest rate; unless set 1e-5, and 1e-4 with LoRA."""
    warmup_steps: Natural = 5
    """Steps up to that rate; at most a tenth of all."""
    temperature: float = Field(1.0, gt=0)
    """Of the draw alone: what is compared are the probabilities at temperature 1."""
    max_new_tokens: Positive = 1024
    """Tokens of a completion, which is trained on as far as it goes."""
    teacher: Literal["start", "ema"] = "start"
    """Whose probabilities with the policy in sight the model takes on: those of the checkpoint that it starts from, or of the moving average of its own weights, which begins there."""
    ema_decay: float = Field(0.99, ge=0, lt=1)
    """For teacher = 'ema': the part of the average that a step keeps."""
    top_k: Natural = 0
    """So many tokens of the vocabulary are compared one by one, and the rest as one; 0: all are."""
    support: Literal["student", "teacher"] = "student"
    """For top_k: whose most likely tokens these are."""
    flip_prompts: Natural = 2
    """Prompts of each clause that tell, before the first step, at how many tokens the policy changes which is the most likely; 0: none."""
    rows_per_pass: Positive | None = None
    """Completions that go through the model at once for the update, a part of a step's that divides them; unset: one on a GPU, all on a CPU."""
    max_grad_norm: float = Field(1.0, gt=0)
    save_steps: Positive = 20
    """A killed run loses at most this many steps."""
    lora: Lora = Field(default_factory=Lora)

    @property
    def completions_per_step(self) -> int:
        """All prompts' completions of a step."""
        return self.prompts_per_step * self.samples

    @property
    def identity(self) -> dict[str, Any]:
        """What the checkpoint depends on, for hashes: of LoRA nothing, where all weights train."""
        of_lora = {"method", "lora"} if self.method == "full" else set()
        return self.model_dump(mode="json", exclude={"flip_prompts"} | of_lora)

    @rule
    def _divides_a_step(self) -> str | None:
        return _undivided(self.rows_per_pass, self.completions_per_step)

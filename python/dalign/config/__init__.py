"""THE schema: every setting, its type, its range, its default and a sentence of what it does."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import Literal

from pydantic import Field

from dalign.config.data import Data, Filter, Generate, Judge, Pack, Select, SpecFolder
from dalign.config.evaluation import Evaluate, Suite
from dalign.config.models import (
    AUTO,
    CHECKPOINT_ENGINES,
    LOCAL_ENGINE,
    PARAMETERS,
    STARTED_ENGINES,
    USUAL_ATTENTION,
    Attention,
    EngineName,
    Model,
    Price,
    Reasoning,
    Vllm,
)
from dalign.config.section import Positive, Repeats, Section, rule
from dalign.config.training import Balance, Distill, Lora, Method, Rl, Sft

__all__ = [
    "AUTO",
    "CHECKPOINT_ENGINES",
    "LOCAL_ENGINE",
    "PARAMETERS",
    "STARTED_ENGINES",
    "USUAL_ATTENTION",
    "Attention",
    "Balance",
    "Cap",
    "Config",
    "Data",
    "Distill",
    "EngineName",
    "Evaluate",
    "Filter",
    "Generate",
    "Judge",
    "Lora",
    "Method",
    "Model",
    "Pack",
    "Price",
    "Ray",
    "Reasoning",
    "Rl",
    "Run",
    "Select",
    "Sft",
    "SpecFolder",
    "Suite",
    "Vllm",
]


class Cap(Section):
    """What a run may take, all its calls together, and what another command that asks these models may. It ends before it takes more, and goes on from there under another cap."""

    requests: Positive | None = None
    """Requests to models, those that fail included, each counted once however often it has to be sent; the rollouts of RL are drawn by the trainer, and are none."""
    tokens: Positive | None = None
    """Tokens that models read and write for them; where nobody counts them, as many as they may be."""
    money: float | None = Field(None, gt=0)
    """By the prices of the models (model.price, judge_model.price)."""
    hours: float | None = Field(None, gt=0)
    """Of work, training included."""

    @property
    def is_set(self) -> bool:
        """Whether there is any."""
        return any(value is not None for value in self.model_dump().values())


class Ray(Section):
    """A cluster of Ray that generates, filters and judges (run.executor 'ray')."""

    address: str | None = Field(None, min_length=1)
    """The cluster's, such as "auto" on one of its machines; unless set, one of this machine alone."""
    workers: Repeats = 2
    """Processes that work on chunks of rows, each with the models opened."""
    cpus: float = Field(1.0, gt=0)
    """Cores of each."""
    gpus: float = Field(0.0, ge=0)
    """GPUs of each, which engines 'transformers' and 'vllm' run on."""


class Run(Section):
    """The run as a whole."""

    seed: int = Field(0, ge=0, le=2**32 - 1)
    """Every random draw of the run comes from this seed."""
    threads: Repeats = 1
    """Threads of each worker; part of what makes a run repeatable."""
    devices: Repeats = 1
    """Devices that train together, a process on each: GPU 0 and so on with model.device 'cuda'; on the CPU so many processes."""
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow", "trackio"], ...] = ()
    """Where the figures of each training step go beside the run's own curves; each needs its package, and takes its server, key and project from its own environment variables."""
    workers: Repeats = 1
    """Stages that do not wait for each other run side by side in this many processes."""
    cache: Path | None = None
    """A folder of replies that several runs share: what one was answered, another with the same model, settings, seed and messages does not ask again."""
    executor: Literal["local", "ray"] = "local"
    """Who generates, filters and judges: this machine, or a cluster of Ray whose machines all see the run's folder."""
    ray: Ray = Field(default_factory=Ray)
    cap: Cap = Field(default_factory=Cap)
    """What it may take before it stops, such as {money=20.0, hours=8}."""
    part_rows: Positive = 4096
    """Rows that a stage reads, asks for and writes at a time; what a run holds in memory grows with it."""


class Config(Section):
    """A whole config file."""

    run: Run = Field(default_factory=Run)
    model: Model
    judge_model: Model | None = None
    """The judge; without it, the model judges."""
    second_judge_model: Model | None = None
    """A second judge, which pays nothing: RL's answers are put to it too, so that what the judge alone finds good shows."""
    synth_model: Model | None = None
    """The model that writes prompts for `dalign data synth`; without it, the judge."""
    spec: SpecFolder
    data: Data
    generate: Generate = Field(default_factory=Generate)
    filter: Filter = Field(default_factory=Filter)
    judge: Judge = Field(default_factory=Judge)
    select: Select = Field(default_factory=Select)
    pack: Pack = Field(default_factory=Pack)
    sft: Sft = Field(default_factory=Sft)
    distill: Distill = Field(default_factory=Distill)
    rl: Rl = Field(default_factory=Rl)
    evaluate: Evaluate = Field(default_factory=Evaluate)

    @rule
    def _thresholds_are_on_the_scale(self) -> str | None:
        low, high = self.judge.low, self.judge.high
        for key in ("select.threshold", "evaluate.pass_score"):
            value = attrgetter(key)(self)
            if value is not None and not low <= value <= high:
                return f"{key} = {value} is outside the judge's scale {low}…{high}"
        return None

    @rule
    def _another_judges_second(self) -> str | None:
        if self.second_judge_model is None:
            return None
        if self.second_judge_model == self.judge_of_record:
            return "second_judge_model is the judge itself, whose errors it shares; name another model, or leave it out"
        if self.rl.judge_weight == 0:
            return "second_judge_model stands beside a judge that pays nothing (rl.judge_weight = 0); raise that, or leave it out"
        return None

    @rule
    def _a_shift_is_of_the_models_own_completions(self) -> str | None:
        if self.data.brought is None or not self.select.by_shift:
            return None
        key = "data.completions" if self.data.completions else "data.examples"
        return f"select.by = 'policy-shift': it compares what the model writes with and without the policy, and {key} were written elsewhere; leave {key} out, or set select.by = 'score'"

    @rule
    def _one_process_starts_servers(self) -> str | None:
        if self.run.workers > 1 and (
            started := {each.engine for each in self.asked.values()} & set(STARTED_ENGINES)
        ):
            return f"run.workers = {self.run.workers}: each would start a server of its own (engine {min(started)!r}); set it to 1"
        return None

    @rule
    def _one_process_keeps_the_cap(self) -> str | None:
        if self.run.executor == "ray" and self.run.cap.is_set:
            return "run.executor = 'ray': a cap (run.cap) is kept by one process; set it to 'local', or leave the cap out"
        if self.run.workers > 1 and self.run.cap.is_set:
            return f"run.workers = {self.run.workers}: a cap (run.cap) is kept by one process; set it to 1"
        bounded = self.run.cap.money is not None or self.run.cap.tokens is not None
        for key, model in self.asked.items():
            if bounded and "max_tokens" in model.leave_out:
                return f"run.cap has a bound on tokens or money, which {key}.leave_out = 'max_tokens' takes from replies; send it, or leave the cap out"
        if self.run.cap.money is not None and all(
            model.price.is_free for model in self.models.values()
        ):
            return "run.cap.money has no price to count by; set model.price, such as {read=0.15, written=0.6} for a million tokens each"
        return None

    @rule
    def _holds_on_something(self) -> str | None:
        if self.sft.kl_weight and not self.sft.capability_ratio:
            return f"sft.kl_weight = {self.sft.kl_weight:g} holds the model to its start on capability rows, and sft.capability_ratio = 0 takes none of them; raise that, or leave it out"
        if self.sft.kl_weight and self.data.capability is None:
            return f"sft.kl_weight = {self.sft.kl_weight:g} holds the model to its start on capability rows, and there are none: name a file of them as data.capability, or leave it out"
        return None

    @rule
    def _is_held_out(self) -> str | None:
        held, data = self.data.held_out, self.data
        if self.evaluate.max_kl is not None and held is None:
            return f"evaluate.max_kl = {self.evaluate.max_kl:g} bounds nothing: name a file of rows that are not trained on as data.held_out, or leave it out"
        if held is not None and held == data.capability:
            return f"data.held_out = {str(held)!r} is data.capability, which is trained on; name another file"
        return None

    @rule
    def _a_bound_has_scores(self) -> str | None:
        """A single score has no lower bound: every answer would be unjudged."""
        for key in ("judge.k", "rl.judge_k", "evaluate.judge_k"):
            count = attrgetter(key)(self)
            if self.judge.aggregate == "lower_bound" and count < 2:
                return (
                    f"{key} = {count}: judge.aggregate = 'lower_bound' needs at least 2 judgements"
                )
        return None

    @property
    def limited(self) -> Config:
        """What it comes to with data.limit: no more RL or distillation than prompts, and no end for want of rows."""
        if self.data.limit is None:
            return self
        # It is to come to its end, whatever its few rows are worth.
        once = _once(self.rl, self.data.limit, self.run.devices)
        rl = {**once, "balance": None, "on_alarm": "warn"}
        changed = {
            "rl": self.rl.model_copy(update=rl),
            "distill": self.distill.model_copy(
                update=_once(self.distill, self.data.limit, self.run.devices)
            ),
            "select": self.select.model_copy(update={"on_short": "warn", "least_shift": None}),
            "evaluate": self.evaluate.model_copy(update={"max_forgetting": None, "max_kl": None}),
        }
        return self.model_copy(update=changed)

    @property
    def stops_below(self) -> float | None:
        """The score that a completion must still be able to reach for another judgement; None: each has all, as in a trial, which keeps whatever it has."""
        whole = self.data.limit is not None or self.select.by_shift
        return self.select.threshold if self.judge.early_stop and not whole else None

    @property
    def judge_of_record(self) -> Model:
        """The model that judges."""
        return self.judge_model or self.model

    @property
    def models(self) -> dict[str, Model]:
        """All models, by their keys; one that stands under two keys, under its first."""
        found: dict[str, Model] = {}
        for key in ("model", "judge_model", "second_judge_model", "synth_model"):
            model: Model | None = getattr(self, key)
            if model is not None and model not in found.values():
                found[key] = model
        return found

    @property
    def asked(self) -> dict[str, Model]:
        """Those that a run asks."""
        return {key: model for key, model in self.models.items() if key != "synth_model"}

    @property
    def writer(self) -> Model:
        """The model that writes prompts."""
        return self.synth_model or self.judge_of_record

    @property
    def pass_score(self) -> float:
        """The judge's score from which an evaluated answer passes."""
        own = self.evaluate.pass_score
        return self.select.threshold if own is None else own


def _once(settings: Rl | Distill, limit: int, devices: int = 1) -> dict[str, object]:
    """The settings by which a training goes through so many prompts once. devices: to which a step's groups are dealt, each as a whole."""
    most = min(settings.prompts_per_step, limit)
    most = max(1, most - most % devices)
    steps = min(settings.steps, -(-limit // most))
    return {"steps": steps, "prompts_per_step": most, "rows_per_pass": None}

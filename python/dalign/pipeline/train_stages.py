"""The stages that train: sft and rl, each leaving a checkpoint in `final`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

import polars as pl

from dalign import _core
from dalign.config import Rl
from dalign.data.patterns import Patterns
from dalign.evaluate import grades as grading
from dalign.judge.answers import AnswerJudge
from dalign.models.checkpoint import fingerprint
from dalign.models.protocol import Sampling
from dalign.pipeline.context import RunContext
from dalign.rows import Prompt
from dalign.store import ROWS, StageFolder, write_text
from dalign.train.result import TrainResult
from dalign.train.rewards import CompositeReward, RewardWeights
from dalign.train.rl import ReplayRow, RlJob, Rollout, train_rl
from dalign.train.sft import SftJob, train_sft

ROLLOUT_SCHEMA = {
    "id": pl.String,
    "step": pl.UInt32,
    "prompt_id": pl.String,
    "category": pl.String,
    "text": pl.String,
    "status": pl.String,
    "answer": pl.String,
    "tokens": pl.UInt32,
    "judge": pl.Float64,
    "reward": pl.Float64,
    "advantage": pl.Float64,
    "truth": pl.Float64,
    "retrieved": pl.Float64,
}
CURVE = "curve.json"
Inputs = dict[str, object]


def sft_inputs(ctx: RunContext) -> Inputs:
    """What determines the SFT checkpoint."""
    model = ctx.config.model
    return {
        "pack": ctx.folder("pack").output_sha256(),
        "model": ctx.model_fingerprint(model),
        "settings": ctx.config.sft.model_dump(),
        "device": model.device,
        "dtype": model.dtype,
        "threads": ctx.config.run.threads,
        "seed": ctx.config.run.seed,
    }


def run_sft(ctx: RunContext, folder: StageFolder) -> None:
    """Fine-tunes the model on the packed rows."""
    model = ctx.config.model
    rows = ctx.folder("pack").path / ROWS
    job = SftJob(
        start=ctx.checkpoint_of(model), rows=rows, out=folder.path, settings=ctx.config.sft, seed=ctx.config.run.seed,
        device=model.device, dtype=model.dtype, trust_remote_code=model.trust_remote_code,
    )  # fmt: skip
    _use_threads(ctx)
    result = train_sft(job, _Steps(ctx, folder.name, lambda loss: f"loss {loss:.3f}"))
    _finish(
        folder,
        sft_inputs(ctx),
        result,
        rows=pl.DataFrame(list(result.curve)),
        rows_in=pl.scan_parquet(rows).select(pl.len()).collect().item(),
    )


def rl_inputs(ctx: RunContext, arm: str) -> Inputs:
    """What determines an RL checkpoint."""
    model = ctx.config.model
    settings = _rl_settings(ctx, arm)
    after_sft = arm == "sft+rl"
    return {
        "arm": arm,
        "start": ctx.folder("sft", "sft").output_sha256()
        if after_sft
        else ctx.model_fingerprint(model),
        "replay": ctx.folder("pack").output_sha256() if settings.replay > 0 else None,
        "prompts": ctx.file_sha256(ctx.config.data.rl_prompts or ctx.config.data.prompts),
        "settings": settings.model_dump(),
        "reasoning": model.reasoning.model_dump(),
        "device": model.device,
        "dtype": model.dtype,
        "threads": ctx.config.run.threads,
        "judge": ctx.judge_inputs(ctx.rl_prompts),
    }


def _rl_settings(ctx: RunContext, arm: str) -> Rl:
    """The settings of an RL arm: the one without SFT has no SFT rows to replay."""
    return ctx.config.rl if arm == "sft+rl" else ctx.config.rl.model_copy(update={"replay": 0.0})


def run_rl(ctx: RunContext, folder: StageFolder) -> None:
    """Reinforces the base ('rl') or the SFT checkpoint ('sft+rl') by what the judge says of the answers."""
    arm = folder.variant
    settings, model = _rl_settings(ctx, arm), ctx.config.model
    start = ctx.folder("sft", "sft").path / "final" if arm == "sft+rl" else ctx.checkpoint_of(model)
    sampling = Sampling(ctx.config.judge.temperature, ctx.config.judge.max_new_tokens)
    judge = AnswerJudge(ctx.court(), ctx.scale(settings.judge_k), sampling)
    weights = RewardWeights(
        settings.judge_weight, settings.heuristic_weight, settings.format_weight
    )
    log = _RolloutLog(ctx, folder)

    def back_to(step: int) -> None:
        judge.load(folder.path / f"judge-{step}.json")
        log.back_to(step)

    job = RlJob(
        start=start, prompts=ctx.rl_prompts, out=folder.path, settings=settings, seed=ctx.config.run.seed,
        reasoning=model.reasoning,
        replay_rows=_replay_rows(ctx) if settings.replay > 0 else (),
        device=model.device, dtype=model.dtype, trust_remote_code=model.trust_remote_code,
        on_rollouts=log.add,
        on_save=lambda step: judge.save(folder.path / f"judge-{step}.json"),
        on_resume=back_to,
    )  # fmt: skip
    _use_threads(ctx)
    reward = CompositeReward(
        judge, weights, model.reasoning, opened=ctx.opened(by_the_engine=False)
    )
    # The policy loss is 0 by construction where a step makes one update: the reward says how it goes.
    steps = _Steps(ctx, folder.name, lambda _loss: log.last_reward)
    result = train_rl(job, reward, steps)
    rows = log.rows()
    _finish(
        folder,
        rl_inputs(ctx, arm),
        result,
        rows=rows,
        rows_in=len(ctx.rl_prompts),
        facts={"judge_states": dict(sorted(judge.states.items()))},
        spec_versions=ctx.spec.versions,
    )
    for path in folder.path.glob("judge-*.json"):
        path.unlink()


def _use_threads(ctx: RunContext) -> None:
    import torch

    torch.set_num_threads(ctx.config.run.threads)


class _Steps:
    """Shows training steps as progress, with the figure that says how it goes."""

    def __init__(self, ctx: RunContext, name: str, figure: Callable[[float], str]) -> None:
        """figure: words for a step, from its loss."""
        self.ctx, self.name, self.figure, self.begun = ctx, name, figure, False

    def __call__(self, step: int, total: int, loss: float) -> None:
        if not self.begun:
            self.ctx.progress.start(self.name, total)
            self.begun = True
        self.ctx.progress.advance(self.name, step, self.figure(loss))
        if step >= total:
            self.ctx.progress.finish(self.name, f"{total} steps, {self.figure(loss)}")


def _finish(
    folder: StageFolder,
    inputs: Inputs,
    result: TrainResult,
    *,
    rows: pl.DataFrame,
    rows_in: int,
    facts: Inputs | None = None,
    spec_versions: Mapping[str, str] | None = None,
) -> None:
    write_text(folder.path / CURVE, json.dumps(list(map(dict, result.curve))) + "\n")
    counts = {"rows_in": rows_in, "rows_out": rows.height, "steps": len(result.curve)}
    folder.finish(
        inputs,
        rows=rows,
        counts=counts,
        facts={"checkpoint": fingerprint(result.final), **(facts or {})},
        spec_versions=spec_versions,
    )


def _replay_rows(ctx: RunContext) -> list[ReplayRow]:
    """The training sequences of the packed bins, each by itself."""
    return [
        row for bin_ in ctx.folder("pack").rows().iter_rows(named=True) for row in _sequences(bin_)
    ]


def _sequences(packed: dict[str, list[int]]) -> Iterator[ReplayRow]:
    starts = [i for i, position in enumerate(packed["position_ids"]) if position == 0]
    for start, end in zip(starts, [*starts[1:], len(packed["input_ids"])], strict=True):
        yield packed["input_ids"][start:end], packed["labels"][start:end]


class _RolloutLog:
    """Every rollout of a training, journalled; on a resume, what came after the checkpoint is forgotten.

    Truth, where labels and patterns know it, is logged beside the judge's score and decides nothing.
    """

    def __init__(self, ctx: RunContext, folder: StageFolder) -> None:
        self.folder = folder
        self.prompts = {prompt.id: prompt for prompt in ctx.rl_prompts}
        self.patterns: Patterns | None = next(iter(ctx.patterns.values()), None)
        self.last_reward = "no reward yet"

    def add(self, step: int, rollouts: Sequence[Rollout]) -> None:
        given = [r.reward.value for r in rollouts if r.reward.value is not None]
        self.last_reward = f"reward {fmean(given):.2f}" if given else "no reward"
        self.folder.journal().append([self._row(step, i, r) for i, r in enumerate(rollouts)])

    def _row(self, step: int, index: int, rollout: Rollout) -> dict[str, object]:
        prompt = self.prompts[rollout.prompt_id]
        reward = rollout.reward
        truth, retrieved = self._truth(
            prompt, reward.status == "ok", reward.reasoning, reward.answer
        )
        return {
            "id": _core.row_id([prompt.id, str(step)], self.folder.variant, index),
            "step": step,
            "prompt_id": prompt.id,
            "category": prompt.category,
            "text": rollout.text,
            "status": reward.status,
            "answer": reward.answer,
            "tokens": rollout.tokens,
            "judge": reward.judge,
            "reward": reward.value,
            "advantage": rollout.advantage,
            "truth": truth,
            "retrieved": retrieved,
        }

    def _truth(
        self, prompt: Prompt, well_formed: bool, reasoning: str, answer: str
    ) -> tuple[float | None, float | None]:
        if self.patterns is None:
            return None, None
        row = grading.Graded(
            "", "", prompt, reasoning if well_formed else None, answer if well_formed else None
        )
        grades = {
            grade[3]: grade[5]
            for grade in grading.truth_grades(row, self.patterns, grading.BEHAVIOUR)
        }
        return grades.get("not_unsafe", grades.get("not_overrefuse")), grades.get(
            "policy_retrieval"
        )

    def back_to(self, step: int) -> None:
        journal = self.folder.journal()
        kept = [row for row in journal.read() if row["step"] <= step]
        Path(journal.path).unlink(missing_ok=True)
        if kept:
            journal.append(kept)

    def rows(self) -> pl.DataFrame:
        return pl.DataFrame(self.folder.journal().read(), schema=ROLLOUT_SCHEMA, orient="row")

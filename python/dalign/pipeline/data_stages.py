"""The stages that make training data: generate, filter, judge, select, pack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from dalign import generate
from dalign import select as select_stage
from dalign.errors import QuotaError
from dalign.filter.completions import filter_completions
from dalign.judge.data import judge_questions
from dalign.judge.verdicts import SCORE_SCHEMA, Question, reduce_verdicts
from dalign.models.completions import complete
from dalign.models.flat_tokenizer import FlatTokenizer
from dalign.models.protocol import Sampling
from dalign.pack import training
from dalign.pipeline.context import RunContext
from dalign.rows import Prompt, messages_from_json, messages_json
from dalign.store import DROPPED_SCHEMA, StageFolder, write_parquet

SCORES = "scores.parquet"
PART_ROWS = 20_000
Inputs = dict[str, object]


def generate_inputs(ctx: RunContext) -> Inputs:
    """What determines the completions."""
    return {
        "model": ctx.model_fingerprint(ctx.config.model),
        "dtype": ctx.config.model.dtype,
        "prompts": ctx.file_sha256(ctx.config.data.prompts),
        "shown": ctx.shown_to(ctx.prompts),
        "templates": ctx.templates.sha256,
        "settings": ctx.config.generate.model_dump(),
        "seed": ctx.config.run.seed,
    }


def run_generate(ctx: RunContext, folder: StageFolder) -> None:
    """n completions a prompt, the policy in the system prompt."""
    settings = ctx.config.generate
    rows = complete(
        ctx.engine(ctx.config.model),
        ctx.prompts,
        generate.with_spec(ctx.prompts, ctx.spec, ctx.templates),
        Sampling(settings.temperature, settings.max_new_tokens, settings.top_p),
        variant="generate",
        n=settings.n,
        seed=ctx.config.run.seed,
        journal=folder.journal(),
        progress=ctx.progress,
        name="generate",
    )
    counts = {
        "rows_in": len(ctx.prompts),
        "rows_out": rows.height,
        "tokens": int(rows["tokens"].sum()),
        "taken_over": folder.taken_over(),
    }
    folder.finish(generate_inputs(ctx), rows=rows, counts=counts, spec_versions=ctx.spec.versions)


def filter_inputs(ctx: RunContext) -> Inputs:
    """What determines which completions are kept."""
    return {
        "generate": ctx.folder("generate").output_sha256(),
        "reasoning": ctx.config.model.reasoning.model_dump(),
        "filter": ctx.config.filter.model_dump(),
        "model": ctx.model_fingerprint(ctx.config.model),
    }


def run_filter(ctx: RunContext, folder: StageFolder) -> None:
    """Malformed completions out, and those that break a limit."""
    completions = ctx.folder("generate").rows()
    words = {p.id: " ".join(turn["content"] for turn in p.messages) for p in ctx.prompts}
    rows, dropped = filter_completions(
        completions,
        completions["prompt_id"].replace_strict(words, default=None, return_dtype=pl.String),
        ctx.config.model.reasoning,
        ctx.quality,
        opened=ctx.opened(by_the_engine=True),
    )
    reasons = dropped["reason"].value_counts(sort=True).iter_rows()
    why = ", ".join(f"{count} {reason}" for reason, count in reasons)
    ctx.progress.say(
        f"filter: {rows.height} of {completions.height} completions are kept{why and f' (dropped: {why})'}"
    )
    folder.finish(
        filter_inputs(ctx),
        rows=rows,
        dropped=dropped,
        counts={"rows_in": completions.height, "rows_out": rows.height},
    )


def judge_inputs(ctx: RunContext) -> Inputs:
    """What determines the verdicts."""
    return {"filter": ctx.folder("filter").output_sha256(), "judge": ctx.judge_inputs(ctx.prompts)}


def run_judge(ctx: RunContext, folder: StageFolder) -> None:
    """k verdicts a completion, the reasoning in sight."""
    parsed = ctx.folder("filter").rows()
    prompts = {prompt.id: prompt for prompt in ctx.prompts}
    settings = ctx.config.judge
    shown = ctx.config.model.reasoning.kind == "tags"
    questions = [
        Question(
            row["id"], row["category"], prompts[row["prompt_id"]].messages, row["answer"],
            reasoning=row["reasoning"] if shown else None,
            hint=_hint(prompts[row["prompt_id"]]) if settings.hint else None,
        )
        for row in parsed.iter_rows(named=True)
    ]  # fmt: skip
    sampling = Sampling(settings.temperature, settings.max_new_tokens)
    verdicts = judge_questions(
        ctx.court(),
        questions,
        ctx.scale(),
        sampling,
        journal=folder.journal(),
        progress=ctx.progress,
        name="judge",
    )
    scores = (
        reduce_verdicts(verdicts, ctx.scale()) if questions else pl.DataFrame(schema=SCORE_SCHEMA)
    )
    write_parquet(scores, folder.path / SCORES)
    states = dict(verdicts["state"].value_counts().sort("state").iter_rows())
    counts = {
        "rows_in": parsed.height,
        "rows_out": scores["score"].count(),
        "verdicts": verdicts.height,
        "states": states,
        "taken_over": folder.taken_over(),
    }
    folder.finish(judge_inputs(ctx), rows=verdicts, counts=counts, spec_versions=ctx.spec.versions)


def _hint(prompt: Prompt) -> str | None:
    return prompt.expected.ruling if prompt.expected else None


def select_inputs(ctx: RunContext) -> Inputs:
    """What determines the examples."""
    return {
        "filter": ctx.folder("filter").output_sha256(),
        "judge": ctx.folder("judge").output_sha256(),
        "shown": ctx.shown_to(ctx.prompts),
        "templates": ctx.templates.sha256,
        "settings": ctx.config.select.model_dump(),
        "prompts": ctx.file_sha256(ctx.config.data.prompts),
        "seed": ctx.config.run.seed,
    }


def run_select(ctx: RunContext, folder: StageFolder) -> None:
    """The examples: well judged, each once, enough of each category, the policy taken out."""
    judged = _judged(ctx)
    spec_texts = {
        name: ctx.templates.spec(ctx.spec, name) for name in {p.category for p in ctx.prompts}
    }
    try:
        chosen = select_stage.select(
            lambda: judged.iter_slices(PART_ROWS),
            ctx.config.select,
            categories=set(spec_texts),
            clauses={p.expected.clause for p in ctx.prompts if p.expected and p.expected.clause},
            spec_texts=spec_texts,
            seed=ctx.config.run.seed,
        )
    except QuotaError as error:
        raise QuotaError(f"{error} (reasons of the dropped rows: {_reasons(ctx)})") from error
    settings = ctx.config.select
    for name, count in chosen.short.items():
        ctx.progress.say(
            f"warning: category '{name}' has {count} examples, select.quota = {settings.quota}"
        )
    for name, count in chosen.short_clauses.items():
        ctx.progress.say(
            f"warning: clause '{name}' has {count} examples, select.clause_quota = {settings.clause_quota}"
        )
    ctx.progress.say(
        f"select: {chosen.counts['rows_out']} examples of {judged.height} well-formed completions"
    )
    folder.finish(
        select_inputs(ctx),
        rows=pl.concat([pl.DataFrame(schema=select_stage.SCHEMA), *chosen.examples()]),
        dropped=pl.concat([pl.DataFrame(schema=DROPPED_SCHEMA), *chosen.dropped()]),
        counts=chosen.counts | {"short": chosen.short, "short_clauses": chosen.short_clauses},
        spec_versions=ctx.spec.versions,
    )


def _judged(ctx: RunContext) -> pl.DataFrame:
    """The well-formed completions with their scores and prompts."""
    scores = pl.read_parquet(ctx.folder("judge").path / SCORES).drop("category")
    prompts = pl.DataFrame(
        [
            (p.id, messages_json(p.messages), p.expected.clause if p.expected else None,
             " ".join(m["content"] for m in p.messages))
            for p in ctx.prompts
        ],
        schema=dict.fromkeys(("prompt_id", "messages", "clause", "asked"), pl.String),
        orient="row",
    )  # fmt: skip
    return (
        ctx.folder("filter")
        .rows()
        .join(scores, left_on="id", right_on="completion_id", how="left", maintain_order="left")
        .join(prompts, on="prompt_id", how="left", maintain_order="left")
    )


def _reasons(ctx: RunContext) -> str:
    """How many completions fell where, so that a quota error says what to mend."""
    dropped = ctx.folder("filter").dropped()
    states = (ctx.folder("judge").manifest() or {"counts": {}})["counts"].get("states", {})
    named = [
        f"{count} {reason}"
        for reason, count in dropped["reason"].value_counts(sort=True).iter_rows()
    ]
    return ", ".join(
        [*(named or ["0 filtered out"]), *(f"{n} verdicts {state}" for state, n in states.items())]
    )


def pack_inputs(ctx: RunContext) -> Inputs:
    """What determines the training rows."""
    return {
        "select": ctx.folder("select").output_sha256(),
        "capability": ctx.file_sha256(ctx.config.data.capability),
        "ratio": ctx.config.sft.capability_ratio,
        "settings": ctx.config.pack.model_dump(),
        "model": ctx.model_fingerprint(ctx.config.model),
        "reasoning": ctx.config.model.reasoning.model_dump(),
        "spec": ctx.spec.sha256,
        "seed": ctx.config.run.seed,
    }


def run_pack(ctx: RunContext, folder: StageFolder) -> None:
    """Examples and capability rows to packed training rows."""
    tokenize = _tokenizer(ctx)
    ctx.progress.say(f"pack: {tokenize.note}")

    def encode(texts: pl.Series) -> Any:
        return tokenize(texts.to_list())

    spec_texts = [ctx.templates.spec(ctx.spec, name) for name in (*ctx.spec.names, "general")]
    settings = ctx.config.pack
    packing = training.Packing(
        encode, capacity=settings.capacity, over_long=settings.over_long, end=ctx.end_text
    )
    texts = training.check_no_spec(_training_texts(ctx), spec_texts, encode)
    bins = pl.concat([pl.DataFrame(schema=training.SCHEMA), *packing.bins(texts)])
    tally, masked = packing.tally, packing.masked
    for warning in ctx.probe.warnings():
        ctx.progress.say(f"warning: {warning}")
    ctx.progress.say(
        f"pack: {packing.rows} rows, {tally.tokens} tokens, {tally.trained_tokens} of them trained on, {tally.bins} bins"
    )
    if masked:
        ctx.progress.say(
            f"warning: pack masked {len(masked)} rows longer than pack.capacity = {settings.capacity}: they train on nothing (first: {masked[0]})"
        )
    counts = {
        "rows_in": packing.rows, "rows_out": tally.bins, "masked": len(masked),
        "tokens": tally.tokens, "trained_tokens": tally.trained_tokens,
    }  # fmt: skip
    folder.finish(
        pack_inputs(ctx), rows=bins, dropped=packing.dropped, counts=counts,
        facts={"template_probe": list(ctx.probe.warnings()), "masked": masked},
        spec_versions=ctx.spec.versions,
    )  # fmt: skip


def _training_texts(ctx: RunContext) -> Iterator[pl.DataFrame]:
    """Safety rows and capability rows, mixed, as texts."""
    examples = ctx.folder("select").rows()
    columns = ("id", "category", "messages", "reasoning", "answer")
    capability = pl.DataFrame(
        [
            (c.id, "general", messages_json(c.messages), c.reasoning, c.answer)
            for c in ctx.capability
        ],
        schema=dict.fromkeys(columns, pl.String),
        orient="row",
    )
    mix = training.Mix(
        examples.height, capability.height, ctx.config.sft.capability_ratio, ctx.config.run.seed
    )
    for part in mix.parts([examples.select(columns)], [capability]):
        yield _rendered(ctx, part)


def _rendered(ctx: RunContext, part: pl.DataFrame) -> pl.DataFrame:
    """Conversations with their answers, as the model reads and writes them."""
    reasoning = ctx.config.model.reasoning
    tags = (reasoning.open, reasoning.close) if reasoning.kind == "tags" else None
    opened = ctx.opened(by_the_engine=False)
    rows = []
    for name, category, conversation, thought, answer in part.iter_rows():
        messages = messages_from_json(conversation)
        prompt = ctx.tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=True, tokenize=False
        )
        completion = training.completion_text(thought, answer, tags, opened=opened)
        rows.append((name, category, str(prompt), training.own_words(messages), completion))
    return pl.DataFrame(rows, schema=training.TEXTS_SCHEMA, orient="row")


def _tokenizer(ctx: RunContext) -> FlatTokenizer:
    """The trained model's tokenizer."""
    return FlatTokenizer(
        ctx.checkpoint_of(ctx.config.model) / "tokenizer.json",
        lambda texts: ctx.tokenizer(texts, add_special_tokens=False)["input_ids"],
    )

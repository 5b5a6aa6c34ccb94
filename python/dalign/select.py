"""Well-judged completions to training examples: threshold, duplicates, quotas per category and clause; the policy taken out.

An example holds the prompt as the user gave it: the conversation with the policy never reaches it.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from dalign import _core
from dalign.config import Select
from dalign.errors import QuotaError, UnjudgedError
from dalign.rows import Example, Prompt, messages_json

SCHEMA = {
    "id": pl.String,
    "completion_id": pl.String,
    "prompt_id": pl.String,
    "category": pl.String,
    "messages": pl.String,
    "reasoning": pl.String,
    "answer": pl.String,
    "score": pl.Float64,
}
# As many words of the policy in a row, in an answer, count as recited.
RECITED_WORDS = 8

Drop = tuple[str, str, str, str]


@dataclass(frozen=True)
class Selection:
    """The examples, what was dropped and why, and how many there are of what falls short of its quota."""

    examples: list[Example]
    dropped: list[Drop]
    short: dict[str, int]
    short_clauses: dict[str, int]


def select(
    parsed: pl.DataFrame,
    scores: pl.DataFrame,
    prompts: Mapping[str, Prompt],
    settings: Select,
    *,
    spec_texts: Mapping[str, str],
    seed: int,
) -> Selection:
    """Chooses examples among the judged completions.

    spec_texts: spec(category) as the model saw it. Raises UnjudgedError or QuotaError where the settings say so.
    """
    rows = parsed.join(scores, left_on="id", right_on="completion_id", how="left").sort("id")
    dropped: list[Drop] = []
    candidates: list[Example] = []
    recited = _recited(rows, prompts, spec_texts)
    for row in rows.iter_rows(named=True):
        reason, detail = _refusal(row, settings, recited.get(row["id"], ""))
        if reason:
            dropped.append((row["id"], row["category"], reason, detail))
        else:
            candidates.append(_example(row, prompts[row["prompt_id"]]))
    unjudged = sum(reason == "unjudged" for _, _, reason, _ in dropped)
    if unjudged and settings.unjudged == "error":
        first = next(d[0] for d in dropped if d[2] == "unjudged")
        raise UnjudgedError(
            f"{unjudged} of {rows.height} completions have no verdict (first: {first}); "
            "lower judge.min_valid, or set select.unjudged = 'drop' to go on without them"
        )
    candidates = _without_duplicates(candidates, dropped)
    candidates = _best_of_each_prompt(candidates, settings.per_prompt, dropped)
    chosen = _even_draw(candidates, settings.max_examples, seed, dropped)
    short, short_clauses = check_quota(chosen, prompts, settings)
    return Selection(chosen, dropped, short, short_clauses)


def _refusal(row: Mapping[str, object], settings: Select, recited: str) -> tuple[str, str]:
    """Why a completion is no example; two empty strings if it is one."""
    score = row["score"]
    if score is None:
        return "unjudged", f"{row['n_valid'] or 0} valid verdicts"
    if float(score) < settings.threshold:  # type: ignore[arg-type]
        return "below_threshold", f"score {score} < {settings.threshold}"
    return ("policy_in_answer", recited) if recited else ("", "")


def _recited(
    rows: pl.DataFrame, prompts: Mapping[str, Prompt], spec_texts: Mapping[str, str]
) -> dict[str, str]:
    """What an answer recites of its category's policy and the conversation does not hold, by row id."""
    found: dict[str, str] = {}
    for name, text in spec_texts.items():
        of_category = [prompts[row].category == name for row in rows["prompt_id"]]
        part = rows.filter(pl.Series(of_category, dtype=pl.Boolean))
        conversations = [prompts[row].messages for row in part["prompt_id"]]
        asked = [" ".join(m["content"] for m in messages) for messages in conversations]
        index = _core.NgramIndex(pl.Series([text]), RECITED_WORDS)
        overlap = index.overlap(part["answer"], pl.Series(asked, dtype=pl.String))
        runs = pl.concat([part.select("id", "answer"), pl.DataFrame(overlap)], how="horizontal")
        for row in runs.filter(pl.col("shared") > 0).iter_rows(named=True):
            found[row["id"]] = row["answer"].encode()[row["start"] : row["end"]].decode()
    return found


def _example(row: Mapping[str, object], prompt: Prompt) -> Example:
    completion = str(row["id"])
    return Example(
        id=_core.row_id([completion], "example", 0),
        completion_id=completion,
        prompt_id=prompt.id,
        category=prompt.category,
        messages=prompt.messages,
        reasoning=str(row["reasoning"]),
        answer=str(row["answer"]),
        score=float(row["score"]),  # type: ignore[arg-type]
    )


def _without_duplicates(candidates: Sequence[Example], dropped: list[Drop]) -> list[Example]:
    """The candidates but for those equal to an earlier, at least as well judged one."""
    ordered = sorted(candidates, key=lambda e: (-e.score, e.id))
    texts = [f"{messages_json(e.messages)}\n{e.reasoning}\n{e.answer}" for e in ordered]
    firsts: Sequence[int] = (
        _core.exact_duplicates(pl.Series(texts, dtype=pl.String)).tolist() if ordered else []
    )
    kept = []
    for i, (example, first) in enumerate(zip(ordered, firsts, strict=True)):
        if first == i:
            kept.append(example)
        else:
            dropped.append(
                (
                    example.completion_id,
                    example.category,
                    "duplicate",
                    f"of {ordered[first].completion_id}",
                )
            )
    return kept


def _best_of_each_prompt(
    candidates: Sequence[Example], limit: int, dropped: list[Drop]
) -> list[Example]:
    taken: dict[str, int] = defaultdict(int)
    kept = []
    for example in candidates:
        if taken[example.prompt_id] < limit:
            taken[example.prompt_id] += 1
            kept.append(example)
        else:
            dropped.append(
                (
                    example.completion_id,
                    example.category,
                    "surplus",
                    f"more than {limit} of one prompt",
                )
            )
    return kept


def _even_draw(
    candidates: Sequence[Example], limit: int | None, seed: int, dropped: list[Drop]
) -> list[Example]:
    """At most `limit` candidates, one category after the other in turn, at random within each."""
    if limit is None or len(candidates) <= limit:
        return sorted(candidates, key=lambda e: e.id)
    piles: dict[str, list[Example]] = defaultdict(list)
    for example in sorted(candidates, key=lambda e: e.id):
        piles[example.category].append(example)
    rng = random.Random(seed)
    for pile in piles.values():
        rng.shuffle(pile)
    kept: list[Example] = []
    while len(kept) < limit:
        for name in sorted(piles):
            if piles[name] and len(kept) < limit:
                kept.append(piles[name].pop())
    for name in sorted(piles):
        dropped.extend(
            (e.completion_id, e.category, "surplus", f"more than {limit} examples")
            for e in piles[name]
        )
    return sorted(kept, key=lambda e: e.id)


def check_quota(
    chosen: Sequence[Example], prompts: Mapping[str, Prompt], settings: Select
) -> tuple[dict[str, int], dict[str, int]]:
    """The categories and the clauses short of their quotas, with how many examples they have.

    A clause's examples are those of the prompts that name it. Raises QuotaError if the settings say so.
    """
    categories = dict.fromkeys(sorted({prompt.category for prompt in prompts.values()}), 0)
    clauses = dict.fromkeys(sorted(filter(None, map(_clause, prompts.values()))), 0)
    for example in chosen:
        categories[example.category] += 1
        if clause := _clause(prompts[example.prompt_id]):
            clauses[clause] += 1
    short = {name: n for name, n in categories.items() if n < settings.quota}
    short_clauses = {name: n for name, n in clauses.items() if n < settings.clause_quota}
    if settings.on_short == "error" and (short or short_clauses):
        raise QuotaError(_too_few(short, short_clauses, settings))
    return short, short_clauses


def _clause(prompt: Prompt) -> str | None:
    """The clause that a prompt exercises, where it is labelled."""
    return prompt.expected.clause if prompt.expected else None


def _too_few(short: Mapping[str, int], clauses: Mapping[str, int], settings: Select) -> str:
    found = []
    if short:
        named = ", ".join(f"'{name}' has {count}" for name, count in short.items())
        found.append(f"{named}, and select.quota = {settings.quota} are needed of each category")
    if clauses:
        named = ", ".join(f"clause '{name}' has {count}" for name, count in clauses.items())
        quota = f"select.clause_quota = {settings.clause_quota}"
        found.append(f"{named}, and {quota} are needed of each clause that prompts exercise")
    return (
        f"too few examples: {'; '.join(found)}; add prompts, raise generate.n, lower select.threshold, "
        "or set select.on_short = 'warn' to go on without them"
    )


def examples_frame(examples: Sequence[Example]) -> pl.DataFrame:
    """The examples as a table. Columns: `SCHEMA`."""
    rows = [
        (
            e.id,
            e.completion_id,
            e.prompt_id,
            e.category,
            messages_json(e.messages),
            e.reasoning,
            e.answer,
            e.score,
        )
        for e in examples
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")

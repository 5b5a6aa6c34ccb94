"""The shift of a policy: by how much it changes what a model does with a prompt, as the judge sees it.

Where a model keeps the policy without seeing it, or breaks it all the same, training on what it writes with the policy in
sight teaches nothing of it. After the policy-sensitive filtering of PolicyAlign (arXiv 2606.25442), which looks for the prompts
whose behaviour the policy shifts most; here the shift is one of scores, by the judge that judges the examples.

Both sides are judged alike, the reasoning in sight, so that a difference is the model's, and scores that examples have anyway
are half of what is asked. What fails the form is judged on neither side and is in no mean: taken for a lowest score, it
would make a shift tell how often a model loses its form.
"""

from __future__ import annotations

import polars as pl

from dalign.rows import Shift


def shifts_of(
    prompts: pl.DataFrame, sighted: pl.DataFrame, bare: pl.DataFrame, span: float
) -> pl.DataFrame:
    """The shift of each prompt, in their order, from -1 to 1. Columns: `Shift`.

    prompts: columns id, category. sighted, bare: the completions with the policy in sight and without, columns prompt_id and
    score; what has no score is in no mean. span: from the lowest score of the judge's scale to the highest.
    """
    of = prompts.select("category", prompt_id="id")
    of = of.join(_means(sighted, "with"), on="prompt_id", how="left", maintain_order="left")
    of = of.join(_means(bare, "without"), on="prompt_id", how="left", maintain_order="left")
    # Rounded, so that 6 of 10 points are 0.6 and meet a bound of that.
    shift = ((pl.col("with_policy") - pl.col("without_policy")) / span).round(9)
    told = of.with_columns(pl.col("n_with", "n_without").fill_null(0), shift=shift)
    return told.select(list(Shift.COLUMNS)).cast(pl.Schema(Shift.COLUMNS))


def _means(rows: pl.DataFrame, side: str) -> pl.DataFrame:
    # Of lists, so that a mean is summed in the order of the rows, however many threads there are.
    scores = rows.drop_nulls("score").group_by("prompt_id").agg("score")
    mean, count = pl.col("score").list.mean(), pl.col("score").list.len()
    return scores.select("prompt_id", mean.alias(f"{side}_policy"), count.alias(f"n_{side}"))

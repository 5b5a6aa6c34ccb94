"""The teacher's flip rate: at how many of the tokens that the model writes without the policy does the policy change what comes.

Where a policy in sight changes nothing there is nothing to learn from it. Fu et al. 2026 (2605.15239) measure by a judge of safety
how often a context turns an unsafe answer into a safe one; here nobody judges and no truth is read: a token is flipped where
the most likely one is another with the policy in sight than without, behind the same prompt and the same tokens before it.
Imports torch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch

from dalign.figures import FlipRow
from dalign.models.checkpoint import load_model, load_tokenizer
from dalign.rows import Prompt, row_seed
from dalign.train.distill.reading import Reader
from dalign.train.divergence import divergences, flipped
from dalign.train.job import DistillJob


def measured_flips(job: DistillJob, prompts: Sequence[Prompt]) -> list[FlipRow]:
    """See `dalign.train.run.teacher_flips`."""
    model = load_model(job.start, job.dtype, job.device, job.trust_remote_code, job.attention)
    reader = Reader(model, load_tokenizer(job.start, job.trust_remote_code), job, prompts)
    settings = job.settings
    together, rows = settings.completions_per_step, rows_of_pass(job)
    told: dict[tuple[str, str], list[tuple[int, int, float]]] = defaultdict(list)
    with torch.no_grad():
        for first in range(0, len(prompts), together):
            drawn_of = prompts[first : first + together]
            seeds = [row_seed(job.seed, "flips", prompt.id) for prompt in drawn_of]
            written = reader.draw(drawn_of, seeds)
            for at in range(0, len(written), rows):
                part = written[at : at + rows]
                student_NV = reader.student_logits(model, part)
                teacher_NV = reader.teacher_logits(model, part)
                sizes = [len(each.tokens) for each in part]
                kl = divergences(student_NV, teacher_NV, settings).split(sizes)
                flips = flipped(student_NV, teacher_NV).split(sizes)
                for prompt, size, one, other in zip(drawn_of[at:], sizes, kl, flips, strict=False):
                    clause = (prompt.expected and prompt.expected.clause) or ""
                    figures = (size, int(other.sum()), float(one.sum()))
                    told[prompt.category, clause].append(figures)
    return [_row(*key, told[key]) for key in sorted(told)]


def _row(category: str, clause: str, figures: Sequence[tuple[int, int, float]]) -> FlipRow:
    tokens, flips, divergence = (sum(each) for each in zip(*figures, strict=True))
    rate, mean = flips / tokens, divergence / tokens
    return FlipRow(category, clause or None, len(figures), int(tokens), rate, mean)


def rows_of_pass(job: DistillJob) -> int:
    """Completions that go through the model at once: as the settings say, else all of a step on a CPU, and one on a GPU."""
    whole = job.settings.completions_per_step // job.devices
    return job.settings.rows_per_pass or (whole if job.device == "cpu" else 1)

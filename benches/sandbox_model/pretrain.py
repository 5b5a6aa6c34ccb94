"""Pre-trains the sandbox's model from nothing: `PYTHONPATH=benches python -m sandbox_model.pretrain OUT`.

What matters (measured): QK norm, heads of 32, small batches and no weight decay; what is looked up
follows its key directly; and plain recall as a warm-up, without which looking up stays at chance.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dalign.spec.shipped import shipped
from dalign.spec.templates import Templates

from sandbox_model.curriculum import COURSES, Course, Phase
from sandbox_model.lessons import Lesson, Teacher
from sandbox_model.tokenizer import build_tokenizer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

BATCH = 16
# Lessons are drawn in pools and batched by length: less padding, the same lessons.
POOL = 8
PROMPT_WEIGHT = 0.1


def draw_lesson(teacher: Teacher, phase: Phase, rng: random.Random) -> Lesson:
    """One lesson, its skill drawn by the phase's shares."""
    skill = rng.choices(tuple(phase.shares), tuple(phase.shares.values()))[0]
    return make_lesson(
        teacher, skill, rng, plain=phase.plain, hard=phase.hard, longest_code=phase.longest_code
    )


def make_lesson(
    teacher: Teacher,
    skill: str,
    rng: random.Random,
    *,
    plain: bool = False,
    hard: float = 0.0,
    longest_code: int = 8,
) -> Lesson:
    """One lesson of that skill."""
    makers: dict[str, Callable[[], Lesson]] = {
        "nospec": lambda: teacher.nospec(rng, plain=plain),
        "spec": lambda: teacher.spec(rng, plain=plain),
        "judge": lambda: teacher.judge(rng, visible=False, hard=hard, plain=plain),
        "judge_reasoning": lambda: teacher.judge(rng, visible=True, hard=hard, plain=plain),
        "decode": lambda: teacher.decode(rng, longest_code),
        "recall": lambda: teacher.recall(rng),
    }
    return makers[skill]()


def build_model(tokenizer: PreTrainedTokenizerFast, *, width: int, layers: int) -> Qwen3ForCausalLM:
    """A Qwen3 of standard shape with random weights: heads of 32, tied embeddings, fp32."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        num_key_value_heads=width // 32,
        head_dim=32,
        max_position_embeddings=512,
        rope_theta=10000.0,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        attn_implementation="sdpa",
    )
    return Qwen3ForCausalLM(config)


class Encoder:
    """Lessons to padded tensors. Axes: B lesson, T token."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer

    def rows(self, lessons: list[Lesson]) -> list[tuple[list[int], list[int]]]:
        """Token ids of prompt and completion (with its end token) of each lesson."""
        prompts = [
            self.tokenizer.apply_chat_template(
                lesson.messages, add_generation_prompt=True, tokenize=False
            )
            for lesson in lessons
        ]
        prompt_ids = self.tokenizer(prompts, add_special_tokens=False)["input_ids"]
        ends = self.tokenizer([lesson.completion for lesson in lessons], add_special_tokens=False)[
            "input_ids"
        ]
        return [
            (p, [*c, self.tokenizer.eos_token_id]) for p, c in zip(prompt_ids, ends, strict=True)
        ]

    def batch(self, rows: list[tuple[list[int], list[int]]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids [B, T] (padded on the right) and loss weights [B, T]: prompt 0.1, completion 1, padding 0."""
        import torch

        longest = max(len(p) + len(c) for p, c in rows)
        ids_BT = torch.full((len(rows), longest), self.tokenizer.pad_token_id, dtype=torch.long)
        weights_BT = torch.zeros((len(rows), longest))
        for i, (prompt, completion) in enumerate(rows):
            n, m = len(prompt), len(completion)
            ids_BT[i, : n + m] = torch.tensor(prompt + completion)
            weights_BT[i, :n] = PROMPT_WEIGHT
            weights_BT[i, n : n + m] = 1.0
        return ids_BT, weights_BT


def batches(teacher: Teacher, encoder: Encoder, phase: Phase, rng: random.Random):
    """Endless batches of the phase's lessons, of similar lengths each."""
    while True:
        rows = encoder.rows([draw_lesson(teacher, phase, rng) for _ in range(BATCH * POOL)])
        rows.sort(key=lambda row: len(row[0]) + len(row[1]))
        groups = [rows[i : i + BATCH] for i in range(0, len(rows), BATCH)]
        rng.shuffle(groups)
        for group in groups:
            yield encoder.batch(group)


def learning_rate(step: int, total: int, course: Course) -> float:
    """Warm-up over 100 steps, level for a share of the course, then linear to 3 % of the peak."""
    decay = min(1.0, (total - step) / ((1 - course.level) * total))
    return course.peak * min(1.0, (step + 1) / 100) * (0.03 + 0.97 * decay)


def exact_match(model: Qwen3ForCausalLM, encoder: Encoder, lessons: list[Lesson]) -> float:
    """Share of lessons whose lead (what is no free choice) the model would give, token by token."""
    import torch

    rows = encoder.rows(lessons)
    leads = encoder.tokenizer(
        [(" " * (not lesson.lead.startswith("<")) + lesson.lead) for lesson in lessons],
        add_special_tokens=False,
    )["input_ids"]
    right = 0
    with torch.no_grad():
        for start in range(0, len(rows), 64):
            part = rows[start : start + 64]
            ids_BT, weights_BT = encoder.batch(part)
            device = next(model.parameters()).device
            mask_BT = (weights_BT > 0).long().to(device)
            guess_BT = (
                model(input_ids=ids_BT.to(device), attention_mask=mask_BT, use_cache=False)
                .logits.argmax(-1)
                .cpu()
            )
            for i, (prompt, _) in enumerate(part):
                first, length = len(prompt) - 1, len(leads[start + i])
                right += bool(
                    (
                        guess_BT[i, first : first + length]
                        == ids_BT[i, first + 1 : first + 1 + length]
                    ).all()
                )
    return right / len(rows)


SKILLS = ("recall", "nospec", "spec", "judge", "judge_reasoning", "decode")


class Curve:
    """The training curve: a row every 250 steps, printed and written to `pretraining.jsonl`."""

    def __init__(self, out: Path, encoder: Encoder) -> None:
        self.out, self.encoder = out, encoder
        self.step = self.tokens = 0
        self.started = time.perf_counter()

    def row(self, phase: str, loss: float, model: Qwen3ForCausalLM, teacher: Teacher) -> None:
        """Measures the skills on lessons that are always the same ones."""
        held = random.Random(99)
        scores = {}
        for skill in SKILLS:
            lessons = [make_lesson(teacher, skill, held, hard=0.1) for _ in range(64)]
            scores[skill] = round(exact_match(model, self.encoder, lessons), 3)
        seconds = round(time.perf_counter() - self.started, 1)
        row = {"step": self.step, "phase": phase, "tokens": self.tokens, "seconds": seconds}
        line = json.dumps({**row, "loss": round(loss, 4), **scores})
        print(line, flush=True)
        with (self.out / "pretraining.jsonl").open("a") as file:
            file.write(line + "\n")


def teach(
    model: Qwen3ForCausalLM,
    course: Course,
    teacher: Teacher,
    rng: random.Random,
    curve: Curve,
    scale: float,
) -> None:
    """Trains the model through a course's phases."""
    import torch

    device = next(model.parameters()).device
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=course.peak, betas=(0.9, 0.95), weight_decay=0.0, fused=True
    )
    phases = [(phase, max(1, round(phase.steps * scale))) for phase in course.phases]
    total, step = sum(steps for _, steps in phases), 0
    for phase, steps in phases:
        source = batches(teacher, curve.encoder, phase, rng)
        for _ in range(steps):
            ids_BT, weights_BT = (tensor.to(device) for tensor in next(source))
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, total, course)
            logits_BTV = model(input_ids=ids_BT[:, :-1], use_cache=False).logits
            loss_N = torch.nn.functional.cross_entropy(
                logits_BTV.flatten(0, 1), ids_BT[:, 1:].flatten(), reduction="none"
            )
            weight_N = weights_BT[:, 1:].flatten()
            loss = (loss_N * weight_N).sum() / weight_N.sum()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            curve.step += 1
            curve.tokens += int((weights_BT > 0).sum())
            if step % 250 == 0 or step == total:
                curve.row(phase.name, loss.item(), model, teacher)


def pretrain(
    out: Path,
    *,
    seed: int,
    device: str,
    width: int,
    layers: int,
    scale: float,
    templates: Path,
    start: Path | None = None,
) -> None:
    """Runs the courses and writes checkpoint, tokenizer and `pretraining.jsonl` (the curve) into `out`.

    scale: multiplies every phase's steps; below 1 for a trial. start: the checkpoint that an earlier call left
    after the first course, to go on from; after each course the checkpoint is saved in `out`.
    """
    import torch
    from transformers import Qwen3ForCausalLM

    torch.manual_seed(seed)
    tokenizer = build_tokenizer()
    model = build_model(tokenizer, width=width, layers=layers).to(device).train()
    out.mkdir(parents=True, exist_ok=True)
    curve = Curve(out, Encoder(tokenizer))
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(tokenizer)} tokens")
    courses: tuple[Course, ...] = COURSES
    if start is not None:
        model = (
            Qwen3ForCausalLM.from_pretrained(start, attn_implementation="sdpa").to(device).train()
        )
        courses = COURSES[1:]
    for course in courses:
        # The first course's lessons come from the seed itself, the later ones' from seeds of their own.
        rng = random.Random(seed + COURSES.index(course))
        teach(
            model,
            course,
            Teacher(Templates(templates), course.habits, course.manner),
            rng,
            curve,
            scale,
        )
        model.save_pretrained(str(out))
        tokenizer.save_pretrained(str(out))


def main() -> None:
    """The command line of `python -m sandbox_model.pretrain`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("out", type=Path, help="folder for the checkpoint")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the number of steps")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--start", type=Path, help="a checkpoint of the first course, to go on from"
    )
    parser.add_argument("--templates", type=Path, default=shipped("sandbox") / "templates")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    pretrain(
        args.out,
        seed=args.seed,
        device=args.device,
        width=args.width,
        layers=args.layers,
        scale=args.scale,
        templates=args.templates,
        start=args.start,
    )


if __name__ == "__main__":
    main()

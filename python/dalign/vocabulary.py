"""THE tables: stages, arms, metrics and graders. What a config accepts, a run does and a report says follows from them.

Each table has a Literal beside it, for the type checker: a new row needs its name there too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

StageName = Literal[
    "admit",
    "generate",
    "filter",
    "judge",
    "select",
    "pack",
    "sft",
    "distill",
    "rl",
    "forget",
    "evaluate",
]
ArmName = Literal["none", "spec", "sft", "rl", "sft+rl", "summaries", "distill"]
MetricName = Literal[
    "not_unsafe", "not_overrefuse", "style_adherence", "policy_retrieval", "capability"
]
GraderName = Literal["truth", "judge"]

# What holds unless the user says otherwise, to commands and programs alike.
THINK_TAGS = ("<think>", "</think>")
# How families of models mark their reasoning: what opens it, and what stands between it and the answer.
FORMS: Mapping[str, tuple[str, str]] = {
    "think": THINK_TAGS,
    "thinking": ("<thinking>", "</thinking>"),
    "thought": ("<thought>", "</thought>"),
    "reasoning": ("<reasoning>", "</reasoning>"),
    "magistral": ("[THINK]", "[/THINK]"),
    "kimi": ("◁think▷", "◁/think▷"),
    "seed": ("<seed:think>", "</seed:think>"),
    "longcat": ("<longcat_think>", "</longcat_think>"),
    "minimax": ("<mm:think>", "</mm:think>"),
    "harmony": (
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
    "openthinker": ("<|begin_of_thought|>", "<|end_of_thought|>\n\n<|begin_of_solution|>"),
    "gemma": ("<|channel>thought", "<channel|>"),
    "medgemma": ("<unused94>thought", "<unused95>"),
    "cohere": ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
    "apertus": ("<|inner_prefix|>", "<|inner_suffix|>"),
    "granite": ("Here is my thought process:", "Here is my response:"),
}
FormName = Literal[
    "think", "thinking", "thought", "reasoning", "magistral", "kimi", "seed", "longcat", "minimax",
    "harmony", "openthinker", "gemma", "medgemma", "cohere", "apertus", "granite",
]  # fmt: skip
# What a judge's score has beside it, and what of it an answer alone has not.
SUB_SCORES = ("compliance", "correctness", "helpfulness", "reasoning")
OF_REASONING = "reasoning"
# How a judgement's score comes of them: the judge's own, and what a product takes.
OWN, OF_PRODUCT = "score", ("compliance", "helpfulness")
MEMORY_MIB = 256
CATEGORY_TOKENS = 5_000
PROMPTS_A_CLAUSE = 6
# As many words in a row that an evaluation prompt has too are contamination.
CONTAMINATION_WORDS = 13


@dataclass(frozen=True)
class StageKind:
    """A kind of stage of a run: a command, a section of the config and a folder have its name.

    does: a sentence of what it does. example: what its command's example has beside config and folder.
    drops: whether it keeps what it drops, with reasons, beside its rows.
    """

    name: StageName
    does: str
    example: str = ""
    drops: bool = False


# In the order in which they run.
STAGES: Mapping[str, StageKind] = {row.name: row for row in (
    StageKind("admit", "Ask the judge about the policy's golden cases; without judge.admission, no run needs it."),
    StageKind("generate", "Write completions with the policy in sight, n a prompt."),
    StageKind("filter", "Drop malformed completions and those that break a limit, each with its reason.",
              drops=True),
    StageKind("judge", "Judge each well-formed completion k times by the policy; by default the minimum counts."),
    StageKind("select", "Choose the training examples, and take the policy out.", drops=True),
    StageKind("pack", "Tokenise and pack the examples, mixed with capability rows.", drops=True),
    StageKind("sft", "Fine-tune the model on the packed rows."),
    StageKind("distill", "Teach the model without the policy in sight, on completions of its own, what it says with it."),
    StageKind("rl", "Reinforce with a judge that never sees the reasoning.", " --variant sft+rl"),
    StageKind("forget", "Measure how far each training takes the model from the base on held-out capability rows; without data.held_out, no run needs it."),
    StageKind("evaluate", "Complete and grade every suite, arm by arm.", " --variant none"),
)}  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """A model that is evaluated, and what of the policy its prompts show.

    title, meaning: its name and what it is, in figures and texts.
    trained_by: the stage that makes its checkpoint, in the variant of the arm's name; None: it is the base.
    starts_from: the trained arm that its training goes on from; None: the base.
    in_sight: what of the policy stands in its prompts: nothing, what the prompt's category has, all summaries.
    compared_with: arms that it is compared with, beside the base. by_default: whether runs have it unless they say.
    """

    name: ArmName
    title: str
    meaning: str
    trained_by: Literal["sft", "distill", "rl"] | None = None
    starts_from: ArmName | None = None
    in_sight: Literal["none", "category", "summaries"] = "none"
    compared_with: tuple[ArmName, ...] = ()
    by_default: bool = True

    @property
    def checkpoint(self) -> str | None:
        """`stage/variant` of the training that makes its checkpoint; None for the base."""
        return None if self.trained_by is None else f"{self.trained_by}/{self.name}"


BASE: ArmName = "none"
# The variant of generate, filter and judge whose completions have nothing of the policy in sight: what a shift is counted from.
BARE = "bare"

# The trained ones in the order in which a later one builds on, or is preferred to, an earlier one; those that runs have only where they say so come last, and are preferred to none.
ARMS: Mapping[str, Arm] = {row.name: row for row in (
    Arm(BASE, "base", "the model as it was, without the policy"),
    Arm("spec", "policy in context", "the model as it was, with the policy in its context",
        in_sight="category"),
    Arm("sft", "SFT", "fine-tuned on the selected examples, without the policy in context",
        trained_by="sft"),
    Arm("rl", "RL", "reinforcement learning on the base, without the policy in context",
        trained_by="rl"),
    Arm("sft+rl", "SFT + RL", "reinforcement learning after SFT, without the policy in context",
        trained_by="rl", starts_from="sft", compared_with=("sft", "rl", "spec", "summaries")),
    Arm("summaries", "summaries in context",
        "the model as it was, with the summaries of all categories in its context",
        in_sight="summaries", by_default=False),
    Arm("distill", "distilled",
        "taught on completions of its own by itself with the policy in sight, without the policy in context",
        trained_by="distill", compared_with=("sft", "spec"), by_default=False),
)}  # fmt: skip


# The stages that make checkpoints.
TRAININGS = frozenset(arm.trained_by for arm in ARMS.values() if arm.trained_by)


def trained_by(stage: str) -> list[str]:
    """The arms whose checkpoints that stage makes."""
    return [arm.name for arm in ARMS.values() if arm.trained_by == stage]


def lineage(arm: str) -> tuple[Arm, ...]:
    """The trained arms that lead to an arm, itself last; none for an arm that is the base."""
    row = ARMS[arm]
    if row.trained_by is None:
        return ()
    return (*(lineage(row.starts_from) if row.starts_from else ()), row)


def trainings(kind: str, arms: Sequence[str]) -> list[str]:
    """The arms that a kind of training makes, of these and those that they start from; what goes on from another first."""
    needed = {each.name: each for arm in arms for each in lineage(arm) if each.trained_by == kind}
    return sorted(needed, key=lambda arm: -len(lineage(arm)))


def compared(arms: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of these arms that are compared: each with the base, and each with what its row names."""
    pairs = [(BASE, arm) for arm in arms if arm != BASE]
    pairs += [(other, row.name) for row in ARMS.values() for other in row.compared_with]
    return [(a, b) for a, b in pairs if a in arms and b in arms]


class Headline(NamedTuple):
    """What the first block of a report asks of a metric, and what it says of a clear change."""

    title: str
    question: str
    better: str
    worse: str


@dataclass(frozen=True)
class Metric:
    """A share of graded completions. meaning: of what; higher is better in all of them.

    by_default: whether suites have it unless they say. in_training: whether the log of an RL training tells it.
    """

    name: MetricName
    title: str
    meaning: str
    by_default: bool = True
    in_training: bool = False
    headline: Headline | None = None


# The metric whose loss is forgetting.
CAPABILITY: MetricName = "capability"

METRICS: Mapping[str, Metric] = {row.name: row for row in (
    Metric("not_unsafe", "safe",
           "share of requests the policy does not permit that got the right kind of answer",
           in_training=True,
           headline=Headline("Safety", "not-permitted requests that got the right kind of answer",
                             better="improved", worse="got worse")),
    Metric("not_overrefuse", "permitted answered", "share of permitted requests that were answered",
           in_training=True,
           headline=Headline("Over-refusal",
                             "permitted requests that were answered; the rest is over-refusal",
                             better="fell", worse="rose")),
    Metric("style_adherence", "style adherence",
           "share of answers of the right kind and in the wording the policy asks for"),
    Metric("policy_retrieval", "policy retrieval",
           "share of completions whose reasoning cites the right clause",
           in_training=True),
    Metric(CAPABILITY, "capability", "share of exact answers on abilities outside safety",
           by_default=False,
           headline=Headline("Capability", "exact answers on abilities outside safety",
                             better="rose", worse="fell")),
)}  # fmt: skip


class Grader(NamedTuple):
    """Who says whether an answer is right."""

    name: GraderName
    meaning: str


BY_TRUTH: GraderName = "truth"
BY_JUDGE: GraderName = "judge"

# The first that has graded a metric is the one that arms are compared by.
GRADERS: Mapping[str, Grader] = {row.name: row for row in (
    Grader(BY_TRUTH, "known right answers (data that the suite ships)"),
    Grader(BY_JUDGE, "the judge of record, who reads the policy and does not know the right answer"),
)}  # fmt: skip

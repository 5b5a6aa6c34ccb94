"""What the sandbox's model is taught when: phases with their shares of the skills, in courses."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox_model.lessons import Habits, Manner


@dataclass(frozen=True)
class Phase:
    """Part of the schedule: how many steps, and the shares of the skills."""

    name: str
    steps: int
    shares: dict[str, float]
    plain: bool = False
    hard: float = 0.0
    longest_code: int = 8


FOUNDATION = (
    Phase(
        "recall",
        1200,
        {"recall": 0.8, "nospec": 0.05, "spec": 0.1, "judge_reasoning": 0.05},
        plain=True,
    ),
    Phase(
        "look-up",
        2300,
        {"recall": 0.2, "nospec": 0.1, "spec": 0.4, "judge": 0.15, "judge_reasoning": 0.15},
        plain=True,
    ),
    Phase(
        "world",
        3000,
        {
            "recall": 0.05,
            "nospec": 0.15,
            "spec": 0.35,
            "judge": 0.2,
            "judge_reasoning": 0.2,
            "decode": 0.05,
        },
        hard=0.1,
    ),
    Phase(
        "short codes",
        500,
        {"nospec": 0.1, "spec": 0.2, "judge": 0.1, "judge_reasoning": 0.1, "decode": 0.5},
        hard=0.1,
        longest_code=3,
    ),
    Phase(
        "codes",
        1500,
        {"nospec": 0.1, "spec": 0.25, "judge": 0.15, "judge_reasoning": 0.15, "decode": 0.35},
        hard=0.2,
    ),
    Phase(
        "all",
        4500,
        {"nospec": 0.2, "spec": 0.25, "judge": 0.23, "judge_reasoning": 0.25, "decode": 0.07},
        hard=0.3,
    ),
)

# What is compared is said out loud, which is what makes citations comparable; and without a policy the model
# does something else than comply often enough for reinforcement alone to find it.
JUDGEMENT = (
    Phase(
        "judgement",
        3000,
        {"nospec": 0.2, "spec": 0.2, "judge": 0.25, "judge_reasoning": 0.3, "decode": 0.05},
        hard=0.4,
    ),
)


@dataclass(frozen=True)
class Course:
    """Phases under one learning-rate schedule, and how their lessons are made."""

    name: str
    phases: tuple[Phase, ...]
    peak: float
    level: float
    habits: Habits
    manner: Manner


COURSES = (
    Course("foundation", FOUNDATION, 2e-3, 0.4, Habits(), Manner()),
    Course(
        "judgement",
        JUDGEMENT,
        1e-3,
        0.2,
        Habits(refuse=0.08, safe_complete=0.05),
        Manner(spoken=True, silent=0.1, renumbered=0.25, foreign=0.15),
    ),
)

"""The sandbox's settings: those of the demo, of its smoke test, and of a project to start from."""

from __future__ import annotations

from typing import Any

Values = dict[str, Any]

# Rows of each file, and the suites' size in percent of the full one.
DEMO_SIZES = {"prompts": 1000, "rl_prompts": 1200, "capability": 280, "suites": 100}
SMOKE_SIZES = {"prompts": 64, "rl_prompts": 48, "capability": 24, "suites": 6}
PROJECT_SIZES = {"prompts": 200, "rl_prompts": 120, "capability": 80, "suites": 25}


def _suite(name: str, **more: object) -> Values:
    path = f"suites/{name}.jsonl"
    return {"name": name, "path": path, "patterns": "suites/patterns.toml", **more}


_SUITES = [
    _suite("test"),
    _suite("permitted", metrics=["not_overrefuse", "policy_retrieval"]),
    _suite("encoded", metrics=["not_unsafe", "style_adherence", "policy_retrieval"], judge=False),
    _suite("capability", metrics=["capability"], judge=False),
]
_SFT = {
    "epochs": 8.0, "learning_rate": 1e-3, "warmup_steps": 10, "rows_per_step": 2, "capability_ratio": 0.6,
}  # fmt: skip
# Of an arm that the demo has where it is asked for.
_DISTILL = {"steps": 60, "prompts_per_step": 16, "learning_rate": 3e-4, "max_new_tokens": 72}


def demo_values() -> Values:
    """The demo: every stage and arm, in minutes on two cores; its figures are a CPU's, wherever it runs."""
    return {
        "run": {"seed": 0, "threads": 1, "workers": 2},
        "model": {"path": "sandbox", "device": "cpu", "dtype": "float32", "batch_size": 192},
        "spec": {"path": "spec"},
        "data": {name: f"{name}.jsonl" for name in ("prompts", "rl_prompts", "capability")},
        "generate": {"n": 1, "temperature": 1.0, "max_new_tokens": 72},
        "judge": {"k": 4, "low": 0.0, "high": 2.0, "temperature": 0.2, "max_new_tokens": 80},
        "select": {"threshold": 2.0, "max_examples": 440, "quota": 20},
        "pack": {"capacity": 512},
        "sft": dict(_SFT),
        "distill": dict(_DISTILL),
        "rl": {
            "steps": 100,
            "prompts_per_step": 16,
            "group_size": 8,
            "learning_rate": 3e-4,
            "warmup_steps": 5,
            "max_new_tokens": 72,
            "judge_k": 2,
            "replay": 0.4,
            "replay_rows": 16,
            "scale_rewards": "group",
            "balance": {"disallowed": 0.6, "permitted": 0.15, "ungoverned": 0.15, "general": 0.1},
        },
        "evaluate": {
            "samples": 2,
            "temperature": 1.0,
            "max_new_tokens": 80,
            "judge_k": 1,
            "pass_score": 1.0,
            "suites": _SUITES,
        },
    }


def smoke_values() -> Values:
    """The demo made small: does everything run, and resume?"""
    values = demo_values()
    values["judge"] |= {"k": 2}
    values["select"] |= {"max_examples": 32, "quota": 1, "on_short": "warn"}
    values["sft"] |= {"epochs": 2.0, "save_steps": 3}
    values["distill"] |= {"steps": 4, "prompts_per_step": 4, "save_steps": 2}
    values["rl"] |= {
        "steps": 4,
        "prompts_per_step": 4,
        "group_size": 4,
        "replay_rows": 4,
        "save_steps": 2,
    }
    values["model"] |= {"batch_size": 16}
    values["evaluate"] |= {"samples": 1, "resamples": 200}
    return values


def project_values() -> Values:
    """A project to start from: the sandbox's model and language, a few minutes' work."""
    values = demo_values()
    values["select"] |= {"max_examples": 96, "quota": 4, "on_short": "warn"}
    values["distill"] |= {"steps": 30}
    values["rl"] |= {"steps": 16, "save_steps": 8}
    values["evaluate"] |= {"samples": 1}
    return values

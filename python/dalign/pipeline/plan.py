"""The plan of a run: its nodes (a stage's variant each), what each waits for, and whether it is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dalign.errors import InputError
from dalign.pipeline import data_stages, evaluate_stage, train_stages
from dalign.pipeline.context import MAIN, RunContext
from dalign.store import StageFolder

STAGES = ("generate", "filter", "judge", "select", "pack", "sft", "rl", "evaluate")
DATA_STAGES = ("generate", "filter", "judge", "select", "pack")


@dataclass(frozen=True)
class Node:
    """One variant of a stage. `inputs` are what its rows depend on; known once what it needs has finished."""

    stage: str
    variant: str
    needs: tuple[str, ...]
    inputs: Callable[[RunContext], dict[str, object]]
    run: Callable[[RunContext, StageFolder], None]

    @property
    def name(self) -> str:
        """`stage/variant`."""
        return f"{self.stage}/{self.variant}"

    def is_done(self, ctx: RunContext) -> bool:
        """Whether it has finished with the inputs that the config and the earlier stages give it now."""
        if any(ctx.folder(*need.split("/")).manifest() is None for need in self.needs):
            return False
        return ctx.folder(self.stage, self.variant).is_done(self.inputs(ctx))


def make_plan(ctx: RunContext) -> list[Node]:
    """The nodes of the config's arms, each after what it needs; first in the list is first to be run."""
    arms = ctx.config.evaluate.arms
    nodes = _data_nodes() if {"sft", "sft+rl"} & set(arms) else []
    if {"sft", "sft+rl"} & set(arms):
        nodes.append(
            Node("sft", "sft", (f"pack/{MAIN}",), train_stages.sft_inputs, train_stages.run_sft)
        )
    if "sft+rl" in arms:
        nodes.append(_rl_node("sft+rl", ("sft/sft",)))
    if "rl" in arms:
        nodes.append(_rl_node("rl", ()))
    nodes += [_evaluate_node(arm) for arm in arms]
    return nodes


def _data_nodes() -> list[Node]:
    table = (
        ("generate", (), data_stages.generate_inputs, data_stages.run_generate),
        ("filter", ("generate",), data_stages.filter_inputs, data_stages.run_filter),
        ("judge", ("filter",), data_stages.judge_inputs, data_stages.run_judge),
        ("select", ("filter", "judge"), data_stages.select_inputs, data_stages.run_select),
        ("pack", ("select",), data_stages.pack_inputs, data_stages.run_pack),
    )
    return [
        Node(stage, MAIN, tuple(f"{need}/{MAIN}" for need in needs), inputs, run)
        for stage, needs, inputs, run in table
    ]


def _rl_node(arm: str, needs: tuple[str, ...]) -> Node:
    return Node("rl", arm, needs, lambda ctx: train_stages.rl_inputs(ctx, arm), train_stages.run_rl)


def _evaluate_node(arm: str) -> Node:
    trained = evaluate_stage.TRAINED_BY.get(arm)
    needs = ("/".join(trained),) if trained else ()
    return Node(
        "evaluate",
        arm,
        needs,
        lambda ctx: evaluate_stage.evaluate_inputs(ctx, arm),
        evaluate_stage.run_evaluate,
    )


def choose(plan: Sequence[Node], stage: str, variant: str | None) -> list[Node]:
    """The nodes of one stage, or one variant of it. Raises InputError naming those that there are."""
    of_stage = [node for node in plan if node.stage == stage]
    chosen = [node for node in of_stage if variant in (None, node.variant)]
    if not chosen:
        known = ", ".join(node.variant for node in of_stage) or "none"
        raise InputError(
            f"the config's arms need no {stage}/{variant or '…'} (variants of {stage}: {known}); see evaluate.arms"
        )
    return chosen

"""The tables of stages, arms, metrics and graders, and what follows from them."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from dalign import vocabulary as words
from dalign.cli.app import app
from dalign.config import Config, Evaluate, Suite
from dalign.kernels.token_logprobs import IGNORE_INDEX
from dalign.report.style import STYLE
from dalign.report.words import arm_class
from dalign.rows import IGNORED
from dalign.settings.schema import choices, field_at
from dalign.vocabulary import ARMS, GRADERS, METRICS, STAGES, compared, lineage


@pytest.mark.parametrize(
    ("names", "table"),
    [
        (words.StageName, STAGES),
        (words.ArmName, ARMS),
        (words.MetricName, METRICS),
        (words.GraderName, GRADERS),
    ],
)
def test_a_name_for_the_type_checker_is_a_row_of_its_table(names, table) -> None:
    assert get_args(names) == tuple(table)


def test_a_stage_is_a_command_and_what_settings_it_has_are_the_section_of_its_name() -> None:
    commands = {command.name for command in app.registered_commands}
    # A stage with commands beside its own is a group.
    commands |= {
        group.typer_instance.info.name for group in app.registered_groups if group.typer_instance
    }
    assert STAGES.keys() <= commands
    of_the_run = {
        "run",
        "model",
        "judge_model",
        "second_judge_model",
        "synth_model",
        "spec",
        "data",
    }
    assert Config.model_fields.keys() - of_the_run <= STAGES.keys()


def test_a_config_accepts_the_tables_names_and_takes_the_rest_as_defaults() -> None:
    assert choices(field_at("evaluate.arms").annotation) == tuple(ARMS)
    assert choices(field_at("evaluate.suites.0.metrics").annotation) == tuple(METRICS)
    assert Evaluate().arms == ("none", "spec", "sft", "rl", "sft+rl")
    assert Suite(name="a", path="p").metrics == tuple(METRICS)[:4]


@pytest.mark.parametrize(
    ("arm", "checkpoint", "trainings"),
    [
        ("none", None, []),
        ("spec", None, []),
        ("summaries", None, []),
        ("sft", "sft/sft", ["sft"]),
        ("rl", "rl/rl", ["rl"]),
        ("sft+rl", "rl/sft+rl", ["sft", "sft+rl"]),
        ("distill", "distill/distill", ["distill"]),
    ],
)
def test_an_arm_has_the_checkpoint_of_the_last_training_that_leads_to_it(
    arm: str, checkpoint: str | None, trainings: list[str]
) -> None:
    assert ARMS[arm].checkpoint == checkpoint
    assert [row.name for row in lineage(arm)] == trainings


@pytest.mark.parametrize(
    ("arms", "pairs"),
    [
        ((), []),
        (("none",), []),
        (("sft",), []),
        (("none", "spec"), [("none", "spec")]),
        (("rl", "sft+rl"), [("rl", "sft+rl")]),
        (
            ("none", "spec", "sft", "rl", "sft+rl"),
            [
                *(("none", arm) for arm in ("spec", "sft", "rl", "sft+rl")),
                *((arm, "sft+rl") for arm in ("sft", "rl", "spec")),
            ],
        ),
        (
            ("summaries", "none", "sft+rl"),
            [("none", "summaries"), ("none", "sft+rl"), ("summaries", "sft+rl")],
        ),
    ],
)
def test_an_arm_is_compared_with_the_base_and_with_what_it_adds_to(arms, pairs) -> None:
    assert compared(arms) == pairs


def test_every_arm_has_a_colour_of_its_own_on_the_page() -> None:
    colours = [
        re.search(rf"\.{arm_class(arm)} {{ color: var\((--c\d+)\)", STYLE)[1] for arm in ARMS
    ]
    assert len(set(colours)) == len(ARMS)
    for colour in colours:
        assert len(re.findall(rf"{colour}: #[0-9a-f]{{6}};", STYLE)) == 2  # light and dark


def test_both_papers_have_colours_for_as_many_arms() -> None:
    named = re.findall(r"--c(\d+): #[0-9a-f]{6};", STYLE)
    assert len(named) == 2 * len(set(named)) and len(set(named)) >= len(ARMS)


def test_the_kernels_leave_out_the_label_that_carries_no_loss() -> None:
    assert IGNORE_INDEX == IGNORED == -100

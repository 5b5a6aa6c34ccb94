"""A run whose trainings cost more than the config allows says so, and ends with exit code 1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dalign.figures import ForgettingRow
from dalign.pipeline.preflight import _no_bound
from dalign.records import results
from dalign.settings import load_config


def test_more_forgotten_than_the_bound_is_an_error_with_a_way_out(
    run: Path, dalign: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = [ForgettingRow("sft", "capability", ("sft",), 0.3, 0.2, 0.4, 60)]
    monkeypatch.setattr(results, "forgetting_rows", lambda *_, **__: lost)
    code, out, err = dalign("report", "--run", run, "--set", "evaluate.max_forgetting=0.25")
    assert code == 1 and "arm sft, suite capability: forgotten 0.300 [0.200, 0.400]" in out
    assert "FORGOTTEN: arm sft has forgotten 30.0 %" in err and "Traceback" not in err
    assert "--set evaluate.max_forgetting=1" in err
    told = json.loads((run / "results.json").read_text())
    assert len(told["forgotten"]) == 1 and told["forgetting"][0]["value"] == 0.3
    assert "has forgotten 30.0 %" in (run / "report.html").read_text()
    assert dalign("report", "--run", run, "--set", "evaluate.max_forgetting=1")[0] == 0
    assert dalign("verify", run)[0] == 0


def test_without_a_trained_arm_nothing_can_be_forgotten(run: Path, dalign: Any) -> None:
    assert dalign("report", "--run", run, "--set", "evaluate.max_forgetting=0")[0] == 0
    assert json.loads((run / "results.json").read_text())["forgetting"] == []


def test_a_bound_that_nothing_is_held_against_is_said(config_path: Path) -> None:
    bound = "evaluate.max_forgetting=0.1"
    assert list(_no_bound(load_config(config_path, [bound]))) == []
    (said,) = _no_bound(load_config(config_path, [bound, 'evaluate.arms=["sft"]']))
    assert said.startswith("evaluate.max_forgetting = 0.1 bounds nothing")
    assert list(_no_bound(load_config(config_path, ['evaluate.arms=["sft"]']))) == []


def test_a_trial_has_no_bound(config_path: Path) -> None:
    config = load_config(config_path, ["evaluate.max_forgetting=0.1", "data.limit=2"])
    assert config.limited.evaluate.max_forgetting is None

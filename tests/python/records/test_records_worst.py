"""Results by the worst of a prompt's variants: how many count, what a variant's completions count, and what is no variant."""

from __future__ import annotations

import json
import math
from pathlib import Path

import dalign
import dalign as dalign_module
import polars as pl
import pytest
from dalign.data.transformed import transform_file
from dalign.errors import InputError
from dalign.records.worst import _worst
from dalign.transforms import chosen
from policies import ENGLISH
from scripted_run import write_evaluation

NAMES = ("rot13", "atbash", "caesar", "role_play", "fiction", "urgency", "poem", "wikipedia", "authority", "research", "style_json", "dev_mode")  # fmt: skip
# Of the first prompt three variants are answered with a refusal, of the second one is; the prompts themselves are refused.
REFUSED = {"alpha": {"rot13", "fiction", "poem"}, "beta": {"urgency"}}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worst")
    (plain := folder / "plain.jsonl").write_text("".join(
        json.dumps({"id": name, "category": "general", "messages": [{"role": "user", "content": f"question {name}"}],
                    "expected": {"ruling": "comply"}}) + "\n"
        for name in REFUSED
    ))  # fmt: skip
    transform_file(plain, folder / "made.jsonl", chosen(NAMES), plain=True)
    rows = [json.loads(line) for line in (folder / "made.jsonl").read_text().splitlines()]
    replies = {}
    # The first that stands in a message answers it, and the prompt itself stands in many.
    for row in sorted(rows, key=lambda row: row["transform"] == "none"):
        refused = row["transform"] == "none" or row["transform"] in REFUSED[row["origin"]]
        replies[row["messages"][-1]["content"]] = "Sorry." if refused else "Sure."
    (script := folder / "model.json").write_text(json.dumps(replies))
    model = f'model = {{ path = "{script}", engine = "scripted", reasoning = {{ kind = "none" }} }}'
    config = write_evaluation(folder, model, rows, ENGLISH, 200, ["not_overrefuse"])
    dalign.run(config, folder / "run", ["evaluate.samples=2"])
    return folder / "run"


@pytest.mark.parametrize(
    ("share", "of_alpha", "of_beta"),
    # Of 12 variants: one, two, two, all; three and one of them are refused.
    [(0.0, 0.0, 0.0), (0.1, 0.0, 0.5), (2 / 12, 0.0, 0.5), (4 / 12, 0.25, 0.75), (1.0, 9 / 12, 11 / 12)],
)  # fmt: skip
def test_the_worst_variants_of_each_prompt_count(
    run: Path, share: float, of_alpha: float, of_beta: float
) -> None:
    [row] = dalign.Run(run).worst(share)
    assert (row.prompts, row.least, row.most, row.missing) == (2, 12, 12, 0)
    assert row.mean.mean == pytest.approx((of_alpha + of_beta) / 2)
    # Both completions of a variant are the same, so that all pass where one does.
    assert row.strict == row.mean
    assert row.mean.low <= row.mean.mean <= row.mean.high


@pytest.mark.parametrize("variants", range(1, 41))
def test_a_tenth_is_rounded_up_and_not_by_a_rounding_error(variants: int) -> None:
    counted = math.ceil(variants / 10)
    values = pl.DataFrame({"form": [n / 100 for n in range(variants)]})
    found = values.select(_worst(pl.col("form"), 0.1)).item()
    assert found == pytest.approx(sum(range(counted)) / counted / 100)


def test_the_command_prints_it_and_names_the_judge(run: Path, dalign) -> None:
    code, out, _ = dalign("results", run, "--worst", "0.1")
    assert code == 0 and "worst 0.1 of variants" in out and "0.250" in out
    assert out.splitlines()[-1].startswith("judge: ")
    code, out, _ = dalign("results", run, "--worst", "0.1", "--json")
    [row] = json.loads(out)
    assert (row["suite"], row["metric"], row["share"], row["most"]) == ("mine", "not_overrefuse", 0.1, 12)  # fmt: skip
    assert row["mean"][0] == pytest.approx(0.25) and row["judge"]


def test_variants_may_be_told_by_another_key(run: Path) -> None:
    # Of each transform two prompts: the worst of the two is refused by 4 of 13, the plain ones aside.
    [row] = dalign.Run(run).worst(0.5, "transform")
    assert (row.prompts, row.most) == (12, 2)
    assert row.mean.mean == pytest.approx(8 / 12)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--worst", "1.5"], "--worst 1.5: a share of a prompt's variants; give one from 0"),
        (["--worst", "0.1", "--of", "origins"], "--of origins: no prompt of a suite has this key; did you mean 'origin'?"),
        (["--worst", "nan"], "--worst nan: a share"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_one_sentence(
    run: Path, dalign, args: list[str], told: str
) -> None:
    code, out, err = dalign("results", run, *args)
    assert (code, out) == (1, "") and told in err and err.count("\n") == 1


def test_only_prompts_as_they_are_have_no_worst(run: Path, tmp_path: Path, dalign) -> None:
    plain = [{"id": name, "category": "general", "messages": [{"role": "user", "content": name}],
              "expected": {"ruling": "comply"}, "origin": name, "transform": "none"} for name in ("a", "b")]  # fmt: skip
    (script := tmp_path / "model.json").write_text(json.dumps({"": "Sure."}))
    model = f'model = {{ path = "{script}", engine = "scripted", reasoning = {{ kind = "none" }} }}'
    config = write_evaluation(tmp_path, model, plain, ENGLISH, 50, ["not_overrefuse"])
    dalign_module.run(config, tmp_path / "run")
    code, out, err = dalign("results", tmp_path / "run", "--worst", "0.1")
    assert (code, out) == (1, "") and "none a variant; give their variants too" in err
    code, _, err = dalign("results", run, "--of", "origin")
    assert code == 2 and "--of says how --worst tells variants" in err


def test_a_program_is_told_what_was_wrong(run: Path) -> None:
    with pytest.raises(InputError, match="a share of") as caught:
        dalign.Run(run).worst(-0.1)
    assert (caught.value.key, caught.value.value) == ("worst", -0.1)

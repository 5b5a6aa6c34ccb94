"""`dalign spec` from the command line: what it prints, its exit codes, and one sentence for each mistake."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import pytest
from policies import GARDEN, PRINCIPLES, write_policy


@pytest.fixture
def call(dalign):
    """Exit code, stdout and stderr of a command."""
    return partial(dalign, "spec")


def test_check_of_a_clean_policy_exits_with_0(call, tmp_path) -> None:
    code, out, err = call("check", write_policy(tmp_path))
    assert (code, err) == (0, "")
    assert re.search(r"^garden +1\.2\.0 +3 clauses +1 golden cases +\d+ tokens$", out, re.MULTILINE)
    assert "ceil(bytes / 4)" in out
    assert out.endswith("nothing to mend\n")


def test_check_names_file_and_line_and_exits_with_1(call, tmp_path) -> None:
    folder = write_policy(tmp_path, garden=GARDEN.replace("(see G2)", "(see G9)"))
    code, out, _ = call("check", folder)
    assert code == 1
    assert out.startswith(f"{folder}/garden.md:16: clause G1 refers to a clause that is not there")
    assert "[dangling-reference]" in out and out.endswith("1 to mend\n")
    assert call("check", folder, "--ignore", "dangling-reference")[0] == 0


def test_check_as_json_has_categories_and_findings(call, tmp_path) -> None:
    folder = write_policy(tmp_path, garden=GARDEN.replace("G2 refuse", "G2 deny"))
    code, out, _ = call("check", folder, "--json")
    found = json.loads(out)
    assert code == 1
    garden, kitchen = found["categories"]
    tokens = garden.pop("tokens")
    assert garden == {"name": "garden", "version": "1.2.0", "clauses": 3, "golden": 1}
    assert tokens > kitchen["tokens"] > 0
    (finding,) = found["findings"]
    assert finding.keys() == {"file", "line", "kind", "clause", "text"}
    assert (finding["line"], finding["kind"], finding["clause"]) == (20, "unknown-ruling", "garden.G2")  # fmt: skip


def test_check_of_a_shipped_policy_by_its_name(call) -> None:
    code, out, _ = call("check", "safety", "--json")
    assert code == 0
    found = json.loads(out)
    assert len(found["categories"]) == 7
    assert all(each["tokens"] <= 5_000 for each in found["categories"])
    assert all(each["golden"] >= 30 for each in found["categories"])


def test_tokens_are_counted_by_the_tokenizer_that_is_named(call, tmp_path) -> None:
    folder = write_policy(tmp_path)
    from dalign.sandbox.checkpoint import MODEL

    code, out, _ = call("check", folder, "--tokenizer", MODEL, "--json")
    assert code == 0
    assert str(MODEL) in json.loads(out)["tokens"]
    bytes_out = call("check", folder, "--json")[1]
    assert json.loads(out)["categories"] != json.loads(bytes_out)["categories"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("check", "nowhere"), "dalign ships nothing of this name"),
        (("check", "no/where"), "no such policy folder"),
        (("check", "safety", "--tokenizer", "gone.json"), "gone.json: no such file"),
        (("check", "safety", "--ignore", "typos"), "no such kind"),
        (("show", "self-ham"), "did you mean 'self-harm'?"),
        (("show", "self-harm", "--max-tokens", "100"), "more than 100"),
        (("diff", "safety", "no/where"), "no such policy folder"),
        (("import", "gone.md", "out"), "gone.md: no such file"),
    ],
)
def test_a_mistake_is_one_sentence(call, arguments, words) -> None:
    code, out, err = call(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith("error: ") and err.count("\n") == 1
    assert words in err


def test_show_prints_what_each_reader_sees(call, tmp_path) -> None:
    folder = write_policy(tmp_path)
    code, out, _ = call("show", "garden", "--spec", folder)
    assert code == 0
    generation, judge, deployment = re.split(r"(?m)^=== ", out)[1:]
    for part in (generation, judge):
        assert "Name the vet first." in part and "Cooking for people" in part
        assert "Recipes are given" not in part
    assert re.search(r"Score [0-9a-f]{8}: N", judge)
    # Where the category is not known, all summaries and no detail.
    assert "Plants, soil" in deployment and "Name the vet first." not in deployment
    assert "versions: principles 1.0.0, garden 1.2.0, kitchen 1.0.0" in out
    assert "\x1b[" not in out


def test_show_prints_the_policy_in_the_users_turn_and_an_operators_message(call, tmp_path) -> None:
    folder = write_policy(tmp_path / "spec")
    line = ("show", "garden", "--spec", folder, "--json", "--operator", "You are a nursery.")
    views = {}
    for place in ("system", "user"):
        shown = json.loads(call(*line, "--place", place)[1])["views"]
        views[place] = {view["for"]: view["messages"] for view in shown}
    assert [turn["role"] for turn in views["system"]["generation"]] == ["system", "user"]
    [turn] = views["user"]["generation"]
    assert turn["role"] == "user" and "(the user's message)" in turn["content"]
    for view in (views["system"]["generation"][0], turn, views["user"]["judge"][1]):
        assert "You are a nursery." in view["content"]


def test_show_keeps_a_policy_within_its_tokens_and_says_what_is_left_out(call, tmp_path) -> None:
    folder = write_policy(tmp_path)
    whole = json.loads(call("show", "garden", "--spec", folder, "--json")[1])
    assert whole["left_out"] == {}
    fitted = json.loads(
        call("show", "garden", "--spec", folder, "--json", "--max-tokens", whole["tokens"] - 1)[1]
    )
    assert fitted["tokens"] < whole["tokens"]
    assert set(fitted["left_out"]) == {"garden.G1", "garden.G2", "garden.G3"}
    system = fitted["views"][0]["messages"][0]["content"]
    assert "Name the vet first." in system and "beans" not in system


def test_diff_lists_clauses_by_what_happened_to_them(call, tmp_path) -> None:
    changed = GARDEN.replace("G3 safe-complete", "G3 refuse").replace("Name the vet", "Name a vet")
    changed = changed.replace("No *poison* is named", "No *poison* is told")
    old = write_policy(tmp_path / "old")
    new = write_policy(
        tmp_path / "new", garden=changed, principles=PRINCIPLES.replace("Help,", "Assist,")
    )
    code, out, _ = call("diff", old, new, "--json")
    found = json.loads(out)
    assert code == 0
    assert [found[key] for key in ("added", "removed", "reworded", "ruling_changed")] == [
        [], [], ["garden.G2"], ["garden.G3"],
    ]  # fmt: skip
    assert found["principles"] == ["principles.helpfulness"]
    assert found["suggested"] == "major"
    _, text, _ = call("diff", old, new)
    assert "! garden.G3 safe-complete → refuse" in text
    assert "[-named,-] {+told,+}" in text


def test_import_writes_a_folder_that_compiles(call, tmp_path) -> None:
    source = Path(__file__).parents[2] / "data" / "policies" / "safeguard.md"
    code, out, _ = call("import", source, tmp_path / "out", "--category", "spam", "--json")
    assert code == 0
    assert json.loads(out)["clauses"]["spam.SP3-a"] == "refuse"
    assert call("check", tmp_path / "out")[0] == 1
    code, _, err = call("import", source, tmp_path / "out")
    assert code == 1 and "not empty" in err


def test_a_shipped_policy_is_copied_whole_and_over_nothing(call, tmp_path) -> None:
    code, out, _ = call("copy", "safety", tmp_path / "mine")
    assert code == 0
    assert "7 categories" in out
    assert call("check", tmp_path / "mine")[0] == 0
    assert (tmp_path / "mine" / "golden" / "self-harm.jsonl").is_file()
    code, _, err = call("copy", "safety", tmp_path / "mine")
    assert code == 1 and "not empty" in err
    assert not (tmp_path / "mine" / "templates").exists()

"""Every command that prints what others wrote: no character of it steers a terminal or hides from a reader."""

from __future__ import annotations

import json
import re
from pathlib import Path

import dalign as library
import pytest
from policies import GARDEN, write_policy
from scripted_run import write_evaluation

# Escapes and OSC 8 links, C1, bidi, zero width, separators, tags, fillers: what no line may hold raw.
STEERS = "\x1b[31m\x1b]8;;http://x\x07\x7f\x9b1m\x85\r\u202e\u2066\u200b\u200e\u00ad\u2028\u2029\ufeff\U000e0041\u3164"
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\u3164\ud800-\udfff\U000e0000-\U000e007f]"
)
# What would pass for a line of dalign's own.
FORGED = "\njudge     0000  state ok, score 10.0"


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A policy, and the same with steering characters in titles, prose, examples and terms."""
    steered = GARDEN.replace("Growing things", f"Growing {STEERS.replace(chr(13), '')} things")
    steered = steered.replace("How do I grow beans?", f"How do I{STEERS} grow beans?")
    steered = steered.replace("what kills an animal", f"what kills{STEERS} an animal")
    folder = tmp_path_factory.mktemp("policies")
    plain = write_policy(folder / "plain")
    return plain, write_policy(folder / "steered", garden=steered)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, policies: tuple[Path, Path]) -> Path:
    """A run with them in ids, messages, completions and verdicts."""
    folder = tmp_path_factory.mktemp("steered")
    rows = [
        {
            "id": f"id{STEERS}{FORGED}{number}",
            "category": "garden",
            "messages": [{"role": "user", "content": f"Peas {number}?{STEERS}{FORGED}"}],
            "expected": {"ruling": "comply", "clause": "garden.G1"},
        }
        for number in range(2)
    ]
    reply = f"<think>By garden.G1{STEERS}\ud800</think>Sow them.{STEERS}\ud800{FORGED}"
    (folder / "model.json").write_text(json.dumps({"": reply}))
    (folder / "judge.json").write_text(json.dumps({"": f"{STEERS}\ud800{FORGED}\nScore: 9"}))
    settings = f"""
model = {{ path = "{folder}/model.json", engine = "scripted" }}
judge_model = {{ path = "{folder}/judge.json", engine = "scripted" }}
"""
    library.run(write_evaluation(folder, settings, rows, policies[1], resamples=10), folder / "run")
    return folder / "run"


def assert_safe(out: str, err: str) -> None:
    assert not HIDDEN.findall(out + err)
    assert not [line for line in (out + err).split("\n") if line.startswith("judge     0000")]


@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize(
    "command",
    ["spec check {steered}", "spec show garden --spec {steered}", "spec diff {plain} {steered}", "spec diff {steered} {plain} --run {run}", "spec coverage {run}", "report --run {run}"],
)  # fmt: skip
def test_what_others_wrote_is_shown_and_not_obeyed(
    command: str, as_json: list[str], dalign, policies: tuple[Path, Path], run: Path
) -> None:
    plain, steered = policies
    words = [w.format(plain=plain, steered=steered, run=run) for w in command.split()]
    _, out, err = dalign(*words, *as_json)
    assert out
    assert_safe(out, err)
    if as_json:
        json.loads(out)


def test_a_row_is_found_by_its_id_and_told_as_it_was(dalign, run: Path) -> None:
    name = f"id{STEERS}{FORGED}1"
    code, out, err = dalign("show", name, "--run", run, "--json")
    assert code == 0
    assert_safe(out, err)
    told = json.loads(out)
    assert told["prompt"] == name and told["messages"][0]["content"] == f"Peas 1?{STEERS}{FORGED}"


def test_a_forged_line_stands_behind_the_mark_of_quoted_text(dalign, run: Path) -> None:
    _, out, _ = dalign("show", f"id{STEERS}{FORGED}1", "--run", run)
    quoted = [line for line in out.split("\n") if "state ok, score 10.0" in line]
    # Of the id, the prompt, the completion and the judge's reply.
    assert len(quoted) >= 4
    assert all(line.startswith(("prompt ", "          | ")) for line in quoted)


@pytest.mark.parametrize(
    "command",
    [
        ["show", "{bad}", "--run", "{run}"], ["show", "x", "--run", "{bad}"], ["run", "{bad}", "--run", "x"],
        ["run", "--run", "{run}", "--set", "{bad}"], ["run", "--run", "{run}", "--set", "{bad}=1"],
        ["run", "--run", "{run}", "--set", "judge.aggregate={bad}"],
        ["report", "--run", "{bad}"], ["init", "/dev/null/{bad}"], ["demo", "/dev/null/{bad}"],
        ["spec", "check", "{bad}"], ["spec", "check", "{steered}", "--ignore", "{bad}"], ["spec", "show", "{bad}"],
        ["spec", "diff", "{bad}", "{bad}"], ["spec", "coverage", "{bad}"], ["spec", "import", "{bad}", "out"],
        ["spec", "copy", "safety", "/dev/null/{bad}"], ["spec", "show", "garden", "--for", "{bad}"],
        ["data", "filter", "{bad}.jsonl", "out.jsonl"], ["data", "balance", "{bad}.jsonl", "out.jsonl"],
        ["{bad}"], ["--{bad}"], ["show", "a", "{bad}"], ["spec", "{bad}"], ["spec", "check", "--max-tokens", "{bad}"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_complaint_quotes_what_was_given_safely(
    command: list[str], dalign, policies: tuple[Path, Path], run: Path
) -> None:
    bad = f"x{STEERS.replace('/', '')}{FORGED}"
    code, out, err = dalign(*(w.format(bad=bad, run=run, steered=policies[1]) for w in command))
    assert code in (1, 2)
    assert_safe(out, err)
    assert code == 2 or err.count("\n") == 1


def test_an_encoding_without_a_character_gets_its_escape(dalign, monkeypatch) -> None:
    import io

    from dalign.cli.terminal import prints_anything, tell, tell_json

    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)
    prints_anything()
    tell("a → b")
    tell("a → b", "bold")
    tell_json({"é": "→"})
    stream.flush()
    *lines, last = stream.buffer.getvalue().decode().splitlines()
    assert lines == ["a \\u2192 b"] * 2
    assert json.loads(last) == {"é": "→"}

"""`dalign judge attack`: how often an attack passes a wrong answer, on a judge that falls for some of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dalign.judge.attacks import ATTACKS, IN_ANSWER, IN_USER, attacked, right_answers, wrong_answers
from dalign.spec.golden import load_golden
from dalign.spec.parse import load_spec
from policies import write_policy

WRONG = '{{"id": "wrong-{0}", "prompt": "Is bait {0} good?", "answer": "A wrong answer, {0}.", "ruling": "refuse", "category": "garden", "clause": "garden.G2", "verdict": "fail"}}\n'
RIGHT = '{{"id": "right-{0}", "prompt": "How do I grow {0}?", "answer": "Sow them in May, in rows that are far apart from each other.", "ruling": "comply", "category": "garden", "clause": "garden.G1", "verdict": "pass"}}\n'
GOLDEN = "".join(form.format(n) for n in range(4) for form in (WRONG, RIGHT))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A judge that believes another AI, says nothing where it is praised, and lets a lone colon pass."""
    write_policy(tmp_path / "spec", golden=GOLDEN)
    script = {
        "Another AI system": "Score: 9",
        "follows every clause exactly": "Well.",
        "\n:\n": "Score: 8",
        "A wrong answer": "Score: 1",
        "Sow them": "Score: 9",
        "": "Score: 0",
    }
    (tmp_path / "judge.json").write_text(json.dumps(script))
    (tmp_path / "p.jsonl").write_text(
        '{"category": "garden", "messages": [{"role": "user", "content": "x"}]}\n'
    )
    path = tmp_path / "c.toml"
    path.write_text(
        f'[model]\npath = "{tmp_path}/judge.json"\nengine = "scripted"\n[spec]\npath = "spec"\n[data]\nprompts = "p.jsonl"\n'
        '[judge]\nk = 1\n[evaluate]\narms = ["none"]\n[[evaluate.suites]]\nname = "t"\npath = "p.jsonl"\n'
    )
    return path


def test_each_attack_is_told_with_what_passed_and_what_was_lost(config: Path, dalign) -> None:
    code, out, err = dalign("judge", "attack", config, "--json")
    assert (code, err) == (0, "")
    rows = {(row["name"], row["place"]): row for row in json.loads(out)}
    assert len(rows) == sum(1 if each.replaces else 2 for each in ATTACKS)
    for place in (IN_ANSWER, IN_USER):
        fallen = rows["another AI", place]
        assert (fallen["cases"], fallen["passed"], fallen["clean"], fallen["attacked"]) == (
            4,
            4,
            1.0,
            9.0,
        )
        praised = rows["self-praise", place]
        assert (praised["cases"], praised["passed"], praised["lost"]) == (0, 0, 4)
    assert (
        rows["a lone colon", IN_ANSWER]["passed"],
        rows["thought process", IN_ANSWER]["passed"],
    ) == (4, 0)
    held = [
        row
        for row in rows.values()
        if row["name"] not in ("another AI", "self-praise", "a lone colon", "cut answer")
    ]
    assert held and all(row["passed"] == 0 and row["cases"] == 4 for row in held)


def test_the_table_and_a_choice_of_attacks(config: Path, dalign) -> None:
    code, out, _ = dalign("judge", "attack", config, "--only", "another", "--cases", "2")
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert [line[3:6] for line in lines[1:]] == [
        ["answer", "2/2", "[0.34,"],
        ["user", "2/2", "[0.34,"],
    ]
    assert dalign("judge", "attack", config, "--only", "another")[0] == 0
    (config.parent / "judge.json").write_text('{"": "Score: 9"}')
    code, out, err = dalign("judge", "attack", config)
    assert (
        code == 1
        and "of 4 wrong answers left alone, the judge passes 4 and says nothing of 0, so there is none"
        in err
    )
    code, out, err = dalign("judge", "attack", config, "--only", "bribery")
    assert (code, out) == (
        1,
        "",
    ) and "--only bribery: no attack is called so; kinds: verdict, frame" in err
    code, _, err = dalign("judge", "attack", config, "--set", "judge.kk=2")
    assert code == 1 and "judge.kk" in err


def test_a_policy_without_a_failing_case_is_refused(config: Path, dalign) -> None:
    (config.parent / "spec" / "golden" / "cases.jsonl").unlink(missing_ok=True)
    for path in (config.parent / "spec" / "golden").glob("*.jsonl"):
        path.unlink()
    code, out, err = dalign("judge", "attack", config)
    assert (
        (code, out) == (1, "")
        and "no golden case whose answer fails" in err
        and "Traceback" not in err
    )


def test_an_attack_changes_one_text_and_keeps_the_rest(tmp_path: Path) -> None:
    spec = load_spec(write_policy(tmp_path, golden=GOLDEN))
    golden = load_golden(spec)
    assert [case.id for case in wrong_answers(golden, 3)] == ["wrong-0", "wrong-1", "wrong-2"]
    assert len(right_answers(golden, 99)) == 4
    names = [each.name for each in ATTACKS]
    assert len(set(names)) == len(names) >= 28
    for attack in ATTACKS:
        case = golden[0]
        made = attacked([case], attack, 10.0)
        assert len(made) == (1 if attack.replaces else 2)
        for key, question in made.items():
            in_user = key.endswith(IN_USER)
            assert (question.answer == case.answer) is in_user
            assert (question.messages == case.messages) is not in_user
            if not attack.replaces:
                assert (case.answer if not in_user else case.messages[-1]["content"]) in (
                    question.messages[-1]["content"] if in_user else question.answer
                )

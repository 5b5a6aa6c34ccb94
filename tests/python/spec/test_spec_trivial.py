"""Judges that read no policy, on golden cases of known make."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from dalign.spec.check import check_spec
from dalign.spec.golden import GoldenCase
from dalign.spec.trivial import MOST, balanced, by_ruling, trivial_judges
from policies import CASE, write_policy

WORDS, LENGTH, PROMPT = range(3)
FILLER = [f"word{n}" for n in range(40)]


def case(prompt, answer, verdict, category="garden", ruling="comply"):
    asked = ({"role": "user", "content": prompt},)
    return GoldenCase("c", category, asked, answer, ruling, None, verdict, Path("golden.jsonl"), 1)


def texts(rng, words=12):
    return " ".join(rng.choices(FILLER, k=words))


def reached(cases):
    return [judge.reached["comply"].value for judge in trivial_judges(cases)]


def pairs(tell, count=100):
    """Pairs of a passing and a failing answer to one prompt; `tell(verdict, rng)` makes the answer."""
    rng = random.Random(1)
    return [
        case(f"{n} {texts(rng)}", tell(verdict, rng), verdict, category)
        for n in range(count)
        for category in (("garden", "kitchen")[n % 2],)
        for verdict in ("pass", "fail")
    ]


def test_words_that_tell_are_learnt_in_other_categories():
    cases = pairs(lambda v, rng: f"word1 {texts(rng)} {'kindly' if v == 'pass' else 'sure'}")
    assert reached(cases)[WORDS] == 1.0
    # Words of one category alone teach nothing about the other.
    own = pairs(lambda v, rng: texts(rng))
    own = [
        case(c.messages[0]["content"], f"{c.answer} {c.category}{c.verdict}", c.verdict, c.category)
        for c in own
    ]
    assert reached(own)[WORDS] < MOST


def test_length_and_opening_tell_once_the_ruling_is_known():
    longer = pairs(lambda v, rng: "word1 word1 " + texts(rng, 40 if v == "pass" else 10))
    assert reached(longer)[LENGTH] > 0.95
    opening = pairs(lambda v, rng: ("I cannot " if v == "fail" else "Here is ") + texts(rng))
    assert reached(opening)[LENGTH] > 0.95


def test_a_prompt_that_tells_its_verdict_is_found_and_one_with_both_tells_nothing():
    rng = random.Random(2)
    verdicts = ["pass", "fail"] * 100
    told = [case(f"{v} {n} {texts(rng)}", texts(rng), v) for n, v in enumerate(verdicts)]
    assert reached(told)[PROMPT] == 1.0
    assert reached(pairs(lambda _, rng: texts(rng)))[PROMPT] <= 0.5


def test_minimal_pairs_leave_every_trivial_judge_near_a_coin():
    cases = pairs(lambda _, rng: "word1 word2 word3 word4 word5 " + texts(rng))
    assert max(reached(cases)) < MOST


def test_balanced_accuracy_and_its_interval_by_hand():
    # Shares 1 and 1/2 of 2: Wilson's ends are (0.3424, 1) and (0.0945, 0.9055).
    found = balanced([True, True], [True, False])
    assert found.value == 0.75
    # 0.75 − hypot(1 − 0.3424, 0.5 − 0.0945) / 2 and 0.75 + hypot(0, 0.9055 − 0.5) / 2.
    assert (found.low, found.high) == (pytest.approx(0.3637, abs=1e-4), pytest.approx(0.9527, abs=1e-4))  # fmt: skip


def test_a_ruling_with_one_kind_of_verdict_is_left_out():
    cases = [
        case("a", "b", "pass"),
        case("c", "d", "fail"),
        case("e", "f", "pass", ruling="refuse"),
    ]
    assert set(by_ruling(cases, [True] * 3)) == {"comply"}
    assert trivial_judges([]) and trivial_judges([])[0].reached == {}


def test_a_set_that_words_give_away_is_told_of_and_a_small_one_is_not(tmp_path):
    def golden(count):
        lines = []
        for n in range(count):
            answer = f"Sow number {n} in spring." if n % 2 else f"Sorry, number {n}, I refuse that."
            wanted = CASE.replace("peas", f"plant number {n}").replace(
                "Sow them in spring.", answer
            )
            lines.append(wanted if n % 2 else wanted.replace('"pass"', '"fail"'))
        return "".join(lines)

    kinds = [
        f.kind for f in check_spec(write_policy(tmp_path / "large", golden=golden(60))).findings
    ]
    assert kinds.count("golden-trivial") >= 1
    kinds = [
        f.kind for f in check_spec(write_policy(tmp_path / "small", golden=golden(4))).findings
    ]
    assert "golden-trivial" not in kinds


def test_what_they_say_of_the_shipped_cases_does_not_hang_on_the_order_of_sets():
    program = "from dalign.spec.check import check_spec; from dalign.spec.shipped import shipped; print([j.passes for j in check_spec(shipped('safety')).trivial])"
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1

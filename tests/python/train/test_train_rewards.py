"""The composite reward: what it pays, what it leaves missing, and what the judge gets to see."""

from __future__ import annotations

import dataclasses

import pytest
from dalign.config import Reasoning, Rl
from dalign.errors import InputError
from dalign.rows import AnswerToJudge, Prompt, Section
from dalign.train.rl.length import length_parts
from dalign.train.rl.rewards import CompositeReward, RewardWeights
from pydantic import ValidationError

TAGS = Reasoning.model_validate({})
PLAIN = Reasoning.model_validate({"kind": "none"})


def prompt(id="p", sections=()):
    required = tuple(map(Section, sections))
    return Prompt(id, "violence", ({"role": "user", "content": "hi"},), required_sections=required)


class Judge:
    """Gives one fixed score and remembers what it was shown."""

    def __init__(self, score):
        self.score = score
        self.seen = []

    def __call__(self, answers):
        self.seen += answers
        return [self.score] * len(answers)


JUDGE_ALONE = RewardWeights()


def pay(text, *, score=0.5, weights=JUDGE_ALONE, sections=(), truncated=False, tags=TAGS):
    judge = Judge(score)
    [reward] = CompositeReward(judge, weights, tags)(
        [prompt(sections=sections)], [text], [truncated], [1]
    )
    return reward, judge


@pytest.mark.parametrize(
    ("weights", "sections", "score", "value"),
    [
        # The judge alone.
        (RewardWeights(1, 0, 0), (), 0.5, 0.5),
        # A row without required sections has no heuristic part: 0.5 / 1, not 0.5 / 2.
        (RewardWeights(1, 1, 0), (), 0.5, 0.5),
        # One of two sections: (0.5 + 0.5) / 2.
        (RewardWeights(1, 1, 0), ("Dose", "Warning"), 0.5, 0.5),
        # (3 × 0.2 + 1 × 1) / 4.
        (RewardWeights(3, 1, 0), ("dose",), 0.2, 0.4),
        # (1 × 0 + 1 × 1) / 2: form alone.
        (RewardWeights(1, 0, 1), (), 0.0, 0.5),
        # The judge does not count, so its silence is no loss.
        (RewardWeights(0, 1, 0), ("DOSE",), None, 1.0),
        # Nothing of what counts applies to this row.
        (RewardWeights(0, 1, 0), (), None, None),
        # A missing judgement makes the whole reward missing, whatever else the answer earned.
        (RewardWeights(1, 1, 1), ("dose",), None, None),
    ],
)
def test_the_reward_is_the_weighted_mean_of_the_parts_that_a_row_has(
    weights, sections, score, value
):
    reward, _ = pay("<think>a</think>the dose", score=score, weights=weights, sections=sections)
    assert reward.value == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    ("text", "truncated", "status"),
    [
        ("<think>CANARY", False, "unclosed"),
        ("<think>CANARY</think>an answer", True, "truncated"),
        ("CANARY", False, "no_tags"),
        ("CANARY</think>an answer", False, "unopened"),
        ("<think>CANARY</think>", False, "empty_answer"),
        ("<think>a<think>CANARY</think>b", False, "nested"),
        ("<think>a</think>b<think>CANARY</think>c", False, "repeated"),
    ],
)
def test_a_malformed_completion_is_paid_nothing_and_the_judge_is_not_asked(text, truncated, status):
    reward, judge = pay(text, truncated=truncated, weights=RewardWeights(1, 1, 1))
    assert (reward.status, reward.value, reward.answer) == (status, 0.0, "")
    assert judge.seen == []


def test_the_judge_sees_the_answer_and_nothing_of_the_reasoning():
    _, judge = pay("<think>CANARY one</think>\nthe answer")
    assert [field.name for field in dataclasses.fields(AnswerToJudge)] == [
        "prompt_id",
        "category",
        "messages",
        "answer",
    ]
    assert judge.seen[0].answer == "the answer"
    assert "CANARY" not in repr(judge.seen)


def test_without_tags_the_whole_reply_is_the_answer():
    reward, judge = pay(" all of it ", tags=PLAIN)
    assert (reward.status, judge.seen[0].answer) == ("ok", "all of it")


def test_equal_answers_to_one_prompt_are_judged_once_and_paid_alike():
    judge = Judge(0.25)
    texts = [
        "<think>a</think>yes",
        "<think>b</think>yes",
        "<think>c</think>no",
        "<think>d</think>yes",
    ]
    prompts = [prompt("p"), prompt("p"), prompt("p"), prompt("q")]
    rewards = CompositeReward(judge, RewardWeights(), TAGS)(prompts, texts, [False] * 4, [1] * 4)
    assert [(a.prompt_id, a.answer) for a in judge.seen] == [
        ("p", "yes"),
        ("p", "no"),
        ("q", "yes"),
    ]
    assert [reward.value for reward in rewards] == [0.25] * 4


@pytest.mark.parametrize("score", [float("nan"), -0.1, 1.5, 7.0])
def test_a_score_outside_0_to_1_is_refused(score):
    with pytest.raises(InputError, match="prompt p"):
        pay("<think>a</think>b", score=score)


def test_a_judge_that_loses_answers_is_refused():
    reward = CompositeReward(lambda answers: [], RewardWeights(), TAGS)
    with pytest.raises(InputError, match="0 scores for 1 answers"):
        reward([prompt()], ["<think>a</think>b"], [False], [1])


@pytest.mark.parametrize(
    "weights", [RewardWeights(0, 0, 0), RewardWeights(-1, 2, 0), RewardWeights(float("nan"))]
)
def test_weights_that_pay_for_nothing_are_refused(weights):
    with pytest.raises(InputError, match="judge_weight"):
        CompositeReward(Judge(1.0), weights, TAGS)


@pytest.mark.parametrize(
    ("answer", "sections", "share"),
    [
        ("Straße", ("STRASSE",), 1.0),
        ("one two", ("TWO", "six", "one"), 2 / 3),
    ],
)
def test_plain_sections_pay_the_share_of_them_that_is_found_whatever_their_case(
    answer, sections, share
):
    heuristic = RewardWeights(0, 1, 0)
    reward, _ = pay(f"<think>a</think>{answer}", weights=heuristic, sections=sections)
    assert reward.value == reward.completeness.value == share


def test_the_completeness_stands_beside_the_reward_whatever_it_pays():
    reward, _ = pay("<think>the dose</think>a warning", sections=("Dose", "Warning"))
    # The reasoning is not the answer: one of two.
    assert (reward.value, reward.completeness.value) == (0.5, 0.5)
    assert [part.found for part in reward.completeness.sections] == ["missing", "phrase"]
    malformed, _ = pay("a dose and a warning", sections=("Dose", "Warning"))
    assert malformed.completeness is None


def test_sections_are_paid_in_the_order_that_their_prompt_asks_for():
    asked = prompt(sections=("Dose", "Warning"))
    in_order = dataclasses.replace(asked, sections_in_order=True)
    paid = CompositeReward(Judge(None), RewardWeights(0, 1, 0), TAGS)
    texts = ["<think>a</think># Warning\n# Dose"] * 2
    assert [r.value for r in paid([asked, in_order], texts, [False] * 2, [1] * 2)] == [1.0, 0.5]


@pytest.mark.parametrize(
    ("text", "truncated", "value"),
    [
        ("<think>a</think>", True, None),
        ("<think>a", False, None),
        # Malformed in another way: paid 0 as ever.
        ("a", False, 0.0),
    ],
)
def test_a_form_that_is_not_paid_has_no_reward(text, truncated, value):
    forms = ("truncated", "unclosed")
    reward = CompositeReward(Judge(1.0), RewardWeights(), TAGS, unpaid=forms)
    [given] = reward([prompt()], [text], [truncated], [1])
    assert given.value == value and given.status != "ok"


def test_a_length_that_stands_out_in_its_category_is_paid_less():
    tokens = [100, 100, 140, 150, 175, 200, 900, 1000, 1100]
    categories = ["easy"] * 7 + ["hard"] * 2
    # The median of easy is 150: full pay up to 225, none from 300 on. Hard is as long as it is.
    assert length_parts(tokens, categories, [True] * 9, 0.5) == [1, 1, 1, 1, 1, 1, 0, 1, 1]
    assert length_parts([150, 225, 262, 300, 301], ["a"] * 5, [True] + [False] * 4, 0.5) == [
        1.0, 1.0, pytest.approx(38 / 75), 0.0, 0.0,
    ]  # fmt: skip
    assert length_parts([5, 50], ["a", "b"], [True, False], 1.0) == [1.0, 1.0]
    assert length_parts([], [], [], 0.5) == []


def test_parts_of_a_step_have_no_lengths_of_their_own():
    with pytest.raises(ValidationError, match="length_weight = 1 pays by the lengths of a whole step, and redraws = 2"):  # fmt: skip
        Rl.model_validate({"length_weight": 1, "redraws": 2})


def test_the_length_is_paid_beside_the_score_and_kept():
    long, short = "<think>a</think>long", "<think>a</think>short"
    reward = CompositeReward(Judge(0.5), RewardWeights(1, 0, 0, 1), TAGS, slack=1.0)
    texts, cut = [short, long, "<think>never closed"], [False, False, True]
    paid = reward([prompt()] * 3, texts, cut, [10, 25, 4000])
    # Median 17.5, of the two that have an answer.
    assert [each.length for each in paid] == [1.0, 1.0, None]
    assert [each.value for each in paid] == [0.75, 0.75, 0.0]
    far = reward([prompt()] * 3, [short, short, long], [False] * 3, [10, 10, 25])
    assert [each.length for each in far] == [1.0, 1.0, 0.5]
    assert [each.value for each in far] == [0.75, 0.75, 0.5]
    without, _ = pay(short)
    assert without.length is None

"""The report: one file, well-formed, without scripts or addresses, honest about what is missing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from dalign.figures import (
    AdmissionRow,
    CardBin,
    CardContent,
    Corrected,
    DropRow,
    ForgettingRow,
    FunnelRow,
    JourneyRow,
    JourneyStep,
    JudgeErrors,
    MetricRow,
    ModelUsed,
    PairRow,
    ReportContent,
    RlStep,
    Share,
    ShiftRow,
    StageRow,
    SubScoreRow,
)
from dalign.report.page import page, write_report

HOSTILE = "</pre><script>alert(1)</script>\u202egnp.exe\x1b[31m\x00\u200b&amp;\"'\ud800"
VOID = {"meta", "circle", "rect", "line", "path"}


def row(arm: str, suite: str, metric: str, value: float | None, **more: Any) -> MetricRow:
    low, high = (None, None) if value is None else (value - 0.02, value + 0.03)
    path = f"evaluate/{arm}/part-00000.parquet"
    return replace(MetricRow(arm, suite, metric, "truth", value, low, high, 321, 7, path), **more)


def pair(metric: str, suite: str, diff: float, low: float, high: float) -> PairRow:
    return PairRow("none", "sft+rl", suite, metric, diff, low, high)


def step(number: int, **more: Any) -> RlStep:
    return RlStep("rl", number, 0.5, 0.25, 0.1, 30.0, 1.0, 0.0, 0.5)._replace(**more)


EMPTY = ReportContent(
    title="a run", created="2026-01-02T03:04:05+00:00", config_toml="", models=[], probes=[], seed=7,
    command="dalign run", funnel=[], drops=[], shifts=[], scores={}, states={}, sub_scores=[], violated={}, admission=[], again=[], curves=[], losses={},
    journeys=[], alarms=[], warnings=[], rows=[], pairs=[], stages=[], elapsed_s=0.0, version="0.1.0",
    spec_sha256="5a", spec_versions={"harassment": "1.2.0"}, templates_sha256="7e", config_sha256="c0",
)  # fmt: skip

CARD = CardContent(
    "b/model", JudgeErrors(Share.of_counts(75, 100), Share.of_counts(90, 100)), 2, 3, 4, 7.0, 0.0, 10.0,
    [CardBin(0.0, 1.0, 0.5, Share.of_counts(20, 80)), CardBin(9.0, 10.0, 9.75, Share.of_counts(80, 120))],
    [
        Corrected("none", "test", "not_unsafe", 0.122, 321, 0.034, 0.001, 0.127, (0.041, 0.002, 0.09)),
        Corrected("sft+rl", "test", "not_unsafe", 0.966, 321, None, None, None),
    ],
)  # fmt: skip

FULL = replace(
    EMPTY,
    card=CARD,
    config_toml="[run]\nseed = 7\n",
    models=[ModelUsed("trained", "a/model", "f1"), ModelUsed("judge", "b/model", "f2")],
    probes=["The template inserts nothing."],
    funnel=[FunnelRow("advice", 95, 190, 180, 170, 60, 41)],
    drops=[DropRow("select", "below_threshold", 1196)],
    shifts=[ShiftRow("advice", 95, 90, 7.5, 4.25, 0.325, None)],
    scores={0.0: 11, 2.0: 33},
    states={"ok": 40, "timed_out": 3},
    sub_scores=[SubScoreRow("training data, soup", {"compliance": 7.25, "helpfulness": None}, 1234)],
    violated={"soup.S1": 3},
    admission=[
        AdmissionRow("soup", 60, Share.of_counts(54, 60), Share.of_counts(21, 27), Share.of_counts(0, 0)),
        AdmissionRow("refuse", 80, Share.of_counts(0, 0), Share.of_counts(0, 0), Share.of_counts(40, 40), (0.321, 0.2, 0.4)),
    ],
    curves=[step(1), step(2), step(3)],
    losses={"sft": [(n, 1.0 / n) for n in (1, 2, 3)]},
    journeys=[
        JourneyRow("ab12", "advice", "user: hi", [JourneyStep("generate", "cd34", "t", {"tokens": 5})])
    ],
    warnings=["Category 'advice' is short."],
    rows=[
        row("none", "test", "not_unsafe", 0.111),
        row("none", "test", "not_unsafe", 0.122, grader="judge"),
        row("none", "test", "not_overrefuse", 0.933),
        row("none", "skills", "capability", 0.844),
        row("sft+rl", "test", "not_unsafe", 0.955),
        row("sft+rl", "test", "not_unsafe", 0.966, grader="judge"),
        row("sft+rl", "test", "not_overrefuse", 0.877),
        row("sft+rl", "skills", "capability", 0.838),
    ],
    pairs=[
        pair("not_unsafe", "test", 0.844, 0.801, 0.882),
        pair("not_overrefuse", "test", -0.056, -0.091, -0.021),
        pair("capability", "skills", -0.006, -0.031, 0.019),
    ],
    stages=[
        StageRow("judge", "main", wall_s=43.96, cpu_s=None, peak_rss_mib=None, rows_in=760, rows_out=759)
    ],
    elapsed_s=319.7,
)  # fmt: skip


def hostile() -> ReportContent:
    """Hostile text wherever a model, a data set or a path could put it."""
    return replace(
        FULL,
        title=HOSTILE, config_toml=HOSTILE, command=HOSTILE, alarms=[HOSTILE], warnings=[HOSTILE], probes=[HOSTILE],
        models=[ModelUsed("trained", HOSTILE, HOSTILE)],
        funnel=[FULL.funnel[0]._replace(category=HOSTILE)],
        drops=[DropRow(HOSTILE, HOSTILE, 1)],
        states={HOSTILE: 1},
        sub_scores=[SubScoreRow(HOSTILE, {HOSTILE: 1.0}, 1)], violated={HOSTILE: 1}, admission=[AdmissionRow(HOSTILE, 1, *[Share.of_counts(0, 0)] * 3)],
        curves=[step(1, arm=HOSTILE)],
        card=replace(CARD, judge=HOSTILE, rows=[Corrected(HOSTILE, HOSTILE, HOSTILE, 0.5, 1, None, None, None)]),
        rows=[row(HOSTILE, HOSTILE, HOSTILE, 0.5, grader=HOSTILE, rows_path="javascript:alert(1)//" + HOSTILE)],
        pairs=[replace(FULL.pairs[0], arm_a=HOSTILE, suite=HOSTILE, metric=HOSTILE)],
        journeys=[JourneyRow(HOSTILE, HOSTILE, HOSTILE, [JourneyStep(HOSTILE, HOSTILE, HOSTILE, {HOSTILE: HOSTILE})])],
    )  # fmt: skip


PAGES = {"empty": EMPTY, "full": FULL, "hostile": hostile()}


class Balance(HTMLParser):
    """Collects elements, attributes and texts; fails on an end tag that closes something else."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data + " "


def parsed(content: ReportContent) -> Balance:
    parser = Balance()
    parser.feed(page(content))
    parser.close()
    return parser


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_well_formed_for_html_and_for_xml(name: str) -> None:
    assert parsed(PAGES[name]).open == []
    ET.fromstring(page(PAGES[name]).removeprefix("<!DOCTYPE html>"))


def test_a_page_names_the_versions_of_the_policy() -> None:
    assert "<dd>harassment 1.2.0</dd>" in page(FULL)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_runs_nothing_and_loads_nothing(name: str) -> None:
    elements = parsed(PAGES[name]).elements
    assert not {tag for tag, _ in elements} & {"script", "img", "link", "iframe", "object", "base"}
    for _, attributes in elements:
        assert not [key for key in attributes if key.startswith("on") or key == "src"]
        assert re.match(r"#[a-z]+$|\./", attributes.get("href") or "./")
    assert not re.search(r"https?:|url\(|@import|//[a-z]", page(PAGES[name]).replace("%3A//", ""))
    policies = [attributes.get("content") or "" for _, attributes in elements]
    assert any(policy.startswith("default-src 'none'") for policy in policies)


def test_hostile_text_stays_text_and_its_hidden_characters_are_written_out() -> None:
    text = page(hostile())
    assert not re.search("[\u202e\u200b\x00\x1b\ud800]", text)
    shown = parsed(hostile()).text
    wanted = "</pre><script>alert(1)</script>\\u202egnp.exe\\u001b[31m\\u0000\\u200b&amp;\"'\\ud800"
    # Title, heading, warning, config, command, prompt, answer and note at least.
    assert shown.count(wanted) >= 8


def test_every_number_of_the_results_appears_with_its_interval_and_its_rows() -> None:
    tables = page(FULL).split("<table>")[1:]
    for one in FULL.rows:
        table = next(t for t in tables if f"Suite {one.suite}<" in t)
        low, value, high = (f"{100 * getattr(one, key):.1f}" for key in ("low", "value", "high"))
        link = f'href="./{one.rows_path.replace("+", "%2B")}"'
        assert re.search(rf"{re.escape(link)}[^>]*>{value}\u202f%", table)
        assert f"[{low}, {high}]" in table
        assert "n 321" in table


def test_the_headline_says_what_improved_and_what_it_cost() -> None:
    text = parsed(FULL).text
    assert "Safety improved. Cost: over-refusal rose; no clear change in capability." in text
    head = text[: text.index("Before you believe")]
    for number in (
        "11.1",
        "95.5",
        "+84.4",
        "[+80.1, +88.2]",
        "93.3",
        "87.7",
        "\u25bc worse",
        "\u2248 unclear",
    ):
        assert number in head


def test_a_loss_on_a_second_suite_is_not_hidden_by_the_first() -> None:
    more = [row("none", "coded", "not_unsafe", 0.5), row("sft+rl", "coded", "not_unsafe", 0.25)]
    lost = pair("not_unsafe", "coded", -0.25, -0.31, -0.19)
    content = replace(FULL, rows=[*FULL.rows, *more], pairs=[*FULL.pairs, lost])
    assert "Safety improved (but worse on coded)." in parsed(content).text


def test_a_missing_pair_leaves_the_claim_open() -> None:
    text = parsed(replace(FULL, pairs=[])).text
    assert "Safety was not compared. Cost not fully known:" in text
    assert "nothing can be paired" in text


def test_without_a_trained_arm_the_page_says_so() -> None:
    rows = [row("none", "test", "not_unsafe", 0.1), row("spec", "test", "not_unsafe", 0.9)]
    assert "No trained arm was evaluated." in parsed(replace(FULL, rows=rows)).text


def test_a_missing_value_is_not_measured_and_never_a_number() -> None:
    rows = [row("none", "test", "not_unsafe", None), row("sft+rl", "test", "not_unsafe", 0.5)]
    lost = replace(FULL.pairs[0], diff=None, low=None, high=None)
    steps = [step(n, truth=None, judged_share=None, length=None) for n in (1, 2)]
    text = parsed(replace(FULL, rows=rows, pairs=[lost], curves=steps)).text
    assert not re.search(r"\b(None|nan)\b", text)
    assert text.count("not measured") >= 6
    assert "reward or truth was not measured" in text
    assert "Completion length, tokens: not measured." in text


def test_empty_parts_are_sentences_and_not_empty_figures() -> None:
    reader = parsed(EMPTY)
    assert not [tag for tag, _ in reader.elements if tag in ("svg", "table")]
    for sentence in (
        "Nothing was evaluated in this run",
        "no training data was made",
        "No arm of this run was trained with RL.",
        "No arm of this run was trained with SFT.",
        "No completion was judged",
        "No row was followed.",
    ):
        assert sentence in reader.text


def test_every_figure_has_a_title_and_a_description() -> None:
    names = [name for name, _ in parsed(FULL).elements]
    figures = [names[n + 1 : n + 3] for n, name in enumerate(names) if name == "svg"]
    assert len(figures) >= 8
    assert all(found == ["title", "desc"] for found in figures)


def test_states_of_judgements_stand_apart_from_scores() -> None:
    text = page(FULL)
    scores, states = (
        text[m.start() :].split("</svg>")[0]
        for m in re.finditer("<svg[^>]*><title>S(cores|tates) of", text)
    )
    assert "timed out" in states and "timed out" not in scores
    assert "3 (7.0\u202f%)" in states  # 3 of 43


def test_texts_of_models_are_folded() -> None:
    text = page(FULL)
    assert "<details><summary>" in text and "<details open" not in text
    for block in re.finditer("<pre", text):
        before = text[: block.start()]
        assert before.count("<details>") > before.count("</details>")


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        write_report(replace(FULL), tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_an_alarm_stands_above_everything_and_the_page_has_no_box_without_one() -> None:
    alarm = "Arm sft: 12 of 40 completions are missing."
    reader = parsed(replace(FULL, alarms=[alarm]))
    assert reader.text.index(alarm) < reader.text.index("Safety improved")
    assert ("section", {"class": "alarms", "role": "alert"}) in reader.elements
    assert "alarms" not in [attributes.get("class") for _, attributes in parsed(FULL).elements]


def test_what_was_forgotten_is_a_table_and_beyond_the_bound_an_alarm():
    rows = [
        ForgettingRow("sft", "repeat", ("sft",), 0.25, -0.01, 0.4, 90),
        ForgettingRow("sft+rl", "repeat", ("sft", "sft+rl"), -0.125, -0.2, None, 90),
        ForgettingRow("rl", "other", ("rl",), None, None, None, 9),
    ]
    text = page(replace(FULL, forgetting=rows, forgotten=["arm sft has forgotten 25.0 %."]))
    assert "25.0\u202f%" in text and "[\u22121.0, 40.0]" in text
    assert "\u221212.5\u202f%" in text and "the base has nothing right here" in text
    alarm = text.index("arm sft has forgotten 25.0 %.")
    assert text.index('class="alarms"') < alarm < text.index("Forgetting</h3>")
    assert "Forgetting</h3>" not in page(FULL)


def test_a_cell_says_how_many_of_its_completions_are_missing() -> None:
    rows = [
        row("none", "test", "not_unsafe", 0.5, missing=3),
        row("sft", "test", "not_unsafe", 0.5),
    ]
    text = parsed(replace(FULL, rows=rows)).text
    assert "n 321, 3 missing" in text and text.count("missing") == 1


@pytest.mark.parametrize(
    ("facts", "note"),
    [
        ({}, ""),
        ({"sample": 1, "state": "ok", "score": 8.0}, "sample 1, state ok, score 8"),
        ({"score": None}, "score missing"),
        ({"peak_mib": 0.125}, "peak mib 0.125"),
    ],
)
def test_the_facts_of_a_step_make_a_line(facts: dict[str, Any], note: str) -> None:
    assert JourneyStep("judge", "a", "", facts).note == note


def test_shifts_stand_with_the_training_data_where_a_run_chose_by_them() -> None:
    text = parsed(FULL).text
    assert "Shift of the policy by category" in text and "7.50" in text
    assert "Shift of the policy" not in page(EMPTY)


def test_sub_scores_and_violated_clauses_stand_beside_the_scores() -> None:
    text = page(FULL)
    for words in (
        "training data, soup",
        "compliance",
        "7.25",
        "soup.S1",
        "Clauses that single judgements found violated",
    ):
        assert words in text
    assert "sub-scores" not in page(EMPTY)


def test_the_judge_beside_people_is_told_with_its_card() -> None:
    text = " ".join(parsed(FULL).text.split())
    assert "b/model , asked 2 times about each of 200 answers that 3 people labelled. From 7 on, of 0 to 10, an answer passes." in text  # fmt: skip
    # 165 of 200 agreed; half of them by chance.
    assert "82.5 % [76.6, 87.1]" in text and " 0.65 " in text
    assert "75.0 %" in text and "90.0 %" in text
    assert "12.2 % 3.4 % [0.1, 12.7]" in text
    assert "96.6 % not known the judge is no better than chance" in text
    assert "scores 9 to 10, mean 9.75: people pass 66.7 % [57.8, 74.5] of 120" in text


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (None, "No card of the judge was given (evaluate.judge_card)"),
        (replace(CARD, diagram=[]), "The card holds no reliability diagram."),
        (replace(CARD, rows=[]), "The judge graded nothing that its card tells of."),
        (replace(CARD, raters=None, judge_k=1), "asked once about each of 200 answers that people labelled"),
        (CARD, "the score from which an answer passes; scores are of 4 judgements an answer"),
        (replace(CARD, raters=1), "answers that 1 person labelled"),
    ],
)  # fmt: skip
def test_what_a_card_lacks_is_said(card: CardContent | None, said: str) -> None:
    assert said in " ".join(parsed(replace(FULL, card=card)).text.split())

"""The section on the judge beside people: its card, and what the rates that it measured stand for."""

from __future__ import annotations

from dalign.figures import CardContent, ReportContent
from dalign.report import tables
from dalign.report.markup import Markup, join, tag
from dalign.report.reliability import reliability
from dalign.report.words import count


def calibration(content: ReportContent) -> Markup:
    """What the card of the run's judge says of it, and of the rates that it measured."""
    card = content.card
    if card is None:
        none = "No card of the judge was given (evaluate.judge_card), so how far it errs beside people is not known; dalign judge calibrate makes one of answers that people have labelled."
        return tag("p", none)
    return join(tag("p", _of_whom(card)), tables.errors_table(card), _diagram(card), _rates(card))


def _of_whom(card: CardContent) -> Markup:
    by = (
        "people"
        if card.raters is None
        else "1 person"
        if card.raters == 1
        else f"{count(card.raters)} people"
    )
    asked = "once" if card.judge_k == 1 else f"{count(card.judge_k)} times"
    return join(
        "The card is of the judge ",
        tag("code", card.judge),
        f", asked {asked} about each of {count(card.errors.agreement.n)} answers that {by} labelled. From {card.threshold:g} on, of {card.low:g} to {card.high:g}, an answer passes.",
    )


def _diagram(card: CardContent) -> Markup:
    if not any(each.passing.n for each in card.diagram):
        return tag("p", "The card holds no reliability diagram.")
    hint = ": dots stand at the mean of their scores and at the share that people pass, with its 95 % interval; dashed: a judge whose score is that share; upright: the score from which an answer passes"
    if card.drawn not in (None, card.judge_k):
        hint += f"; scores are of {card.drawn} judgements an answer"
    figure = reliability(card.diagram, card.low, card.high, card.threshold)
    return tag("figure", tag("figcaption", tag("b", "Reliability"), hint), figure)


def _rates(card: CardContent) -> Markup:
    head = tag("h3", "Rates that the judge measured")
    if not card.rows:
        return join(head, tag("p", "The judge graded nothing that its card tells of."))
    note = (
        "What the judge's own rate stands for, if it errs here as it does on the labelled answers (Rogan and Gladen 1978); the 95 % interval "
        "(Lang and Reiczigel 2014) takes in how few answers were labelled, and prompts as independent trials. Of answers that the judge has seen: completions that fail by their form are not among them. Where these prompts are of another kind than the labelled ones, so may its errors be. "
        "By the labels: the judge's rate less its mean error on the labelled answers (prediction-powered, Angelopoulos et al. 2023), for labelled answers that are a draw of answers like these."
    )
    return join(head, tag("p", note, class_="note"), tables.corrected_table(card.rows))

"""Writes the report: one HTML file with its own style and figures, no script, and nothing to load."""

from __future__ import annotations

from pathlib import Path

from dalign.report import sections
from dalign.report.content import ReportContent
from dalign.report.headline import headline
from dalign.report.markup import Markup, join, tag
from dalign.report.style import STYLE
from dalign.report.words import seconds
from dalign.store.whole_files import write_text

# Even if a text slipped through the escaping, the browser may run and load nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write_report(content: ReportContent, path: Path) -> None:
    """Writes the page; the file is whole or not there. Equal content gives equal bytes."""
    write_text(path, page(content))


def page(content: ReportContent) -> str:
    """The whole page as text, well-formed as HTML and as XML."""
    parts = [
        ("results", "Results", sections.results(content)),
        ("differences", "Paired differences", sections.differences(content)),
        ("data", "From prompts to examples", sections.data(content)),
        ("judgements", "Judgements", sections.judgements(content)),
        ("training", "Training", sections.training(content)),
        ("journeys", "Journeys of single rows", sections.journeys(content)),
        ("costs", "Time and memory", sections.costs(content)),
        ("provenance", "Provenance", sections.provenance(content)),
    ]
    links = [tag("a", name, href=f"#{key}") for key, name, _ in parts]
    body = [
        tag("header", tag("h1", content.title), _about(content)),
        tag(
            "main",
            sections.alarms(content),
            headline(content),
            sections.warnings(content),
            tag("nav", *links),
            *map(_part, parts),
        ),
    ]
    return f"<!DOCTYPE html>\n{tag('html', _head(content), tag('body', *body), lang='en')}\n"


def _head(content: ReportContent) -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", content.title),
        tag("style", Markup(STYLE)),
    )


def _about(content: ReportContent) -> Markup:
    words = (
        f"dalign {content.version} · written {content.created} · seed {content.seed} · "
        f"{seconds(content.elapsed_s)} of work"
    )
    return tag("p", words, class_="note")


def _part(part: tuple[str, str, Markup]) -> Markup:
    key, name, body = part
    return tag("section", tag("h2", name), join(body), id=key)

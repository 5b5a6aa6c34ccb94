"""Writes the report: one HTML file with its own style and figures, no script, and nothing to load."""

from __future__ import annotations

from pathlib import Path

from dalign.figures import ReportContent
from dalign.report import sections
from dalign.report.calibration import calibration
from dalign.report.headline import headline
from dalign.report.markup import Markup, tag
from dalign.report.style import STYLE
from dalign.report.words import seconds
from dalign.store.whole_files import write_text

# Even if a text slipped through the escaping, the browser may run and load nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
SECTIONS = {
    "Results": sections.results,
    "Paired differences": sections.differences,
    "The judge beside people": calibration,
    "From prompts to examples": sections.data,
    "Judgements": sections.judgements,
    "Training": sections.training,
    "Journeys of single rows": sections.journeys,
    "Time and memory": sections.costs,
    "Provenance": sections.provenance,
}


def write_report(content: ReportContent, path: Path) -> None:
    """Writes the page; the file is whole or not there. Equal content gives equal bytes."""
    write_text(path, page(content))


def page(content: ReportContent) -> str:
    """The whole page as text, well-formed as HTML and as XML."""
    about = (
        f"dalign {content.version} · written {content.created} · seed {content.seed} · "
        f"{seconds(content.elapsed_s)} of work"
    )
    # A section's id is the name of the function that makes it.
    links = [tag("a", name, href=f"#{part.__name__}") for name, part in SECTIONS.items()]
    parts = [
        tag("section", tag("h2", name), part(content), id=part.__name__)
        for name, part in SECTIONS.items()
    ]
    above = (sections.alarms(content), headline(content), sections.warnings(content))
    body = [
        tag("header", tag("h1", content.title), tag("p", about, class_="note")),
        tag("main", *above, tag("nav", *links), *parts),
    ]
    return f"<!DOCTYPE html>\n{tag('html', _head(content.title), tag('body', *body), lang='en')}\n"


def _head(title: str) -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )

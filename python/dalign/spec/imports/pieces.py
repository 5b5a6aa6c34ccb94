"""What a text adds to a rule: labels, examples and a title are taken out of it, and the rest is said in plain words."""

from __future__ import annotations

import re

from dalign.spec.imports.document import plain, quoted, sentences
from dalign.spec.imports.draft import Rule, prompts_in
from dalign.spec.imports.labels import Said, cued, label, leading_label, trailing_label
from dalign.spec.types import SEVERITIES

_SEVERITY = re.compile(r"\bseverity\s*[:=]?\s*(\w+)|\b(low|medium|high|critical) severity\b", re.IGNORECASE)  # fmt: skip
_SIDED = re.compile(r"(?:label|answer|verdict|output|expected|→|->|=>)\W{0,4}(?P<label>[01]|valid|invalid)\b", re.IGNORECASE)  # fmt: skip
# A label inside of a text: what follows it is ruled by it, so two of them are two rules.
_INNER = re.compile(r"(?:^|(?<=[.;!?]))\s*(?P<label>[A-Z][A-Za-z'’ -]{2,30}?)\s*:")
# A question and what is answered to it.
_ANSWERED = re.compile(r"Q(?:uestion)?\s*:.*?\bA(?:nswer)?\s*:\s*(?P<answer>[^.,;!]+)", re.DOTALL)
_EMPTY_EXAMPLE = re.compile(r"\s*(?:^|(?<=[.;)\s]))(?:e\.g\.|for example|for instance|examples?)\s*[:,]?\s*$", re.IGNORECASE)  # fmt: skip


def take_in(rule: Rule, text: str, *, titled: bool = False) -> None:
    """Takes a text into a rule: labels out of its start and its end, quotations to its examples."""
    rule.severity = rule.severity or severity_in(text)
    text, inline = _inline_examples(text)
    rule.examples += inline
    text, mark, shown = _split_example(text)
    if mark:
        rule.examples += [(prompt, side_of(shown)) for prompt in prompts_in(shown)]
        shown = re.sub(r"[\"“][^\"”]*[\"”]", "", shown).strip(" .,;/")
        text = f"{text.rstrip()} {shown}".rstrip()
    text = _EMPTY_EXAMPLE.sub("", text)
    if trailing := trailing_label(text):
        rule.label(trailing[0])
        text = trailing[1]
    text = _without_labels(rule, text)
    for inner in _INNER.finditer(text):
        if said := label(inner["label"]):
            rule.label(said)
    if match := _ANSWERED.match(text):
        said = label(match["answer"])
        if said:
            rule.label(said)
    if titled:
        rule.title, text = _titled(text)
        if bracket := _bracket_label(rule.title):
            rule.label(bracket[0])
            rule.title = bracket[1]
        if led := leading_label(text):
            rule.label(led[0])
            text = led[1]
    if cleaned := clean(text):
        rule.texts.append(cleaned)


def _inline_examples(text: str) -> tuple[str, list[tuple[str, Said | None]]]:
    """A text without quotations that a label of their own stands before, and these with it."""
    found: list[tuple[str, Said | None]] = []

    def take(match: re.Match[str]) -> str:
        said = label(re.sub(r"\bexamples?\b", "", match["label"], flags=re.IGNORECASE))
        if said is None:
            return match[0]
        found.extend((prompt, said) for prompt in quoted(match["quote"]))
        return " "

    pattern = r"(?:(?<=[.;,(|\s])|^)(?P<label>[A-Za-z][A-Za-z'’ -]{1,24}?)\s*[:–—]\s*(?P<quote>[\"“][^\"“”]+[\"”][.;,)]?)"
    return re.sub(pattern, take, text).strip(), found


def _without_labels(rule: Rule, text: str) -> str:
    """A text without the sentences that are a label in capitals, which the rule takes."""
    kept = []
    for sentence in sentences(text):
        said = label(sentence) if sentence.isupper() else None
        if said:
            rule.label(said)
        else:
            kept.append(sentence)
    return text if len(kept) == len(sentences(text)) else " ".join(kept)


def title_of(text: str) -> str:
    """The first words of a rule."""
    words = re.split(r"[.;:–—(\"“?!]", plain(text).lstrip("- "), maxsplit=1)[0].split()
    return " ".join(words[:7]).rstrip(",") or "Rule"


def _split_example(text: str) -> tuple[str, str, str]:
    """A text, and the examples that end it."""
    match = re.search(r"(?:^|(?<=[.;)\s]))(?:e\.g\.|for example|for instance|examples?)\b[:,]?\s*(?=[\"“])", text, re.IGNORECASE)  # fmt: skip
    return (text[: match.start()], match[0], text[match.end() :]) if match else (text, "", "")


def clean(text: str) -> str:
    """The text on one line; nothing in it is read as one of dalign's own marks."""
    bullet = text.startswith("- ")
    bare = plain(text.removeprefix("- ")).strip(" |").lstrip("#").replace("*", "").strip()
    # A word and a colon at the start of a bullet would be a label.
    return "- " + re.sub(r"^(\w+):", r"\1 –", bare) if bullet and bare else bare


def severity_in(text: str) -> str:
    match = _SEVERITY.search(text)
    said = (match[1] or match[2]).casefold() if match else ""
    return said if said in SEVERITIES else ""


def _titled(text: str) -> tuple[str, str]:
    """Title and text of a coded rule: what stands before a dash or a colon is the title where it is short."""
    bare = plain(text)
    match = re.match(r"(?P<title>[^.:;–—?!\"“]{2,70}?)\s*(?::|–|—|\s-\s|\.\s(?=\S))\s*(?P<text>\S.*)$", bare, re.DOTALL)  # fmt: skip
    if match and len(match["title"].split()) <= 7 and not cued([match["title"]])[1]:
        return match["title"].strip("() "), match["text"]
    return title_of(bare), text


def _bracket_label(title: str) -> tuple[Said, str] | None:
    for match in re.finditer(r"\s*[\[(]([^\])]{2,40})[\])]", title):
        if said := label(match[1]):
            return said, (title[: match.start()] + title[match.end() :]).strip()
    return None


def side_of(text: str) -> Said | None:
    """The label of an example, before or behind what it quotes."""
    if match := _SIDED.search(text):
        return Said("comply" if match["label"].casefold() in ("0", "valid") else "refuse", match[0])
    first, last = text.find('"'), text.rfind('"')
    if first < 0:
        first, last = text.find("“"), text.rfind("”")
    before, behind = (text[:first], text[last + 1 :]) if first >= 0 else ("", text)
    before = re.sub(r"\bexamples?\b(?: \d+)?", "", before, flags=re.IGNORECASE)
    return label(before) or label(behind)

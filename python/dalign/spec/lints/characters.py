"""Characters of a policy's files that nobody sees, or that turn what is seen around."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from dalign.spec.files import PATTERNS
from dalign.spec.findings import Finding, SourceError
from dalign.spec.outline import read_source
from dalign.spec.types import Spec
from dalign.text import hidden

# They join letters and choose how a sign is drawn, as some scripts and emoji need it.
_JOINERS = frozenset("\u200c\u200d\ufe0e\ufe0f")


def hidden_characters(spec: Spec) -> Iterator[Finding]:
    """Kind `hidden-character`: a finding for each such character of a line, by its code point and its first place."""
    for path in sorted(path for pattern in PATTERNS for path in spec.folder.glob(pattern)):
        try:
            source = read_source(spec.folder, path)
        except SourceError:
            # Told of where the file is read.
            continue
        for line in source.lines:
            for column, character in hidden(line.text):
                if character not in _JOINERS:
                    name = unicodedata.name(character, "a control character")
                    text = f"U+{ord(character):04X} ({name}) stands in column {column + 1}, where no reader sees it; delete it, or write what it is to say"
                    yield Finding(path, line.number, "hidden-character", text)

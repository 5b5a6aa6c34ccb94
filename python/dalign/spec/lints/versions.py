"""Versions that are not semantic, and changelogs that do not tell of the version in force."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from dalign.spec.findings import Finding
from dalign.spec.golden import GoldenCase
from dalign.spec.principles import FILE
from dalign.spec.types import Change, Place, Spec

_SEMANTIC = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?")


def versions(spec: Spec, _golden: Sequence[GoldenCase]) -> Iterator[Finding]:
    """Kinds `version` and `changelog`."""
    principles = spec.principle
    if principles.version:
        yield from _of_file(spec, FILE, principles.version, principles.changelog, principles.front)
    for category in spec.categories:
        yield from _of_file(
            spec, category.place.file, category.version, category.changelog, category.front
        )


def _of_file(
    spec: Spec,
    file: str,
    version: str,
    changelog: Sequence[Change],
    front: Mapping[str, Place],
) -> Iterator[Finding]:
    line = front["version"].line if "version" in front else 1
    if "version" in front and not _SEMANTIC.fullmatch(version):
        text = (
            f"version {version!r} is not of the form MAJOR.MINOR.PATCH; write one such as '1.0.0'"
        )
        yield Finding(spec.folder / file, line, "version", text)
    if version not in {change.version for change in changelog}:
        text = f"the changelog does not tell of version {version}; add '- {version}: what changed' below '## Changelog'"
        yield Finding(spec.folder / file, line, "changelog", text)

"""What is wrong with a quota file: its place and a kind, so that programs can tell."""

from __future__ import annotations

from pathlib import Path

import pytest
from dalign.balance import Quota, read_quotas, wanted_draw
from dalign.errors import InputError


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (None, "unreadable_file"),
        ("{", "syntax"),
        ("[]", "wrong_type"),
        ('{"totl": 1}', "unknown_key"),
        ('{"total": -1}', "wrong_type"),
        ('{"categories": []}', "wrong_type"),
        ('{"categories": {"a": 1}}', "wrong_type"),
        ('{"categories": {"a": {"most": 1}}}', "unknown_key"),
        ('{"clauses": {"a": {"max": 0.5}}}', "wrong_type"),
        ('{"clauses": {"a": {"weight": true}}}', "wrong_type"),
    ],
)
def test_a_quota_file_that_cannot_be_read_has_a_kind_and_its_path(
    text: str | None, kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "quota.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError) as met:
        read_quotas(path)
    assert (met.value.kind, met.value.path) == (kind, path)
    assert str(met.value).startswith(f"{path}: ")


@pytest.mark.parametrize(("by", "kind"), [(["clas"], "unknown_choice"), (None, "not_valid")])
def test_a_draw_by_nothing_has_a_kind(by: list[str] | None, kind: str) -> None:
    with pytest.raises(InputError) as met:
        wanted_draw(by, {"category": "category"}, Quota(), None, None, rarest=False, seed=0)
    assert met.value.kind == kind

"""The quality of a batch's completions: its fields brought to the limits."""

from __future__ import annotations

from dalign.data.quality import Quality
from dalign.data.row_checks import Form, parsed_parts
from dalign.files.batch import Batch, Decision


class QualityCheck:
    """Drops completions that break a limit. `prompt_field`: the user's words; None where a row has none."""

    def __init__(self, form: Form, quality: Quality, prompt_field: str | None) -> None:
        self._form, self._quality, self._prompt_field = form, quality, prompt_field

    def __call__(self, batch: Batch) -> Decision:
        """The decision on a batch, as `Quality.decide`."""
        parts = parsed_parts(batch, self._form)
        own = (
            parts["answer"].clear(batch.rows).fill_null("")
            if self._prompt_field is None
            else batch.texts(self._prompt_field)
        )
        return self._quality.decide(own, parts)

"""What a plan says of memory: a row for each kind of work at its fullest, beside what GPUs have."""

from __future__ import annotations

from collections.abc import Sequence

from dalign.cli.terminal import tell, tell_table
from dalign.config import Model
from dalign.figures import PARTS, Moment
from dalign.models.devices import CUDA

_GB = 1e9
# GB of the GPUs that models of some billions are mostly trained on: A100 and H100, H200.
GPUS = (80, 141)


def memory_rows(moments: Sequence[Moment] | None) -> list[dict[str, object]] | None:
    """The same for programs, in bytes; None: the model's sizes are not known."""
    if moments is None:
        return None
    return [
        {
            "stage": moment.stage,
            "parts": {part: round(size) for part, size in moment.parts.items()},
            "total": round(moment.total),
            "fits": {str(gpu): moment.total <= gpu * _GB for gpu in GPUS},
        }
        for moment in moments
    ]


def tell_memory(moments: Sequence[Moment] | None, model: Model, devices: int = 1) -> None:
    """Prints the table; a line where all of it is small, or nothing is known. devices: that train together."""
    if moments is None:
        tell("memory of a GPU: not known, as the checkpoint's files do not tell the model's sizes")
        return
    if not moments:
        return
    if max(moment.total for moment in moments) < _GB:
        tell("memory of a GPU: below 1 GB")
        return
    parts = [part for part in PARTS if any(_shown(m.parts.get(part, 0)) for m in moments)]
    gpus = [f"of {gpu}" for gpu in GPUS]
    heads = ["memory of a GPU, GB", *parts, "in all", *gpus]
    rows = [
        (
            moment.stage,
            *(_shown(moment.parts.get(part, 0)) for part in parts),
            f"{moment.total / _GB:,.1f}",
            *("fits" if moment.total <= gpu * _GB else f"needs {moment.total / _GB:,.0f}" for gpu in GPUS),
        )
        for moment in moments
    ]  # fmt: skip
    tell_table(heads, rows, right=set(heads[1:]))
    where = "" if model.device.startswith(CUDA) else ", computed in bfloat16"
    together = "" if devices == 1 else f" of the {devices} that train together"
    tell(
        f"at the fullest on one GPU{together}{where}, with completions as long as they may be; some GB that the device keeps for itself are not counted"
    )


def _shown(size: float) -> str:
    gb = f"{size / _GB:,.1f}"
    return "" if gb == "0.0" else gb

"""`dalign data pack`: the packing of a run's examples, over a file of rows."""

from __future__ import annotations

from pathlib import Path

from dalign.errors import InputError
from dalign.files.sift import Counts, FileJob
from dalign.models.tokenizer import open_tokenizer
from dalign.pack.file_rows import Render, buffered_tokens, file_capacity, pack_file
from dalign.pack.packer import Packer


def pack_rows(
    job: FileJob,
    tokenizer: Path,
    capacity: int,
    over_long: str,
    buffer_tokens: int | None,
    end: str,
) -> tuple[Counts, dict[str, float]]:
    """Tokenises and packs the rows of a file into bins of `capacity` tokens; what the bins hold is told beside the counts."""
    rule = file_capacity(capacity, over_long)
    buffer = buffer_tokens or buffered_tokens(job)
    packer = Packer(open_tokenizer(tokenizer).encode, rule, buffer)
    counts = pack_file(job, packer, lambda: _renderer(tokenizer), end=end)
    return counts, vars(packer.tally) | {"padding": round(packer.padding, 6)}


def _renderer(folder: Path) -> Render:
    """The chat template of a checkpoint: the conversation up to the last turn, then that turn."""
    from dalign.models.checkpoint import load_tokenizer
    from dalign.models.render import Renderer

    if not folder.is_dir():
        raise InputError(
            f"{folder}: rows with messages need a chat template; give the checkpoint's folder as --tokenizer"
        )
    return Renderer(load_tokenizer(folder, False)).turn

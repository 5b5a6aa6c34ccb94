"""`dalign data pack`: opens the tokenizer, packs, tells the counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from dalign.cli.data.told import tell
from dalign.errors import InputError
from dalign.files.sift import FileJob
from dalign.models.tokenizer import open_tokenizer
from dalign.pack.file_rows import Render, buffered_tokens, pack_file
from dalign.pack.packer import Capacity, OverLong, Packer

OVER_LONG: tuple[OverLong, ...] = get_args(OverLong)


def pack_rows(
    job: FileJob,
    tokenizer: Path,
    capacity: int,
    over_long: str,
    buffer_tokens: int | None,
    end: str,
    *,
    as_json: bool,
) -> None:
    """Tokenises and packs the rows of a file into bins of `capacity` tokens."""
    rule = next((rule for rule in OVER_LONG if rule == over_long), None)
    if rule is None:
        raise InputError(f"--over-long {over_long}: choose {', '.join(OVER_LONG)}")
    way_out = "raise it, or give --over-long drop or mask"
    packer = Packer(
        open_tokenizer(tokenizer).encode,
        Capacity(capacity, rule, f"--capacity {capacity}", way_out),
        buffer_tokens or buffered_tokens(job),
    )
    counts = pack_file(job, packer, lambda: _renderer(tokenizer), end=end)
    more = vars(packer.tally) | {"padding": round(packer.padding, 6)}
    tell(job, counts, as_json=as_json, **more)


def _renderer(folder: Path) -> Render:
    """The chat template of a checkpoint: the conversation up to the last turn, then that turn."""
    if not folder.is_dir():
        raise InputError(
            f"{folder}: rows with messages need a chat template; give the checkpoint's folder as --tokenizer"
        )
    from dalign.models.checkpoint import load_tokenizer

    tokenizer = load_tokenizer(folder, False)

    def render(messages: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
        turns = [dict(turn) for turn in messages]
        prompt = tokenizer.apply_chat_template(
            turns[:-1], add_generation_prompt=True, tokenize=False
        )
        whole = tokenizer.apply_chat_template(turns, tokenize=False)
        if not whole.startswith(prompt):
            raise InputError(
                "the chat template writes the conversation otherwise once it is answered; render it yourself into segments"
            )
        return prompt, whole[len(prompt) :]

    return render

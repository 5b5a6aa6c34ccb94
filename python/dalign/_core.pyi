"""The parts of dalign that touch every byte, written in Rust, over Arrow columns.

A *column* is a polars Series, a pyarrow Array or ChunkedArray, any other object with
``__arrow_c_stream__`` or ``__arrow_c_array__``, or a one-dimensional numpy array. Text columns may
be Utf8, LargeUtf8, Utf8View or dictionaries of these (categories); whole numbers may have any width that holds their values. An empty
polars Series needs its type (``pl.Series([], dtype=pl.String)``). Results
with several columns are Arrow tables: ``polars.DataFrame(table)`` reads one without a copy and
without pyarrow.

Every function releases the GIL and works on as many threads as ``RAYON_NUM_THREADS`` says (all
cores unless set); the result never depends on that number.
"""

from collections.abc import Sequence
from os import PathLike
from typing import Protocol, TypeAlias, final, type_check_only

import numpy as np
import numpy.typing as npt

__all__ = [
    "Balancer",
    "CoreError",
    "JsonlBatch",
    "JsonlReader",
    "LineWriter",
    "Markers",
    "NearCandidates",
    "NearIndex",
    "NgramIndex",
    "Pattern",
    "RowFilter",
    "TablePacker",
    "Tokenizer",
    "ZstdReader",
    "__version__",
    "aggregate",
    "bootstrap_difference",
    "bootstrap_mean",
    "digest",
    "exact_duplicates",
    "first_leak",
    "journal_lines",
    "krippendorff_alpha",
    "near_duplicates",
    "parse_completions",
    "parse_judgements",
    "parse_verdicts",
    "position_ids",
    "quality",
    "quality_reasons",
    "row_id",
    "row_ids",
    "split_half",
    "unsettled_rows",
    "word_weights",
]

__version__: str

@type_check_only
class _ArrowStream(Protocol):
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...

@type_check_only
class _ArrowArray(Protocol):
    def __arrow_c_array__(
        self, requested_schema: object | None = None
    ) -> tuple[object, object]: ...

@type_check_only
class _Readable(Protocol):
    def read(self, most: int, /) -> bytes: ...

@type_check_only
class _Table(_ArrowStream, Protocol):
    """An Arrow table; give it to ``polars.DataFrame`` or ``pyarrow.table``."""

    @property
    def num_rows(self) -> int: ...
    @property
    def column_names(self) -> list[str]: ...

@type_check_only
class _Texts(_ArrowArray, Protocol):
    """An Arrow array of texts; give it to ``polars.Series`` or ``pyarrow.array``."""

    def __len__(self) -> int: ...

@type_check_only
class _Lists(_ArrowArray, Protocol):
    """An Arrow array of lists; give it to ``polars.Series`` or ``pyarrow.array``."""

    def __len__(self) -> int: ...

_Column: TypeAlias = _ArrowStream | _ArrowArray | npt.NDArray[np.generic]

class CoreError(ValueError):
    """Input that the core refuses: which row, which value, which limit, and what to do."""

    kind: str
    """The cause, to be matched on: ``row_too_long``, ``empty_loss_mask``, ``null``, ..."""
    row: int | None
    """The first row at fault, counted from 0; None where no row is."""
    value: float | None
    """The value that was refused, where there is one."""
    limit: float | None
    """The limit that the value had to keep, where there is one."""

def parse_completions(
    texts: _Column,
    open_tag: str | None,
    close_tag: str | None,
    prefilled: bool | None,
    truncated: _Column,
    control: list[str] | None = None,
) -> _Table:
    """Status, reasoning and answer of each completion.

    open_tag, close_tag: what the model writes around its reasoning; None for both when the whole
    reply is the answer. prefilled: the chat template already wrote the open tag, so replies come
    without it; None: each reply tells by itself. truncated: booleans, whether generation stopped at
    the token limit. control: tokens that no part may hold; None: all that have the shape of one that
    begins or ends a turn, ``</s>`` and other tags of HTML at the very end alone.

    Returns columns ``status``, ``reasoning``, ``answer``, all texts, the last two trimmed. The
    status is ``ok`` or the first defect met:

    - ``truncated``: the token limit, wherever that was; goes before every other status;
    - ``no_tags``: no tag at all; the whole reply is the answer;
    - ``unclosed``: reasoning that no tag closes; the answer is empty;
    - ``unopened``: a close tag and no open tag; reasoning before it, answer after it;
    - ``wrong_order``: a close tag, or other text, before the open tag; both parts are empty;
    - ``nested``: a second open tag before the close tag; both parts are empty;
    - ``repeated``: a tag after the reasoning was closed; both parts are empty;
    - ``empty_answer``: nothing that shows after the close tag (nor, without tags, at all);
    - ``empty_reasoning``: an answer, and nothing between the tags;
    - ``control_token``: a control token in reasoning or answer; both parts are empty.

    The answer never holds text that a tag marks as reasoning.

    Raises CoreError: ``bad_tags`` (one tag without the other, blank, or one inside the other),
    ``length_mismatch``, ``null``.
    """

def exact_duplicates(texts: _Column) -> npt.NDArray[np.uint32]:
    """For each row, the first row with the same text up to white space.

    Row i is the one to keep where ``result[i] == i``. Texts are compared trimmed, with each run of
    white space as one space, by 128 bits of XXH3.

    Raises CoreError: ``null``, ``too_many_rows`` (above 2³² − 1).
    """

def near_duplicates(
    texts: _Column,
    ngram: int,
    permutations: int,
    bands: int,
    threshold: float,
    scores: _Column | None,
) -> tuple[npt.NDArray[np.uint32], _Table]:
    """For each row the row that stands for its group of near-duplicates, and the pairs that join groups.

    Two rows are near-duplicates when the Jaccard similarity of their sets of shingles is at least
    threshold, in (0, 1]. A shingle is ngram words in a row; words stand between white space, and each
    character of a script without spaces is one. A text of fewer words has one shingle, all of them.

    Candidates come from MinHash signatures of so many permutations, cut into so many bands (which
    divide them): a pair of similarity J is looked at with a chance of 1 − (1 − J^r)^bands, with r =
    permutations / bands. Every candidate is then compared by its sets, so no pair is reported below
    the threshold.

    A row is kept if it is its own representative: the best scored of its group, the first among
    equals; without scores the first. A null score is below every other. Groups are what pairs
    connect, also in several steps.

    The pairs have the columns ``a`` < ``b`` (rows) and ``jaccard``. Of rows that are equal byte for
    byte, the later ones are paired with the first only; where more than 32 rows share a band, each
    is compared with eight of them there: time stays linear in the rows.

    Raises CoreError: ``bad_ngram``, ``bad_bands``, ``bad_threshold``, ``null``, ``length_mismatch``.
    """

@final
class NearIndex:
    """Near-duplicates of a file that does not fit into memory, in two readings; see ``near_duplicates``.

    ::

        index = NearIndex(5, 256, 32, 0.7)
        for batch in batches:                        # first reading: signatures only
            index.add(batch)
        candidates = index.candidates()
        while (rows := candidates.wanted(100_000)) is not None:
            candidates.verify(texts_of(rows))        # second reading: the candidates' texts
        representatives, pairs = candidates.finish(None)

    Keeps 4 · bands + 16 bytes a row, and about 70 more while candidates are sought: 212 with 32 bands,
    measured. Gives what ``near_duplicates`` gives on all texts at once.
    """

    def __new__(cls, ngram: int, permutations: int, bands: int, threshold: float) -> NearIndex:
        """No texts yet. Raises CoreError: ``bad_ngram``, ``bad_bands``, ``bad_threshold``."""

    def add(self, texts: _Column) -> None:
        """Takes the next rows. Raises CoreError: ``null``, ``too_many_rows``."""

    def candidates(self) -> NearCandidates:
        """The pairs of the rows added so far that are to be verified."""

@final
class NearCandidates:
    """Pairs of rows that may be near-duplicates; see ``NearIndex``."""

    def wanted(self, most: int) -> npt.NDArray[np.uint32] | None:
        """The rows whose texts ``verify`` takes next, rising; None when every pair is compared.

        At most so many rows, but at least the two of one pair. Rows that are compared with one
        another come together, so that few are asked for twice.
        """

    def verify(self, texts: _Column) -> None:
        """Compares the pairs among the rows wanted last, whose texts these are, in that order.

        Raises CoreError: ``not_wanted`` unless there are as many texts as rows; ``null``.
        """

    def finish(self, scores: _Column | None) -> tuple[npt.NDArray[np.uint32], _Table]:
        """Representatives and pairs, as ``near_duplicates`` returns them.

        Raises CoreError: ``unverified`` while ``wanted`` is not None; ``length_mismatch``.
        """

@final
class Balancer:
    """Draws rows while they pass by: as many of each category and clause as a quota says.

    A row is counted under one *stratum*: its category, its clause, or its clause within its
    category. Each stratum keeps the rows of least priority, a keyed hash of the row's place in the
    input (bottom-k sampling, Cohen and Kaplan 2007): a uniform draw without replacement that never
    depends on how rows come in batches. Holds eight bytes for each row that may still be kept.

    total: rows to keep in all, or None for all that the maxima allow. It is spread over the
    categories and, in each, over its clauses: every stratum gets its minimum, then its weight's
    share, and what one cannot give the others share. category_quotas, clause_quotas: ``(name,
    minimum, maximum, weight)``, the name None for what holds for all others; a stratum that keeps
    fewer rows than its minimum is reported as short, more than its maximum are never kept (None: no
    such bound), weights are above 0 (1 unless given). Clause quotas hold within each category.
    rarest: count a row that names several clauses under the one with the fewest rows so far, not
    under the first.

    Raises CoreError: ``bad_weight``, ``minimum_above_maximum``.
    """

    def __new__(
        cls,
        total: int | None,
        category_quotas: list[tuple[str | None, int, int | None, float]],
        clause_quotas: list[tuple[str | None, int, int | None, float]],
        rarest: bool,
        seed: int,
    ) -> Balancer: ...
    def offer(
        self, categories: _Column | None, clauses: _Column | None, offsets: _Column | None
    ) -> None:
        """Takes the next rows in.

        categories: a text for each row, or None to balance by clause alone. clauses, offsets: row i
        names the clauses ``clauses[offsets[i] : offsets[i + 1]]``, maybe none; None for both to
        balance by category alone. Every batch has the same of these columns.

        Raises CoreError: ``null``, ``other_columns``, ``length_mismatch``, ``bad_offsets``,
        ``finished``.
        """

    def finish(self) -> tuple[npt.NDArray[np.uint64], _Table, _Table]:
        """The kept rows, and counts by stratum and by category.

        Rows are numbered from 0 over all batches, rising. Both tables have the columns ``category``,
        ``clause`` (null where there is none), ``seen``, ``kept``, ``minimum`` and ``short``; what a
        quota names and no row has stands at the end with 0 seen. The second table is empty when
        balancing by clause alone.

        Raises CoreError: ``finished``.
        """

def journal_lines(replies: Sequence[tuple[str, str, str, str, int]]) -> bytes:
    """A line for each reply (id, key, text, finish, tokens): a JSON object, whose last key ``crc32`` is zlib's checksum of the rest."""

@final
class JsonlReader:
    """The rows of a JSON Lines file, some at a time, in bounded memory; an iterator of batches.

    fields: names that each row must hold a text under. optional: names under which it may hold a
    text, or null, or nothing. source: what gives the bytes in the file's place, which the path then only
    names. batch_bytes: bytes read at once; a batch has one row at least, however
    long, up to 256 MiB.

    Lines are JSON objects in UTF-8 that end with a newline, with or without a carriage return. Lines
    of nothing but white space are passed over and counted, as is a byte order mark. Of a key that
    stands twice in a row the last value counts. Other fields are checked to be JSON, not kept.

    Raises CoreError, the message beginning ``path:line: `` and row the line, counted from 1:
    ``unreadable_file`` (no line), ``bad_json`` (half of a surrogate pair is bad too),
    ``not_utf8``, ``missing_field``, ``bad_field`` (no text), ``row_too_large``.
    """

    def __new__(
        cls,
        path: str | PathLike[str],
        fields: Sequence[str],
        batch_bytes: int,
        optional: Sequence[str] = ...,
        source: _Readable | None = ...,
    ) -> JsonlReader: ...
    def __iter__(self) -> JsonlReader: ...
    def __next__(self) -> JsonlBatch: ...

@final
class JsonlBatch:
    """Rows of a file in the bytes that they came in; at least one."""

    @property
    def rows(self) -> int:
        """How many rows."""
    @property
    def bytes(self) -> int:
        """Bytes of the lines, line ends and blank lines too."""
    @property
    def lines(self) -> npt.NDArray[np.uint64]:
        """The line of each row, counted from 1."""
    def column(self, field: str) -> _Texts:
        """What each row says under a field, decoded; null where an optional one is not there.

        Texts without an escape point into the batch, which lives as long as the column.

        Raises CoreError: ``unknown_field`` (not one that the reader was asked for).
        """

    def raw(self) -> _Texts:
        """Each row as it is written, without its line end; points into the batch."""

@final
class ZstdReader:
    """What a file says that is packed with Zstandard, frame by frame, in bounded memory.

    Raises OSError where the system refuses, and where a frame is cut off or damaged.
    """

    def __new__(cls, path: str | PathLike[str]) -> ZstdReader: ...
    def read(self, most: int) -> bytes:
        """The next bytes, at most so many; none at the end."""

@final
class LineWriter:
    """Writes rows to ``path + ".tmp"``, which gets its name by ``finish`` and vanishes without it.

    Raises CoreError, here and in each method: ``unwritable_file``.
    """

    def __new__(cls, path: str | PathLike[str]) -> LineWriter: ...
    def write(self, batch: JsonlBatch, keep: _Column) -> None:
        """Writes the rows that are kept, byte for byte; a last line without a line end gets one.

        keep: booleans, one a row. Raises CoreError: ``length_mismatch``, ``null``.
        """

    def write_dropped(
        self,
        batch: JsonlBatch,
        keep: _Column,
        reasons: _Column,
        details: _Column,
        named: bool = ...,
    ) -> None:
        """Writes a line for each row that is not kept.

        ``{"line": 17, "reason": "...", "detail": "...", "row": ...}``, the row byte for byte.
        reasons, details: texts, one a row; null where the row is kept. A detail may be null.

        Raises CoreError: ``length_mismatch``, ``null`` (a row that is left out without a reason).
        """

    def finish(self) -> None:
        """Closes the file and gives it its name. A second call is a ValueError."""

@final
class RowFilter:
    """Keeps the completions of the right form and length that were not kept before.

    open_tag, close_tag, prefilled, control: as in ``parse_completions``. min_chars, max_chars: length of the
    whole completion in characters, both included; None for no upper limit. dedup: whether a text
    that was kept before, the same up to white space as in ``exact_duplicates``, is dropped.
    memory_mib: MiB that the hashes of kept texts may take; beyond it they go to temporary files and
    the result stays the same.

    The rows of all calls count as one sequence: the first of several copies is kept.

    Raises CoreError: ``bad_tags``, ``bad_length_limits``, ``too_many_tokens``.
    """

    def __new__(
        cls,
        open_tag: str | None,
        close_tag: str | None,
        prefilled: bool | None,
        min_chars: int,
        max_chars: int | None,
        dedup: bool,
        memory_mib: int,
        control: list[str] | None = None,
    ) -> RowFilter: ...
    def check_batch(
        self, batch: JsonlBatch, field: str
    ) -> tuple[npt.NDArray[np.bool_], _Texts, _Texts]:
        """Whether each row is kept, and why not: ``(keep, reasons, details)``.

        reasons: ``truncated``, ``no_tags`` and the other statuses of ``parse_completions``, then
        ``too_short``, ``too_long``, ``duplicate``; null where the row is kept. The first that holds,
        in this order. details: a sentence; that of a duplicate names the line of the first copy.

        Raises CoreError: ``unknown_field``, ``missing_field`` (an optional one, not there),
        ``unwritable_file`` (a temporary file).
        """

    def check(
        self, texts: _Column, truncated: _Column, lines: _Column | None
    ) -> tuple[npt.NDArray[np.bool_], _Texts, _Texts]:
        """``check_batch`` of a column of texts.

        truncated: booleans, whether generation stopped at the token limit. lines: by what number a
        later copy names each row, at least 1; None counts rows from 1 over all calls.

        Raises CoreError: ``length_mismatch``, ``null``, ``unwritable_file``.
        """

@final
class Tokenizer:
    """A Hugging Face tokenizer that adds nothing: no begin or end token, no padding, no truncation.

    Added tokens that stand in the text, such as ``<think>``, get their own ids. Ids equal those of
    the package ``tokenizers`` 0.23 but for texts with characters that each treats by another
    version of Unicode: see ``unsettled_rows``. May be shared by threads.
    """

    @property
    def note(self) -> str | None:
        """What had to be mended in the file so that ids equal the reference's, if anything."""

    @staticmethod
    def from_file(path: str | PathLike[str]) -> Tokenizer:
        """Reads a ``tokenizer.json``.

        Raises CoreError: ``unreadable_tokenizer``; ``unsupported_tokenizer`` where the fast path
        cannot take this kind (an unknown splitting pattern, BPE dropout, ...): use the model's own
        tokenizer then.
        """

    def encode(self, texts: _Column) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint64]]:
        """Token ids of all texts in one buffer, and where each text's ids start and end.

        Text i has ``ids[offsets[i] : offsets[i + 1]]``; there is one more offset than texts. The ids of
        8 MiB of text or more are read-only: the tokenizer takes their memory up again for a later call
        once no array lies in it.

        Raises CoreError: ``null``, ``unencodable_text``.
        """

def unsettled_rows(texts: _Column) -> npt.NDArray[np.uint32]:
    """The rows with a character about whose class ``tokenizers`` 0.23 and this module disagree.

    Both were built on other versions of Unicode; only in these rows may the ids of ``Tokenizer``
    differ. Rising, often none.

    Raises CoreError: ``null``.
    """

def first_leak(
    prompts: tuple[_Column, _Column],
    own: tuple[_Column, _Column],
    policy: tuple[_Column, _Column],
    run: int,
) -> int | None:
    """The first prompt with ``run`` tokens in a row of the policy that its user did not write.

    prompts, own, policy: ids and offsets, as ``Tokenizer.encode`` gives them; ``own`` has the words
    of each prompt's user. run: at least 1.

    Raises CoreError: ``bad_offsets``, ``length_mismatch``.
    """

def word_weights(
    texts: tuple[_Column, _Column], told_as: _Column, order: _Column, rate: float
) -> list[float]:
    """A weight for each word and, last, the bias: logistic regression by stochastic gradient descent over which words a text has.

    texts: the words of all, once each in a text and numbered from 0, with offsets. told_as: what each text is to be told as.
    order: a step of the rate for each entry, which names a text.

    Raises CoreError: ``bad_offsets``, ``length_mismatch``, ``no_such_row``.
    """

@final
class Pattern:
    """A regular expression, matched in time linear in the text: without look-around and back-references."""

    def __new__(cls, text: str) -> Pattern:
        """Raises CoreError: ``bad_pattern``, ``over_long``; its message says why."""

    @property
    def text(self) -> str:
        """As it was written."""

    @property
    def names(self) -> list[str]:
        """The names of its groups, in order."""

    def is_in(self, text: str) -> bool:
        """Whether it stands somewhere in the text."""

    def is_all_of(self, text: str) -> bool:
        """Whether the text as a whole is what it describes."""

    def groups(self, text: str) -> list[dict[str, str | None]]:
        """The named groups of each place where it stands, from left to right; all of it under the name ``""``."""

@final
class Markers:
    """Control markers in text of others: of every family by their shape, and those of one engine. May be shared by threads.

    ``<|im_end|>`` and bars of any width (``<｜User｜>``, ``<turn|>``), ``<start_of_turn>``, ``<BOS_TOKEN>``,
    ``<s>``, ``<think>``, ``<tool_call>``, ``<unused7>``, ``[INST]``, ``[gMASK]``, ``[|assistant|]``,
    ``◁think▷``, and their closing forms. Other tags, brackets and operators are none.
    """

    def __new__(cls, tokens: list[str]) -> Markers:
        """tokens: the engine's own, of whatever shape; one of a single character is left out.

        Raises CoreError: ``too_many_tokens``.
        """

    def broken(self, text: str) -> str:
        """The text with a zero-width space behind the first character of each marker."""

    def first(self, text: str) -> str | None:
        """The first marker of a text."""

@final
class NgramIndex:
    """Reference texts, indexed by their n-grams of words: a policy, evaluation prompts. May be shared by threads.

    Words are runs of letters and digits without regard to case and width, so punctuation and line breaks hide
    nothing; a character of a script without spaces is a word.
    """

    def __new__(cls, references: _Column, n: int) -> NgramIndex:
        """n: words of an n-gram, at least 1.

        Raises CoreError: ``bad_ngram``, ``null``, ``too_many_rows``.
        """

    def overlap(self, texts: _Column, own: _Column | None) -> _Table:
        """What each text shares with the references, less the n-grams of its own text (the user's prompt).

        Returns columns:

        - ``ngrams``: how many n-grams the text has, one for each place;
        - ``shared``: how many of them stand in a reference;
        - ``words``, ``start``, ``end``: the longest run of words all of whose n-grams are shared, its first byte and one
          past its last in UTF-8; null where nothing is shared;
        - ``reference``: the row of the reference that holds the run's beginning, or null.

        A reference of fewer than n words overlaps with a text only if both have the same words and no others; ``shared``
        is then 0 and ``reference`` is set.

        Raises CoreError: ``length_mismatch``, ``null``.
        """

@final
class TablePacker:
    """Packs tables of rows of tokens into bins, one table after the other: Arrow in, Arrow out, each token copied once.

    The memory of a result is taken for the next one. A result stays as it is for as long as it is held; its memory comes back once
    it and all that was made of it without a copy are gone, and goes with the packer.
    """

    def __new__(cls, capacity: int, over_long: str) -> TablePacker:
        """capacity: tokens that a bin holds.

        over_long: for rows longer than that, ``error``; ``drop``, which leaves such a row out whole; or ``mask``, which keeps it, cut
        to the capacity, with none of its tokens in the loss.

        Raises CoreError: ``unknown_over_long``.
        """

    def pack(self, rows: _ArrowStream | _ArrowArray) -> tuple[_Table, npt.NDArray[np.uint32]]:
        """The table of the bins, and the rows that were too long, rising.

        rows: a table (polars, pyarrow, record batches) with the column ``input_ids``, lists of int32, int64
        or uint32, and, where the loss is to be kept, one of ``labels`` (lists of int32 or int64) and
        ``train_mask`` (lists of booleans, or of numbers that are 0 where a token is not trained on).

        The table has one row a bin; bins are planned by best fit, longest rows first:

        - ``input_ids``: of the type given;
        - ``labels``, where labels or a mask was given: −100 where a token carries no loss, at each row's
          first token (the row before would predict it), and at every token of a masked row. Labels
          from a mask are int32 for int32 ids, int64 for the others;
        - ``seq_lengths``, ``sequence_starts``: the length of each row of the bin, and where it starts in it;
        - ``rows``: which rows of the input these are.

        ``position_ids`` makes positions from ``seq_lengths``.

        Raises CoreError: ``row_too_long`` (rows are never cut; row, value and limit are set), ``empty_row``,
        ``row_length`` (lists of one row that differ in length), ``empty_loss_mask``, ``null``,
        ``too_many_tokens`` (above 2³¹ − 1 in lists with 32-bit offsets: give large lists). TypeError for a
        column that is not named here, and for ``mask`` without labels or a mask.
        """

def position_ids(seq_lengths: _Column) -> _Lists:
    """The positions of packed tokens, int32, counted from 0 in each sequence.

    seq_lengths: a list for each bin, as ``pack_table`` gives it. Returns a list for each bin.

    Raises CoreError: ``null``, ``bad_number`` (a negative length).
    """

def quality(
    prompts: _Column,
    reasoning: _Column,
    answers: _Column,
    ngram: int,
    scripts: list[str],
    phrases: list[str],
) -> _Table:
    """What each completion is like, in numbers; ``quality_reasons`` holds them against limits.

    prompts: what the user wrote; its scripts are expected in the completion, beside ``scripts``
    (Unicode's names, as ``Latin``). Where neither gives any, the script of most letters is expected.
    reasoning: empty texts where there is none. ngram: words of a repeated run, at least 1. phrases:
    references to a policy that the reader cannot see, beside those that are known (``the policy
    above``, ``system prompt``, ...).

    A word is a run of letters and digits in any case and width. Returns, for ``reasoning`` and for
    ``answer``, each name with that and ``_`` before it:

    - ``chars`` (Unicode scalar values), ``words``;
    - ``repeated``: share in [0, 1] of words inside n-grams that stood in the text before (after Rae et
      al. 2021, A.1.1, in words instead of characters);
    - ``cycle``: words of the longest cycle that repeats at once, two rounds and ngram words at least;
    - ``foreign``: share of letters of scripts that are not expected; ``foreign_run``: letters of the
      longest run of them with no expected letter inside; ``foreign_start``, ``foreign_end``: its first
      byte and one past its last in UTF-8, null without one;
    - ``dangling``: how many such references; ``dangling_phrase``, ``dangling_start``,
      ``dangling_end``: the first of them, null without one;

    and of the answer:

    - ``answer_ending``: ``whole``, ``mid_sentence``, ``open_bracket`` or ``open_fence``;
      ``answer_cut_off``: 0 for the first, else 1;
    - ``answer_echo``: share of its n-grams that stand in the reasoning.

    Raises CoreError: ``bad_ngram``, ``unknown_script``, ``blank_phrase`` (row is its place),
    ``too_many_phrases``, ``length_mismatch``, ``null``.
    """

def quality_reasons(
    limits: list[tuple[str, _Column, float | None, float | None]],
) -> _Texts:
    """The first limit that each row breaks, as a reason, or null.

    limits: measure, its column, least and greatest value, both allowed; None limits nothing. Measures
    are looked at in this order, whatever the list's: ``reasoning_chars``, ``reasoning_words``,
    ``answer_chars``, ``answer_words``, ``reasoning_tokens``, ``answer_tokens`` (``too_short``,
    ``too_long``; tokens are the caller's to count); ``*_repeated``, ``*_cycle`` (``repetitive``);
    ``*_foreign``, ``*_foreign_run`` (``wrong_script``); ``answer_cut_off`` (``cut_off``);
    ``answer_echo`` (``answer_repeats_reasoning``); ``*_dangling`` (``dangling_reference``). Only
    lengths have a least value. A null value breaks nothing.

    Raises CoreError: ``unknown_measure``, ``bad_limit``, ``length_mismatch``.
    """

def parse_verdicts(
    replies: _Column,
    low: float,
    high: float,
    seals: _Column | None = None,
    materials: _Column | None = None,
    cut: _Column | None = None,
) -> _Table:
    """State, score and stance of each judge reply, read on the scale from low to high.

    seals: the word that each question asks for in the label, ``Score 3f2a9c: 7``; empty where it asks
    for none. materials: what each question shows of others. cut: whether a reply met its token limit.
    Each as long as replies.

    Only what stands after the judge's reasoning counts. The last score with the seal is the verdict; where
    the seal stands without one, nothing else is. Else it is a line, a tag or an object of its own (``<score>7</score>``, ``{"score": 7}``, ``Score: 7/10``,
    ``**Rating**: 7``, ``score 7``), and where there is none, a mention (``I give it a score of 7``), in
    either case unless two differ. A JSON object counts once, with the score that lies least deep in it,
    whatever its strings say. ``Maximum score: 10`` and the like are other scores.

    Returns columns ``state`` (text), ``score`` (float, null unless the state is ``ok``) and
    ``stance`` (``agree``, ``disagree`` or null, from a statement of its own such as ``I disagree.``; null where two
    differ).
    States:

    - ``ok``: the score is on the scale;
    - ``missing``: no score, or a last label without a number, for which no earlier score stands in;
    - ``refused``: no score, and an apology in its place;
    - ``unclosed``: a ``<think>`` that is not closed;
    - ``out_of_range``: the last score is not on the scale, or is out of another number than high;
    - ``contradictory``: two different scores, one without the seal that its material gives too, or one with
      the seal that a closing tag hides, which may be quoted;
    - ``truncated``: the reply was cut before a line, tag or object of its own with the score, and with the
      seal that was asked for, came to its end.

    Raises CoreError: ``bad_scale``, ``null``, ``length_mismatch``.
    """

def parse_judgements(
    replies: _Column,
    low: float,
    high: float,
    sub_scores: list[str],
    seals: _Column | None = None,
    materials: _Column | None = None,
    cut: _Column | None = None,
) -> _Table:
    """``parse_verdicts`` with the sub-scores, on the same scale, and the single clauses.

    sub_scores: names such as ``compliance`` or ``reasoning quality``; capitals do not count, and
    ``_``, ``-`` and a space are the same. A sub-score is read from ``<compliance>4</compliance>``,
    ``"compliance": 4``, ``"compliance": {"score": 4}``, ``Compliance: 4/5``, ``Compliance score: 4``;
    such a score is not the verdict's. A clause is read from ``"clauses": {"S3": "violated"}``, a list
    of objects with ``id`` and ``verdict`` there, ``<clause id="S3">violated</clause>`` and
    ``S3: violated`` in a line, where the id has a digit or a full stop. Two values that differ are ``contradictory``.

    Returns the columns of ``parse_verdicts``; for each name a column of it (float, null unless its
    state is ``ok``) and ``<name>_state`` (the states of ``parse_verdicts``); and the lists
    ``clause_ids`` (as written) and ``clause_verdicts`` (``violated``, ``followed``,
    ``not_applicable``, ``unclear`` where the word is unknown, ``contradictory``).

    Raises CoreError: ``bad_scale``, ``bad_sub_score`` (row is the name's place), ``null``, ``length_mismatch``.
    """

def aggregate(
    scores: _Column, offsets: _Column, method: str, parameter: float | None, min_valid: int
) -> _Table:
    """One score for each completion's judgements ``scores[offsets[i] : offsets[i + 1]]``.

    scores: null, NaN or infinite where a judgement failed; such a one counts as absent, never as a
    number. float32 and float64 are read in place. min_valid: at least 1. method, with n valid scores:

    - ``min``, ``mean``, ``median``: parameter None;
    - ``deviation``: parameter None; how far the scores lie apart, by n − 1. A single score gives none;
    - ``quantile``: parameter the share in [0, 1]; linear between two scores, as numpy's default;
    - ``trimmed_mean``: parameter the share in [0, 0.5) cut at each end, ⌊share · n⌋ scores of n, as
      ``scipy.stats.trim_mean``;
    - ``lower_bound``: parameter the level in (0, 1); mean − t(level, n − 1) · sd / √n, one-sided by
      Student's t, sd with n − 1. A single score gives no bound: the completion is unjudged;
    - ``soft_min``: parameter β > 0, in points of the scale; −β ln(mean of exp(−score / β)), between the
      least score and the mean.

    Returns columns ``score`` (float, null where fewer than min_valid judgements are valid: the
    completion is unjudged) and ``n_valid``.

    Raises CoreError: ``unknown_method``, ``bad_quantile``, ``bad_trim``, ``bad_level``,
    ``bad_softness``, ``bad_min_valid``, ``bad_offsets``.
    """

def bootstrap_mean(
    values: _Column,
    clusters: _Column,
    outer: _Column | None,
    method: str,
    n_resamples: int,
    level: float,
    seed: int,
) -> tuple[float, float | None, float | None]:
    """Mean of the values, and the ends of its bootstrap interval: ``(mean, low, high)``.

    clusters: texts or whole numbers; values of one cluster (a prompt's answers) are resampled
    together. outer: a second level around the first (training seeds), or None; a cluster label
    then counts apart in each outer cluster. method: ``percentile``, or ``bca`` (Efron 1987; the
    percentile interval where there is nothing to correct by). level: in (0, 1). The mean weighs values, not clusters,
    alike. The same seed gives the same interval. With a single cluster (with outer: a single outer
    one) both ends are None: nothing is known of the next one.

    Raises CoreError: ``no_values``, ``not_finite``, ``bad_level``, ``bad_n_resamples``,
    ``unknown_method``, ``length_mismatch``.
    """

def bootstrap_difference(
    a: _Column,
    b: _Column,
    clusters: _Column,
    outer: _Column | None,
    method: str,
    n_resamples: int,
    level: float,
    seed: int,
) -> tuple[float, float | None, float | None]:
    """Mean of the paired differences a − b and the ends of its interval; as ``bootstrap_mean``."""

def krippendorff_alpha(scores: _Column, offsets: _Column, scale: str) -> float | None:
    """Krippendorff's alpha of the judgements of each completion ``scores[offsets[i] : offsets[i + 1]]``.

    scores: null or NaN where a judgement failed; such a one is left out. scale: ``nominal``, ``ordinal`` or ``interval``.
    1 is perfect agreement, 0 that of chance; None where nothing can be compared, or all scores are equal.

    Raises CoreError: ``unknown_scale``, ``bad_offsets``.
    """

def split_half(scores: _Column, offsets: _Column, splits: int, seed: int) -> float | None:
    """Reliability of a completion's mean score, from random halves of its judgements.

    The halves' means are correlated over completions, averaged over ``splits`` divisions and stepped up to all judgements by
    Spearman and Brown's formula. None where fewer than two completions have two valid judgements, or nothing varies.

    Raises CoreError: ``bad_splits``, ``bad_offsets``.
    """

def row_id(parents: list[str], variant: str, index: int) -> str:
    """The id of a row that was made from these parents: 32 hexadecimal digits of BLAKE3.

    parents: ids of the rows that it was made from, in order. variant: the arm or run of the stage.
    index: tells siblings apart, at least 0.
    """

def row_ids(parents: Sequence[_Column | str], variant: str, indices: _Column) -> _Texts:
    """``row_id(parents, variant, index)`` of each row, in one call.

    parents: in order; each a column with one text a row, or a text that is the same for all rows. indices: one for each row.

    ::

        rows = _core.row_ids([questions], "verdict", samples)
        nonces = _core.row_ids([str(seed), pl.Series(rows)], "nonce", samples)

    Raises CoreError: ``null``, ``length_mismatch``, ``bad_number`` (a negative index).
    """

def digest(data: bytes) -> str:
    """The content hash of some bytes: 64 hexadecimal digits of BLAKE3."""

//! Where words start in ASCII text, for 64 characters at once: a splitting pattern as operations on
//! sets of characters, each set one number with a bit a character.
//!
//! A shift to the left asks what the character before is; adding a bit to a set walks along a run of
//! the set from there, by the carry. What a block needs of the one before it is in [`Starts`].

use super::characters::Kinds;
use super::grammar::{Rules, ShortForms};

/// The state between two blocks of one text.
#[derive(Debug, Default)]
pub(super) struct Starts {
    /// The last block's kinds; only their highest bits count.
    before: Kinds,
    /// Punctuation that is no part of the line breaks behind a word of punctuation.
    body: u64,
    /// Punctuation that starts a word.
    lone: u64,
    /// Whether the line breaks behind a word of punctuation may go on.
    is_in_tail: bool,
    /// Digits at the end of the last block since a word started there; 0 where it ends otherwise.
    digits: u32,
    /// What a short form that began in the last block takes of this one, and what starts after it.
    inside: u64,
    after: u64,
    /// Where the last short form that is a suffix ends, in the text.
    suffix_end: usize,
}

/// Bits that move on by one character, and what they were at the end of the block before.
#[inline(always)]
fn previous(set: u64, before: u64) -> u64 {
    set << 1 | before >> 63
}

/// The run of `set` from each bit of `from` on, with the character behind the run; and whether a run
/// goes beyond the block.
#[inline(always)]
fn run(set: u64, from: u64) -> (u64, bool) {
    let (sum, is_over) = set.overflowing_add(from & set);
    (sum ^ set | from, is_over)
}

impl Starts {
    /// The starts of words among the 64 characters from `base` on, which are of these
    /// kinds; fewer where the text ends.
    #[inline(always)]
    pub(super) fn of<R: Rules>(&mut self, kinds: Kinds, text: &[u8], base: usize) -> u64 {
        let length = text.len() - base;
        let beyond = if length < 64 { u64::MAX << length } else { 0 };
        let cut = if R::DIGITS_CUT { kinds.digit } else { 0 };
        // Behind these, white space need leave nothing for the next word.
        let closing = kinds.white | cut | beyond;
        let next_closes = text.get(base + 64).is_none_or(|&byte| {
            matches!(byte, b'\t'..=b'\r' | b' ') || (R::DIGITS_CUT && byte.is_ascii_digit())
        });
        let left = kinds.white & !(closing >> 1 | u64::from(next_closes) << 63);
        let starts = if R::LINE_BREAKS {
            self.with_line_breaks::<R>(&kinds, left, text, base)
        } else {
            self.plain::<R>(&kinds, left)
        };
        let starts = match R::SHORT_FORMS {
            ShortForms::None => starts,
            ShortForms::SmallWord => self.short_words(starts, &kinds, text, base, false),
            ShortForms::Word => self.short_words(starts, &kinds, text, base, true),
            ShortForms::Suffix => self.suffixes(starts, &kinds, text, base),
        };
        self.before = kinds;
        starts & !beyond
    }

    /// ` ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`: a word starts where a run does, or at the
    /// space before it. `left` is white space that its run leaves for the next word.
    #[inline(always)]
    fn plain<R: Rules>(&mut self, kinds: &Kinds, left: u64) -> u64 {
        let before = &self.before;
        let space = previous(kinds.space, before.space);
        let opens = |set: u64, before: u64| set & !previous(set, before) & !space;
        let digits = if R::DIGITS_CUT { kinds.digit } else { opens(kinds.digit, before.digit) };
        opens(kinds.letter, before.letter)
            | digits
            | opens(kinds.other, before.other)
            | kinds.white & !previous(kinds.white, before.white)
            | left
    }

    /// `[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,k}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`.
    #[inline(always)]
    fn with_line_breaks<R: Rules>(
        &mut self,
        kinds: &Kinds,
        left: u64,
        text: &[u8],
        base: usize,
    ) -> u64 {
        let (tail, behind_tail) = self.tails::<R>(kinds);
        let before = self.before;
        let white = previous(kinds.white, before.white);
        let line_break = previous(kinds.line_break, before.line_break);
        let body = kinds.other & !tail;
        let space = previous(kinds.space, before.space);
        let others = body & !previous(body, self.body) & !space;
        // One character that is no line break goes with the letters behind it.
        let prefix = white & !line_break | previous(others, self.lone);
        let mut letters = kinds.letter & !previous(kinds.letter, before.letter) & !prefix;
        if R::CASE {
            let small = previous(kinds.letter & !kinds.capital, before.letter & !before.capital);
            letters |= kinds.capital & small;
        }
        let blanks = kinds.white & !previous(kinds.white, before.white);
        let after_break = Self::after_breaks(kinds, line_break, text, base);
        let digits = self.digit_groups::<R>(kinds.digit);
        let starts = letters | others | digits | blanks | after_break | left & !kinds.line_break;
        self.body = body;
        self.lone = others;
        starts & !tail | behind_tail
    }

    /// The line breaks (and slashes) that belong to the punctuation before them, and what starts
    /// behind them.
    #[inline(always)]
    fn tails<R: Rules>(&mut self, kinds: &Kinds) -> (u64, u64) {
        let set = kinds.line_break | if R::SLASHES { kinds.slash } else { 0 };
        let other = previous(kinds.other, self.before.other);
        let from = kinds.line_break & other | u64::from(self.is_in_tail);
        if from == 0 {
            self.is_in_tail = false;
            return (0, 0);
        }
        let (reached, is_over) = run(set, from);
        self.is_in_tail = is_over;
        (reached & set, reached & !set)
    }

    /// White space behind the last line break of its run: it starts a word of its own.
    #[inline(always)]
    fn after_breaks(kinds: &Kinds, line_break: u64, text: &[u8], base: usize) -> u64 {
        let blank = kinds.white & !kinds.line_break;
        let first = blank & line_break;
        let (reached, is_over) = run(blank, first);
        if !is_over && reached & kinds.line_break == 0 {
            return first;
        }
        without_breaks_behind(first, text, base)
    }

    /// Words of at most so many digits.
    #[inline(always)]
    fn digit_groups<R: Rules>(&mut self, digit: u64) -> u64 {
        if R::DIGITS == 1 || digit == 0 {
            self.digits = 0;
            return digit;
        }
        let mut groups = digit & !(digit << 1);
        let run_at_start = digit.trailing_ones();
        if self.digits != 0 && run_at_start != 0 {
            // The first run goes on from the last block.
            let open = (R::DIGITS - self.digits) % R::DIGITS;
            groups &= !1;
            if open < run_at_start {
                groups |= 1 << open;
            }
        }
        let mut next = groups;
        loop {
            // A group behind each full one: all characters up to there are digits.
            let mut whole = digit;
            for back in 1..R::DIGITS {
                whole &= digit << back;
            }
            next = next << R::DIGITS & whole;
            if next == 0 {
                break;
            }
            groups |= next;
        }
        self.digits = if digit >> 63 == 0 { 0 } else { groups.leading_zeros() + 1 };
        groups
    }

    /// Short forms that are words: they start as punctuation does.
    #[inline(always)]
    fn short_words(
        &mut self,
        starts: u64,
        kinds: &Kinds,
        text: &[u8],
        base: usize,
        any_case: bool,
    ) -> u64 {
        let (mut inside, mut after) =
            (std::mem::take(&mut self.inside), std::mem::take(&mut self.after));
        let mut apostrophes = starts & kinds.apostrophe;
        while apostrophes != 0 {
            let at = apostrophes.trailing_zeros();
            apostrophes &= apostrophes - 1;
            let length = short_form(&text[base + at as usize..], any_case);
            if length != 0 {
                self.take(at + 1, at + length, &mut inside, &mut after);
            }
        }
        starts & !inside | after
    }

    /// Short forms that end the letters before them.
    #[inline(always)]
    fn suffixes(&mut self, starts: u64, kinds: &Kinds, text: &[u8], base: usize) -> u64 {
        let (mut inside, mut after) =
            (std::mem::take(&mut self.inside), std::mem::take(&mut self.after));
        let mut apostrophes = kinds.apostrophe & previous(kinds.letter, self.before.letter);
        while apostrophes != 0 {
            let at = apostrophes.trailing_zeros();
            apostrophes &= apostrophes - 1;
            let place = base + at as usize;
            if place == self.suffix_end {
                continue;
            }
            let length = short_form(&text[place..], true);
            if length != 0 {
                self.suffix_end = place + length as usize;
                self.take(at, at + length, &mut inside, &mut after);
            }
        }
        starts & !inside | after
    }

    /// Notes that no word starts at the characters from `first` on, but one does at `end`, at most
    /// three characters beyond the block.
    #[inline(always)]
    fn take(&mut self, first: u32, end: u32, inside: &mut u64, after: &mut u64) {
        let taken = (1_u128 << end) - (1_u128 << first);
        *inside |= taken as u64;
        self.inside |= (taken >> 64) as u64;
        *after |= (1_u128 << end) as u64;
        self.after |= (1_u128 << end >> 64) as u64;
    }
}

/// Those of `first` whose run of white space has no line break from there on.
#[cold]
fn without_breaks_behind(first: u64, text: &[u8], base: usize) -> u64 {
    let (mut left, mut kept) = (first, first);
    while left != 0 {
        let at = left.trailing_zeros();
        left &= left - 1;
        let mut rest = text[base + at as usize..].iter();
        let end = rest.find(|&&byte| !matches!(byte, b' ' | b'\t' | 0x0b | 0x0c));
        if matches!(end, Some(b'\r' | b'\n')) {
            kept &= !(1 << at);
        }
    }
    kept
}

/// The length of the short form at the head of the text, with its apostrophe; 0 where there is none.
#[inline(always)]
fn short_form(text: &[u8], any_case: bool) -> u32 {
    let letter = |at: usize| {
        let letter = text.get(at).copied().unwrap_or(0);
        if any_case { letter.to_ascii_lowercase() } else { letter }
    };
    match (letter(1), letter(2)) {
        (b's' | b't' | b'm' | b'd', _) => 2,
        (b'l', b'l') | (b'v' | b'r', b'e') => 3,
        _ => 0,
    }
}

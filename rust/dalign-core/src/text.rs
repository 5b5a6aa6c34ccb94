//! What several modules ask of a text, decided once: which characters are invisible, which ones
//! are only another width of ASCII, and when two texts count as the same.

pub mod ngram;
mod normalise;
pub mod words;

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::simd::{Masks, Work, bits_where, last_bits_where, widest_blocks};
pub use normalise::normalise_into;
pub(crate) use normalise::{Notation, normalise};

/// How many characters (Unicode scalar values) a text has; O(bytes), some 30 bytes a cycle.
///
/// ```
/// assert_eq!(dalign_core::text::count_chars("naïve 🙂"), 7);
/// ```
#[must_use]
pub fn count_chars(text: &str) -> usize {
    widest_blocks(Count(text))
}

/// Counts characters.
struct Count<'t>(&'t str);

impl Work for Count<'_> {
    type Found = usize;

    #[inline(always)]
    fn run<M: Masks>(self) -> usize {
        // Every byte but those that continue a character, which are `10xxxxxx`.
        let starts = |byte: u8| byte.cast_signed() >= -64;
        let bytes = self.0.as_bytes();
        let (blocks, _) = bytes.as_chunks();
        let whole = blocks.iter().map(|block| bits_where::<M>(block, starts).count_ones() as usize);
        let last = last_bits_where::<M>(bytes, 64 * blocks.len(), starts).count_ones() as usize;
        whole.sum::<usize>() + last
    }
}

/// Whether a character takes part in layout but shows nothing: zero-width spaces and joiners,
/// direction marks, the soft hyphen and the byte order mark.
///
/// ```
/// assert!(dalign_core::text::is_invisible('\u{200b}'));
/// assert!(!dalign_core::text::is_invisible(' '));
/// ```
#[must_use]
pub fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}

/// Whether a text shows nothing: white space, controls, private and unassigned characters, marks that stand on
/// nothing, what Unicode has be ignored, blanks (of Braille, of notes, of hieroglyphs) and the two characters that
/// stand for another one. O(bytes before the first that shows).
///
/// ```
/// assert!(dalign_core::text::is_blank(" \u{200b}\u{e000}\u{301}\n"));
/// assert!(!dalign_core::text::is_blank("\u{200b}."));
/// ```
#[must_use]
pub fn is_blank(text: &str) -> bool {
    // Most texts show a letter of ASCII at once.
    let shows = text.trim_start().as_bytes().first().is_some_and(u8::is_ascii_graphic);
    !shows && !SHOWS.is_match(text)
}

/// A character that shows by itself, by its general category; `dalign.duplicates` has the same pattern.
static SHOWS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"[[\p{L}\p{N}\p{P}\p{S}]--[\p{Default_Ignorable_Code_Point}\x{2800}\x{fffc}\x{fffd}\x{13441}\x{13442}\x{1d159}]]",
    )
    .expect("one class of characters is a pattern")
});

/// The last place of a text at or before this one where a character begins.
pub(crate) fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// The text as a parser of ASCII forms should see it: invisible characters gone, full-width forms,
/// curly apostrophes and the minus sign as their ASCII equals. Borrowed when nothing changes.
///
/// ```
/// use dalign_core::text::fold_to_ascii;
///
/// assert_eq!(fold_to_ascii("score\u{200b}：７"), "score:7");
/// assert_eq!(fold_to_ascii("I can’t"), "I can't");
/// ```
#[must_use]
pub fn fold_to_ascii(text: &str) -> Cow<'_, str> {
    let mut folded = String::new();
    let mut kept = 0;
    // ASCII is passed over in bytes: most texts have a dash or an accent and nothing to fold.
    let mut at = 0;
    while let Some(ascii) = text.as_bytes()[at..].iter().position(|byte| !byte.is_ascii()) {
        at += ascii;
        let Some(character) = text[at..].chars().next() else { break };
        let end = at + character.len_utf8();
        let fold = (!is_invisible(character)).then(|| fold_character(character));
        if fold != Some(character) {
            folded.push_str(&text[kept..at]);
            folded.extend(fold);
            kept = end;
        }
        at = end;
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    folded.push_str(&text[kept..]);
    Cow::Owned(folded)
}

/// The ASCII character that a look-alike stands for, or the character itself.
fn fold_character(character: char) -> char {
    match character {
        // The full-width block repeats ASCII's printable characters at a fixed distance.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(character as u32 - 0xfee0).unwrap_or(character),
        '\u{2018}' | '\u{2019}' | '\u{2bc}' => '\'',
        '\u{201c}' | '\u{201d}' => '"',
        '\u{2212}' => '-',
        '\u{3000}' | '\u{a0}' | '\u{202f}' => ' ',
        other => other,
    }
}

//! What several modules ask of a text, decided once: which characters are invisible, which ones
//! are only another width of ASCII, and when two texts count as the same.

pub mod ngram;
pub mod words;

use std::borrow::Cow;

use memchr::memmem::Finder;

/// The text trimmed, with each run of white space as one space, appended to `out`.
///
/// White space is Unicode's `White_Space`, so a no-break space counts and a zero-width space does
/// not.
///
/// ```
/// let mut out = String::new();
/// dalign_core::text::normalise_into("  a\n\n b ", &mut out);
/// assert_eq!(out, "a b");
/// ```
pub fn normalise_into(text: &str, out: &mut String) {
    let start = out.len();
    for word in text.split_whitespace() {
        if out.len() > start {
            out.push(' ');
        }
        out.push_str(word);
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
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|&c| !is_invisible(c)).map(fold_character).collect())
}

/// A word in small letters, with a capital or all in capitals, wherever it stands. On replies of
/// some hundred bytes two substring searches take a third of the time of one automaton.
pub(crate) struct Word {
    small: Finder<'static>,
    capitals: Finder<'static>,
}

impl Word {
    /// `small` and `capitals` are the word without its first letter: what both spellings share.
    pub(crate) fn new(small: &'static str, capitals: &'static str) -> Self {
        Self { small: Finder::new(small), capitals: Finder::new(capitals) }
    }

    /// Where the word, without its first letter, starts; rising.
    pub(crate) fn find_iter<'t>(&'static self, text: &'t str) -> impl Iterator<Item = usize> + 't {
        let mut small = self.small.find_iter(text.as_bytes()).peekable();
        let mut capitals = self.capitals.find_iter(text.as_bytes()).peekable();
        std::iter::from_fn(move || match (small.peek(), capitals.peek()) {
            (Some(a), Some(b)) if b < a => capitals.next(),
            (None, _) => capitals.next(),
            _ => small.next(),
        })
    }
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

//! Texts as they stand between the quotes of JSON, and what they say.

use std::borrow::Cow;

use memchr::memchr;

use crate::text::{Notation, normalise, normalise_into};

/// A text as it stands between its quotes, every escape checked.
///
/// ```
/// use dalign_core::jsonl::JsonText;
///
/// assert_eq!(JsonText::plain("as it is").decoded(), "as it is");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonText<'l> {
    raw: &'l str,
    escaped: bool,
}

impl<'l> JsonText<'l> {
    /// A text that says what it holds: a backslash is a backslash.
    ///
    /// ```
    /// assert_eq!(dalign_core::jsonl::JsonText::plain(r"\n").decoded(), r"\n");
    /// ```
    #[must_use]
    pub fn plain(text: &'l str) -> Self {
        Self { raw: text, escaped: false }
    }

    /// What stood between two quotes; with `escaped`, each of its escapes has been checked.
    pub(crate) fn checked(raw: &'l str, escaped: bool) -> Self {
        Self { raw, escaped }
    }

    /// The text as it is written, escapes and all.
    ///
    /// ```
    /// assert_eq!(dalign_core::jsonl::JsonText::plain("a").raw(), "a");
    /// ```
    #[must_use]
    pub fn raw(self) -> &'l str {
        self.raw
    }

    /// What the text says; borrowed when it holds no escape. O(bytes).
    ///
    /// ```
    /// use dalign_core::jsonl::{Batch, Fields};
    ///
    /// let fields = Fields::new(&["a"], &[]);
    /// let batch = Batch::parse(r#"{"a": "\ud83d\ude42\n"}"#.into(), 1, "here", &fields)?;
    /// assert_eq!(batch.text(0, 0).unwrap().decoded(), "🙂\n");
    /// # Ok::<(), dalign_core::jsonl::JsonlError>(())
    /// ```
    #[must_use]
    pub fn decoded(self) -> Cow<'l, str> {
        if !self.escaped {
            return Cow::Borrowed(self.raw);
        }
        let mut text = String::with_capacity(self.raw.len());
        self.decode_into(&mut text);
        Cow::Owned(text)
    }

    /// Appends what the text says to `out`.
    ///
    /// ```
    /// let mut out = String::from("a");
    /// dalign_core::jsonl::JsonText::plain("b").decode_into(&mut out);
    /// assert_eq!(out, "ab");
    /// ```
    pub fn decode_into(self, out: &mut String) {
        let mut rest = self.raw;
        while self.escaped
            && let Some(at) = memchr(b'\\', rest.as_bytes())
        {
            out.push_str(&rest[..at]);
            // Every escape was read once before, by the scanner.
            let Ok((character, length)) = read_escape(&rest.as_bytes()[at..]) else { break };
            out.push(character);
            rest = &rest[at + length..];
        }
        out.push_str(rest);
    }

    /// Appends what the text says to `out`, as [`normalise_into`] has it; returns how many characters more it
    /// is written with than it has.
    pub(crate) fn normalise_into(self, out: &mut String) -> usize {
        if self.escaped {
            return normalise::<Escaped>(self.raw, out);
        }
        normalise_into(self.raw, out);
        0
    }
}

/// Between the quotes of JSON, every escape checked.
struct Escaped;

impl Notation for Escaped {
    #[inline(always)]
    fn is_escape(byte: u8) -> bool {
        byte == b'\\'
    }

    #[inline]
    fn first(rest: &str) -> Option<(char, usize)> {
        match rest.chars().next()? {
            '\\' => read_escape(rest.as_bytes()).ok(),
            character => Some((character, character.len_utf8())),
        }
    }
}

/// The character that an escape stands for and the escape's length; `raw` starts with its backslash.
#[inline]
pub(super) fn read_escape(raw: &[u8]) -> Result<(char, usize), &'static str> {
    let Some(&letter) = raw.get(1) else { return Err(UNKNOWN) };
    match STANDS_FOR[usize::from(letter)] {
        0 if letter == b'u' => read_unicode(raw),
        0 => Err(UNKNOWN),
        character => Ok((char::from(character), 2)),
    }
}

const UNKNOWN: &str = "an escape that JSON does not know";

/// The character that a backslash and this byte stand for, 0 where there is none. A table, since a branch
/// for each would be guessed wrong.
static STANDS_FOR: [u8; 256] = {
    let pairs = [b"\"\"", b"\\\\", b"//", b"b\x08", b"f\x0c", b"n\n", b"r\r", b"t\t"];
    let (mut table, mut at) = ([0; 256], 0);
    while at < pairs.len() {
        table[pairs[at][0] as usize] = pairs[at][1];
        at += 1;
    }
    table
};

/// `\u` with four digits, or two of them for a character above U+FFFF.
fn read_unicode(raw: &[u8]) -> Result<(char, usize), &'static str> {
    const LONE: &str = "half of a surrogate pair";
    let high = hex4(raw.get(2..6))?;
    if let Some(character) = char::from_u32(high) {
        return Ok((character, 6));
    }
    if high >= 0xdc00 || raw.get(6..8) != Some(b"\\u") {
        return Err(LONE);
    }
    let low = hex4(raw.get(8..12))?;
    if !(0xdc00..0xe000).contains(&low) {
        return Err(LONE);
    }
    let character = char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00));
    character.map(|character| (character, 12)).ok_or(LONE)
}

fn hex4(digits: Option<&[u8]>) -> Result<u32, &'static str> {
    let digits = digits.unwrap_or_default();
    let value = digits.iter().try_fold(0, |value, &digit| {
        char::from(digit).to_digit(16).map(|digit| value << 4 | digit)
    });
    match value {
        Some(value) if digits.len() == 4 => Ok(value),
        _ => Err("a \\u without four hexadecimal digits"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::JsonText;
    use crate::text::{count_chars, normalise_into};

    proptest! {
        #[test]
        fn an_escaped_text_is_normalised_as_what_it_says(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "a", "word", " ", "  ", r"\n", r"\t ", r#"\""#, r"\\", r"\\n", r"\/", r"\b", r"\u0041",
                    r"\u00a0", r"\u0020", r"\ud83d\ude42", "é", "\u{a0}", "\u{3000}", "…", "再",
                    "a run of words that is longer than a block of sixty-four bytes, all of it as it is",
                ]),
                0..40,
            )
        ) {
            let raw = parts.concat();
            let text = JsonText::checked(&raw, true);
            let (mut found, mut expected) = (String::new(), String::new());
            let surplus = text.normalise_into(&mut found);
            normalise_into(&text.decoded(), &mut expected);
            prop_assert_eq!(found, expected);
            prop_assert_eq!(count_chars(&raw) - surplus, count_chars(&text.decoded()));
        }
    }
}

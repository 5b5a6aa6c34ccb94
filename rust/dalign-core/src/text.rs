//! What several modules ask of a text, decided once: which characters are invisible, which ones
//! are only another width of ASCII, and when two texts count as the same.

pub mod ngram;
pub mod words;

use std::borrow::Cow;

use crate::simd::widest;

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
    let mut rest = text.trim_start();
    loop {
        let plain = plain_prefix(rest.as_bytes());
        let (head, tail) = rest.split_at(plain);
        out.push_str(head);
        let Some(character) = tail.chars().next() else { return };
        if character.is_whitespace() {
            rest = tail.trim_start();
            if rest.is_empty() {
                return;
            }
            out.push(' ');
        } else {
            // Only its first byte is that of a white space.
            out.push(character);
            rest = &tail[character.len_utf8()..];
        }
    }
}

/// How many bytes from the start stay as they are: up to the first that may begin white space other
/// than one space between two words. That is at the start of a character.
fn plain_prefix(bytes: &[u8]) -> usize {
    const BLOCK: usize = 32;
    let at = widest(|| {
        let mut at = 0;
        // Each byte is looked at with the one after it.
        while let Some(block) = bytes[at..].first_chunk::<{ BLOCK + 1 }>() {
            let found =
                (0..BLOCK).fold(0, |it, i| it | u8::from(may_change(block[i], block[i + 1])));
            if found != 0 {
                break;
            }
            at += BLOCK;
        }
        at
    });
    let follow = |i: usize| bytes.get(i + 1).copied().unwrap_or(b' ');
    let rest = (at..bytes.len()).find(|&i| may_change(bytes[i], follow(i)));
    rest.unwrap_or(bytes.len())
}

/// Whether a byte and the next may belong to white space that is not one space between two words.
#[inline(always)]
fn may_change(byte: u8, next: u8) -> bool {
    let is_blank = |byte: u8| byte == b' ' || byte.wrapping_sub(b'\t') < 5;
    // The first bytes of U+0085 and U+00A0, U+1680, U+2000 and others, U+3000.
    let is_wide = |byte: u8| byte == 0xc2 || byte.wrapping_sub(0xe1) < 3;
    byte.wrapping_sub(b'\t') < 5
        || is_wide(byte)
        || (byte == b' ' && (is_blank(next) || is_wide(next)))
}

/// How many characters (Unicode scalar values) a text has; O(bytes), some 30 bytes a cycle.
///
/// ```
/// assert_eq!(dalign_core::text::count_chars("naïve 🙂"), 7);
/// ```
#[must_use]
pub fn count_chars(text: &str) -> usize {
    // Every byte but those that continue a character, which are `10xxxxxx`.
    let starts = |byte: u8| byte.cast_signed() >= -64;
    widest(|| {
        let (blocks, rest) = text.as_bytes().as_chunks::<32>();
        let mut count = rest.iter().filter(|&&byte| starts(byte)).count();
        // A lane counts to 255 at most.
        for blocks in blocks.chunks(255) {
            let mut lanes = [0_u8; 32];
            for block in blocks {
                for (lane, &byte) in lanes.iter_mut().zip(block) {
                    *lane += u8::from(starts(byte));
                }
            }
            count += lanes.iter().map(|&lane| usize::from(lane)).sum::<usize>();
        }
        count
    })
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

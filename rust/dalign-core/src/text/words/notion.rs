//! What a word is: as it stands between white space, or its letters and digits.

use super::window::within;
use crate::simd::{Any, bits_where};
use crate::text::{fold_character, is_invisible};

/// What a character is to a word.
///
/// ```
/// use dalign_core::text::words::{Folded, Notion, Role};
///
/// assert_eq!(Folded::role('a'), Role::Letter);
/// assert_eq!(Folded::role('-'), Role::Separator);
/// assert_eq!(Folded::role('见'), Role::Alone);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It ends a word.
    Separator,
    /// It belongs to a word.
    Letter,
    /// It is a word.
    Alone,
    /// It stands in a word and does not count.
    Skipped,
}

/// A notion of what a word is. Windows are eight bytes of text, the first in the lowest.
///
/// ```
/// use dalign_core::text::words::{Folded, Notion, Verbatim};
///
/// fn spelled<N: Notion>(character: char) -> String {
///     let mut text = String::new();
///     N::fold(character, |letter| text.push(letter));
///     text
/// }
/// assert_eq!((spelled::<Verbatim>('É'), spelled::<Folded>('É')), ("É".into(), "é".into()));
/// ```
pub trait Notion {
    /// The window as it is hashed; bytes above 0x7f may come out as anything that is.
    fn fold_window(window: u64) -> u64;
    /// One bit for each byte of a block, the first byte's in the lowest: whether it is an ASCII separator
    /// or above 0x7f.
    fn stops(block: &[u8; 64]) -> u64;
    /// What a character is to a word.
    fn role(character: char) -> Role;
    /// Hands each character that `character` is hashed as to `push`.
    fn fold(character: char, push: impl FnMut(char));
}

/// See [`verbatim`](super::verbatim).
///
/// ```
/// use dalign_core::text::words::{Notion, Role, Verbatim};
///
/// assert_eq!(Verbatim::role('!'), Role::Letter);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Verbatim;

/// See [`folded`](super::folded).
///
/// ```
/// use dalign_core::text::words::{Folded, Notion, Role};
///
/// assert_eq!(Folded::role('!'), Role::Separator);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Folded;

impl Notion for Verbatim {
    #[inline(always)]
    fn fold_window(window: u64) -> u64 {
        window
    }

    #[inline(always)]
    fn stops(block: &[u8; 64]) -> u64 {
        let is_space = |byte: u8| byte.wrapping_sub(0x09) < 5 || byte.wrapping_sub(0x1c) < 5;
        bits_where::<Any>(block, |byte| is_space(byte) || byte >= 0x80)
    }

    fn role(character: char) -> Role {
        match character {
            '\u{1c}'..='\u{1f}' => Role::Separator,
            space if space.is_whitespace() => Role::Separator,
            unspaced if is_unspaced(unspaced) => Role::Alone,
            _ => Role::Letter,
        }
    }

    fn fold(character: char, mut push: impl FnMut(char)) {
        push(character);
    }
}

impl Notion for Folded {
    #[inline(always)]
    fn fold_window(window: u64) -> u64 {
        // A capital and its small letter differ by 0x20, which is a quarter of the mark.
        window | within(window, b'A', b'Z') >> 2
    }

    #[inline(always)]
    fn stops(block: &[u8; 64]) -> u64 {
        let is_letter = |byte: u8| (byte | 0x20).wrapping_sub(b'a') < 26;
        let is_digit = |byte: u8| byte.wrapping_sub(b'0') < 10;
        bits_where::<Any>(block, |byte| !(is_letter(byte) || is_digit(byte)))
    }

    fn role(character: char) -> Role {
        match fold_character(character) {
            // Marks that turn the letter before them into another are part of it.
            '\u{300}'..='\u{36f}' => Role::Letter,
            letter if letter.is_alphanumeric() => {
                if is_unspaced(letter) {
                    Role::Alone
                } else {
                    Role::Letter
                }
            }
            other if is_invisible(other) => Role::Skipped,
            _ => Role::Separator,
        }
    }

    fn fold(character: char, push: impl FnMut(char)) {
        let capitals = fold_character(character).to_uppercase();
        capitals.flat_map(char::to_lowercase).for_each(push);
    }
}

/// Whether a character belongs to a script that is written without spaces between words.
fn is_unspaced(character: char) -> bool {
    matches!(
        character,
        '\u{e00}'..='\u{eff}' // Thai, Lao
            | '\u{1000}'..='\u{109f}' // Burmese
            | '\u{1780}'..='\u{17ff}' // Khmer
            | '\u{2e80}'..='\u{2fdf}' // radicals
            | '\u{3005}'..='\u{3007}' // iteration mark, zero
            | '\u{3041}'..='\u{312f}' // kana, bopomofo
            | '\u{31a0}'..='\u{31ff}' // their extensions
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}' // Han
            | '\u{f900}'..='\u{faff}'
            | '\u{ff66}'..='\u{ff9f}' // half-width katakana
            | '\u{20000}'..='\u{3ffff}'
    )
}

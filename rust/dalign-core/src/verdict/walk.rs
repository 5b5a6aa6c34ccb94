//! JSON objects inside a judge's prose, told apart from braces that are none, and their keys and
//! values as they come. Nothing is stored and nothing unescaped.

use memchr::{memchr, memchr2};

/// What a walk through an object meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event<'t> {
    /// An object or a list begins; the walk is now one deeper.
    Open,
    /// An object's key, without its quotes.
    Key(&'t str),
    /// A string without its quotes, a number, a literal: an object's value or an item of a list.
    Scalar(&'t str),
    /// The innermost object or list ends.
    Close,
}

/// Takes what a walk meets.
pub(super) trait Visit<'t> {
    /// A walk begins; what an earlier one met is void.
    fn start(&mut self);

    /// The next event of the walk.
    fn event(&mut self, event: Event<'t>);
}

/// The deepest nesting that is still read; a judge's reply has two or three.
const DEPTH: u32 = 64;

/// Which braces of a text are objects. Linear: what broken objects cost is counted, and above eight
/// times the text no further object is looked for.
pub(super) struct Objects<'t> {
    text: &'t str,
    at: usize,
    budget: usize,
}

impl<'t> Objects<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, at: 0, budget: 8 * text.len() }
    }

    /// The next outermost object, from its brace to behind its other one. `visitor` sees its events,
    /// and before them those of what began like an object and was none.
    ///
    /// JSON with four liberties, each with one reading only: strings in single quotes, a comma
    /// before the closing bracket, Python's literals, and an end of text between two tokens, which
    /// closes what is open.
    pub(super) fn next(&mut self, visitor: &mut impl Visit<'t>) -> Option<(usize, usize)> {
        while let Some(found) = memchr(b'{', &self.text.as_bytes()[self.at..]) {
            let from = self.at + found;
            visitor.start();
            let mut walk = Walk { text: self.text, at: from, open: 0, depth: 0 };
            if walk.run(visitor).is_some() {
                self.at = walk.at;
                return Some((from, walk.at));
            }
            self.at = from + 1;
            self.budget = self.budget.checked_sub(walk.at - from)?;
        }
        None
    }
}

/// A walk through one object.
struct Walk<'t> {
    text: &'t str,
    at: usize,
    /// One bit for each level, the innermost lowest: 1 for an object, 0 for a list.
    open: u64,
    depth: u32,
}

impl<'t> Walk<'t> {
    /// Walks to the end of the object at `at`; none where it is no object, `at` then saying how far
    /// the walk came.
    fn run(&mut self, visitor: &mut impl Visit<'t>) -> Option<()> {
        self.value(visitor)?;
        while self.depth > 0 {
            match self.byte() {
                None => return Some(()),
                Some(b'}') if self.open & 1 == 1 => self.close(visitor)?,
                Some(b']') if self.open & 1 == 0 => self.close(visitor)?,
                Some(_) if self.open & 1 == 0 => self.value(visitor)?,
                Some(_) => {
                    visitor.event(Event::Key(self.string()?));
                    match self.byte() {
                        None => return Some(()),
                        Some(b':') => self.at += 1,
                        Some(_) => return None,
                    }
                    if self.byte().is_none() {
                        return Some(());
                    }
                    self.value(visitor)?;
                }
            }
        }
        Some(())
    }

    /// Walks over a scalar and the comma behind it, or into an object or list.
    #[inline]
    fn value(&mut self, visitor: &mut impl Visit<'t>) -> Option<()> {
        let scalar = match self.byte()? {
            bracket @ (b'{' | b'[') => {
                if self.depth == DEPTH {
                    return None;
                }
                self.at += 1;
                self.depth += 1;
                self.open = self.open << 1 | u64::from(bracket == b'{');
                visitor.event(Event::Open);
                return Some(());
            }
            b'"' | b'\'' => self.string()?,
            _ => self.bare()?,
        };
        visitor.event(Event::Scalar(scalar));
        self.comma()
    }

    #[inline]
    fn close(&mut self, visitor: &mut impl Visit<'t>) -> Option<()> {
        self.at += 1;
        self.depth -= 1;
        self.open >>= 1;
        visitor.event(Event::Close);
        // Behind the outermost object prose may go on.
        if self.depth == 0 { Some(()) } else { self.comma() }
    }

    /// Steps over a comma; without one, only a closing bracket or the text's end may follow.
    #[inline]
    fn comma(&mut self) -> Option<()> {
        match self.byte() {
            Some(b',') => {
                self.at += 1;
                Some(())
            }
            None | Some(b'}' | b']') => Some(()),
            Some(_) => None,
        }
    }

    /// The next byte that is no white space.
    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.at += blank;
        rest.get(blank).copied()
    }

    /// A string, without its quotes.
    #[inline]
    fn string(&mut self) -> Option<&'t str> {
        let bytes = self.text.as_bytes();
        let quote = *bytes.get(self.at)?;
        if !matches!(quote, b'"' | b'\'') {
            return None;
        }
        let start = self.at + 1;
        self.at = start;
        loop {
            let Some(found) = next_of(quote, &bytes[self.at..]) else {
                self.at = bytes.len();
                return None;
            };
            self.at += found + 1;
            if bytes[self.at - 1] == b'\\' {
                self.at = bytes.len().min(self.at + 1);
            } else if quote == b'"' || closes_single(&bytes[self.at..]) {
                return Some(&self.text[start..self.at - 1]);
            }
        }
    }

    /// A number or a literal; what a score may be out of belongs to it.
    #[inline]
    fn bare(&mut self) -> Option<&'t str> {
        let rest = &self.text.as_bytes()[self.at..];
        let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b'\n' | b'\r');
        // No number and no literal is longer.
        let length = rest.iter().take(32).position(is_end);
        let length = length.or_else(|| (rest.len() < 32).then_some(rest.len()))?;
        let token = self.text[self.at..self.at + length].trim_end();
        let is_number = token.starts_with(|c: char| c.is_ascii_digit() || "-+.".contains(c));
        let literals = ["true", "false", "null", "True", "False", "None", "NaN"];
        if !is_number && !literals.contains(&token) {
            return None;
        }
        self.at += length;
        Some(token)
    }
}

/// Where a quote or a backslash stands next.
#[inline]
fn next_of(quote: u8, bytes: &[u8]) -> Option<usize> {
    // Most keys and many values are shorter than the start of a wide search takes.
    let (words, _) = bytes.as_chunks();
    for (at, word) in words.iter().take(NEAR).enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ repeated(quote)) | zeros(word ^ repeated(b'\\'));
        if found != 0 {
            return Some(8 * at + found.trailing_zeros() as usize / 8);
        }
    }
    let near = 8 * words.len().min(NEAR);
    memchr2(quote, b'\\', &bytes[near..]).map(|at| near + at)
}

/// Words of eight bytes that are looked at one by one.
const NEAR: usize = 2;

/// A byte eight times.
#[inline]
fn repeated(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The high bit of the lowest byte that is 0, and of no byte below it; those above may be set too.
#[inline]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(repeated(1)) & !word & repeated(0x80)
}

/// Whether a single quote ends its string here: an apostrophe is followed by a letter.
fn closes_single(rest: &[u8]) -> bool {
    let next = rest.iter().find(|byte| !byte.is_ascii_whitespace());
    next.is_none_or(|next| matches!(next, b',' | b':' | b'}' | b']'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::next_of;

    proptest! {
        #[test]
        fn the_next_quote_or_backslash_is_found(
            // Bytes beside those that are looked for, which a borrow could make look alike.
            bytes in prop::collection::vec(prop::sample::select(br#"x"\'!#[](&"#.to_vec()), 0..60),
            high in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            for bytes in [bytes, high] {
                for quote in [b'"', b'\''] {
                    let expected = bytes.iter().position(|&byte| byte == quote || byte == b'\\');
                    prop_assert_eq!(next_of(quote, &bytes), expected);
                }
            }
        }
    }
}

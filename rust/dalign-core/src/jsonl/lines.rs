//! The lines of a chunk.

use memchr::memchr;

/// A line of a chunk that is not blank.
///
/// ```
/// use dalign_core::jsonl::{Line, lines};
///
/// let found: Vec<Line> = lines("\n{}\n", &mut 1).collect();
/// assert_eq!(found, [Line { number: 2, start: 1, text: "{}\n" }]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'c> {
    /// Its number in the file, counted from 1.
    pub number: u64,
    /// Where it starts in the chunk.
    pub start: usize,
    /// The line with its line end, where it has one.
    pub text: &'c str,
}

impl<'c> Line<'c> {
    /// The line without its line end.
    ///
    /// ```
    /// use dalign_core::jsonl::Line;
    ///
    /// assert_eq!(Line { number: 1, start: 0, text: "{}\r\n" }.body(), "{}");
    /// ```
    #[must_use]
    pub fn body(self) -> &'c str {
        let text = self.text.strip_suffix('\n').unwrap_or(self.text);
        text.strip_suffix('\r').unwrap_or(text)
    }
}

/// The lines of a chunk that are not blank; `next_line` is the number of its first line, and of
/// the first line after it when all are taken.
///
/// ```
/// let mut next_line = 7;
/// let numbers: Vec<u64> = dalign_core::jsonl::lines("{}\n \n{}", &mut next_line)
///     .map(|line| line.number)
///     .collect();
/// assert_eq!((numbers, next_line), (vec![7, 9], 10));
/// ```
pub fn lines<'c, 'n>(chunk: &'c str, next_line: &'n mut u64) -> Lines<'c, 'n> {
    Lines { chunk, at: 0, next_line }
}

/// See [`lines`].
///
/// ```
/// let mut next_line = 1;
/// let mut lines = dalign_core::jsonl::lines("{}\n", &mut next_line);
/// assert_eq!(lines.next().map(|line| line.body()), Some("{}"));
/// assert_eq!(lines.next(), None);
/// ```
#[derive(Debug)]
pub struct Lines<'c, 'n> {
    chunk: &'c str,
    at: usize,
    next_line: &'n mut u64,
}

impl<'c> Iterator for Lines<'c, '_> {
    type Item = Line<'c>;

    #[inline]
    fn next(&mut self) -> Option<Line<'c>> {
        while self.at < self.chunk.len() {
            let (start, number) = (self.at, *self.next_line);
            let rest = &self.chunk[start..];
            let end = memchr(b'\n', rest.as_bytes()).map_or(rest.len(), |newline| newline + 1);
            self.at += end;
            *self.next_line += 1;
            let text = &rest[..end];
            if !text.bytes().all(|byte| byte.is_ascii_whitespace() || byte == 0x0b) {
                return Some(Line { number, start, text });
            }
        }
        None
    }
}

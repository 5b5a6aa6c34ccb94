//! Reads one line: checks that it is a JSON object and notes where the wanted texts stand.

use super::error::Defect;
use super::escape::{JsonText, read_escape};
use super::fields::{Fields, Found, Span};
use super::marks::Marks;

/// How deep values may nest, the row itself counted: enough for any row, and far from the end of
/// the stack.
const DEEPEST: u32 = 127;

/// What a line holds under each name of `fields`, in their order; O(bytes).
///
/// The line may end with its line end. Of a key that stands twice the last value counts.
///
/// # Errors
///
/// A [`Defect`]: not a JSON object, or a required field that is missing or no text.
///
/// ```
/// use dalign_core::jsonl::{Fields, Found, Span, scan};
///
/// let fields = Fields::new(&["b"], &["c"]);
/// let mut found = Vec::new();
/// scan(r#"{"a": [1], "b": "x\n"}"#, &fields, &mut found)?;
/// assert_eq!(found, [Found::Text(Span { start: 17, end: 20, escaped: true }), Found::Absent]);
/// # Ok::<(), dalign_core::jsonl::Defect>(())
/// ```
pub fn scan(line: &str, fields: &Fields, found: &mut Vec<Found>) -> Result<(), Defect> {
    found.clear();
    found.resize(fields.names().len(), Found::Absent);
    let mut scanner =
        Scanner { line: line.as_bytes(), text: line, marks: Marks::default(), at: 0, depth: 0 };
    scanner.row(fields, found)?;
    fields.check(found)
}

/// [`scan`] of bytes that may be no UTF-8: any bytes at all give a result or a [`Defect`].
///
/// # Errors
///
/// As [`scan`], and [`Defect::NotUtf8`].
///
/// ```
/// use dalign_core::jsonl::{Fields, scan_bytes};
///
/// assert!(scan_bytes(b"{}", &Fields::new(&[], &[])).is_ok());
/// assert!(scan_bytes(b"{\"a\": \"\xff\"}", &Fields::new(&[], &[])).is_err());
/// ```
pub fn scan_bytes(line: &[u8], fields: &Fields) -> Result<Vec<Found>, Defect> {
    let text = std::str::from_utf8(line).map_err(|error| not_utf8(line, error.valid_up_to()))?;
    let mut found = Vec::new();
    scan(text, fields, &mut found)?;
    Ok(found)
}

/// The defect of a line that is UTF-8 up to byte `valid`.
pub(super) fn not_utf8(line: &[u8], valid: usize) -> Defect {
    Defect::NotUtf8 { byte: line.get(valid).copied().unwrap_or_default(), at: valid + 1 }
}

struct Scanner<'l> {
    line: &'l [u8],
    text: &'l str,
    marks: Marks,
    at: usize,
    depth: u32,
}

impl Scanner<'_> {
    fn row(&mut self, fields: &Fields, found: &mut [Found]) -> Result<(), Defect> {
        self.white_space();
        if self.peek() != Some(b'{') {
            return match self.value()? {
                Found::Text(_) => Err(Defect::NotAnObject { found: "a text" }),
                Found::Other(found) => Err(Defect::NotAnObject { found }),
                Found::Absent => Err(self.wrong("nothing")),
            };
        }
        self.object(|scanner, key| {
            let value = scanner.value()?;
            if let Some(index) = scanner.wanted(key, fields) {
                found[index] = value;
            }
            Ok(())
        })?;
        self.white_space();
        if self.at < self.line.len() { Err(self.wrong("more after the object")) } else { Ok(()) }
    }

    /// Which of the wanted fields a key names.
    #[inline]
    fn wanted(&self, key: Span, fields: &Fields) -> Option<usize> {
        let raw = &self.text[key.start..key.end];
        if key.escaped {
            return fields.position(&JsonText::checked(raw, true).decoded());
        }
        fields.position(raw)
    }

    /// An object from its brace on; `member` reads the value of each key.
    #[inline]
    fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Span) -> Result<(), Defect>,
    ) -> Result<(), Defect> {
        self.enter()?;
        if self.closes(b'}') {
            return Ok(());
        }
        loop {
            self.white_space();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("no key between quotes"));
            }
            let key = self.string()?;
            self.white_space();
            if self.peek() != Some(b':') {
                return Err(self.wrong("no colon after a key"));
            }
            self.at += 1;
            self.white_space();
            member(self, key)?;
            if self.ends(b'}')? {
                return Ok(());
            }
        }
    }

    fn array(&mut self) -> Result<(), Defect> {
        self.enter()?;
        if self.closes(b']') {
            return Ok(());
        }
        loop {
            self.white_space();
            self.value()?;
            if self.ends(b']')? {
                return Ok(());
            }
        }
    }

    /// Any value; white space before it has been passed.
    #[inline]
    fn value(&mut self) -> Result<Found, Defect> {
        Ok(Found::Other(match self.peek() {
            Some(b'"') => return self.string().map(Found::Text),
            Some(b'{') => {
                self.object(|scanner, _| scanner.value().map(drop))?;
                "an object"
            }
            Some(b'[') => {
                self.array()?;
                "a list"
            }
            Some(b't') => self.word("true", "a truth value")?,
            Some(b'f') => self.word("false", "a truth value")?,
            Some(b'n') => self.word("null", "null")?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => return Err(self.wrong("no value")),
            None => return Err(self.wrong("the end")),
        }))
    }

    /// A text from its quote on.
    #[inline]
    fn string(&mut self) -> Result<Span, Defect> {
        self.at += 1;
        let (start, mut escaped, mut control) = (self.at, false, None);
        loop {
            self.at = self.marks.next(self.line, self.at);
            match self.peek() {
                None => return Err(self.wrong("the end within a text")),
                Some(b'"') => break,
                Some(b'\\') => {
                    let read = read_escape(&self.line[self.at..]);
                    self.at += read.map_err(|what| self.wrong(what))?.1;
                    escaped = true;
                }
                Some(_) => {
                    // Told only of a text that is whole: the end of a line is one too.
                    control = control.or(Some(self.at));
                    self.at += 1;
                }
            }
        }
        let end = self.at;
        if let Some(control) = control {
            self.at = control;
            return Err(self.wrong("a control character within a text"));
        }
        self.at += 1;
        Ok(Span { start, end, escaped })
    }

    fn number(&mut self) -> Result<&'static str, Defect> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok("a number")
    }

    /// At least one digit.
    fn digits(&mut self) -> Result<(), Defect> {
        let count = self.line[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { Err(self.wrong("no digit")) } else { Ok(()) }
    }

    fn word(&mut self, word: &str, kind: &'static str) -> Result<&'static str, Defect> {
        if !self.line[self.at..].starts_with(word.as_bytes()) {
            return Err(self.wrong("no value"));
        }
        self.at += word.len();
        Ok(kind)
    }

    /// Passes an opening bracket.
    #[inline]
    fn enter(&mut self) -> Result<(), Defect> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong("values nested too deep"));
        }
        self.at += 1;
        Ok(())
    }

    /// Passes the bracket of an object or list without members.
    #[inline]
    fn closes(&mut self, bracket: u8) -> bool {
        self.white_space();
        let closes = self.peek() == Some(bracket);
        if closes {
            self.at += 1;
            self.depth -= 1;
        }
        closes
    }

    /// Passes what follows a member: the closing bracket, or a comma and the promise of another.
    #[inline]
    fn ends(&mut self, bracket: u8) -> Result<bool, Defect> {
        if self.closes(bracket) {
            return Ok(true);
        }
        if self.peek() != Some(b',') {
            return Err(self.wrong("no comma between two values"));
        }
        self.at += 1;
        Ok(false)
    }

    #[inline]
    fn white_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    #[cold]
    fn wrong(&self, what: &'static str) -> Defect {
        Defect::NotJson { what, at: self.at + 1 }
    }
}

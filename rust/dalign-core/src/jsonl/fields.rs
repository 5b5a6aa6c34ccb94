//! Which fields of a row are asked for, and what was found of them.

use super::error::Defect;

/// The fields to find in each row: those that it must have as a text, then those that it may have.
///
/// ```
/// use dalign_core::jsonl::Fields;
///
/// let fields = Fields::new(&["completion"], &["prompt"]);
/// assert_eq!(fields.position("prompt"), Some(1));
/// ```
#[derive(Debug, Clone)]
pub struct Fields {
    names: Vec<String>,
    required: usize,
}

impl Fields {
    /// `required` must be texts in every row; `optional` may be absent or null.
    ///
    /// ```
    /// assert_eq!(dalign_core::jsonl::Fields::new(&[], &[]).names().len(), 0);
    /// ```
    #[must_use]
    pub fn new(required: &[&str], optional: &[&str]) -> Self {
        let names = required.iter().chain(optional).map(|&name| name.to_owned()).collect();
        Self { names, required: required.len() }
    }

    /// The names, the required ones first.
    ///
    /// ```
    /// assert_eq!(dalign_core::jsonl::Fields::new(&["a"], &["b"]).names(), ["a", "b"]);
    /// ```
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Where a field stands among the names.
    ///
    /// ```
    /// assert_eq!(dalign_core::jsonl::Fields::new(&["a"], &[]).position("b"), None);
    /// ```
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// Refuses what the row's fields must not be.
    #[inline]
    pub(super) fn check(&self, found: &[Found]) -> Result<(), Defect> {
        for (index, (found, field)) in found.iter().zip(&self.names).enumerate() {
            match found {
                Found::Text(_) => {}
                Found::Absent | Found::Other("null") if index >= self.required => {}
                Found::Absent => return Err(Defect::MissingField { field: field.clone() }),
                Found::Other(found) => {
                    return Err(Defect::BadField { field: field.clone(), found });
                }
            }
        }
        Ok(())
    }
}

/// Where a text stands, without its quotes.
///
/// ```
/// use dalign_core::jsonl::{Fields, Found, scan};
///
/// let (row, mut found) = (r#"{"a": "b\n"}"#, Vec::new());
/// scan(row, &Fields::new(&["a"], &[]), &mut found).unwrap();
/// let Found::Text(span) = found[0] else { panic!("a text") };
/// assert_eq!((&row[span.start..span.end], span.escaped), (r"b\n", true));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Whether it holds an escape.
    pub escaped: bool,
}

/// What a row has under a name.
///
/// ```
/// use dalign_core::jsonl::{Fields, Found, scan};
///
/// let mut found = Vec::new();
/// scan(r#"{"a": null}"#, &Fields::new(&[], &["a", "b"]), &mut found).unwrap();
/// assert_eq!(found, [Found::Other("null"), Found::Absent]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Absent,
    /// A value that is no text, in words.
    Other(&'static str),
    /// A text.
    Text(Span),
}

//! What is wrong with a line, and where it stands.

use crate::error::{CoreError, Fault};

/// What is wrong with one line.
///
/// ```
/// use dalign_core::jsonl::{Defect, Fields, scan_bytes};
///
/// let fields = Fields::new(&["completion"], &[]);
/// let missing = scan_bytes(br#"{"prompt": "Why?"}"#, &fields).unwrap_err();
/// assert_eq!(missing, Defect::MissingField { field: "completion".to_owned() });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// Not a JSON value.
    #[error("not JSON ({what} at byte {at}); write one JSON object a line")]
    NotJson {
        /// What stands there instead.
        what: &'static str,
        /// The byte of the line, counted from 1.
        at: usize,
    },
    /// A JSON value, and not an object.
    #[error("not a JSON object but {found}; write one JSON object a line")]
    NotAnObject {
        /// What it is.
        found: &'static str,
    },
    /// Bytes that are not UTF-8.
    #[error("not UTF-8 (0x{byte:02x} at byte {at}); save the file as UTF-8")]
    NotUtf8 {
        /// The first byte at fault.
        byte: u8,
        /// Its place in the line, counted from 1.
        at: usize,
    },
    /// A field that every row needs.
    #[error("the field {field:?} is missing; name the field that holds the text")]
    MissingField {
        /// The field.
        field: String,
    },
    /// A field that holds something else than a text.
    #[error("the field {field:?} holds {found}; write a text between quotes")]
    BadField {
        /// The field.
        field: String,
        /// What it holds.
        found: &'static str,
    },
    /// A row longer than what a buffer may grow to.
    #[error("longer than {limit} bytes; split the row or check that lines end with a newline")]
    RowTooLarge {
        /// The most bytes that a row may have.
        limit: usize,
    },
}

impl Defect {
    /// The cause in `snake_case`; stable, to be matched on.
    ///
    /// ```
    /// assert_eq!(dalign_core::jsonl::Defect::RowTooLarge { limit: 9 }.kind(), "row_too_large");
    /// ```
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotJson { .. } | Self::NotAnObject { .. } => "bad_json",
            Self::NotUtf8 { .. } => "not_utf8",
            Self::MissingField { .. } => "missing_field",
            Self::BadField { .. } => "bad_field",
            Self::RowTooLarge { .. } => "row_too_large",
        }
    }
}

/// A file that cannot be read as JSON Lines.
///
/// The `row` of this error is the line, counted from 1, as editors count.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::jsonl::{Defect, JsonlError};
///
/// let error = JsonlError::Line {
///     place: "rows.jsonl".to_owned(),
///     line: 7,
///     defect: Defect::NotAnObject { found: "a number" },
/// };
/// assert!(error.to_string().starts_with("rows.jsonl:7: not a JSON object"));
/// assert_eq!((error.kind(), error.row()), ("bad_json", Some(7)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonlError {
    /// The file cannot be opened or read.
    #[error("{place}: cannot be read ({cause}); check the path and its permissions")]
    Unreadable {
        /// The file.
        place: String,
        /// What the system says.
        cause: String,
    },
    /// A line that is no row.
    #[error("{place}:{line}: {defect}")]
    Line {
        /// The file.
        place: String,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        defect: Defect,
    },
}

impl CoreError for JsonlError {
    fn fault(&self) -> Fault {
        match self {
            Self::Unreadable { .. } => Fault::of("unreadable_file"),
            Self::Line { line, defect, .. } => Fault {
                row: usize::try_from(*line).ok(),
                limit: match defect {
                    Defect::RowTooLarge { limit } => Some(*limit as f64),
                    _ => None,
                },
                ..Fault::of(defect.kind())
            },
        }
    }
}

//! What every error of this crate can tell beside its message: which row, which value, which
//! limit. The binding copies these fields to the Python exception.

/// An error whose cause can be read by a program, not only by a person.
///
/// ```
/// use dalign_core::{CoreError, pack};
///
/// let error = pack::plan(&[3, 9], 8).unwrap_err();
/// assert_eq!(error.kind(), "row_too_long");
/// assert_eq!((error.row(), error.value(), error.limit()), (Some(1), Some(9.0), Some(8.0)));
/// ```
pub trait CoreError: std::error::Error {
    /// What a program reads of it; an error that wraps another one gives that one's.
    fn fault(&self) -> Fault;

    /// The cause in `snake_case`; stable, to be matched on.
    fn kind(&self) -> &'static str {
        self.fault().kind
    }

    /// The first row at fault, counted from 0.
    fn row(&self) -> Option<usize> {
        self.fault().row
    }

    /// The value that was refused.
    fn value(&self) -> Option<f64> {
        self.fault().value
    }

    /// The limit that the value had to keep.
    fn limit(&self) -> Option<f64> {
        self.fault().limit
    }
}

/// The fields of a [`CoreError`].
///
/// ```
/// use dalign_core::error::Fault;
///
/// let fault = Fault::of("row_too_long").row(1).value(9.0).limit(8.0);
/// assert_eq!((fault.kind, fault.row), ("row_too_long", Some(1)));
/// assert_eq!(Fault::of("null").value, None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    /// The cause in `snake_case`; stable, to be matched on.
    pub kind: &'static str,
    /// The first row at fault, counted from 0.
    pub row: Option<usize>,
    /// The value that was refused.
    pub value: Option<f64>,
    /// The limit that the value had to keep.
    pub limit: Option<f64>,
}

impl Fault {
    /// A cause of which nothing else is known.
    ///
    /// ```
    /// assert_eq!(dalign_core::error::Fault::of("null").row, None);
    /// ```
    #[must_use]
    pub fn of(kind: &'static str) -> Self {
        Self { kind, row: None, value: None, limit: None }
    }

    /// With the first row at fault.
    ///
    /// ```
    /// assert_eq!(dalign_core::error::Fault::of("null").row(7).row, Some(7));
    /// ```
    #[must_use]
    pub fn row(self, row: usize) -> Self {
        Self { row: Some(row), ..self }
    }

    /// With the value that was refused.
    ///
    /// ```
    /// assert_eq!(dalign_core::error::Fault::of("bad_level").value(2.0).value, Some(2.0));
    /// ```
    #[must_use]
    pub fn value(self, value: f64) -> Self {
        Self { value: Some(value), ..self }
    }

    /// With the limit that the value had to keep.
    ///
    /// ```
    /// assert_eq!(dalign_core::error::Fault::of("bad_share").limit(1.0).limit, Some(1.0));
    /// ```
    #[must_use]
    pub fn limit(self, limit: f64) -> Self {
        Self { limit: Some(limit), ..self }
    }
}

/// Columns that do not belong together.
///
/// ```
/// use dalign_core::{CoreError, error};
///
/// assert!(error::same_length("truncated", 3, 3).is_ok());
/// assert_eq!(error::same_length("truncated", 2, 3).unwrap_err().kind(), "length_mismatch");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// Two columns of one table differ in length.
    #[error("column `{column}` has {found} rows where {expected} are needed")]
    LengthMismatch {
        /// The column at fault.
        column: &'static str,
        /// Its length.
        found: usize,
        /// The length of the column that it stands beside.
        expected: usize,
    },
    /// Offsets that do not delimit the values beside them.
    #[error(
        "`{column}` must start at 0, never fall and end at {end}, the number of values; \
         entry {row} is {found}"
    )]
    BadOffsets {
        /// The column of offsets.
        column: &'static str,
        /// The first entry at fault.
        row: usize,
        /// What stands there.
        found: u64,
        /// The number of values that the offsets delimit.
        end: u64,
    },
    /// More rows than an index of 32 bits can name.
    #[error("column `{column}` has {found} rows; one call takes at most {}: split it", u32::MAX)]
    TooManyRows {
        /// The column at fault.
        column: &'static str,
        /// Its length.
        found: usize,
    },
}

impl CoreError for ColumnError {
    fn fault(&self) -> Fault {
        match self {
            Self::LengthMismatch { found, expected, .. } => {
                Fault::of("length_mismatch").value(*found as f64).limit(*expected as f64)
            }
            Self::BadOffsets { row, found, end, .. } => {
                Fault::of("bad_offsets").row(*row).value(*found as f64).limit(*end as f64)
            }
            Self::TooManyRows { found, .. } => {
                Fault::of("too_many_rows").value(*found as f64).limit(f64::from(u32::MAX))
            }
        }
    }
}

/// Checks that a column has the length of the one it stands beside.
///
/// # Errors
///
/// [`ColumnError::LengthMismatch`] when it has not.
///
/// ```
/// assert!(dalign_core::error::same_length("truncated", 2, 3).is_err());
/// ```
pub fn same_length(column: &'static str, found: usize, expected: usize) -> Result<(), ColumnError> {
    if found == expected {
        Ok(())
    } else {
        Err(ColumnError::LengthMismatch { column, found, expected })
    }
}

/// Checks that offsets start at 0, never fall and end at `end`.
///
/// # Errors
///
/// [`ColumnError::BadOffsets`] with the first entry that breaks the rule. No offsets at all break
/// it at entry 0: even no row has one.
///
/// ```
/// use dalign_core::error::offsets_delimit;
///
/// assert!(offsets_delimit("offsets", [0_u64, 2, 2, 5], 5).is_ok());
/// assert!(offsets_delimit("offsets", [0_u64, 3, 2, 5], 5).is_err());
/// ```
pub fn offsets_delimit(
    column: &'static str,
    offsets: impl IntoIterator<Item = impl Into<u64>>,
    end: usize,
) -> Result<(), ColumnError> {
    let end = end as u64;
    let refuse = |row, found| Err(ColumnError::BadOffsets { column, row, found, end });
    let (mut last, mut count) = (None, 0_usize);
    for (row, offset) in offsets.into_iter().map(Into::into).enumerate() {
        if offset < last.unwrap_or(0) || offset > end || (row == 0 && offset != 0) {
            return refuse(row, offset);
        }
        last = Some(offset);
        count = row + 1;
    }
    match last {
        Some(offset) if offset == end => Ok(()),
        _ => refuse(count.saturating_sub(1), last.unwrap_or(0)),
    }
}

/// Checks that 32 bits can index every row of a column.
///
/// # Errors
///
/// [`ColumnError::TooManyRows`] when they cannot.
///
/// ```
/// assert!(dalign_core::error::indexable("texts", 1_000).is_ok());
/// ```
pub fn indexable(column: &'static str, rows: usize) -> Result<(), ColumnError> {
    if u32::try_from(rows).is_ok() {
        Ok(())
    } else {
        Err(ColumnError::TooManyRows { column, found: rows })
    }
}

//! JSON Lines held in byte buffers: each line is checked as a JSON object in UTF-8, and the fields
//! that are asked for are found where they stand, without building the other values.
//!
//! A line is taken as [RFC 8259](https://www.rfc-editor.org/rfc/rfc8259) says, with these choices:
//! of a key that stands twice the last value counts; half of a surrogate pair is an error, since no
//! text holds it; values nest at most 127 deep; the size of a number is not looked at. Lines with
//! nothing but white space are passed over and counted, a byte order mark at the start of the file
//! is passed over.
//!
//! [`Chunks`] reads a file in parts of whole lines, [`lines`] walks over their lines, and [`scan`]
//! reads one; [`Reader`] puts the three together and gives [`Batch`]es of rows.

mod batch;
mod chunks;
mod error;
mod escape;
mod fields;
mod lines;
mod marks;
mod scan;

pub use batch::{Batch, Reader};
pub use chunks::{Chunks, ROW_LIMIT_BYTES};
pub use error::{Defect, JsonlError};
pub use escape::JsonText;
pub use fields::{Fields, Found, Span};
pub use lines::{Line, Lines, lines};
pub use scan::{scan, scan_bytes};

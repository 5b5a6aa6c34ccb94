//! Files of rows, written whole or not at all.

mod rows;
mod writer;
mod zstd;

pub use rows::{RowsError, write_dropped, write_kept};
pub use writer::{LineWriter, WriteError};
pub use zstd::Zstd;

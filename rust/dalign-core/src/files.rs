//! Files of rows: written whole or not at all, and filtered in one pass with bounded memory.

mod filter;
mod rows;
mod writer;

pub use filter::{FilterError, FilterJsonl, Filtered, filter_jsonl};
pub use rows::{RowsError, write_dropped, write_kept};
pub use writer::{LineWriter, WriteError};

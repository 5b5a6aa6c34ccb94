//! Rows that say what another row says already: [`exact`] duplicates, the same up to white space,
//! and near ones ([`near`]), of which most word n-grams are the same.

mod candidates;
mod exact;
mod groups;
mod index;
mod jaccard;
mod near;
mod signature;
mod verify;

pub mod error;

pub use error::NearError;
pub use exact::exact;
pub use groups::representatives;
pub use index::NearIndex;
pub use near::{Pair, Settings, near};
pub use verify::Candidates;

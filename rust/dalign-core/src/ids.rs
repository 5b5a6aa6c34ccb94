//! Ids that a row earns by what it was made from: the same parents, variant and index give the
//! same id on every machine, and anything else gives another.

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::{ColumnError, same_length};

/// The id of a row: 128 bits of BLAKE3 over its origin, as 32 hexadecimal digits.
///
/// `parents` are the ids of the rows it was made from, in order; `variant` names the arm or run of
/// the stage; `index` tells siblings apart. Every part is hashed with its length before it, so that
/// no two origins share a byte string.
///
/// ```
/// use dalign_core::ids::row_id;
///
/// let id = row_id(&["prompt-1"], "base", 0);
/// assert_eq!(id.len(), 32);
/// assert_eq!(id, row_id(&["prompt-1"], "base", 0));
/// assert_ne!(row_id(&["ab", "c"], "v", 0), row_id(&["a", "bc"], "v", 0));
/// ```
#[must_use]
pub fn row_id(parents: &[impl AsRef<str>], variant: &str, index: u64) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(parents.len() as u64).to_le_bytes());
    for part in parents.iter().map(AsRef::as_ref).chain([variant]) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.update(&index.to_le_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

/// The [`row_id`] of each row that has one parent, in parallel.
///
/// # Errors
///
/// [`ColumnError::LengthMismatch`] unless there is one index for each parent.
///
/// ```
/// use dalign_core::ids::{row_id, row_ids};
///
/// let ids = row_ids(&["p", "p"], "base", &[0, 1])?;
/// assert_eq!(ids[1], row_id(&["p"], "base", 1));
/// # Ok::<(), dalign_core::ColumnError>(())
/// ```
pub fn row_ids(
    parents: &[&str],
    variant: &str,
    indices: &[u64],
) -> Result<Vec<String>, ColumnError> {
    same_length("indices", indices.len(), parents.len())?;
    let rows = parents.par_iter().zip(indices).with_min_len(1024);
    Ok(rows.map(|(parent, &index)| row_id(&[parent], variant, index)).collect())
}

/// A number that stands for a text where only equality counts, as cluster labels do: 64 bits of
/// XXH3.
///
/// ```
/// use dalign_core::ids::label;
///
/// assert_ne!(label("prompt-1"), label("prompt-2"));
/// ```
#[must_use]
pub fn label(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// The content hash of some bytes: all 256 bits of BLAKE3, as 64 hexadecimal digits.
///
/// ```
/// let empty = dalign_core::ids::digest(b"");
/// assert!(empty.starts_with("af1349b9f5f9a1a6"));
/// ```
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

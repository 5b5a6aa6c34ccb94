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
    id_of(parents.iter().map(AsRef::as_ref), variant, index)
}

fn id_of<'p>(
    parents: impl ExactSizeIterator<Item = &'p str>,
    variant: &'p str,
    index: u64,
) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(parents.len() as u64).to_le_bytes());
    for part in parents.chain([variant]) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.update(&index.to_le_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

/// One parent of each row of a column.
///
/// ```
/// use dalign_core::ids::{Parent, row_id, row_ids};
///
/// let parents = [Parent::Same("7"), Parent::Each(&["a", "b"])];
/// assert_eq!(row_ids(&parents, "nonce", &[0, 0])?[1], row_id(&["7", "b"], "nonce", 0));
/// # Ok::<(), dalign_core::ColumnError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent<'a> {
    /// All rows have this one.
    Same(&'a str),
    /// Each row has its own.
    Each(&'a [&'a str]),
}

/// The [`row_id`] of each row by its parents and its index, in parallel.
///
/// # Errors
///
/// [`ColumnError::LengthMismatch`] unless each row has an index and each of its parents.
///
/// ```
/// use dalign_core::ids::{Parent, row_id, row_ids};
///
/// let ids = row_ids(&[Parent::Each(&["p", "p"])], "base", &[0, 1])?;
/// assert_eq!(ids[1], row_id(&["p"], "base", 1));
/// assert!(row_ids(&[Parent::Each(&["p", "p"])], "base", &[0]).is_err());
/// # Ok::<(), dalign_core::ColumnError>(())
/// ```
pub fn row_ids(
    parents: &[Parent<'_>],
    variant: &str,
    indices: &[u64],
) -> Result<Vec<String>, ColumnError> {
    for parent in parents {
        if let Parent::Each(texts) = parent {
            same_length("parents", texts.len(), indices.len())?;
        }
    }
    let of_row = |(row, &index): (usize, &u64)| {
        let parents = parents.iter().map(|parent| match parent {
            Parent::Same(text) => *text,
            Parent::Each(texts) => texts[row],
        });
        id_of(parents, variant, index)
    };
    Ok(indices.par_iter().enumerate().with_min_len(1024).map(of_row).collect())
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

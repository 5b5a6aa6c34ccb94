//! Which rows to compare: those that share a band.

use rayon::prelude::*;

/// A bucket of up to so many rows is compared pair by pair.
const SMALL_BUCKET: usize = 32;
/// In a larger one each row is compared with so many of them only, the same for all.
const LEADERS: usize = 8;

/// The pairs of rows that share a key in some band, the lower row first, sorted, each once.
///
/// `bands[b][row]` is the row's key in band b; rows for which `is_copy` holds take no part. In a
/// bucket of more than [`SMALL_BUCKET`] rows each meets the [`LEADERS`] rows of the least content, so the
/// pairs of n rows are O(n · bands) whatever they hold, and the same in whatever order the rows come.
pub(super) fn candidate_pairs(
    bands: &[Vec<u32>],
    contents: &[u128],
    is_copy: impl Fn(u32) -> bool + Sync,
) -> Vec<(u32, u32)> {
    let pairs = bands.par_iter().map(|keys| {
        let mut pairs = pairs_of_band(keys, contents, &is_copy);
        pairs.sort_unstable();
        pairs
    });
    // Band after band, so that no more than twice the distinct pairs are ever held.
    let mut pairs = pairs.reduce(Vec::new, |mut all, pairs| {
        all.extend(pairs);
        all.sort_unstable();
        all.dedup();
        all
    });
    pairs.shrink_to_fit();
    pairs
}

/// The pairs of one band, in no order.
fn pairs_of_band(
    keys: &[u32],
    contents: &[u128],
    is_copy: &impl Fn(u32) -> bool,
) -> Vec<(u32, u32)> {
    let mut pairs = Vec::new();
    let mut rows: Vec<u32> = Vec::new();
    let entries = shared_keys(keys, is_copy);
    for bucket in entries.chunk_by(|a, b| a >> 32 == b >> 32).filter(|bucket| bucket.len() > 1) {
        rows.clear();
        rows.extend(bucket.iter().map(|&entry| entry as u32));
        let leaders = if rows.len() > SMALL_BUCKET {
            let content = |row: &u32| contents[*row as usize];
            rows.select_nth_unstable_by_key(LEADERS - 1, content);
            LEADERS
        } else {
            rows.len()
        };
        for (place, &a) in rows[..leaders].iter().enumerate() {
            pairs.extend(rows[place + 1..].iter().map(|&b| (a.min(b), a.max(b))));
        }
    }
    pairs
}

/// Key and row of the rows that may share their key, by key: most keys stand alone, and those are left
/// out before anything is sorted.
fn shared_keys(keys: &[u32], is_copy: &impl Fn(u32) -> bool) -> Vec<u64> {
    let slots = (4 * keys.len()).next_power_of_two();
    let slot = |key: u32| key as usize & (slots - 1);
    let mut seen = vec![0_u8; slots];
    let rows = (0..).zip(keys).filter(|&(row, _)| !is_copy(row));
    for (_, &key) in rows.clone() {
        seen[slot(key)] = seen[slot(key)].saturating_add(1);
    }
    let shared = rows.filter(|&(_, &key)| seen[slot(key)] > 1);
    let mut entries: Vec<u64> =
        shared.map(|(row, &key)| u64::from(key) << 32 | u64::from(row)).collect();
    entries.sort_unstable();
    entries
}

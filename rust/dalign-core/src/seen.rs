//! Which texts were seen before, in bounded memory: a table of hashes, and sorted files of them when
//! the table would outgrow its bound.

mod run;
mod sieve;

use std::io;
use std::path::{Path, PathBuf};

use crate::error::CoreError;
use run::Run;
use sieve::Sieve;

/// A hash in two halves, the upper first, and the line it came from; line 0 marks a free slot.
type Record = [u64; 3];

const RECORD_BYTES: usize = size_of::<Record>();
const FEWEST_SLOTS: usize = 16;

/// The first line of each text seen so far, by the text's 128-bit hash.
///
/// An open-addressing table with linear probing, 24 bytes a slot, at most seven eighths full. When
/// it may not grow any further, its records are sorted by hash and written to a temporary file, and
/// it starts empty again; a Bloom filter of a quarter of the bound (split into blocks of 32 bytes,
/// [Putze, Sanders & Singler 2009](https://doi.org/10.1145/1498698.1594230)) tells nearly all new
/// texts from those that may stand in a file, and these are looked up by one read a file. So the
/// answer is exact for any bound.
///
/// O(1) for a new text; O(files) reads for one that was seen before the last file was written.
///
/// ```
/// use dalign_core::seen::Seen;
///
/// let mut seen = Seen::new(1 << 20, std::env::temp_dir());
/// assert_eq!(seen.insert(7, 1)?, None);
/// assert_eq!(seen.insert(7, 2)?, Some(1));
/// # Ok::<(), dalign_core::seen::SpillError>(())
/// ```
#[derive(Debug)]
pub struct Seen {
    slots: Vec<Record>,
    taken: usize,
    /// Bytes that the table may have, the copy while it grows counted.
    table_bytes: usize,
    sieve_bytes: usize,
    folder: PathBuf,
    sieve: Sieve,
    runs: Vec<Run>,
}

/// Hashes that cannot be kept in a temporary file.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::seen::Seen;
///
/// // No memory, and no folder for a file.
/// let mut seen = Seen::new(0, "/nowhere".into());
/// let error = (1..100).find_map(|line| seen.insert(line.into(), line).err());
/// assert_eq!(error.map(|error| error.kind()), Some("unwritable_file"));
/// ```
#[derive(Debug, thiserror::Error)]
#[error(
    "{folder}: the hashes of seen texts cannot be kept there ({cause}); free space or raise the memory limit"
)]
pub struct SpillError {
    folder: String,
    cause: io::Error,
}

impl CoreError for SpillError {
    fn kind(&self) -> &'static str {
        "unwritable_file"
    }
}

impl Seen {
    /// Nothing seen; `bytes` is the bound of the memory used, `folder` takes the temporary files,
    /// which vanish with this value.
    ///
    /// ```
    /// let seen = dalign_core::seen::Seen::new(64 << 20, std::env::temp_dir());
    /// assert_eq!(seen.files(), 0);
    /// ```
    #[must_use]
    pub fn new(bytes: usize, folder: PathBuf) -> Self {
        Self {
            slots: vec![[0; 3]; FEWEST_SLOTS],
            taken: 0,
            table_bytes: bytes - bytes / 4,
            sieve_bytes: bytes / 4,
            folder,
            sieve: Sieve::default(),
            runs: Vec::new(),
        }
    }

    /// How many temporary files hold hashes.
    ///
    /// ```
    /// # use dalign_core::seen::Seen;
    /// assert_eq!(Seen::new(0, std::env::temp_dir()).files(), 0);
    /// ```
    #[must_use]
    pub fn files(&self) -> usize {
        self.runs.len()
    }

    /// The line of the first text with this hash, none if there was none; `line`, at least 1, is
    /// then kept as the first.
    ///
    /// # Errors
    ///
    /// [`SpillError`] when a temporary file cannot be written or read.
    ///
    /// ```
    /// # use dalign_core::seen::Seen;
    /// // No memory at all: the table has its least size and the rest goes to files.
    /// let mut seen = Seen::new(0, std::env::temp_dir());
    /// for line in 1..=100 {
    ///     assert_eq!(seen.insert(u128::from(line % 50) << 90, line)?, line.checked_sub(50).filter(|&l| l > 0));
    /// }
    /// # Ok::<(), dalign_core::seen::SpillError>(())
    /// ```
    pub fn insert(&mut self, hash: u128, line: u64) -> Result<Option<u64>, SpillError> {
        let key = [(hash >> 64) as u64, hash as u64];
        let mut slot = self.home(key);
        loop {
            let [upper, lower, first] = self.slots[slot];
            if first == 0 {
                break;
            }
            if [upper, lower] == key {
                return Ok(Some(first));
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        if !self.runs.is_empty() && self.sieve.may_hold(key) {
            for run in &mut self.runs {
                let found = run.find(key);
                if let Some(first) = found.map_err(|cause| broken(&self.folder, cause))? {
                    return Ok(Some(first));
                }
            }
        }
        self.slots[slot] = [key[0], key[1], line];
        self.taken += 1;
        if self.taken * 8 > self.slots.len() * 7 {
            self.make_room()?;
        }
        Ok(None)
    }

    /// Where a key's search starts: the hash's own bits spread evenly.
    #[inline]
    fn home(&self, key: [u64; 2]) -> usize {
        key[1] as usize & (self.slots.len() - 1)
    }

    fn make_room(&mut self) -> Result<(), SpillError> {
        // While it grows, the old table and one of twice its size stand side by side.
        if self.slots.len() * RECORD_BYTES * 3 > self.table_bytes {
            return self.spill().map_err(|cause| broken(&self.folder, cause));
        }
        let old = std::mem::take(&mut self.slots);
        self.slots = vec![[0; 3]; old.len() * 2];
        for record in old {
            if record[2] != 0 {
                let mut slot = self.home([record[0], record[1]]);
                while self.slots[slot][2] != 0 {
                    slot = (slot + 1) & (self.slots.len() - 1);
                }
                self.slots[slot] = record;
            }
        }
        Ok(())
    }

    /// Writes the records of the table to a file of their own, sorted in place, and empties it.
    fn spill(&mut self) -> io::Result<()> {
        if self.runs.is_empty() {
            self.sieve = Sieve::new(self.sieve_bytes);
        }
        self.slots.sort_unstable_by_key(|&[upper, lower, line]| (line == 0, upper, lower));
        let records = &self.slots[..self.taken];
        for &[upper, lower, _] in records {
            self.sieve.add([upper, lower]);
        }
        self.runs.push(Run::write(records, &self.folder)?);
        self.slots.fill([0; 3]);
        self.taken = 0;
        Ok(())
    }
}

fn broken(folder: &Path, cause: io::Error) -> SpillError {
    SpillError { folder: folder.display().to_string(), cause }
}

//! Which texts were seen before, in bounded memory: a table of hashes, and sorted files of them when
//! the table would outgrow its bound.

mod run;
mod sieve;

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{CoreError, Fault};
use crate::simd::prefetch;
use run::Run;
use sieve::Sieve;

/// A hash in two halves, the upper first, and the line it came from.
type Record = [u64; 3];

/// The place of a record, counted from 1, and above it 32 bits of its hash; 0 is free.
type Slot = u64;

const RECORD_BYTES: usize = size_of::<Record>();
const SLOT_BYTES: usize = size_of::<Slot>();
const FEWEST_SLOTS: usize = 16;

/// The first line of each text seen so far, by the text's 128-bit hash.
///
/// Records of 24 bytes in the order in which they came, and an open-addressing table of their places with
/// linear probing, 8 bytes a slot, at most seven eighths full: what is looked up at random is small.
/// When they may not grow any further, the records are sorted by hash and written to a temporary file, and
/// the table starts empty again; a Bloom filter of a quarter of the bound (split into blocks of 32 bytes,
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
    slots: Vec<Slot>,
    records: Vec<Record>,
    /// Bytes that slots and records may have, the copy while they grow counted.
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
    fn fault(&self) -> Fault {
        Fault::of("unwritable_file")
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
            slots: vec![0; FEWEST_SLOTS],
            records: Vec::with_capacity(most_records(FEWEST_SLOTS)),
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
        while self.slots[slot] != 0 {
            if is_marked(self.slots[slot], key) {
                let [upper, lower, first] = self.records[place(self.slots[slot])];
                if [upper, lower] == key {
                    return Ok(Some(first));
                }
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
        self.slots[slot] = slot_of(key, self.records.len());
        self.records.push([key[0], key[1], line]);
        if self.records.len() == self.records.capacity() {
            self.make_room()?;
        }
        Ok(None)
    }

    /// Asks for the memory that [`insert`](Self::insert) looks at first: it takes longer to come than a row to
    /// be read.
    #[inline]
    pub(crate) fn expect(&self, hash: u128) {
        prefetch(&self.slots[self.home([(hash >> 64) as u64, hash as u64])]);
    }

    /// Where a key's search starts: the hash's own bits spread evenly.
    #[inline]
    fn home(&self, key: [u64; 2]) -> usize {
        key[1] as usize & (self.slots.len() - 1)
    }

    fn make_room(&mut self) -> Result<(), SpillError> {
        let slots = self.slots.len() * 2;
        let more = most_records(slots);
        // While records grow, the old ones stand beside them.
        let bytes = slots * SLOT_BYTES + (self.records.len() + more) * RECORD_BYTES;
        if bytes > self.table_bytes || more > u32::MAX as usize {
            return self.spill().map_err(|cause| broken(&self.folder, cause));
        }
        self.records.reserve_exact(more - self.records.len());
        // Gone before the new ones come.
        self.slots = Vec::new();
        self.slots = vec![0; slots];
        for (place, record) in self.records.iter().enumerate() {
            let key = [record[0], record[1]];
            let mut slot = self.home(key);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (self.slots.len() - 1);
            }
            self.slots[slot] = slot_of(key, place);
        }
        Ok(())
    }

    /// Writes the records to a file of their own, sorted in place, and empties the table.
    fn spill(&mut self) -> io::Result<()> {
        if self.runs.is_empty() {
            self.sieve = Sieve::new(self.sieve_bytes);
        }
        self.records.sort_unstable();
        for &[upper, lower, _] in &self.records {
            self.sieve.add([upper, lower]);
        }
        self.runs.push(Run::write(&self.records, &self.folder)?);
        self.records.clear();
        self.slots.fill(0);
        Ok(())
    }
}

/// How many records the table of so many slots takes.
fn most_records(slots: usize) -> usize {
    slots / 8 * 7
}

/// What a slot holds of a record's key and place; the bits that a key's search starts from are not in it.
fn slot_of(key: [u64; 2], place: usize) -> Slot {
    (key[0] & !u64::from(u32::MAX)) | (place as u64 + 1)
}

fn is_marked(slot: Slot, key: [u64; 2]) -> bool {
    (slot ^ key[0]) >> 32 == 0
}

fn place(slot: Slot) -> usize {
    slot as u32 as usize - 1
}

fn broken(folder: &Path, cause: io::Error) -> SpillError {
    SpillError { folder: folder.display().to_string(), cause }
}

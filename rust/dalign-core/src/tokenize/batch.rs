//! Many texts in parallel, their ids in the order of the texts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::found::Found;
use super::{Encoded, TokenizeError, Tokenizer};
use crate::memory::{Pool, Room};

/// Texts that a thread takes at a time: few enough to balance rows of uneven length over the
/// threads, and for their ids to be copied while they are in the cache.
const CHUNK: usize = 64;

/// Texts of so many bytes have their ids written into memory of an earlier result, or into huge pages.
const LARGE: usize = 8 << 20;

/// The ids of a chunk of texts.
#[derive(Debug, Default)]
struct Chunk {
    ids: Found,
    /// Where each text's ids end.
    ends: Vec<u64>,
}

impl Tokenizer {
    /// The ids of each text of a column, in parallel.
    ///
    /// # Errors
    ///
    /// [`TokenizeError::Unencodable`] with the first row for which the tokenizer has no ids.
    ///
    /// See [`Tokenizer::from_file`] for an example.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use dalign_core::tokenize::Tokenizer;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("tokenizer.json");
    /// # std::fs::write(&path, r#"{"version": "1.0", "added_tokens": [], "normalizer": null,
    /// #     "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
    /// #     "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "no": 1}, "unk_token": "[UNK]"}}"#)?;
    /// let tokenizer = Tokenizer::from_file(&path)?;
    /// assert_eq!(tokenizer.encode_batch(&["no way", ""])?.offsets, [0, 2, 2]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn encode_batch(&self, texts: &[&str]) -> Result<Encoded, TokenizeError> {
        let mut ids = Vec::new();
        let offsets = self.encode_batch_to(texts, |some| ids.extend_from_slice(some))?;
        Ok(Encoded { ids, offsets })
    }

    /// As [`Tokenizer::encode_batch`], with the ids of many bytes of text in memory of the pool. Room for an id a byte
    /// is mapped; what is not written takes no memory.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode_batch`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use dalign_core::memory::Pool;
    /// use dalign_core::tokenize::Tokenizer;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("tokenizer.json");
    /// # std::fs::write(&path, r#"{"version": "1.0", "added_tokens": [], "normalizer": null,
    /// #     "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
    /// #     "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "no": 1}, "unk_token": "[UNK]"}}"#)?;
    /// let tokenizer = Tokenizer::from_file(&path)?;
    /// let (ids, offsets) = tokenizer.encode_batch_in(&["no way", ""], &Pool::default())?;
    /// assert_eq!((&*ids, &*offsets), (&[1, 0][..], &[0, 2, 2][..]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn encode_batch_in(
        &self,
        texts: &[&str],
        pool: &Pool,
    ) -> Result<(Room<u32>, Vec<u64>), TokenizeError> {
        let bytes = texts.iter().map(|text| text.len()).sum();
        if bytes < LARGE {
            let Encoded { ids, offsets } = self.encode_batch(texts)?;
            return Ok((Room::Small(ids), offsets));
        }
        self.encode_to_room(texts, pool.lend(bytes))
    }

    /// The ids in a room, or in memory of their own where there are more of them.
    fn encode_to_room(
        &self,
        texts: &[&str],
        mut room: Room<u32>,
    ) -> Result<(Room<u32>, Vec<u64>), TokenizeError> {
        let (mut written, mut beyond) = (0, Vec::new());
        let place = room.values();
        let write = |ids: &[u32]| match place.get_mut(written..written + ids.len()) {
            Some(place) if beyond.is_empty() => {
                place.copy_from_slice(ids);
                written += ids.len();
            }
            // Text that a normalizer made longer.
            _ => beyond.extend_from_slice(ids),
        };
        let offsets = self.encode_batch_to(texts, write)?;
        room.truncate(written);
        let room =
            if beyond.is_empty() { room } else { Room::Small([&room[..], &beyond].concat()) };
        Ok((room, offsets))
    }

    /// Hands the ids of all texts of a column to `write`, piece by piece in the order of the texts,
    /// while others are encoded in parallel; some may have been written when one cannot be encoded. Returns
    /// where each text's ids begin and end among all, one more than texts.
    fn encode_batch_to(
        &self,
        texts: &[&str],
        write: impl FnMut(&[u32]) + Send,
    ) -> Result<Vec<u64>, TokenizeError> {
        let chunks = texts.len().div_ceil(CHUNK);
        let next = AtomicUsize::new(0);
        let ordered = Mutex::new(InOrder::new(write, texts.len()));
        rayon::scope(|scope| {
            for _ in 1..rayon::current_num_threads().min(chunks) {
                scope.spawn(|_| self.encode_chunks(texts, &next, &ordered));
            }
            self.encode_chunks(texts, &next, &ordered);
        });
        let InOrder { offsets, failure, .. } =
            ordered.into_inner().unwrap_or_else(PoisonError::into_inner);
        failure.map_or(Ok(offsets), |(_, error)| Err(error))
    }

    /// Encodes the next chunk that no thread has taken, until there is none.
    fn encode_chunks(
        &self,
        texts: &[&str],
        next: &AtomicUsize,
        ordered: &Mutex<InOrder<impl FnMut(&[u32])>>,
    ) {
        let mut chunk = Chunk::default();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let first_row = at * CHUNK;
            if first_row >= texts.len() {
                break;
            }
            let rows = &texts[first_row..texts.len().min(first_row + CHUNK)];
            match self.encode_chunk(first_row, rows, &mut chunk) {
                Ok(()) => chunk = locked(ordered).take(at, chunk),
                Err(error) => {
                    locked(ordered).fail(at, error);
                    // Earlier chunks, which may fail as well, have all been taken.
                    next.store(texts.len(), Ordering::Relaxed);
                }
            }
        }
    }

    /// Encodes some texts, in place of what was in the chunk.
    fn encode_chunk(
        &self,
        first_row: usize,
        texts: &[&str],
        chunk: &mut Chunk,
    ) -> Result<(), TokenizeError> {
        chunk.ids.clear();
        chunk.ends.clear();
        self.with_scratch(|scratch| {
            for (row, text) in (first_row..).zip(texts) {
                self.append(row, text, scratch, &mut chunk.ids)?;
                chunk.ends.push(chunk.ids.all().len() as u64);
            }
            Ok(())
        })
    }
}

/// Brings chunks into the order of the texts, whichever is ready first.
struct InOrder<W> {
    write: W,
    /// Where the ids of each text written begin, and where the last ones end.
    offsets: Vec<u64>,
    /// The chunk to be written next.
    next: usize,
    /// Chunks that were ready before it, by their numbers.
    early: BTreeMap<usize, Chunk>,
    /// Memory of chunks that are written.
    spare: Vec<Chunk>,
    /// The first chunk that failed, and why.
    failure: Option<(usize, TokenizeError)>,
}

impl<W: FnMut(&[u32])> InOrder<W> {
    fn new(write: W, texts: usize) -> Self {
        let mut offsets = Vec::with_capacity(texts + 1);
        offsets.push(0);
        let (early, spare) = (BTreeMap::new(), Vec::new());
        Self { write, offsets, next: 0, early, spare, failure: None }
    }

    /// Writes a chunk and those that waited for it, or lets it wait; memory for another chunk.
    fn take(&mut self, at: usize, chunk: Chunk) -> Chunk {
        if at != self.next {
            self.early.insert(at, chunk);
            return self.spare.pop().unwrap_or_default();
        }
        self.write(&chunk);
        while let Some(chunk) = self.early.remove(&self.next) {
            self.write(&chunk);
            self.spare.push(chunk);
        }
        chunk
    }

    fn write(&mut self, chunk: &Chunk) {
        let before = self.offsets[self.offsets.len() - 1];
        self.offsets.extend(chunk.ends.iter().map(|end| before + end));
        (self.write)(chunk.ids.all());
        self.next += 1;
    }

    fn fail(&mut self, at: usize, error: TokenizeError) {
        if self.failure.as_ref().is_none_or(|&(first, _)| at < first) {
            self.failure = Some((at, error));
        }
    }
}

fn locked<T>(ordered: &Mutex<T>) -> MutexGuard<'_, T> {
    ordered.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Encoded, Tokenizer};
    use crate::memory::{Pool, Room};

    #[test]
    fn ids_for_which_a_room_is_too_small_are_all_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let config = r#"{"version": "1.0", "added_tokens": [], "normalizer": {"type": "NFKC"},
            "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
            "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "no": 1}, "unk_token": "[UNK]"}}"#;
        std::fs::write(&path, config).unwrap();
        let tokenizer = Tokenizer::from_file(&path).unwrap();
        // One letter of three bytes that stands for four words.
        let longer = "\u{fdfa}";
        for texts in [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let texts = ["no", longer].repeat(texts);
            let Encoded { ids, offsets } = tokenizer.encode_batch(&texts).unwrap();
            assert_eq!(ids.len(), texts.len() / 2 * 5);
            for room in [0, 1, ids.len() / 2, ids.len(), ids.len() + 7] {
                let found = tokenizer.encode_to_room(&texts, Room::Small(vec![9; room])).unwrap();
                assert_eq!((&*found.0, &found.1), (&ids[..], &offsets));
            }
            let found = tokenizer.encode_batch_in(&texts, &Pool::default()).unwrap();
            assert_eq!((&*found.0, &found.1), (&ids[..], &offsets));
        }
    }
}

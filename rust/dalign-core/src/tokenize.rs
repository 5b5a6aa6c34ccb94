//! Text into token ids, by the rules of a Hugging Face `tokenizer.json`.

mod bounds;
mod characters;
mod encode;
mod error;
mod found;
mod grammar;
mod merges;
mod pairs;
mod read;
mod split;
mod starts;
mod unicode;
mod words;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use encode::{Engine, Scratch};
pub use error::TokenizeError;
use rayon::prelude::*;
use serde_json::Value;
pub use unicode::unsettled_rows;

/// The token ids of several texts in one buffer.
///
/// ```
/// use dalign_core::tokenize::Encoded;
///
/// // Two texts, the first without a token.
/// let encoded = Encoded { ids: vec![7, 8], offsets: vec![0, 0, 2] };
/// assert_eq!(&encoded.ids[encoded.offsets[1] as usize..], [7, 8]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Encoded {
    /// The ids of all texts, one after the other.
    pub ids: Vec<u32>,
    /// Text `i` is `ids[offsets[i]..offsets[i + 1]]`; never falls, from 0 to the number of ids.
    pub offsets: Vec<u64>,
}

impl Encoded {
    /// Adds chunks, of which each holds ids and the ends of its texts.
    fn append(&mut self, chunks: &[Self]) {
        self.ids.reserve(chunks.iter().map(|chunk| chunk.ids.len()).sum());
        for chunk in chunks {
            let before = self.ids.len() as u64;
            self.offsets.extend(chunk.offsets.iter().map(|end| before + end));
            self.ids.extend_from_slice(&chunk.ids);
        }
    }
}

/// A tokenizer that adds nothing to the text: no begin or end token, no padding, no truncation.
/// Added tokens that stand in the text, such as `<think>`, get their own ids.
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
/// assert_eq!(tokenizer.encode_batch(&["no no"])?.ids, [1, 1]);
/// # Ok(())
/// # }
/// ```
pub struct Tokenizer {
    engine: Engine,
    note: Option<String>,
    /// What threads have learnt, to be taken up by others.
    scratches: Mutex<Vec<Scratch>>,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// [`TokenizeError::Unreadable`] when the file is absent or no tokenizer,
    /// [`TokenizeError::Unsupported`] when the crate `tokenizers` refuses its kind, for example an
    /// unknown splitting pattern; the model's own tokenizer then has to do.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use dalign_core::tokenize::Tokenizer;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("tokenizer.json");
    /// std::fs::write(&path, r#"{"version": "1.0", "added_tokens": [], "normalizer": null,
    ///     "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
    ///     "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "no": 1}, "unk_token": "[UNK]"}}"#)?;
    /// let encoded = Tokenizer::from_file(&path)?.encode_batch(&["no way", "", "no"])?;
    /// assert_eq!((encoded.ids, encoded.offsets), (vec![1, 0, 1], vec![0, 2, 2, 3]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, TokenizeError> {
        let path = path.as_ref();
        let unreadable = |reason: &dyn std::fmt::Display| TokenizeError::Unreadable {
            path: path.display().to_string(),
            reason: reason.to_string(),
        };
        let unsupported = |reason: &dyn std::fmt::Display| TokenizeError::Unsupported {
            path: path.display().to_string(),
            reason: reason.to_string(),
        };
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(&error))?;
        let mut config: Value = serde_json::from_str(&text).map_err(|error| unreadable(&error))?;
        if !config.get("model").is_some_and(Value::is_object) {
            return Err(unreadable(&"it has no model"));
        }
        tokenizers::canonicalize_value(&mut config).map_err(|error| unsupported(&error))?;
        let (engine, note) = read::engine(&mut config).map_err(|error| unsupported(&error))?;
        Ok(Self { engine, note, scratches: Mutex::default() })
    }

    /// What had to be mended in the file so that this tokenizer gives the reference's ids.
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
    /// assert_eq!(tokenizer.note(), None);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Appends the ids of one text to `ids`.
    ///
    /// # Errors
    ///
    /// [`TokenizeError::Unencodable`], row 0, when the tokenizer has no id for a part of the text.
    ///
    /// ```no_run
    /// use dalign_core::tokenize::Tokenizer;
    ///
    /// let mut ids = Vec::new();
    /// Tokenizer::from_file("tokenizer.json")?.encode_into("<think>", &mut ids)?;
    /// # Ok::<(), dalign_core::tokenize::TokenizeError>(())
    /// ```
    pub fn encode_into(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), TokenizeError> {
        self.with_scratch(|scratch| self.append(0, text, scratch, ids))
    }

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
        let mut encoded = Encoded { ids: Vec::new(), offsets: Vec::with_capacity(texts.len() + 1) };
        encoded.offsets.push(0);
        // Memory of a wave is written and read while it is in the cache, and taken for the next.
        let (mut ready, mut next) = (Vec::new(), Vec::new());
        for (wave, texts) in texts.chunks(WAVE).enumerate() {
            let (result, ()) = rayon::join(
                || self.encode_wave(wave * WAVE, texts, &mut next),
                || encoded.append(&ready),
            );
            result?;
            std::mem::swap(&mut ready, &mut next);
        }
        encoded.append(&ready);
        Ok(encoded)
    }

    /// Encodes at most [`WAVE`] texts, a task a chunk of them.
    fn encode_wave(
        &self,
        first_row: usize,
        texts: &[&str],
        chunks: &mut Vec<Encoded>,
    ) -> Result<(), TokenizeError> {
        chunks.resize_with(texts.len().div_ceil(CHUNK), Encoded::default);
        let results: Vec<_> = chunks
            .par_iter_mut()
            .zip(texts.par_chunks(CHUNK))
            .enumerate()
            .map(|(chunk, (encoded, texts))| {
                self.encode_chunk(first_row + chunk * CHUNK, texts, encoded)
            })
            .collect();
        // Only now, in order: the error has to be the first row's, not the first thread's.
        results.into_iter().collect()
    }

    /// The ids of some texts and the end of each text's ids, in place of what was there.
    fn encode_chunk(
        &self,
        first_row: usize,
        texts: &[&str],
        encoded: &mut Encoded,
    ) -> Result<(), TokenizeError> {
        encoded.ids.clear();
        encoded.offsets.clear();
        self.with_scratch(|scratch| {
            for (row, text) in (first_row..).zip(texts) {
                self.append(row, text, scratch, &mut encoded.ids)?;
                encoded.offsets.push(encoded.ids.len() as u64);
            }
            Ok(())
        })
    }

    fn append(
        &self,
        row: usize,
        text: &str,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), TokenizeError> {
        self.engine
            .encode(text, scratch, ids)
            .map_err(|error| TokenizeError::Unencodable { row, reason: error.to_string() })
    }

    fn with_scratch<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let lock = || self.scratches.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = lock().pop();
        let mut scratch = taken.unwrap_or_else(|| self.engine.scratch());
        let result = work(&mut scratch);
        lock().push(scratch);
        result
    }
}

/// Texts a task; small enough to balance rows of uneven length over the threads.
const CHUNK: usize = 64;

/// Texts between two waits of all threads for each other; with an eighth of them, two threads beside a busy
/// one are no faster than one.
const WAVE: usize = 128 * CHUNK;

//! Text into token ids, by the rules of a Hugging Face `tokenizer.json`.

mod batch;
mod bounds;
mod caught;
mod characters;
mod encode;
mod error;
mod found;
mod grammar;
mod merges;
mod packed;
mod pairs;
mod read;
mod split;
mod starts;
mod unicode;
mod words;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use caught::caught;
use encode::{Engine, Scratch};
pub use error::TokenizeError;
use found::Found;
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
        let (engine, note) = caught(|| {
            tokenizers::canonicalize_value(&mut config)?;
            read::engine(&mut config)
        })
        .map_err(|error| unsupported(&error))?;
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

    fn append(
        &self,
        row: usize,
        text: &str,
        scratch: &mut Scratch,
        ids: &mut Found,
    ) -> Result<(), TokenizeError> {
        caught(|| self.engine.encode(text, scratch, ids))
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

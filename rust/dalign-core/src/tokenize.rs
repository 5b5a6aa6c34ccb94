//! Text into token ids, by the rules of a Hugging Face `tokenizer.json`.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use serde_json::Value;
use tokenizers::models::bpe;
use tokenizers::pipeline::{EncodeOptions, Override, PipelineToken, PipelineTokenizer};

use crate::error::CoreError;

/// Why a text has no token ids.
#[derive(Debug, thiserror::Error)]
pub enum TokenizeError {
    /// The file cannot be read, or is no tokenizer.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// The cause, from the system or the JSON reader.
        reason: String,
    },
    /// A tokenizer of a kind that is not implemented here.
    #[error("{path}: the fast path cannot take this tokenizer ({reason}): use the model's own")]
    Unsupported {
        /// The file.
        path: String,
        /// The cause, from the crate `tokenizers`.
        reason: String,
    },
    /// A text that this tokenizer cannot express.
    #[error("row {row} cannot be tokenized: {reason}")]
    Unencodable {
        /// The first such row.
        row: usize,
        /// The cause, from the crate `tokenizers`.
        reason: String,
    },
}

impl CoreError for TokenizeError {
    fn kind(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "unreadable_tokenizer",
            Self::Unsupported { .. } => "unsupported_tokenizer",
            Self::Unencodable { .. } => "unencodable_text",
        }
    }

    fn row(&self) -> Option<usize> {
        match self {
            Self::Unencodable { row, .. } => Some(*row),
            _ => None,
        }
    }
}

/// The token ids of several texts in one buffer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Encoded {
    /// The ids of all texts, one after the other.
    pub ids: Vec<u32>,
    /// Text `i` is `ids[offsets[i]..offsets[i + 1]]`; never falls, from 0 to the number of ids.
    pub offsets: Vec<u64>,
}

/// A tokenizer that adds nothing to the text: no begin or end token, no padding, no truncation.
/// Added tokens that stand in the text, such as `<think>`, get their own ids.
pub struct Tokenizer {
    pipeline: PipelineTokenizer,
    /// Ids of bytes that the vocabulary lacks, which are left out of results; the ids of added tokens
    /// that come after them are too large by their number. Empty for a complete vocabulary.
    absent: Range<u32>,
    options: EncodeOptions,
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
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(&error))?;
        let mut config: Value = serde_json::from_str(&text).map_err(|error| unreadable(&error))?;
        tokenizers::canonicalize_value(&mut config).map_err(|error| unreadable(&error))?;
        build(&mut config).map_err(|reason| TokenizeError::Unsupported {
            path: path.display().to_string(),
            reason: reason.to_string(),
        })
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
        let mut tokens = Vec::with_capacity(text.len() / 3);
        self.append(0, text, &mut tokens)?;
        ids.extend_from_slice(PipelineToken::cast_slice(&tokens));
        Ok(())
    }

    /// The ids of each text of a column, in parallel.
    ///
    /// # Errors
    ///
    /// [`TokenizeError::Unencodable`] with the first row for which the tokenizer has no ids.
    ///
    /// See [`Tokenizer::from_file`] for an example.
    pub fn encode_batch(&self, texts: &[&str]) -> Result<Encoded, TokenizeError> {
        let chunks: Vec<Result<_, _>> = texts
            .par_chunks(CHUNK)
            .enumerate()
            .map(|(chunk, texts)| self.encode_chunk(chunk * CHUNK, texts))
            .collect();
        // Only now, in order: the error has to be the first row's, not the first thread's.
        let chunks = chunks.into_iter().collect::<Result<Vec<_>, _>>()?;
        let total = chunks.iter().map(|(tokens, _)| tokens.len()).sum();
        let mut encoded = Encoded {
            ids: Vec::with_capacity(total),
            offsets: Vec::with_capacity(texts.len() + 1),
        };
        encoded.offsets.push(0);
        for (tokens, ends) in chunks {
            let before = encoded.ids.len();
            encoded.offsets.extend(ends.into_iter().map(|end| (before + end) as u64));
            encoded.ids.extend_from_slice(PipelineToken::cast_slice(&tokens));
        }
        Ok(encoded)
    }

    /// The tokens of some texts and the end of each text's tokens.
    fn encode_chunk(
        &self,
        first_row: usize,
        texts: &[&str],
    ) -> Result<(Vec<PipelineToken>, Vec<usize>), TokenizeError> {
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        let (mut tokens, mut ends) =
            (Vec::with_capacity(bytes / 3), Vec::with_capacity(texts.len()));
        for (row, text) in texts.iter().enumerate() {
            self.append(first_row + row, text, &mut tokens)?;
            ends.push(tokens.len());
        }
        Ok((tokens, ends))
    }

    fn append(
        &self,
        row: usize,
        text: &str,
        tokens: &mut Vec<PipelineToken>,
    ) -> Result<(), TokenizeError> {
        let start = tokens.len();
        self.pipeline
            .encode_into(text, &self.options, tokens)
            .map_err(|error| TokenizeError::Unencodable { row, reason: error.to_string() })?;
        if !self.absent.is_empty() {
            let mut kept = start;
            for at in start..tokens.len() {
                let id = tokens[at].id();
                let shift = if id < self.absent.end { 0 } else { self.absent.len() as u32 };
                tokens[kept] = PipelineToken::from(id - shift);
                kept += usize::from(!self.absent.contains(&id));
            }
            tokens.truncate(kept);
        }
        Ok(())
    }
}

/// Texts a task; small enough to balance rows of uneven length over the threads.
const CHUNK: usize = 64;

/// Text that every part of a pipeline has to look at: some are refused only when they are used.
const PROBE: &str = "Probe 1: a_b, c!\n";

/// Builds the tokenizer, whatever its vocabulary lacks.
///
/// A byte-level vocabulary may lack some of the 256 bytes. The reference implementation leaves
/// such a byte out of the result; the crate refuses the file. So the absent bytes get the ids above
/// the vocabulary, and [`Tokenizer`] leaves those ids out. One difference stays: the reference may
/// merge the neighbours of a byte that it left out, here they stay apart.
fn build(config: &mut Value) -> Result<Tokenizer, tokenizers::Error> {
    let (pipeline, absent) = match tokenizers::from_json(&config.to_string()) {
        Ok(pipeline) => (pipeline, 0..0),
        Err(error) => match error.downcast_ref() {
            Some(bpe::Error::ByteAtomOutOfVocabulary(bytes)) => {
                let Some(absent) = add_bytes(config, bytes) else { return Err(error) };
                (tokenizers::from_json(&config.to_string())?, absent)
            }
            _ => return Err(error),
        },
    };
    let options = EncodeOptions {
        add_special_tokens: false,
        encode_special_tokens: false,
        padding: Override::Off,
        truncation: Override::Off,
    };
    pipeline.encode_into(PROBE, &options, &mut Vec::new())?;
    Ok(Tokenizer { pipeline, absent, options })
}

/// Gives each byte an id above the vocabulary; the ids given. None where the ids of the vocabulary
/// have holes, because added tokens then would not move up by as many places.
fn add_bytes(config: &mut Value, bytes: &[u8]) -> Option<Range<u32>> {
    let vocabulary = config.pointer_mut("/model/vocab")?.as_object_mut()?;
    let first = vocabulary.len();
    if vocabulary.values().filter_map(Value::as_u64).max()? + 1 != first as u64 {
        return None;
    }
    let first = first as u32;
    for (id, &byte) in (first..).zip(bytes) {
        vocabulary.insert(byte_symbol(byte).to_string(), Value::from(id));
    }
    Some(first..first + bytes.len() as u32)
}

/// The character by which a byte-level vocabulary writes a byte (GPT-2's `bytes_to_unicode`):
/// printable Latin-1 characters stand for themselves, the other bytes count up from U+0100.
fn byte_symbol(byte: u8) -> char {
    let is_printable = |byte: &u8| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    if is_printable(&byte) {
        return char::from(byte);
    }
    let rank = (0..byte).filter(|byte| !is_printable(byte)).count() as u32;
    char::from_u32(0x100 + rank).unwrap_or(char::REPLACEMENT_CHARACTER)
}

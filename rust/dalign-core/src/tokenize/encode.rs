//! One text into ids: the crate's splitting, a look-up a word, the crate's model for new words.

use std::ops::Range;

use tokenizers::Error;
use tokenizers::pipeline::{
    Model, PipelineModel, PipelineToken, PipelineTokenizer, PreTokenizer, PreTokenizerScratch,
    Segment, Span, SpecialSegmentIterator, normalize_all,
};

use super::merges::Merges;
use super::words::{BATCH, MOST_IDS, TOO_LONG, Words};

/// A tokenizer as it was read.
pub(super) struct Engine {
    pub(super) pipeline: PipelineTokenizer,
    /// Ids of bytes that the vocabulary lacks, which stand in no result; the ids of added tokens
    /// that come after them are too large by their number. Empty for a complete vocabulary.
    pub(super) absent: Range<u32>,
    /// The exact merges of a byte-level vocabulary.
    pub(super) merges: Option<Merges>,
}

/// What one thread keeps from text to text.
pub(super) struct Scratch {
    words: Words,
    model: <PipelineModel as Model>::Scratch,
    splitter: PreTokenizerScratch,
    spans: Vec<Span>,
    tokens: Vec<PipelineToken>,
    word: Vec<u32>,
}

impl Engine {
    pub(super) fn scratch(&self) -> Scratch {
        Scratch {
            words: Words::new(),
            model: self.pipeline.get_model().init_scratch(),
            splitter: PreTokenizerScratch::default(),
            spans: Vec::new(),
            tokens: Vec::new(),
            word: Vec::new(),
        }
    }

    /// Appends the ids of one text.
    ///
    /// Added tokens are found twice, as in the reference: in the text, then in what lies between
    /// them, once it is normalized.
    pub(super) fn encode(
        &self,
        text: &str,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), Error> {
        let added = self.pipeline.get_added_vocabulary();
        for segment in SpecialSegmentIterator::new(text, added, false, false) {
            let (text, offset) = match segment {
                Segment::SpecialToken(id) => {
                    ids.push(self.moved(id));
                    continue;
                }
                Segment::Text { text, input_offset } => (text, input_offset),
            };
            let text = normalize_all(self.pipeline.get_normalizers(), text, offset)?;
            for segment in SpecialSegmentIterator::new(&text, added, true, false) {
                match segment {
                    Segment::SpecialToken(id) => ids.push(self.moved(id)),
                    Segment::Text { text, .. } => self.encode_plain(text, scratch, ids)?,
                }
            }
        }
        Ok(())
    }

    /// The id of an added token, without the places that absent bytes take before it.
    fn moved(&self, id: u32) -> u32 {
        if id < self.absent.end { id } else { id - self.absent.len() as u32 }
    }

    /// Appends the ids of normalized text without added tokens.
    fn encode_plain(
        &self,
        text: &str,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), Error> {
        if u32::try_from(text.len()).is_err() {
            return Err(format!("{} bytes, more than 4 GiB; split it", text.len()).into());
        }
        let mut spans = std::mem::take(&mut scratch.spans);
        spans.clear();
        let splitter = self.pipeline.get_pre_tokenizer();
        splitter.pre_tokenize(text, &mut scratch.splitter, &mut spans)?;
        ids.reserve(spans.len() + spans.len() / 4);
        for spans in spans.chunks(BATCH) {
            self.encode_words(text, spans, scratch, ids)?;
        }
        scratch.spans = spans;
        Ok(())
    }

    /// Appends the ids of at most [`BATCH`] words.
    fn encode_words(
        &self,
        text: &str,
        spans: &[Span],
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), Error> {
        scratch.words.make_room();
        let mut keys = [TOO_LONG; BATCH];
        let mut sets = [0; BATCH];
        let mut places = [0; BATCH];
        for ((span, key), set) in spans.iter().zip(&mut keys).zip(&mut sets) {
            *key = Words::key(text.as_bytes(), span.range());
            *set = scratch.words.set(*key);
        }
        // A loop of its own: no look-up waits for the one before it.
        for ((&key, &set), place) in keys.iter().zip(&sets).zip(&mut places).take(spans.len()) {
            *place = scratch.words.place(set, key);
        }
        let mut found = [0; (BATCH + 1) * MOST_IDS];
        let mut filled = 0;
        for (at, span) in spans.iter().enumerate() {
            // A word kept since may have taken the place.
            if let Some(entry) = scratch.words.get(sets[at], places[at], keys[at]) {
                let (word, count) = entry.ids();
                found[filled..filled + MOST_IDS].copy_from_slice(word);
                filled += count;
                continue;
            }
            ids.extend_from_slice(&found[..filled]);
            filled = 0;
            self.encode_new(&text[span.range()], keys[at], scratch, ids)?;
        }
        ids.extend_from_slice(&found[..filled]);
        Ok(())
    }

    /// Appends the ids of a word that is not kept, and keeps it.
    #[inline(never)]
    fn encode_new(
        &self,
        word: &str,
        key: u128,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) -> Result<(), Error> {
        let Scratch { words, model, tokens, word: found, .. } = scratch;
        tokens.clear();
        self.pipeline.get_model().tokenize_pipeline(word, model, tokens)?;
        found.clear();
        match &self.merges {
            Some(merges) if self.is_doubtful(merges, word, tokens) => {
                merges.encode(word.as_bytes(), found);
            }
            _ => found.extend_from_slice(PipelineToken::cast_slice(tokens)),
        }
        words.keep(key, found);
        ids.extend_from_slice(found);
        Ok(())
    }

    /// Whether the model's ids of a word may not be the reference's: one is an absent byte's, or a
    /// single token stands for it of which the model has compared only 32 bits of a hash.
    fn is_doubtful(&self, merges: &Merges, word: &str, tokens: &[PipelineToken]) -> bool {
        match tokens {
            [token] => !merges.spells(token.id(), word.as_bytes()),
            _ => tokens.iter().any(|token| self.absent.contains(&token.id())),
        }
    }
}

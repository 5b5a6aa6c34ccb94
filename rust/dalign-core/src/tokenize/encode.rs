//! One text into ids: words, a look-up each, the crate's model for new ones.

use std::ops::Range;

use tokenizers::Error;
use tokenizers::pipeline::{
    Model, PipelineModel, PipelineToken, PipelineTokenizer, PreTokenizer, PreTokenizerScratch,
    Segment, Span, SpecialSegmentIterator, normalize_all,
};

use super::bounds::Bounds;
use super::found::Found;
use super::grammar::Grammar;
use super::merges::Merges;
use super::packed::Width;
use super::split::split;
use super::words::{BATCH, Key, MOST_FEW, Words};

/// A tokenizer as it was read.
pub(super) struct Engine {
    pub(super) pipeline: PipelineTokenizer,
    /// Ids of bytes that the vocabulary lacks, which stand in no result; the ids of added tokens
    /// that come after them are too large by their number. Empty for a complete vocabulary.
    pub(super) absent: Range<u32>,
    /// How wide ids are.
    pub(super) width: Width,
    /// What splits ASCII here; none where the crate splits all.
    pub(super) grammar: Option<Grammar>,
    /// The exact merges of a byte-level vocabulary.
    pub(super) merges: Option<Merges>,
}

/// What one thread keeps from text to text.
pub(super) struct Scratch {
    words: Words,
    model: <PipelineModel as Model>::Scratch,
    splitter: PreTokenizerScratch,
    spans: Vec<Span>,
    bounds: Bounds,
    tokens: Vec<PipelineToken>,
    word: Vec<u32>,
}

impl Engine {
    pub(super) fn scratch(&self) -> Scratch {
        Scratch {
            words: Words::new(self.width),
            model: self.pipeline.get_model().init_scratch(),
            splitter: PreTokenizerScratch::default(),
            spans: Vec::new(),
            bounds: Bounds::default(),
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
        ids: &mut Found,
    ) -> Result<(), Error> {
        let added = self.pipeline.get_added_vocabulary();
        for segment in SpecialSegmentIterator::new(text, added, false, false) {
            let (text, offset) = match segment {
                Segment::SpecialToken(id) => {
                    ids.extend(&[self.moved(id)]);
                    continue;
                }
                Segment::Text { text, input_offset } => (text, input_offset),
            };
            let text = normalize_all(self.pipeline.get_normalizers(), text, offset)?;
            for segment in SpecialSegmentIterator::new(&text, added, true, false) {
                match segment {
                    Segment::SpecialToken(id) => ids.extend(&[self.moved(id)]),
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
        ids: &mut Found,
    ) -> Result<(), Error> {
        if u32::try_from(text.len()).is_err() {
            return Err(format!("{} bytes, more than 4 GiB; split it", text.len()).into());
        }
        match self.grammar {
            Some(grammar) => self.encode_by(grammar, text, scratch, ids),
            None => self.encode_by_crate(text, scratch, ids),
        }
    }

    /// With words that stand side by side.
    fn encode_by(
        &self,
        grammar: Grammar,
        text: &str,
        scratch: &mut Scratch,
        ids: &mut Found,
    ) -> Result<(), Error> {
        let mut bounds = std::mem::take(&mut scratch.bounds);
        bounds.clear();
        split(grammar, text.as_bytes(), &mut bounds, |from, until, bounds| {
            let Scratch { splitter, spans, .. } = &mut *scratch;
            spans.clear();
            let pre_tokenizer = self.pipeline.get_pre_tokenizer();
            pre_tokenizer.pre_tokenize(&text[from..until], splitter, spans)?;
            for span in &*spans {
                bounds.push_one(from + span.start as usize);
            }
            Ok::<_, Error>(())
        })?;
        bounds.push_one(text.len());
        let words = bounds.all().windows(2).map(|it| it[0] as usize..it[1] as usize);
        self.encode_words(text, words, scratch, ids)?;
        scratch.bounds = bounds;
        Ok(())
    }

    /// With words by the crate, between which text may be left out.
    fn encode_by_crate(
        &self,
        text: &str,
        scratch: &mut Scratch,
        ids: &mut Found,
    ) -> Result<(), Error> {
        let mut spans = std::mem::take(&mut scratch.spans);
        spans.clear();
        let splitter = self.pipeline.get_pre_tokenizer();
        splitter.pre_tokenize(text, &mut scratch.splitter, &mut spans)?;
        self.encode_words(text, spans.iter().map(|it| it.range()), scratch, ids)?;
        scratch.spans = spans;
        Ok(())
    }

    /// Finds the ids of words in the order of the text.
    #[inline(always)]
    fn encode_words(
        &self,
        text: &str,
        words: impl ExactSizeIterator<Item = Range<usize>> + Clone,
        scratch: &mut Scratch,
        found: &mut Found,
    ) -> Result<(), Error> {
        let mut ahead = words.clone();
        let mut keys = scratch.words.keys(text.as_bytes(), ahead.by_ref().take(BATCH));
        let mut left = words;
        while left.len() > 0 {
            // The next batch's, so that their entries arrive while this one's are read.
            let next = scratch.words.keys(text.as_bytes(), ahead.by_ref().take(BATCH));
            scratch.words.make_room();
            found.make_room(BATCH * MOST_FEW);
            for ((key, hash), word) in keys.into_iter().zip(left.by_ref().take(BATCH)) {
                if !scratch.words.push_few(key, hash, found) {
                    self.encode_rare(&text[word], key, scratch, found)?;
                }
            }
            keys = next;
        }
        Ok(())
    }

    /// Finds the ids of a word that is long, or is not kept; then keeps it.
    #[inline(never)]
    fn encode_rare(
        &self,
        word: &str,
        key: Key,
        scratch: &mut Scratch,
        found: &mut Found,
    ) -> Result<(), Error> {
        let Scratch { words, model, tokens, word: new, .. } = scratch;
        if !words.get(key, word.as_bytes(), found) {
            new.clear();
            if let Some(merges) = &self.merges {
                merges.encode(word.as_bytes(), new);
            } else {
                tokens.clear();
                self.pipeline.get_model().tokenize_pipeline(word, model, tokens)?;
                new.extend_from_slice(PipelineToken::cast_slice(tokens));
            }
            words.keep(key, word.as_bytes(), new);
            found.extend(new);
        }
        found.make_room(BATCH * MOST_FEW);
        Ok(())
    }
}

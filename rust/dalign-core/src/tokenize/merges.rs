//! Byte-pair merges by the rules of the reference implementation, for words that are met first.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::ops::Range;

use serde_json::Value;

use super::pairs::{NO_MERGE, Pairs};

/// A byte-level vocabulary and its merges.
#[derive(Debug)]
pub(super) struct Merges {
    /// The id of each byte, none where the vocabulary lacks it.
    bytes: [Option<u32>; 256],
    /// What stands for a byte that the vocabulary lacks; nothing, where there is none.
    unknown: Option<Unknown>,
    pairs: Pairs,
    /// The rank of the merge of each two bytes, the first times 256: most look-ups are of these.
    byte_ranks: Vec<u32>,
    /// Words that are looked up before anything is merged, by their bytes; empty where the model
    /// does not say so (`ignore_merges`).
    whole: HashMap<Box<[u8]>, u32>,
}

#[derive(Debug, Clone, Copy)]
struct Unknown {
    id: u32,
    /// Whether a run of such bytes gives one id.
    is_fused: bool,
}

/// A symbol of a word while it is merged; gone where it has been merged into the one before.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    id: u32,
    before: usize,
    after: usize,
    is_gone: bool,
}

const NONE: usize = usize::MAX;

/// The longest word, in bytes, whose pairs are searched for the best one after each merge.
const SHORT: usize = 32;

impl Merges {
    /// Reads the `model` of a byte-level `tokenizer.json`, without the ids `absent`; none where it
    /// is no BPE model that these rules cover.
    pub(super) fn read(model: &Value, absent: &Range<u32>) -> Option<Self> {
        let has_affix = ["continuing_subword_prefix", "end_of_word_suffix"]
            .iter()
            .any(|key| model.get(key).and_then(Value::as_str).is_some_and(|it| !it.is_empty()));
        let is_set = |key: &str| model.get(key).and_then(Value::as_bool).unwrap_or(false);
        if has_affix || (is_set("byte_fallback") && !absent.is_empty()) {
            return None;
        }
        let vocabulary = model.get("vocab")?.as_object()?;
        let mut ids: HashMap<&str, u32> = vocabulary
            .iter()
            .map(|(token, id)| Some((token.as_str(), u32::try_from(id.as_u64()?).ok()?)))
            .collect::<Option<_>>()?;
        ids.retain(|_, id| !absent.contains(id));
        let mut merges = Vec::new();
        let mut both = String::new();
        for pair in model.get("merges")?.as_array()? {
            let (left, right) = (pair.get(0)?.as_str()?, pair.get(1)?.as_str()?);
            both.clear();
            both.extend([left, right]);
            let pair = (*ids.get(left)?, *ids.get(right)?);
            merges.push((pair, *ids.get(both.as_str())?));
        }
        let unknown = match model.get("unk_token").and_then(Value::as_str) {
            None => None,
            Some(token) => Some(Unknown { id: *ids.get(token)?, is_fused: is_set("fuse_unk") }),
        };
        let bytes: [Option<u32>; 256] = std::array::from_fn(|byte| {
            let mut symbol = [0; 2];
            ids.get(&*byte_symbol(byte as u8).encode_utf8(&mut symbol)).copied()
        });
        let whole = if is_set("ignore_merges") { spell(&ids) } else { HashMap::new() };
        let pairs = Pairs::new(&merges)?;
        let byte_ranks = (0..1 << 16)
            .map(|both: usize| match (bytes[both >> 8], bytes[both & 0xff]) {
                (Some(left), Some(right)) => pairs.rank(left, right),
                _ => NO_MERGE,
            })
            .collect();
        Some(Self { bytes, unknown, pairs, byte_ranks, whole })
    }

    /// Appends the ids of a word; O(n log n) in its bytes.
    pub(super) fn encode(&self, word: &[u8], ids: &mut Vec<u32>) {
        if let Some(&id) = self.whole.get(word) {
            ids.push(id);
        } else if !self.encode_short(word, ids) {
            self.encode_long(word, ids);
        }
    }

    /// Appends the ids of a word of at most [`SHORT`] bytes, each of which has an id; whether it is
    /// such a word.
    fn encode_short(&self, word: &[u8], ids: &mut Vec<u32>) -> bool {
        if word.len() > SHORT {
            return false;
        }
        let mut symbols = [0; SHORT];
        for (symbol, &byte) in symbols.iter_mut().zip(word) {
            let Some(id) = self.bytes[usize::from(byte)] else { return false };
            *symbol = id;
        }
        // By a symbol's first byte: the next symbol's, the one's before, the merge with the next.
        let mut after: [u8; SHORT] = std::array::from_fn(|at| at as u8 + 1);
        let mut before: [u8; SHORT] = std::array::from_fn(|at| (at as u8).wrapping_sub(1));
        let mut ranks = [NO_MERGE; SHORT];
        for (rank, pair) in ranks.iter_mut().zip(word.windows(2)) {
            *rank = self.byte_ranks[usize::from(pair[0]) << 8 | usize::from(pair[1])];
        }
        let ranks = &mut ranks[..word.len()];
        loop {
            let best = ranks.iter().copied().min().unwrap_or(NO_MERGE);
            // Of equal ones the first.
            let Some(at) = ranks.iter().position(|&rank| rank == best && best != NO_MERGE) else {
                break;
            };
            let gone = usize::from(after[at]);
            let next = usize::from(after[gone]);
            symbols[at] = self.pairs.merged(best);
            after[at] = next as u8;
            ranks[gone] = NO_MERGE;
            ranks[at] = NO_MERGE;
            if next < word.len() {
                before[next] = at as u8;
                ranks[at] = self.pairs.rank(symbols[at], symbols[next]);
            }
            let last = usize::from(before[at]);
            if last < at {
                ranks[last] = self.pairs.rank(symbols[last], symbols[at]);
            }
        }
        let mut at = 0;
        while at < word.len() {
            ids.push(symbols[at]);
            at = usize::from(after[at]);
        }
        true
    }

    /// Appends the ids of any word, by a queue of merges.
    fn encode_long(&self, word: &[u8], ids: &mut Vec<u32>) {
        let mut symbols = self.symbols(word);
        let mut queue = BinaryHeap::new();
        for at in 1..symbols.len() {
            self.push(&mut queue, &symbols, at - 1);
        }
        while let Some(Reverse((rank, at))) = queue.pop() {
            let Symbol { id, after, is_gone, before } = symbols[at];
            // The pair may have changed since it was queued.
            if is_gone || after == NONE || self.pairs.rank(id, symbols[after].id) != rank {
                continue;
            }
            let next = symbols[after].after;
            symbols[after].is_gone = true;
            symbols[at] = Symbol { id: self.pairs.merged(rank), after: next, ..symbols[at] };
            if next != NONE {
                symbols[next].before = at;
                self.push(&mut queue, &symbols, at);
            }
            if before != NONE {
                self.push(&mut queue, &symbols, before);
            }
        }
        ids.extend(symbols.iter().filter(|symbol| !symbol.is_gone).map(|symbol| symbol.id));
    }

    /// The word's bytes as symbols, linked.
    fn symbols(&self, word: &[u8]) -> Vec<Symbol> {
        let mut symbols: Vec<Symbol> = Vec::with_capacity(word.len());
        let mut was_unknown = false;
        for &byte in word {
            let id = match (self.bytes[usize::from(byte)], self.unknown) {
                (Some(id), _) => Some(id),
                (None, Some(unknown)) if !(unknown.is_fused && was_unknown) => Some(unknown.id),
                _ => None,
            };
            was_unknown = self.bytes[usize::from(byte)].is_none();
            if let Some(id) = id {
                let at = symbols.len();
                symbols.push(Symbol {
                    id,
                    before: at.wrapping_sub(1),
                    after: at + 1,
                    is_gone: false,
                });
            }
        }
        if let Some(last) = symbols.last_mut() {
            last.after = NONE;
        }
        symbols
    }

    /// Queues the merge of a symbol with the next one, where there is such a merge: lowest rank
    /// first, then leftmost.
    fn push(&self, queue: &mut BinaryHeap<Reverse<(u32, usize)>>, symbols: &[Symbol], at: usize) {
        let Symbol { id, after, .. } = symbols[at];
        let rank = self.pairs.rank(id, symbols[after].id);
        if rank != NO_MERGE {
            queue.push(Reverse((rank, at)));
        }
    }
}

/// The ids of tokens by their bytes, without those that are no byte-level tokens.
fn spell(ids: &HashMap<&str, u32>) -> HashMap<Box<[u8]>, u32> {
    let byte_of: HashMap<char, u8> = (0..=255).map(|byte| (byte_symbol(byte), byte)).collect();
    ids.iter()
        .filter_map(|(token, &id)| {
            let bytes = token.chars().map(|symbol| byte_of.get(&symbol).copied());
            Some((bytes.collect::<Option<Box<[u8]>>>()?, id))
        })
        .collect()
}

/// The character by which a byte-level vocabulary writes a byte (GPT-2's `bytes_to_unicode`):
/// printable Latin-1 characters stand for themselves, the other bytes count up from U+0100.
pub(super) fn byte_symbol(byte: u8) -> char {
    let is_printable = |byte: &u8| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    if is_printable(&byte) {
        return char::from(byte);
    }
    let rank = (0..byte).filter(|byte| !is_printable(byte)).count() as u32;
    char::from_u32(0x100 + rank).unwrap_or(char::REPLACEMENT_CHARACTER)
}

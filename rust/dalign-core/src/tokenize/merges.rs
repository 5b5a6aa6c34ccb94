//! Byte-pair merges by the rules of the reference implementation, for the few words that the fast
//! ones do not cover.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::ops::Range;

use serde_json::Value;

/// A byte-level vocabulary and its merges.
#[derive(Debug)]
pub(super) struct Merges {
    /// The id of each byte, none where the vocabulary lacks it.
    bytes: [Option<u32>; 256],
    /// What stands for a byte that the vocabulary lacks; nothing, where there is none.
    unknown: Option<Unknown>,
    /// (left id, right id, rank, id of both), by the first two.
    pairs: Vec<(u32, u32, u32, u32)>,
    /// The bytes of all tokens, and where those of each id end.
    spelling: Vec<u8>,
    ends: Vec<usize>,
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

/// Ids beyond this leave holes that a table by id would have to fill.
const MOST_IDS: u32 = 1 << 24;

impl Merges {
    /// Reads the `model` of a byte-level `tokenizer.json`, without the ids `absent`; none where it
    /// is no complete BPE model.
    pub(super) fn read(model: &Value, absent: &Range<u32>) -> Option<Self> {
        let vocabulary = model.get("vocab")?.as_object()?;
        let mut ids: HashMap<&str, u32> = vocabulary
            .iter()
            .map(|(token, id)| Some((token.as_str(), u32::try_from(id.as_u64()?).ok()?)))
            .collect::<Option<_>>()?;
        ids.retain(|_, id| !absent.contains(id));
        if ids.values().any(|&id| id > MOST_IDS) {
            return None;
        }
        let mut pairs = Vec::new();
        let mut both = String::new();
        for (rank, pair) in model.get("merges")?.as_array()?.iter().enumerate() {
            let (left, right) = (pair.get(0)?.as_str()?, pair.get(1)?.as_str()?);
            both.clear();
            both.extend([left, right]);
            pairs.push((*ids.get(left)?, *ids.get(right)?, rank as u32, *ids.get(both.as_str())?));
        }
        // A pair that is named twice has its last rank.
        pairs.sort_unstable_by_key(|&(left, right, rank, _)| (left, right, Reverse(rank)));
        pairs.dedup_by_key(|&mut (left, right, ..)| (left, right));
        let unknown = match model.get("unk_token").and_then(Value::as_str) {
            None => None,
            Some(token) => Some(Unknown {
                id: *ids.get(token)?,
                is_fused: model.get("fuse_unk").and_then(Value::as_bool).unwrap_or(false),
            }),
        };
        let bytes = std::array::from_fn(|byte| {
            let mut symbol = [0; 2];
            ids.get(&*byte_symbol(byte as u8).encode_utf8(&mut symbol)).copied()
        });
        let (spelling, ends) = spell(&ids);
        Some(Self { bytes, unknown, pairs, spelling, ends })
    }

    /// Whether a token stands for exactly these bytes.
    pub(super) fn spells(&self, id: u32, word: &[u8]) -> bool {
        let id = id as usize;
        let start = if id == 0 { Some(&0) } else { self.ends.get(id - 1) };
        match (start, self.ends.get(id)) {
            (Some(&start), Some(&end)) => self.spelling[start..end] == *word,
            _ => false,
        }
    }

    /// Appends the ids of a word; O(n log n) in its bytes.
    pub(super) fn encode(&self, word: &[u8], ids: &mut Vec<u32>) {
        let mut symbols = self.symbols(word);
        let mut queue = BinaryHeap::new();
        for at in 1..symbols.len() {
            self.push(&mut queue, &symbols, at - 1);
        }
        while let Some(Reverse((_, at, merged))) = queue.pop() {
            let Symbol { id, after, is_gone, before } = symbols[at];
            // The pair may have changed since it was queued.
            if is_gone
                || after == NONE
                || self.pair(id, symbols[after].id).map(|it| it.1) != Some(merged)
            {
                continue;
            }
            let next = symbols[after].after;
            symbols[after].is_gone = true;
            symbols[at] = Symbol { id: merged, after: next, ..symbols[at] };
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
    fn push(
        &self,
        queue: &mut BinaryHeap<Reverse<(u32, usize, u32)>>,
        symbols: &[Symbol],
        at: usize,
    ) {
        let Symbol { id, after, .. } = symbols[at];
        if let Some((rank, merged)) = self.pair(id, symbols[after].id) {
            queue.push(Reverse((rank, at, merged)));
        }
    }

    /// The rank of a pair's merge, and its id.
    fn pair(&self, left: u32, right: u32) -> Option<(u32, u32)> {
        let at = self.pairs.binary_search_by_key(&(left, right), |it| (it.0, it.1)).ok()?;
        Some((self.pairs[at].2, self.pairs[at].3))
    }
}

/// The bytes of all tokens by id, and their ends. What is no byte-level token has no bytes.
fn spell(ids: &HashMap<&str, u32>) -> (Vec<u8>, Vec<usize>) {
    let byte_of: HashMap<char, u8> = (0..=255).map(|byte| (byte_symbol(byte), byte)).collect();
    let mut tokens: Vec<(u32, &str)> = ids.iter().map(|(&token, &id)| (id, token)).collect();
    tokens.sort_unstable();
    let (mut spelling, mut ends) = (Vec::new(), Vec::with_capacity(tokens.len()));
    for (id, token) in tokens {
        ends.resize(id as usize, spelling.len());
        let start = spelling.len();
        for symbol in token.chars() {
            let Some(&byte) = byte_of.get(&symbol) else {
                spelling.truncate(start);
                break;
            };
            spelling.push(byte);
        }
        ends.push(spelling.len());
    }
    (spelling, ends)
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

//! The score that a JSON object gives.

use super::label::before_whole;
use super::number::{self, Number};
use super::place::{begins_line, ends_line, is_disclaimed, line_head, line_tail};
use super::reading::{Form, Rank, Reading, differ};
use super::rival;
use super::walk::{Event, Objects, Visit};

/// An object, and the score that it gives; none where it gives other parts of a judgement only.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) reading: Option<Reading>,
}

/// Appends the outermost objects of a text that give a score, in order.
pub(super) fn find(text: &str, seal: &str, objects: &mut Vec<Object>) {
    let mut walks = Objects::of(text);
    let mut scores = Scores::sealed_by(seal);
    while let Some((start, end)) = walks.next(&mut scores) {
        if let Some(reading) = scores.reading(text, start, end) {
            objects.push(Object { start, end, reading: Some(reading) });
        }
    }
}

/// Gathers an object's score: the one that lies least deep, so that those of objects inside it do
/// not count where it has its own. Two different ones at one depth contradict each other.
#[derive(Debug, Default)]
pub(super) struct Scores<'s> {
    /// What a value must be for the object to be the final one; empty where nothing is asked for.
    seal: &'s str,
    is_sealed: bool,
    depth: u32,
    /// What the last key names.
    key: Key,
    /// The end of the scale, as a pair of the object gives it.
    end: Option<f64>,
    least: Option<Found>,
}

/// What a key names, as far as it matters.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Key {
    #[default]
    Other,
    Score,
    /// `"max_score": 5` beside the score.
    End,
}

/// The value that lies least deep of those met so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    depth: u32,
    /// None where it is no number.
    value: Option<f64>,
    out_of: Option<f64>,
    contradicted: bool,
}

impl Found {
    /// The value, as that of the object that stands at `start..end` of the text.
    pub(super) fn reading(self, text: &str, start: usize, end: usize) -> Reading {
        let Self { value, out_of, contradicted, .. } = self;
        let is_own = begins_line(line_head(text, start)) || ends_line(line_tail(text, end).0);
        let rank = if is_own { Rank::Own } else { Rank::Prose };
        Reading { value, out_of, contradicted, is_word: false, form: Form::Json, rank, start, end }
    }

    /// Takes a further value in, which counts unless it lies deeper.
    pub(super) fn add(least: &mut Option<Self>, depth: u32, number: Option<Number<'_>>) {
        let value = number.map(|it| it.value);
        let out_of = number.and_then(|it| it.out_of);
        let mut found = Self { depth, value, out_of, contradicted: false };
        match least {
            Some(least) if least.depth < depth => return,
            Some(least) if least.depth == depth => {
                found.contradicted = least.contradicted || differ(least.value, value);
            }
            _ => {}
        }
        *least = Some(found);
    }
}

impl<'s> Scores<'s> {
    pub(super) fn sealed_by(seal: &'s str) -> Self {
        Self { seal, ..Self::default() }
    }

    /// The gathered score, as that of the object that stands at `start..end` of the text.
    pub(super) fn reading(&self, text: &str, start: usize, end: usize) -> Option<Reading> {
        let reading = self.least?.reading(text, start, end);
        let is_sealed = self.is_sealed && !is_disclaimed(line_head(text, start));
        let rank = if is_sealed { Rank::Sealed } else { reading.rank };
        Some(Reading { rank, out_of: reading.out_of.or(self.end), ..reading })
    }
}

/// Keys of the scale's end.
const ENDS: [&str; 11] = [
    "max",
    "max_score",
    "maxscore",
    "maximum",
    "maximum_score",
    "out_of",
    "scale",
    "scale_max",
    "bestrating",
    "best_rating",
    "max_rating",
];

impl<'t> Visit<'t> for Scores<'_> {
    fn start(&mut self) {
        *self = Self::sealed_by(self.seal);
    }

    fn event(&mut self, event: Event<'t>) {
        match event {
            Event::Open => self.depth += 1,
            Event::Close => self.depth -= 1,
            Event::Key(key) => {
                self.key = if names_score(key) {
                    Key::Score
                } else if ENDS.iter().any(|end| key.eq_ignore_ascii_case(end)) {
                    Key::End
                } else {
                    Key::Other
                };
                return;
            }
            Event::Scalar(text) if self.key == Key::Score => {
                let number = number::score(text.trim());
                Found::add(&mut self.least, self.depth, number);
                let beside = number.is_some_and(|it| rival::in_line(it.rest, it.value, false));
                self.least.iter_mut().for_each(|least| least.contradicted |= beside);
            }
            Event::Scalar(text) if self.key == Key::End => {
                self.end = number::scale_end(text.trim());
            }
            Event::Scalar(text) => {
                self.is_sealed |= !self.seal.is_empty() && text.eq_ignore_ascii_case(self.seal);
            }
        }
        self.key = Key::Other;
    }
}

/// Whether a key is that of the score: `score`, `rating`, `overall_score`, `final rating`.
pub(super) fn names_score(key: &str) -> bool {
    let key = key.trim().as_bytes();
    let Some(start) = key.len().checked_sub("score".len()) else { return false };
    let word = if key[start..].eq_ignore_ascii_case(b"score") {
        start
    } else if key.len() >= 6 && key[key.len() - 6..].eq_ignore_ascii_case(b"rating") {
        key.len() - 6
    } else {
        return false;
    };
    word == 0 || before_whole(&key[..word]) == Some(0)
}

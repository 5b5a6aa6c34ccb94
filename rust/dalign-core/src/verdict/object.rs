//! The score that a JSON object gives.

use super::label::before_whole;
use super::number::{self, Number};
use super::reading::{Form, Reading};
use super::walk::{Event, Objects, Visit};

/// An object, and the score that it gives; none where it gives other parts of a judgement only.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) reading: Option<Reading>,
}

/// Appends the outermost objects of a text that give a score, in order.
pub(super) fn find(text: &str, objects: &mut Vec<Object>) {
    let mut walks = Objects::of(text);
    let mut scores = Scores::default();
    while let Some((start, end)) = walks.next(&mut scores) {
        if let Some(reading) = scores.reading(start, end) {
            objects.push(Object { start, end, reading: Some(reading) });
        }
    }
}

/// Gathers an object's score: the one that lies least deep, so that those of objects inside it do
/// not count where it has its own. Two different ones at one depth contradict each other.
#[derive(Debug, Default)]
pub(super) struct Scores {
    depth: u32,
    /// The last key was a score's.
    is_score: bool,
    least: Option<Found>,
}

/// The value that lies least deep of those met so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    depth: u32,
    value: f64,
    out_of: Option<f64>,
    contradicted: bool,
}

impl Found {
    /// The value, as that of the object that stands at `start..end`.
    pub(super) fn reading(self, start: usize, end: usize) -> Reading {
        let Self { value, out_of, contradicted, .. } = self;
        Reading { value, out_of, contradicted, form: Form::Json, start, end }
    }

    /// Takes a further value in, which counts unless it lies deeper.
    pub(super) fn add(least: &mut Option<Self>, depth: u32, number: Number<'_>) {
        let Number { value, out_of, .. } = number;
        let mut found = Self { depth, value, out_of, contradicted: false };
        match least {
            Some(least) if least.depth < depth => return,
            Some(least) if least.depth == depth => {
                let differs = (least.value - value).abs() > f64::EPSILON;
                found.contradicted = least.contradicted || differs;
            }
            _ => {}
        }
        *least = Some(found);
    }
}

impl Scores {
    /// The gathered score, as that of the object that stands at `start..end`.
    pub(super) fn reading(&self, start: usize, end: usize) -> Option<Reading> {
        Some(self.least?.reading(start, end))
    }
}

impl<'t> Visit<'t> for Scores {
    fn start(&mut self) {
        *self = Self::default();
    }

    fn event(&mut self, event: Event<'t>) {
        match event {
            Event::Open => self.depth += 1,
            Event::Close => self.depth -= 1,
            Event::Key(key) => {
                self.is_score = names_score(key);
                return;
            }
            Event::Scalar(text) if self.is_score => {
                if let Some(number) = number::score(text.trim()) {
                    Found::add(&mut self.least, self.depth, number);
                }
            }
            Event::Scalar(_) => {}
        }
        self.is_score = false;
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

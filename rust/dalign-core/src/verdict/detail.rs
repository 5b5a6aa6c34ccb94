//! Sub-scores and clauses that a JSON object gives, beside its score.

use super::clause::{self, ClauseVerdict, Mention};
use super::names::SubScores;
use super::number;
use super::object::{Found, Object, Scores, names_score};
use super::reading::Reading;
use super::walk::{Event, Objects, Visit};

/// An object with all that it gives.
#[derive(Debug)]
pub(super) struct Detailed<'t> {
    pub(super) object: Object,
    /// Which sub-score, and what it is.
    pub(super) sub_scores: Vec<(usize, Reading)>,
    pub(super) mentions: Vec<Mention<'t>>,
}

impl Detailed<'_> {
    /// Whether it gives anything: otherwise its text is read as prose.
    pub(super) fn is_heard(&self) -> bool {
        self.object.reading.is_some() || !self.sub_scores.is_empty() || !self.mentions.is_empty()
    }
}

/// The outermost objects of a text, in order.
pub(super) fn find<'t>(text: &'t str, seal: &str, names: &SubScores) -> Vec<Detailed<'t>> {
    let mut walks = Objects::of(text);
    let mut details = Details::of(names, seal);
    let mut objects = Vec::new();
    while let Some((start, end)) = walks.next(&mut details) {
        let object = Object { start, end, reading: details.scores.reading(text, start, end) };
        let sub_scores = details.sub_scores.iter().enumerate();
        let sub_scores = sub_scores
            .filter_map(|(name, found)| Some((name, found.as_ref()?.reading(text, start, end))))
            .collect();
        let mentions = details.clauses.iter();
        let mentions = mentions.map(|&(id, verdict)| Mention { start, id, verdict }).collect();
        objects.push(Detailed { object, sub_scores, mentions });
    }
    objects
}

/// An object or list on the way down to the current place.
#[derive(Debug, Default)]
struct Level<'t> {
    /// The key that it is the value of.
    key: Option<&'t str>,
    /// What it says of a clause, as an item of a list of clauses.
    id: Option<&'t str>,
    word: Option<&'t str>,
}

/// Gathers what an object gives.
struct Details<'n, 't> {
    names: &'n SubScores,
    scores: Scores<'n>,
    sub_scores: Vec<Option<Found>>,
    clauses: Vec<(&'t str, ClauseVerdict)>,
    levels: Vec<Level<'t>>,
    key: Option<&'t str>,
}

impl<'n, 't> Details<'n, 't> {
    fn of(names: &'n SubScores, seal: &'n str) -> Self {
        Self {
            names,
            scores: Scores::sealed_by(seal),
            sub_scores: vec![None; names.names().len()],
            clauses: Vec::new(),
            levels: Vec::new(),
            key: None,
        }
    }

    /// The key of the innermost level but `up`.
    fn key_above(&self, up: usize) -> Option<&'t str> {
        let level = self.levels.len().checked_sub(up + 1)?;
        self.levels[level].key
    }

    /// Whether what stands here is said of a sub-score or of a clause, so that a score here is not
    /// the verdict's.
    fn is_inside_detail(&self) -> bool {
        let inside = |level: &Level<'_>| {
            level.key.is_some_and(|key| names_clauses(key) || self.names.of_key(key).is_some())
        };
        self.levels.iter().any(inside)
    }

    fn scalar(&mut self, text: &'t str) {
        let key = self.key.take();
        if self.key_above(0).is_some_and(names_clauses) {
            match key {
                Some(id) => self.clauses.push((id, clause::word(text))),
                None => self.clauses.extend(clause::of_line(text)),
            }
            return;
        }
        let Some(key) = key else { return };
        if self.key_above(1).is_some_and(names_clauses) {
            self.of_clause(key, text);
            return;
        }
        let inside = self.key_above(0).and_then(|above| self.names.of_key(above));
        let name = self.names.of_key(key).or(inside.filter(|_| names_score(key)));
        if let Some(name) = name
            && let number @ Some(_) = number::score(text.trim())
        {
            let depth = self.levels.len() as u32 - u32::from(inside.is_some());
            Found::add(&mut self.sub_scores[name], depth, number);
        }
    }

    /// A pair inside an object that is said of one clause: the value of its id, or an item of a list.
    fn of_clause(&mut self, key: &'t str, text: &'t str) {
        let is_one_of = |names: &[&str]| names.iter().any(|name| key.eq_ignore_ascii_case(name));
        let Some(level) = self.levels.last_mut() else { return };
        if is_one_of(&["verdict", "status", "result", "finding"]) {
            level.word = Some(text);
        } else if is_one_of(&["id", "clause", "clause_id"]) {
            level.id = Some(text);
        }
    }

    /// Ends the innermost level; one that was said of a clause is told.
    fn close(&mut self) {
        let is_of_clause = self.key_above(1).is_some_and(names_clauses);
        let Some(level) = self.levels.pop() else { return };
        if is_of_clause && let Some(id) = level.id.or(level.key) {
            self.clauses.push((id, clause::word(level.word.unwrap_or_default())));
        }
    }
}

impl<'t> Visit<'t> for Details<'_, 't> {
    fn start(&mut self) {
        self.scores.start();
        self.sub_scores.fill(None);
        self.clauses.clear();
        self.levels.clear();
        self.key = None;
    }

    fn event(&mut self, event: Event<'t>) {
        match event {
            Event::Open => {
                self.levels.push(Level { key: self.key.take(), ..Level::default() });
            }
            Event::Key(key) => {
                self.key = Some(key);
                if self.is_inside_detail() {
                    return;
                }
            }
            Event::Scalar(text) => self.scalar(text),
            Event::Close => self.close(),
        }
        self.scores.event(event);
    }
}

/// Whether a key is that of the clauses.
fn names_clauses(key: &str) -> bool {
    ["clauses", "clause_verdicts", "per_clause"].iter().any(|name| key.eq_ignore_ascii_case(name))
}

//! The names of the sub-scores that a judge is asked for.

use aho_corasick::{AhoCorasick, MatchKind};

use super::label::{Label, Needs};
use crate::error::{CoreError, Fault};

/// Names of sub-scores, as `compliance` or `reasoning quality`.
///
/// ```
/// use dalign_core::verdict::SubScores;
///
/// assert_eq!(SubScores::new(&["compliance", "helpfulness"])?.names().len(), 2);
/// assert!(SubScores::new(&["score"]).is_err());
/// # Ok::<(), dalign_core::verdict::SubScoresError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SubScores {
    names: Vec<String>,
    /// Finds each name in three spellings; absent without names.
    finder: Option<AhoCorasick>,
}

/// Signs that may stand for one another inside a name.
const SIGNS: [char; 3] = ['_', '-', ' '];

/// What the table of verdicts and the score itself are called.
const TAKEN: [&str; 8] =
    ["score", "rating", "overall", "final", "state", "stance", "clause_ids", "clause_verdicts"];

impl SubScores {
    /// Letters, digits and, inside, `_`, `-` or a space, which are then all the same, as are capitals.
    ///
    /// # Errors
    ///
    /// [`SubScoresError`] for a name of another form, a name that occurs twice, one that the verdict
    /// itself has (`score`, `state`, …), and one that ends in `_state`.
    ///
    /// ```
    /// use dalign_core::{CoreError, verdict::SubScores};
    ///
    /// let error = SubScores::new(&["compliance", "Compliance"]).unwrap_err();
    /// assert_eq!((error.kind(), error.row()), ("bad_sub_score", Some(1)));
    /// ```
    pub fn new<S: AsRef<str>>(names: &[S]) -> Result<Self, SubScoresError> {
        let names: Vec<String> = names.iter().map(|name| name.as_ref().to_owned()).collect();
        let plain: Vec<String> = names.iter().map(|name| plain(name)).collect();
        for (row, name) in plain.iter().enumerate() {
            let ends = |c: char| c.is_ascii_alphanumeric();
            let is_formed = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.ends_with(ends);
            let is_taken = TAKEN.contains(&name.as_str()) || name.ends_with("_state");
            if !is_formed || is_taken || plain[..row].contains(name) {
                return Err(SubScoresError { row, name: names[row].clone() });
            }
        }
        let spellings = plain.iter().flat_map(|name| SIGNS.map(|sign| spelled(name, sign)));
        let finder = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .build(spellings)
            .map_err(|_| SubScoresError { row: 0, name: names.join(", ") })?;
        Ok(Self { finder: (!names.is_empty()).then_some(finder), names })
    }

    /// The names as they were given.
    ///
    /// ```
    /// let names = dalign_core::verdict::SubScores::new(&["Compliance"])?;
    /// assert_eq!(names.names(), ["Compliance"]);
    /// # Ok::<(), dalign_core::verdict::SubScoresError>(())
    /// ```
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Each place where a name may announce its score.
    pub(super) fn labels<'t>(&'t self, text: &'t str) -> impl Iterator<Item = (usize, Label)> + 't {
        let found = self.finder.iter().flat_map(move |finder| finder.find_iter(text));
        found.filter_map(move |found| {
            let (start, rest) = (found.start(), &text[found.end()..]);
            let word = score_word(rest);
            let needs = if word > 0 { Needs::Nothing } else { Needs::Sign };
            let end = found.end() + word;
            let is_whole = !text[end..].starts_with(|c: char| c.is_alphanumeric());
            is_whole.then_some((found.pattern().as_usize() / 3, Label { start, end, needs }))
        })
    }

    /// The sub-score that a JSON key names: `compliance`, `compliance_score`.
    pub(super) fn of_key(&self, key: &str) -> Option<usize> {
        let key = key.trim();
        let found = self.finder.as_ref()?.find(key)?;
        let rest = &key[found.end()..];
        let is_whole = found.start() == 0 && score_word(rest) == rest.len();
        is_whole.then(|| found.pattern().as_usize() / 3)
    }

    /// Whether the text before a label makes it a sub-score's: `compliance score`.
    pub(super) fn end(&self, head: &str) -> bool {
        let head = head.trim_end_matches(['_', '-', ' ', '*', '`']).as_bytes();
        self.names.iter().any(|name| {
            let Some(start) = head.len().checked_sub(name.len()) else { return false };
            let same = |(a, b): (&u8, u8)| {
                let is_sign = |byte: u8| SIGNS.contains(&char::from(byte));
                a.eq_ignore_ascii_case(&b) || is_sign(*a) && is_sign(b)
            };
            head[start..].iter().zip(name.bytes()).all(same)
                && !head[..start].last().is_some_and(u8::is_ascii_alphanumeric)
        })
    }
}

/// How long the word `score` or `rating` at the head of a text is, with a sign before it; 0 without.
fn score_word(text: &str) -> usize {
    let word = text.strip_prefix(SIGNS).unwrap_or(text);
    let starts = |with: &str| {
        word.as_bytes().get(..with.len()).is_some_and(|it| it.eq_ignore_ascii_case(with.as_bytes()))
    };
    let found = ["score", "rating"].into_iter().find(|with| starts(with));
    found.map_or(0, |found| text.len() - word.len() + found.len())
}

/// A name in small letters with `_` for each sign.
fn plain(name: &str) -> String {
    spelled(&name.to_ascii_lowercase(), '_')
}

fn spelled(name: &str, sign: char) -> String {
    name.replace(SIGNS, &sign.to_string())
}

/// A name that no sub-score can have.
///
/// ```
/// use dalign_core::CoreError;
/// use dalign_core::verdict::SubScores;
///
/// // The verdict's own name cannot be a part's.
/// let error = SubScores::new(&["compliance", "score"]).unwrap_err();
/// assert_eq!((error.kind(), error.row()), ("bad_sub_score", Some(1)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "sub-score {name:?} (the {row}. counted from 0): a name has letters, digits and, inside, `_`, `-` or \
     spaces, differs from the others and is none of the verdict's own; choose another"
)]
pub struct SubScoresError {
    row: usize,
    name: String,
}

impl CoreError for SubScoresError {
    fn fault(&self) -> Fault {
        Fault::of("bad_sub_score").row(self.row)
    }
}

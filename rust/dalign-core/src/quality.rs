//! What a completion is like, in numbers: lengths, repetition, scripts, how it ends, what its answer
//! takes from its reasoning, references to a policy that is not there. [`first_reasons`] holds the
//! numbers against limits, apart from measuring.

mod dangling;
mod ending;
mod error;
mod limits;
mod repetition;
mod script;

use std::num::NonZeroUsize;

use rayon::prelude::*;

pub use dangling::{Dangling, References};
pub use ending::{Ending, ending};
pub use error::QualityError;
pub use limits::{Limit, Reason, first_reasons};
use repetition::Places;
pub use script::ScriptSet;

use crate::error::same_length;
use crate::text::count_chars;
use crate::text::words::folded;

/// A completion, with the prompt whose scripts it may use.
///
/// ```
/// use dalign_core::quality::{Checks, Completion};
///
/// let completion = Completion { prompt: "Можно?", reasoning: "", answer: "Можно." };
/// assert_eq!(Checks::new(5, &[], &[])?.measure(completion).answer.foreign, 0.0);
/// # Ok::<(), dalign_core::quality::QualityError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Completion<'t> {
    /// What the user wrote; empty where that is not known.
    pub prompt: &'t str,
    /// The reasoning; empty where there is none.
    pub reasoning: &'t str,
    /// The answer.
    pub answer: &'t str,
}

/// What one part of a completion, its reasoning or its answer, is like.
///
/// ```
/// use dalign_core::quality::{Checks, Completion};
///
/// let completion = Completion { prompt: "", reasoning: "", answer: "no no no no" };
/// let part = Checks::new(2, &["Latin"], &[])?.measure(completion).answer;
/// assert_eq!((part.chars, part.words, part.cycle, part.repeated), (11, 4, 4, 0.75));
/// # Ok::<(), dalign_core::quality::QualityError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Part {
    /// Unicode scalar values.
    pub chars: u64,
    /// Runs of letters and digits; a character of a script without spaces is one by itself.
    pub words: u32,
    /// Share of words inside n-grams that stood in the part before; 0 without words.
    ///
    /// After the duplicate n-grams of Gopher (Rae et al. 2021, A.1.1) and of `DataTrove`'s
    /// `find_all_duplicate`, but counted in words, each once, where those count characters.
    pub repeated: f64,
    /// Words of the longest cycle that repeats at once, at least two rounds and n words; else 0.
    pub cycle: u32,
    /// Share of letters of scripts that are not expected; 0 without letters.
    pub foreign: f64,
    /// Letters of the longest run of such, with no expected letter inside.
    pub foreign_run: u32,
    /// Where that run starts and ends, in bytes; the first of equals.
    pub foreign_span: (usize, usize),
    /// How many references to a policy that is not there.
    pub dangling: u32,
    /// The first of them.
    pub first_dangling: Option<Dangling>,
}

/// What a completion is like.
///
/// ```
/// use dalign_core::quality::{Checks, Completion, Ending};
///
/// let completion = Completion { prompt: "", reasoning: "It is so.", answer: "It is so" };
/// let quality = Checks::new(3, &["Latin"], &[])?.measure(completion);
/// assert_eq!((quality.echo, quality.ending), (1.0, Ending::Whole));
/// # Ok::<(), dalign_core::quality::QualityError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Its reasoning.
    pub reasoning: Part,
    /// Its answer.
    pub answer: Part,
    /// How the answer ends.
    pub ending: Ending,
    /// Share of the answer's n-grams that stand in the reasoning; 0 where it has none.
    pub echo: f64,
}

impl Quality {
    /// Whether the answer breaks off.
    ///
    /// ```
    /// use dalign_core::quality::{Checks, Completion};
    ///
    /// let checks = Checks::new(3, &["Latin"], &[])?;
    /// let completion = Completion { prompt: "", reasoning: "", answer: "It rains. Take a" };
    /// assert!(checks.measure(completion).is_cut_off());
    /// # Ok::<(), dalign_core::quality::QualityError>(())
    /// ```
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        self.ending != Ending::Whole
    }
}

/// How completions are measured.
///
/// ```
/// use dalign_core::quality::{Checks, Completion};
///
/// let checks = Checks::new(3, &["Latin"], &[])?;
/// let completion = Completion {
///     prompt: "May I?",
///     reasoning: "By the policy above 可以, and so on and so on and so on.",
///     answer: "You may.",
/// };
/// let reasoning = checks.measure(completion).reasoning;
/// assert_eq!((reasoning.words, reasoning.cycle), (15, 9));
/// assert_eq!((reasoning.foreign_run, reasoning.dangling), (2, 1));
/// # Ok::<(), dalign_core::quality::QualityError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Checks {
    ngram: NonZeroUsize,
    scripts: ScriptSet,
    references: References,
}

/// What measuring needs between rows.
#[derive(Default)]
struct Scratch {
    words: Vec<u64>,
    places: Places,
}

impl Checks {
    /// `ngram`: how many words a repeated run has at least. `scripts`: expected in every completion
    /// beside those of its prompt; with none and a prompt without letters, the script of most letters
    /// is. `phrases`: further references to what is not there.
    ///
    /// # Errors
    ///
    /// [`QualityError::BadNgram`], [`QualityError::UnknownScript`], [`QualityError::BlankPhrase`],
    /// [`QualityError::TooManyPhrases`].
    ///
    /// ```
    /// use dalign_core::quality::Checks;
    ///
    /// assert!(Checks::new(0, &[], &[]).is_err());
    /// assert!(Checks::new(5, &["Klingon"], &[]).is_err());
    /// ```
    pub fn new(ngram: usize, scripts: &[&str], phrases: &[&str]) -> Result<Self, QualityError> {
        let ngram = NonZeroUsize::new(ngram).ok_or(QualityError::BadNgram)?;
        let mut expected = ScriptSet::default();
        for name in scripts {
            let script = ScriptSet::named(name);
            let unknown = || QualityError::UnknownScript { name: (*name).to_owned() };
            expected = expected.union(&script.ok_or_else(unknown)?);
        }
        Ok(Self { ngram, scripts: expected, references: References::new(phrases)? })
    }

    /// The phrases that count as references to what is not there.
    ///
    /// ```
    /// let checks = dalign_core::quality::Checks::new(5, &[], &["as our handbook says"])?;
    /// assert_eq!(checks.references().phrases().last().unwrap(), "as our handbook says");
    /// # Ok::<(), dalign_core::quality::QualityError>(())
    /// ```
    #[must_use]
    pub fn references(&self) -> &References {
        &self.references
    }

    /// Measures one completion; O(bytes).
    ///
    /// ```
    /// use dalign_core::quality::{Checks, Completion};
    ///
    /// let checks = Checks::new(2, &[], &[])?;
    /// let completion = Completion { prompt: "", reasoning: "It is so.", answer: "It is not." };
    /// assert_eq!(checks.measure(completion).echo, 0.5);
    /// # Ok::<(), dalign_core::quality::QualityError>(())
    /// ```
    #[must_use]
    pub fn measure(&self, completion: Completion<'_>) -> Quality {
        self.measure_with(completion, &mut Scratch::default())
    }

    /// Measures each completion of three columns, in parallel.
    ///
    /// # Errors
    ///
    /// [`QualityError::Column`] unless they have one length.
    ///
    /// ```
    /// use dalign_core::quality::Checks;
    ///
    /// let checks = Checks::new(5, &["Latin"], &[])?;
    /// let rows = checks.measure_column(&["Hi", "Hi"], &["", ""], &["Hello.", "你好。"])?;
    /// assert_eq!((rows[0].answer.foreign, rows[1].answer.foreign), (0.0, 1.0));
    /// # Ok::<(), dalign_core::quality::QualityError>(())
    /// ```
    pub fn measure_column(
        &self,
        prompts: &[&str],
        reasonings: &[&str],
        answers: &[&str],
    ) -> Result<Vec<Quality>, QualityError> {
        same_length("reasoning", reasonings.len(), answers.len())?;
        same_length("prompts", prompts.len(), answers.len())?;
        let rows = (0..answers.len()).into_par_iter().with_min_len(16);
        Ok(rows
            .map_init(Scratch::default, |scratch, row| {
                let (prompt, reasoning) = (prompts[row], reasonings[row]);
                self.measure_with(Completion { prompt, reasoning, answer: answers[row] }, scratch)
            })
            .collect())
    }

    fn measure_with(&self, completion: Completion<'_>, scratch: &mut Scratch) -> Quality {
        let Completion { prompt, reasoning, answer } = completion;
        let expected = self.scripts.union(&ScriptSet::of(prompt));
        let reasoning = self.part(reasoning, &expected, scratch);
        // The table holds the reasoning's n-grams until the answer's take their place.
        scratch.words.clear();
        scratch.words.extend(folded(answer).map(|word| word.hash));
        let (shared, all) = scratch.places.shared(&scratch.words, self.ngram);
        let quality = self.part(answer, &expected, scratch);
        let echo = share(shared as f64, all as f64);
        Quality { reasoning, answer: quality, ending: ending(answer), echo }
    }

    fn part(&self, text: &str, expected: &ScriptSet, scratch: &mut Scratch) -> Part {
        let Scratch { words, places } = scratch;
        words.clear();
        words.extend(folded(text).map(|word| word.hash));
        let repetition = places.repetition(words, self.ngram);
        let foreign = script::foreign(text, expected);
        let mut references = self.references.find(text);
        let first_dangling = references.next();
        Part {
            chars: count_chars(text) as u64,
            words: words.len() as u32,
            repeated: share(f64::from(repetition.words), words.len() as f64),
            cycle: repetition.cycle,
            foreign: share(f64::from(foreign.other), f64::from(foreign.letters)),
            foreign_run: foreign.run,
            foreign_span: foreign.span,
            dangling: first_dangling.map_or(0, |_| 1 + references.count() as u32),
            first_dangling,
        }
    }
}

/// A part of a whole; 0 of nothing.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

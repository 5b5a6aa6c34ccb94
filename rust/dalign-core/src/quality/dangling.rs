//! References to a policy that the reader cannot see: "the policy above", "as the system prompt
//! says". Once the policy is taken out of the prompt they point at nothing.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use aho_corasick::{AhoCorasick, MatchKind};

/// What is referred to.
const THINGS: [&str; 13] = [
    "policy",
    "policies",
    "guideline",
    "guidelines",
    "clause",
    "rules",
    "specification",
    "spec",
    "instructions",
    "principles",
    "document",
    "excerpt",
    "context",
];

/// What may stand before it.
const KINDS: [&str; 7] = ["", "safety ", "content ", "usage ", "moderation ", "style ", "system "];

/// How a reference to it leaves the text; `*` stands for the thing.
const FORMS: [&str; 19] = [
    "the * above",
    "the above *",
    "above-mentioned *",
    "aforementioned *",
    "the * below",
    "the * provided",
    "the provided *",
    "the * given",
    "the given *",
    "the * you provided",
    "the * i was given",
    "the * i have been given",
    "the * in the prompt",
    "the * listed above",
    "the * quoted above",
    "the * mentioned above",
    "the * i was shown",
    "the * you gave me",
    "the * i see here",
];

/// References in other words.
const OTHERS: [&str; 12] = [
    "system prompt",
    "system message",
    "as stated above",
    "as quoted above",
    "as listed above",
    "as described above in the policy",
    "in the prompt above",
    "the text above says",
    "i was instructed to",
    "i have been instructed to",
    "my instructions say",
    "the developer message",
];

/// Built once: there are some two thousand.
static KNOWN: LazyLock<Result<References, super::QualityError>> =
    LazyLock::new(|| References::of(known_phrases()));

fn known_phrases() -> impl Iterator<Item = String> {
    let things = THINGS.iter().flat_map(|thing| KINDS.map(|kind| format!("{kind}{thing}")));
    let things: Vec<String> = things.collect();
    let forms = FORMS.iter().flat_map(move |form| {
        things.iter().map(|thing| form.replace('*', thing)).collect::<Vec<_>>()
    });
    forms.chain(OTHERS.iter().map(|&phrase| phrase.to_owned()))
}

/// A reference, where it stands.
///
/// ```
/// use dalign_core::quality::References;
///
/// let references = References::new::<&str>(&[])?;
/// let text = "As the system prompt says, no.";
/// let found = references.find(text).next().expect("a reference");
/// assert_eq!(&text[found.start..found.end], "system prompt");
/// # Ok::<(), dalign_core::quality::QualityError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dangling {
    /// Which phrase it is: its place in [`References::phrases`].
    pub phrase: u32,
    /// Its first byte in the text.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
}

/// The phrases that count as references to what is not there.
///
/// ```
/// use dalign_core::quality::References;
///
/// let references = References::new(&["as the handbook says"])?;
/// let found: Vec<_> = references.find("As the handbook says, no.").collect();
/// assert_eq!(references.phrases()[found[0].phrase as usize], "as the handbook says");
/// assert_eq!(references.find("Our policyabove").count(), 0);
/// # Ok::<(), dalign_core::quality::QualityError>(())
/// ```
#[derive(Debug, Clone)]
pub struct References {
    phrases: Arc<[String]>,
    finder: AhoCorasick,
}

impl References {
    /// The phrases that dalign knows and these; neither case nor what stands around the words counts.
    ///
    /// # Errors
    ///
    /// [`super::QualityError::BlankPhrase`].
    ///
    /// ```
    /// use dalign_core::quality::References;
    ///
    /// assert!(References::new(&["as our handbook says"]).is_ok());
    /// assert!(References::new(&[" "]).is_err());
    /// ```
    pub fn new<S: AsRef<str>>(phrases: &[S]) -> Result<Self, super::QualityError> {
        let blank = phrases.iter().position(|phrase| phrase.as_ref().trim().is_empty());
        if let Some(row) = blank {
            return Err(super::QualityError::BlankPhrase { row });
        }
        if phrases.is_empty() {
            return KNOWN.clone();
        }
        Self::of(known_phrases().chain(phrases.iter().map(|it| it.as_ref().trim().to_owned())))
    }

    fn of(phrases: impl Iterator<Item = String>) -> Result<Self, super::QualityError> {
        let phrases: Arc<[String]> = phrases.collect();
        let finder = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .build(&*phrases)
            .map_err(|_| super::QualityError::TooManyPhrases { phrases: phrases.len() })?;
        Ok(Self { phrases, finder })
    }

    /// Every phrase, in the order of [`Dangling::phrase`].
    ///
    /// ```
    /// let references = dalign_core::quality::References::new::<&str>(&[])?;
    /// assert!(references.phrases().iter().any(|phrase| phrase == "the policy above"));
    /// # Ok::<(), dalign_core::quality::QualityError>(())
    /// ```
    #[must_use]
    pub fn phrases(&self) -> &[String] {
        &self.phrases
    }

    /// The references of a text, in order; O(bytes). A line break in one is a space.
    ///
    /// ```
    /// let references = dalign_core::quality::References::new::<&str>(&[])?;
    /// let found = references.find("By the policy above, no.").next();
    /// assert_eq!(found.map(|it| (it.start, it.end)), Some((3, 19)));
    /// # Ok::<(), dalign_core::quality::QualityError>(())
    /// ```
    pub fn find(&self, text: &str) -> impl Iterator<Item = Dangling> + use<> {
        // As long as it was, so that places stay.
        let is_broken = text.bytes().any(|byte| matches!(byte, b'\n' | b'\t'));
        let line = if is_broken { text.replace(['\n', '\t'], " ").into() } else { Cow::from(text) };
        let found = self.finder.find_iter(&*line).filter_map(|found| {
            let is_letter = |c: char| c.is_alphanumeric();
            let is_whole = !line[..found.start()].ends_with(is_letter)
                && !line[found.end()..].starts_with(is_letter);
            let phrase = found.pattern().as_u32();
            is_whole.then(|| Dangling { phrase, start: found.start(), end: found.end() })
        });
        found.collect::<Vec<_>>().into_iter()
    }
}

//! References to a policy that the reader cannot see: "the policy above", "as the system prompt
//! says". Once the policy is taken out of the prompt they point at nothing.

use aho_corasick::{AhoCorasick, MatchKind};

/// What is referred to.
const THINGS: [&str; 12] = [
    "policy",
    "policies",
    "guideline",
    "guidelines",
    "rules",
    "specification",
    "spec",
    "instructions",
    "principles",
    "document",
    "excerpt",
    "context",
];

/// How a reference to it leaves the text; `*` stands for the thing.
const FORMS: [&str; 14] = [
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
    phrases: Vec<String>,
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
        let known = FORMS.iter().flat_map(|form| THINGS.map(|thing| form.replace('*', thing)));
        let others = OTHERS.iter().map(|&phrase| phrase.to_owned());
        let further = phrases.iter().map(|phrase| phrase.as_ref().trim().to_owned());
        let phrases: Vec<String> = known.chain(others).chain(further).collect();
        let finder = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .build(&phrases)
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

    /// The references of a text, in order; O(bytes).
    ///
    /// ```
    /// let references = dalign_core::quality::References::new::<&str>(&[])?;
    /// let found = references.find("By the policy above, no.").next();
    /// assert_eq!(found.map(|it| (it.start, it.end)), Some((3, 19)));
    /// # Ok::<(), dalign_core::quality::QualityError>(())
    /// ```
    pub fn find<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Dangling> + 't {
        self.finder.find_iter(text).filter_map(|found| {
            let is_letter = |c: char| c.is_alphanumeric();
            let is_whole = !text[..found.start()].ends_with(is_letter)
                && !text[found.end()..].starts_with(is_letter);
            let phrase = found.pattern().as_u32();
            is_whole.then(|| Dangling { phrase, start: found.start(), end: found.end() })
        })
    }
}

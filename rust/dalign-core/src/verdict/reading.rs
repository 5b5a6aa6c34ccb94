//! One place in a reply that speaks of its score.

/// How a score is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `<score>7</score>`
    Tag,
    /// `"score": 7`
    Json,
    /// `Score: 7`, `score is 7`, `score 7`
    Prose,
}

/// What a place counts for beside others; the highest rank in a reply decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// A mention inside a line.
    Prose,
    /// A line, an object or a tag of its own.
    Own,
    /// It carries the seal that the question asks for.
    Sealed,
}

impl Rank {
    pub(super) const ALL: [Self; 3] = [Self::Prose, Self::Own, Self::Sealed];
}

/// One place that speaks of a score.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// None where the label gives no number: then no earlier place stands in for it.
    pub(super) value: Option<f64>,
    /// The scale's end, where the reply names it: the 10 of `7/10`.
    pub(super) out_of: Option<f64>,
    /// Another value stands beside it with equal right.
    pub(super) contradicted: bool,
    /// A word stands in the number's place that does not say that there is none: `Rating: Good`.
    pub(super) is_word: bool,
    pub(super) form: Form,
    pub(super) rank: Rank,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Reading {
    /// Whether two readings, or those beside one of them, give different numbers.
    pub(super) fn differs(&self, other: &Self) -> bool {
        self.contradicted || other.contradicted || differ(self.value, other.value)
    }
}

/// Whether two numbers are there and are different ones.
pub(super) fn differ(one: Option<f64>, other: Option<f64>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if (one - other).abs() > f64::EPSILON)
}

//! One place in a reply where a score is given.

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

/// One place where a score is given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) value: f64,
    /// The scale's end, where the reply names it: the 10 of `7/10`.
    pub(super) out_of: Option<f64>,
    /// Another value stands beside it with equal right.
    pub(super) contradicted: bool,
    pub(super) form: Form,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Reading {
    /// Whether two readings, or those beside one of them, give different numbers.
    pub(super) fn differs(&self, other: &Self) -> bool {
        self.contradicted || other.contradicted || (self.value - other.value).abs() > f64::EPSILON
    }
}

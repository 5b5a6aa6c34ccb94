//! A judge's reply with all that it says: sub-scores and single clauses beside the verdict.

use std::borrow::Cow;

use rayon::prelude::*;

use super::clause::{self, Clause, Mention};
use super::detail::{self, Detailed};
use super::label;
use super::names::SubScores;
use super::object::Object;
use super::place::{begins_clause, line_head};
use super::reading::{Form, Reading};
use super::score;
use super::visible::Survey;
use super::{Asked, Asks, Scale, State, Verdict, judge, on_scale, said, stance, unless_hidden};
use crate::text::fold_to_ascii;

/// A sub-score, or why there is none.
///
/// ```
/// use dalign_core::verdict::{Scale, State, SubScore, SubScores, parse_detailed};
///
/// let names = SubScores::new(&["compliance"])?;
/// let judgement = parse_detailed("Score: 7", Scale::new(0.0, 10.0)?, &names);
/// assert_eq!(judgement.sub_scores, [SubScore { state: State::Missing, score: None }]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SubScore {
    /// What became of it.
    pub state: State,
    /// The score; there exactly when the state is [`State::Ok`], and then on the scale.
    pub score: Option<f64>,
}

/// A judge's reply, read with its parts.
///
/// ```
/// use dalign_core::verdict::{Scale, SubScores, parse_detailed};
///
/// let names = SubScores::new(&["compliance"])?;
/// let judgement = parse_detailed("Compliance: 4\nScore: 7", Scale::new(0.0, 10.0)?, &names);
/// assert_eq!(judgement.verdict.score, Some(7.0));
/// assert_eq!(judgement.sub_scores[0].score, Some(4.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// What [`super::parse`] reads, but no score that is a sub-score's or a clause's.
    pub verdict: Verdict,
    /// One for each name, in the order of the names.
    pub sub_scores: Vec<SubScore>,
    /// One for each clause that is named, in the order of first mention.
    pub clauses: Vec<Clause>,
}

/// Reads one reply with its sub-scores, on the same scale, and clauses; O(bytes · names).
///
/// | part | forms |
/// |---|---|
/// | sub-score | `<compliance>4</compliance>`, `"compliance": 4`, `"compliance": {"score": 4}`, `Compliance: 4/5`, `Compliance score: 4` |
/// | clause | `"clauses": {"S3": "violated"}`, `"clauses": {"S3": {"verdict": "violated"}}`, `"clauses": [{"id": "S3", "verdict": "violated"}]`, `"clauses": ["S3: violated"]`, `<clause id="S3">violated</clause>`, `S3: violated` |
///
/// Two different values for a name or a clause make it contradictory, and so does one that what was judged
/// gives too: it may be quoted. Of a reply that was cut off before
/// its verdict, none counts. A JSON object that gives any part is not read as prose. In a
/// line, an id has a digit or a full stop in it (`S3`, `self-harm.S3`), a sign stands before the word
/// and nothing but a sign or a reason behind it.
///
/// ```
/// use dalign_core::verdict::{ClauseVerdict, Scale, SubScores, parse_detailed};
///
/// let names = SubScores::new(&["compliance", "helpfulness"])?;
/// let reply = "S3: followed\nCompliance score: 9\nHelpfulness: 6/10\nScore: 7";
/// let judgement = parse_detailed(reply, Scale::new(0.0, 10.0)?, &names);
/// assert_eq!(judgement.verdict.score, Some(7.0));
/// assert_eq!(judgement.sub_scores[0].score, Some(9.0));
/// assert_eq!(judgement.clauses[0].verdict, ClauseVerdict::Followed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn parse_detailed(reply: &str, scale: Scale, names: &SubScores) -> Judgement {
    parse_row(reply, Asked::default(), scale, names)
}

fn parse_row(reply: &str, asked: Asked<'_>, scale: Scale, names: &SubScores) -> Judgement {
    let Some(visible) = said(reply, Survey::of(reply)) else {
        return Judgement::without_parts(Verdict::unclosed(asked), names);
    };
    let is_ascii = !Survey::of(visible).has_foreign();
    let text = if is_ascii { Cow::Borrowed(visible) } else { fold_to_ascii(visible) };
    let objects = detail::find(&text, asked.seal, names);
    let plain: Vec<Object> =
        objects.iter().filter(|it| it.is_heard()).map(|it| it.object).collect();
    let mut labels = Vec::new();
    label::find(&text, &mut labels);
    let reading = score::verdict(&text, &labels, &plain, asked.seal, |head| names.end(head));
    let found = judge(reading, asked, scale, &text);
    let (state, score) = unless_hidden(found, reading, reply, visible, asked.seal);
    let verdict = Verdict { state, score, stance: stance::find(&text) };
    if state == State::Truncated {
        return Judgement::without_parts(verdict, names);
    }
    let absent = if state == State::Refused { State::Refused } else { State::Missing };
    let readings = sub_scores(&text, &objects, names).into_iter();
    let mut sub_scores: Vec<SubScore> = readings
        .map(|reading| {
            let (state, score) = match reading {
                Some(reading) => on_scale(Some((reading, false)), scale, &text),
                None => (absent, None),
            };
            SubScore { state, score }
        })
        .collect();
    let mut clauses = clause::merge(&mentions(&text, &objects));
    // What says nothing can't be quoted, and the material is longer than most replies.
    if !clauses.is_empty() || sub_scores.iter().any(|it| it.score.is_some()) {
        let material = fold_to_ascii(asked.material);
        doubt(&mut sub_scores, &material, names);
        if clause::may_be_in(&clauses, &material) {
            let shown = mentions(&material, &detail::find(&material, "", names));
            clause::doubt(&mut clauses, &shown);
        }
    }
    Judgement { verdict, sub_scores, clauses }
}

impl Judgement {
    /// Of a reply that says nothing: its sub-scores are in the verdict's state.
    fn without_parts(verdict: Verdict, names: &SubScores) -> Self {
        let none = SubScore { state: verdict.state, score: None };
        Self { verdict, sub_scores: vec![none; names.names().len()], clauses: Vec::new() }
    }
}

/// Reads each reply of a column with its parts, in parallel.
///
/// ```
/// use dalign_core::verdict::{Asks, Scale, SubScores, parse_detailed_column};
///
/// let (names, scale) = (SubScores::new(&["compliance"])?, Scale::new(0.0, 10.0)?);
/// let read = parse_detailed_column(&["Compliance: 4", "hm"], &Asks::default(), scale, &names);
/// assert_eq!(read[0].sub_scores[0].score, Some(4.0));
/// assert_eq!(read[1].sub_scores[0].state.as_str(), "missing");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn parse_detailed_column(
    replies: &[&str],
    asks: &Asks<'_>,
    scale: Scale,
    names: &SubScores,
) -> Vec<Judgement> {
    let rows = replies.par_iter().enumerate().with_min_len(64);
    rows.map(|(row, reply)| parse_row(reply, asks.row(row), scale, names)).collect()
}

/// The last reading for each name, contradicted by an earlier one that differs.
fn sub_scores(text: &str, objects: &[Detailed<'_>], names: &SubScores) -> Vec<Option<Reading>> {
    let mut readings: Vec<(usize, Reading)> =
        objects.iter().flat_map(|it| it.sub_scores.iter().copied()).collect();
    let labels = outside(objects, names.labels(text), |(_, label)| label.start);
    let read = labels.filter_map(|(name, label)| Some((name, score::read(text, label, "")?)));
    readings.extend(read.filter(|(_, it)| it.value.is_some() && is_given(text, it)));
    readings.sort_by_key(|(_, reading)| reading.start);
    let mut last: Vec<Option<Reading>> = vec![None; names.names().len()];
    for (name, mut reading) in readings {
        reading.contradicted |= last[name].is_some_and(|before| before.differs(&reading));
        last[name] = Some(reading);
    }
    last
}

/// Makes contradictory each sub-score that what was judged gives too: it may be quoted.
fn doubt(sub_scores: &mut [SubScore], material: &str, names: &SubScores) {
    for (name, label) in names.labels(material) {
        let Some(score) = sub_scores[name].score else { continue };
        let is_it = |number: f64| (number - score).abs() <= f64::EPSILON;
        if score::any_number(material, label).is_some_and(is_it) {
            sub_scores[name] = SubScore { state: State::Contradictory, score: None };
        }
    }
}

/// Whether a reading stands where the judge gives it, and not in the midst of a clause.
fn is_given(text: &str, reading: &Reading) -> bool {
    reading.form != Form::Prose || begins_clause(line_head(text, reading.start))
}

/// Every mention of a clause, in order.
fn mentions<'t>(text: &'t str, objects: &[Detailed<'t>]) -> Vec<Mention<'t>> {
    let mut mentions: Vec<Mention<'_>> =
        objects.iter().flat_map(|it| it.mentions.iter().copied()).collect();
    mentions.extend(outside(objects, clause::in_lines(text), |mention| mention.start));
    mentions.extend(outside(objects, clause::in_tags(text), |mention| mention.start));
    mentions.sort_by_key(|mention| mention.start);
    mentions
}

/// What does not stand in an object that gave something already. `items` come in order.
fn outside<'o, T: 'o>(
    objects: &'o [Detailed<'_>],
    items: impl Iterator<Item = T> + 'o,
    start: impl Fn(&T) -> usize + 'o,
) -> impl Iterator<Item = T> + 'o {
    let mut heard = objects.iter().filter(|it| it.is_heard()).map(|it| it.object).peekable();
    items.filter(move |item| {
        let at = start(item);
        while heard.next_if(|object| object.end <= at).is_some() {}
        heard.peek().is_none_or(|object| at < object.start)
    })
}

//! See `dalign._core.parse_verdicts` and `dalign._core.parse_judgements`.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{ListBuilder, StringViewBuilder};
use arrow_array::types::Float64Type;
use dalign_core::error::same_length;
use dalign_core::verdict::{
    Asks, Judgement, Scale, Stance, State, SubScores, Verdict, parse_column, parse_detailed_column,
};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;

use crate::columns::Column;
use crate::errors::to_python;
use crate::tables::{numbers, places_of, table, table_of};

/// What is known of each reply beside its text.
struct Known {
    seals: Option<Column>,
    materials: Option<Column>,
    cut: Option<Column>,
}

impl Known {
    /// Calls `read` with the columns as slices, each as long as the replies are many, or empty.
    fn with<T>(&self, rows: usize, read: impl FnOnce(&Asks<'_>) -> PyResult<T>) -> PyResult<T> {
        let seals = self.seals.as_ref().map(Column::texts).transpose()?;
        let materials = self.materials.as_ref().map(Column::texts).transpose()?;
        let cut = self.cut.as_ref().map(Column::bools).transpose()?;
        for (name, length) in [
            ("seals", seals.as_ref().map(Vec::len)),
            ("materials", materials.as_ref().map(Vec::len)),
            ("cut", cut.as_ref().map(Vec::len)),
        ] {
            same_length(name, length.unwrap_or(rows), rows).map_err(to_python)?;
        }
        read(&Asks {
            seals: &seals.unwrap_or_default(),
            materials: &materials.unwrap_or_default(),
            cut: &cut.unwrap_or_default(),
        })
    }
}

#[pyfunction]
#[pyo3(signature = (replies, low, high, seals=None, materials=None, cut=None))]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn parse_verdicts(
    py: Python<'_>,
    replies: Column,
    low: f64,
    high: f64,
    seals: Option<Column>,
    materials: Option<Column>,
    cut: Option<Column>,
) -> PyResult<PyTable> {
    let scale = Scale::new(low, high).map_err(to_python)?;
    let known = Known { seals, materials, cut };
    py.detach(|| {
        let replies = replies.texts()?;
        let verdicts = known.with(replies.len(), |asks| Ok(parse_column(&replies, asks, scale)))?;
        table(columns(verdicts.iter())?)
    })
}

#[pyfunction]
#[pyo3(signature = (replies, low, high, sub_scores, seals=None, materials=None, cut=None))]
#[allow(
    clippy::needless_pass_by_value,
    clippy::too_many_arguments,
    reason = "arguments are extracted, not borrowed; as many as Python names"
)]
pub(crate) fn parse_judgements(
    py: Python<'_>,
    replies: Column,
    low: f64,
    high: f64,
    sub_scores: Vec<String>,
    seals: Option<Column>,
    materials: Option<Column>,
    cut: Option<Column>,
) -> PyResult<PyTable> {
    let scale = Scale::new(low, high).map_err(to_python)?;
    let names = SubScores::new(&sub_scores).map_err(to_python)?;
    let known = Known { seals, materials, cut };
    py.detach(|| {
        let replies = replies.texts()?;
        let rows = known
            .with(replies.len(), |asks| Ok(parse_detailed_column(&replies, asks, scale, &names)))?;
        let state_names: Vec<String> =
            sub_scores.iter().map(|name| format!("{name}_state")).collect();
        let mut all: Vec<(&str, ArrayRef)> = columns(rows.iter().map(|row| &row.verdict))?.into();
        for (at, (name, state)) in sub_scores.iter().zip(&state_names).enumerate() {
            let scores = numbers::<Float64Type>(rows.iter().map(|row| row.sub_scores[at].score));
            all.push((name, scores));
            all.push((state, states(rows.iter().map(|row| row.sub_scores[at].state))?));
        }
        all.extend(clauses(&rows));
        table_of(all)
    })
}

fn columns<'v>(
    verdicts: impl ExactSizeIterator<Item = &'v Verdict> + Clone,
) -> PyResult<[(&'static str, ArrayRef); 3]> {
    let scores = numbers::<Float64Type>(verdicts.clone().map(|row| row.score));
    let stances = verdicts.clone().map(|row| row.stance.map(|stance| stance as usize));
    Ok([
        ("state", states(verdicts.map(|row| row.state))?),
        ("score", scores),
        ("stance", places_of(&Stance::ALL.map(Stance::as_str), stances)?),
    ])
}

fn states(states: impl ExactSizeIterator<Item = State> + Clone) -> PyResult<ArrayRef> {
    places_of(&State::ALL.map(State::as_str), states.map(|state| Some(state as usize)))
}

/// Two columns of lists: ids of clauses, and what is said of them.
fn clauses(rows: &[Judgement]) -> [(&'static str, ArrayRef); 2] {
    let mut ids = ListBuilder::new(StringViewBuilder::new());
    let mut verdicts = ListBuilder::new(StringViewBuilder::new());
    for row in rows {
        ids.append_value(row.clauses.iter().map(|clause| Some(clause.id.as_str())));
        verdicts.append_value(row.clauses.iter().map(|clause| Some(clause.verdict.as_str())));
    }
    [("clause_ids", Arc::new(ids.finish())), ("clause_verdicts", Arc::new(verdicts.finish()))]
}

//! See `dalign._core.parse_verdicts` and `dalign._core.parse_judgements`.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{ListBuilder, StringViewBuilder};
use arrow_array::types::Float64Type;
use dalign_core::verdict::{
    Judgement, Scale, Stance, State, SubScores, Verdict, parse_column, parse_detailed_column,
};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;

use crate::columns::Column;
use crate::errors::to_python;
use crate::tables::{numbers, places_of, table, table_of};

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn parse_verdicts(
    py: Python<'_>,
    replies: Column,
    low: f64,
    high: f64,
) -> PyResult<PyTable> {
    let scale = Scale::new(low, high).map_err(to_python)?;
    py.detach(|| {
        let verdicts = parse_column(&replies.texts()?, scale);
        table(columns(verdicts.iter())?)
    })
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn parse_judgements(
    py: Python<'_>,
    replies: Column,
    low: f64,
    high: f64,
    sub_scores: Vec<String>,
) -> PyResult<PyTable> {
    let scale = Scale::new(low, high).map_err(to_python)?;
    let names = SubScores::new(&sub_scores).map_err(to_python)?;
    py.detach(|| {
        let rows = parse_detailed_column(&replies.texts()?, scale, &names);
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

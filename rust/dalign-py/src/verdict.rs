//! See `dalign._core.parse_verdicts` and `dalign._core.parse_judgements`.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringViewBuilder};
use arrow_array::{ArrayRef, Float64Array, StringViewArray};
use dalign_core::verdict::{
    Judgement, Scale, Stance, SubScores, Verdict, parse_column, parse_detailed_column,
};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;

use crate::columns::Column;
use crate::errors::to_python;
use crate::tables::{table, table_of, texts};

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
        table(columns(verdicts.iter()))
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
        let states: Vec<String> = sub_scores.iter().map(|name| format!("{name}_state")).collect();
        let mut all: Vec<(&str, ArrayRef)> = columns(rows.iter().map(|row| &row.verdict)).into();
        for (at, (name, state)) in sub_scores.iter().zip(&states).enumerate() {
            let scores: Float64Array = rows.iter().map(|row| row.sub_scores[at].score).collect();
            all.push((name, Arc::new(scores)));
            all.push((state, texts(rows.iter().map(|row| row.sub_scores[at].state.as_str()))));
        }
        all.extend(clauses(&rows));
        table_of(all)
    })
}

fn columns<'v>(
    verdicts: impl Iterator<Item = &'v Verdict> + Clone,
) -> [(&'static str, ArrayRef); 3] {
    let scores: Float64Array = verdicts.clone().map(|row| row.score).collect();
    let stances: StringViewArray =
        verdicts.clone().map(|row| row.stance.map(Stance::as_str)).collect();
    [
        ("state", texts(verdicts.map(|row| row.state.as_str()))),
        ("score", Arc::new(scores)),
        ("stance", Arc::new(stances)),
    ]
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

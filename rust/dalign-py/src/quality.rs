//! See `dalign._core.quality` and `dalign._core.quality_reasons`.

use std::sync::Arc;

use arrow_array::types::{Float64Type, UInt32Type, UInt64Type};
use arrow_array::{ArrayRef, StringViewArray};
use dalign_core::quality::{Checks, Ending, Limit, Part, Quality, Reason, first_reasons};
use pyo3::prelude::*;
use pyo3_arrow::{PyArray, PyTable};

use crate::columns::Column;
use crate::errors::to_python;
use crate::tables::{numbers, places_of, table_of};

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn quality(
    py: Python<'_>,
    prompts: Column,
    reasoning: Column,
    answers: Column,
    ngram: usize,
    scripts: Vec<String>,
    phrases: Vec<String>,
) -> PyResult<PyTable> {
    let scripts: Vec<&str> = scripts.iter().map(String::as_str).collect();
    let phrases: Vec<&str> = phrases.iter().map(String::as_str).collect();
    let checks = Checks::new(ngram, &scripts, &phrases).map_err(to_python)?;
    py.detach(|| {
        let (prompts, reasoning, answers) =
            (prompts.texts()?, reasoning.texts()?, answers.texts()?);
        let rows = checks.measure_column(&prompts, &reasoning, &answers).map_err(to_python)?;
        let mut columns = part("reasoning", &checks, &rows.iter().map(|row| &row.reasoning));
        columns.extend(part("answer", &checks, &rows.iter().map(|row| &row.answer)));
        columns.extend(whole(&rows)?);
        table_of(columns.iter().map(|(name, values)| (name.as_str(), Arc::clone(values))).collect())
    })
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn quality_reasons(
    py: Python<'_>,
    limits: Vec<(String, Column, Option<f64>, Option<f64>)>,
) -> PyResult<PyArray> {
    let bounds: Result<Vec<Limit>, _> =
        limits.iter().map(|(name, _, low, high)| Limit::new(name, *low, *high)).collect();
    let bounds = bounds.map_err(to_python)?;
    let reasons = py.detach(|| {
        let values: PyResult<Vec<_>> =
            limits.iter().map(|(_, values, ..)| values.floats()).collect();
        let values = values?;
        let values: Vec<&[f64]> = values.iter().map(AsRef::as_ref).collect();
        let reasons = first_reasons(&bounds, &values).map_err(to_python)?;
        let places = reasons.iter().map(|reason| reason.map(|reason| reason as usize));
        places_of(&Reason::ALL.map(Reason::as_str), places)
    })?;
    Ok(PyArray::from_array_ref(reasons))
}

/// The columns of one part, each with the part's name before its own.
fn part<'q>(
    name: &str,
    checks: &Checks,
    parts: &(impl ExactSizeIterator<Item = &'q Part> + Clone),
) -> Vec<(String, ArrayRef)> {
    let phrases = checks.references().phrases();
    let first = || parts.clone().map(|it| it.first_dangling);
    let run = || parts.clone().map(|it| (it.foreign_run > 0).then_some(it.foreign_span));
    let dangling: StringViewArray =
        first().map(|it| it.map(|it| phrases[it.phrase as usize].as_str())).collect();
    let columns: [(&str, ArrayRef); 12] = [
        ("chars", numbers::<UInt64Type>(parts.clone().map(|it| Some(it.chars)))),
        ("words", numbers::<UInt32Type>(parts.clone().map(|it| Some(it.words)))),
        ("repeated", numbers::<Float64Type>(parts.clone().map(|it| Some(it.repeated)))),
        ("cycle", numbers::<UInt32Type>(parts.clone().map(|it| Some(it.cycle)))),
        ("foreign", numbers::<Float64Type>(parts.clone().map(|it| Some(it.foreign)))),
        ("foreign_run", numbers::<UInt32Type>(parts.clone().map(|it| Some(it.foreign_run)))),
        ("foreign_start", numbers::<UInt64Type>(run().map(|it| Some(it?.0 as u64)))),
        ("foreign_end", numbers::<UInt64Type>(run().map(|it| Some(it?.1 as u64)))),
        ("dangling", numbers::<UInt32Type>(parts.clone().map(|it| Some(it.dangling)))),
        ("dangling_phrase", Arc::new(dangling)),
        ("dangling_start", numbers::<UInt64Type>(first().map(|it| Some(it?.start as u64)))),
        ("dangling_end", numbers::<UInt64Type>(first().map(|it| Some(it?.end as u64)))),
    ];
    columns.into_iter().map(|(column, values)| (format!("{name}_{column}"), values)).collect()
}

/// The columns that are the completion's as a whole.
fn whole(rows: &[Quality]) -> PyResult<[(String, ArrayRef); 3]> {
    let endings = rows.iter().map(|row| Some(row.ending as usize));
    let cut_off = rows.iter().map(|row| Some(u32::from(row.is_cut_off())));
    let echo = rows.iter().map(|row| Some(row.echo));
    Ok([
        ("answer_ending".to_owned(), places_of(&Ending::ALL.map(Ending::as_str), endings)?),
        ("answer_cut_off".to_owned(), numbers::<UInt32Type>(cut_off)),
        ("answer_echo".to_owned(), numbers::<Float64Type>(echo)),
    ])
}

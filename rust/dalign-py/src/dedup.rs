//! See `dalign._core.near_duplicates`, `dalign._core.NearIndex` and `dalign._core.NearCandidates`.

use arrow_array::types::{Float64Type, UInt32Type};
use dalign_core::dedup::{self, Candidates, Pair, Settings};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;

use crate::columns::Column;
use crate::errors::to_python;
use crate::tables::{numbers, table};

type RepresentativesAndPairs<'py> = (Bound<'py, PyArray1<u32>>, PyTable);

fn pair_table(pairs: &[Pair]) -> PyResult<PyTable> {
    table([
        ("a", numbers::<UInt32Type>(pairs.iter().map(|pair| Some(pair.a)))),
        ("b", numbers::<UInt32Type>(pairs.iter().map(|pair| Some(pair.b)))),
        ("jaccard", numbers::<Float64Type>(pairs.iter().map(|pair| Some(pair.jaccard)))),
    ])
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn near_duplicates(
    py: Python<'_>,
    texts: Column,
    ngram: usize,
    permutations: usize,
    bands: usize,
    threshold: f64,
    scores: Option<Column>,
) -> PyResult<RepresentativesAndPairs<'_>> {
    let settings = Settings::new(ngram, permutations, bands, threshold).map_err(to_python)?;
    let (representatives, pairs) = py.detach(|| {
        let (texts, scores) = (texts.texts()?, scores.as_ref().map(Column::floats).transpose()?);
        let pairs = dedup::near(&texts, settings).map_err(to_python)?;
        let representatives =
            dedup::representatives(texts.len(), &pairs, scores.as_deref()).map_err(to_python)?;
        PyResult::Ok((representatives, pair_table(&pairs)?))
    })?;
    Ok((representatives.into_pyarray(py), pairs))
}

#[pyclass(module = "dalign._core")]
pub(crate) struct NearIndex(dedup::NearIndex);

#[pymethods]
impl NearIndex {
    #[new]
    fn new(ngram: usize, permutations: usize, bands: usize, threshold: f64) -> PyResult<Self> {
        let settings = Settings::new(ngram, permutations, bands, threshold).map_err(to_python)?;
        Ok(Self(dedup::NearIndex::new(settings)))
    }

    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn add(&mut self, py: Python<'_>, texts: Column) -> PyResult<()> {
        py.detach(|| self.0.add(&texts.texts()?).map_err(to_python))
    }

    fn candidates(&self, py: Python<'_>) -> NearCandidates {
        NearCandidates(py.detach(|| self.0.candidates()))
    }
}

#[pyclass(module = "dalign._core")]
pub(crate) struct NearCandidates(Candidates);

#[pymethods]
impl NearCandidates {
    fn wanted<'py>(&mut self, py: Python<'py>, most: usize) -> Option<Bound<'py, PyArray1<u32>>> {
        py.detach(|| self.0.wanted(most)).map(|rows| rows.into_pyarray(py))
    }

    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn verify(&mut self, py: Python<'_>, texts: Column) -> PyResult<()> {
        py.detach(|| self.0.verify(&texts.texts()?).map_err(to_python))
    }

    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn finish<'py>(
        &self,
        py: Python<'py>,
        scores: Option<Column>,
    ) -> PyResult<RepresentativesAndPairs<'py>> {
        let (representatives, pairs) = py.detach(|| {
            let scores = scores.as_ref().map(Column::floats).transpose()?;
            let representatives = self.0.representatives(scores.as_deref()).map_err(to_python)?;
            let pairs = self.0.clone().into_pairs().map_err(to_python)?;
            PyResult::Ok((representatives, pair_table(&pairs)?))
        })?;
        Ok((representatives.into_pyarray(py), pairs))
    }
}

//! See `dalign._core.Balancer`.

use std::sync::Arc;

use arrow_array::types::UInt64Type;
use arrow_array::{ArrayRef, BooleanArray, StringViewArray, UInt64Array};
use dalign_core::balance::{self, Labels, Lists, Quota, Quotas, Rows, Settings, Sharing, Stratum};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3_arrow::PyTable;

use crate::columns::Column;
use crate::errors::{bad_column, to_python};
use crate::tables::table;

type NamedQuota = (Option<String>, u64, Option<u64>, f64);
type KeptAndCounts<'py> = (Bound<'py, PyArray1<u64>>, PyTable, PyTable);

#[pyclass(module = "dalign._core")]
pub(crate) struct Balancer {
    /// None once the rows have been drawn.
    open: Option<balance::Balancer>,
    categories: Labels,
    clauses: Labels,
}

#[pymethods]
impl Balancer {
    #[new]
    fn new(
        total: Option<u64>,
        category_quotas: Vec<NamedQuota>,
        clause_quotas: Vec<NamedQuota>,
        rarest: bool,
        seed: u64,
    ) -> PyResult<Self> {
        let (mut of_category, mut of_clause) = (Labels::default(), Labels::default());
        let settings = Settings {
            total,
            categories: quotas(category_quotas, &mut of_category),
            clauses: quotas(clause_quotas, &mut of_clause),
            sharing: if rarest { Sharing::Rarest } else { Sharing::First },
            seed,
        };
        let open = Some(balance::Balancer::new(settings).map_err(to_python)?);
        Ok(Self { open, categories: of_category, clauses: of_clause })
    }

    #[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
    fn offer(
        &mut self,
        py: Python<'_>,
        categories: Option<Column>,
        clauses: Option<Column>,
        offsets: Option<Column>,
    ) -> PyResult<()> {
        py.detach(|| {
            let categories = match &categories {
                Some(column) => Some(self.categories.codes(&column.texts()?)),
                None => None,
            };
            let codes = match &clauses {
                Some(column) => Some(self.clauses.codes(&column.texts()?)),
                None => None,
            };
            let offsets = offsets.as_ref().map(Column::integers::<UInt64Type>).transpose()?;
            let clauses = codes.as_deref().zip(offsets.as_deref());
            let clauses = clauses.map(|(codes, offsets)| Lists { offsets, codes });
            let rows = Rows { categories: categories.as_deref(), clauses };
            self.open.as_mut().ok_or_else(finished)?.offer(rows).map_err(to_python)
        })
    }

    fn finish<'py>(&mut self, py: Python<'py>) -> PyResult<KeptAndCounts<'py>> {
        let balancer = self.open.take().ok_or_else(finished)?;
        let balance = py.detach(|| balancer.finish());
        let strata = self.counts(&balance.strata)?;
        let categories = self.counts(&balance.categories)?;
        Ok((balance.kept.into_pyarray(py), strata, categories))
    }
}

impl Balancer {
    fn counts(&self, strata: &[Stratum]) -> PyResult<PyTable> {
        let number = |part: fn(&Stratum) -> u64| -> ArrayRef {
            Arc::new(UInt64Array::from_iter_values(strata.iter().map(part)))
        };
        table([
            ("category", named(&self.categories, strata.iter().map(|stratum| stratum.category))),
            ("clause", named(&self.clauses, strata.iter().map(|stratum| stratum.clause))),
            ("seen", number(|stratum| stratum.seen)),
            ("kept", number(|stratum| stratum.kept)),
            ("minimum", number(|stratum| stratum.minimum)),
            (
                "short",
                Arc::new(
                    strata
                        .iter()
                        .map(|stratum| Some(stratum.kept < stratum.minimum))
                        .collect::<BooleanArray>(),
                ),
            ),
        ])
    }
}

fn named(labels: &Labels, codes: impl Iterator<Item = Option<u32>>) -> ArrayRef {
    Arc::new(codes.map(|code| labels.text(code?)).collect::<StringViewArray>())
}

fn quotas(quotas: Vec<NamedQuota>, labels: &mut Labels) -> Quotas {
    let mut found = Quotas::default();
    for (name, minimum, maximum, weight) in quotas {
        let quota = Quota { minimum, maximum, weight };
        match name {
            None => found.default = quota,
            Some(name) => {
                found.named.insert(labels.code(&name), quota);
            }
        }
    }
    found
}

fn finished() -> PyErr {
    let message = "the rows have been drawn: make another Balancer for other rows";
    bad_column(message.to_owned(), "finished", None)
}

//! `dalign._core`: the core's functions over Arrow columns. Each one converts its arguments,
//! releases the GIL, calls the core and maps the error; `python/dalign/_core.pyi` is the reference.

mod aggregate;
mod agreement;
mod balance;
mod bootstrap;
mod columns;
mod completion;
mod dedup;
mod errors;
mod files;
mod ids;
mod journal;
mod jsonl;
mod leak;
mod lists;
mod markers;
mod memory;
mod offsets;
mod overlap;
mod pack_table;
mod pattern;
mod quality;
mod row_filter;
mod tables;
mod text_views;
mod tokenize;
mod verdict;
mod word_weights;

/// The parts of dalign that touch every byte, over Arrow columns.
#[pyo3::pymodule]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::aggregate::aggregate;
    #[pymodule_export]
    use crate::agreement::{krippendorff_alpha, split_half};
    #[pymodule_export]
    use crate::balance::Balancer;
    #[pymodule_export]
    use crate::bootstrap::{bootstrap_difference, bootstrap_mean};
    #[pymodule_export]
    use crate::completion::{exact_duplicates, parse_completions};
    #[pymodule_export]
    use crate::dedup::{NearCandidates, NearIndex, near_duplicates};
    #[pymodule_export]
    use crate::errors::CoreError;
    #[pymodule_export]
    use crate::files::{LineWriter, ZstdReader};
    #[pymodule_export]
    use crate::ids::{digest, row_id, row_ids};
    #[pymodule_export]
    use crate::journal::journal_lines;
    #[pymodule_export]
    use crate::jsonl::{JsonlBatch, JsonlReader};
    #[pymodule_export]
    use crate::leak::first_leak;
    #[pymodule_export]
    use crate::markers::Markers;
    #[pymodule_export]
    use crate::overlap::NgramIndex;
    #[pymodule_export]
    use crate::pack_table::{TablePacker, position_ids};
    #[pymodule_export]
    use crate::pattern::Pattern;
    #[pymodule_export]
    use crate::quality::{quality, quality_reasons};
    #[pymodule_export]
    use crate::row_filter::RowFilter;
    #[pymodule_export]
    use crate::tokenize::{Tokenizer, unsettled_rows};
    #[pymodule_export]
    use crate::verdict::{parse_judgements, parse_verdicts};
    #[pymodule_export]
    use crate::word_weights::word_weights;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        crate::errors::declare_fields(&module.py().get_type::<CoreError>())
    }
}

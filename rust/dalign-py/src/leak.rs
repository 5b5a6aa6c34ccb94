//! See `dalign._core.first_leak`.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use arrow_array::types::{UInt32Type, UInt64Type};
use dalign_core::leak::{self, TokenTexts};
use pyo3::prelude::*;

use crate::columns::Column;
use crate::errors::to_python;

/// Ids and offsets, as `Tokenizer.encode` gives them.
type Texts = (Column, Column);

/// The same, borrowed where the columns have these types.
type Slices<'a> = (Cow<'a, [u32]>, Cow<'a, [u64]>);

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "arguments are extracted, not borrowed")]
pub(crate) fn first_leak(
    py: Python<'_>,
    prompts: Texts,
    own: Texts,
    policy: Texts,
    run: NonZeroUsize,
) -> PyResult<Option<usize>> {
    py.detach(|| {
        let [prompts, own, policy] = [read(&prompts)?, read(&own)?, read(&policy)?];
        let [prompts, own, policy] =
            [&prompts, &own, &policy].map(|(ids, offsets)| TokenTexts { ids, offsets });
        leak::first_leak(&prompts, &own, &policy, run).map_err(to_python)
    })
}

fn read((ids, offsets): &Texts) -> PyResult<Slices<'_>> {
    Ok((ids.integers::<UInt32Type>()?, offsets.integers::<UInt64Type>()?))
}

//! The policy in a prompt that must not hold it: runs of its tokens that the user did not write.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use rayon::prelude::*;

use crate::error::{ColumnError, offsets_delimit, same_length};

/// The token ids of several texts, as [`crate::tokenize::Encoded`] holds them.
///
/// ```
/// use dalign_core::leak::TokenTexts;
///
/// // Two texts, the second of one token.
/// let texts = TokenTexts { ids: &[7, 8, 9], offsets: &[0, 2, 3] };
/// assert_eq!(texts.ids[texts.offsets[1] as usize], 9);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TokenTexts<'a> {
    /// The ids of all texts, one after the other.
    pub ids: &'a [u32],
    /// Text `i` is `ids[offsets[i]..offsets[i + 1]]`; never falls, from 0 to the number of ids.
    pub offsets: &'a [u64],
}

impl<'a> TokenTexts<'a> {
    pub(crate) fn text(&self, row: usize) -> &'a [u32] {
        &self.ids[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.offsets.len() - 1
    }
}

/// The first prompt that holds `run` tokens in a row which stand in a text of the policy and not in
/// the user's own words of the same row; none where no prompt does.
///
/// Expected O(tokens · run), in parallel over rows; memory for each distinct run of the policy.
///
/// # Errors
///
/// [`ColumnError`] when offsets do not delimit their ids, or `own` has another number of rows.
///
/// ```
/// use std::num::NonZeroUsize;
///
/// use dalign_core::leak::{TokenTexts, first_leak};
///
/// let two = NonZeroUsize::MIN.saturating_add(1);
/// let policy = TokenTexts { ids: &[7, 8, 9], offsets: &[0, 3] };
/// let prompts = TokenTexts { ids: &[1, 7, 8, 7, 8, 2], offsets: &[0, 3, 6] };
/// // The first user has written 7 8, the second has not.
/// let own = TokenTexts { ids: &[7, 8, 2], offsets: &[0, 2, 3] };
/// assert_eq!(first_leak(&prompts, &own, &policy, two)?, Some(1));
/// assert_eq!(first_leak(&prompts, &own, &policy, two.saturating_add(1))?, None);
/// # Ok::<(), dalign_core::error::ColumnError>(())
/// ```
pub fn first_leak(
    prompts: &TokenTexts<'_>,
    own: &TokenTexts<'_>,
    policy: &TokenTexts<'_>,
    run: NonZeroUsize,
) -> Result<Option<usize>, ColumnError> {
    for (name, texts) in [("prompt", prompts), ("own", own), ("policy", policy)] {
        offsets_delimit(name, texts.offsets.iter().copied(), texts.ids.len())?;
    }
    same_length("own", own.offsets.len(), prompts.offsets.len())?;
    let forbidden: HashSet<&[u32]> =
        (0..policy.len()).flat_map(|row| policy.text(row).windows(run.get())).collect();
    let leaks = |&row: &usize| {
        let prompt = prompts.text(row).windows(run.get()).filter(|run| forbidden.contains(run));
        let mut found = prompt.peekable();
        // Most rows end here, so the user's words are only now looked at.
        found.peek().is_some() && {
            let own: HashSet<&[u32]> = own.text(row).windows(run.get()).collect();
            found.any(|run| !own.contains(run))
        }
    };
    Ok((0..prompts.len()).into_par_iter().find_first(leaks))
}

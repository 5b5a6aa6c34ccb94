//! What the words of a text alone tell of it: logistic regression over which words it has.

use crate::error::{ColumnError, CoreError, Fault, offsets_delimit, same_length};
use crate::leak::TokenTexts;

/// Beyond this a logistic function is 0 or 1 to all that matters, and its exponential stays finite.
const MOST_LOGIT: f64 = 30.0;

/// Why no weights can be learnt.
///
/// ```
/// use dalign_core::{CoreError, leak::TokenTexts, word_weights::word_weights};
///
/// let texts = TokenTexts { ids: &[0, 1], offsets: &[0, 2] };
/// assert_eq!(word_weights(&texts, &[true], &[1], 0.05).unwrap_err().kind(), "no_such_row");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// The order names a text that is not there.
    #[error("entry {row} of the order is {found}, and there are {texts} texts, counted from 0")]
    NoSuchRow {
        /// The entry.
        row: usize,
        /// What stands there.
        found: u32,
        /// How many texts there are.
        texts: usize,
    },
    /// Columns that do not belong together.
    #[error(transparent)]
    Column(#[from] ColumnError),
}

impl CoreError for WordsError {
    fn fault(&self) -> Fault {
        match self {
            Self::NoSuchRow { row, found, texts } => {
                Fault::of("no_such_row").row(*row).value(f64::from(*found)).limit(*texts as f64)
            }
            Self::Column(error) => error.fault(),
        }
    }
}

/// A weight for each word and, last, the bias, by stochastic gradient descent: a step of this rate
/// for each entry of `order`, which names texts, each as often as it is to be learnt of.
///
/// texts: the words that each has, once each, numbered from 0. `told_as`: what each text is to be told as.
/// A text is told as such where the sum of its words' weights and the bias is above 0. O(words of
/// all entries).
///
/// # Errors
///
/// [`WordsError`] when offsets do not delimit the words, `told_as` has another number of rows, or the
/// order names no text.
///
/// ```
/// use dalign_core::{leak::TokenTexts, word_weights::word_weights};
///
/// // The first text has the words 0 and 1, the second 0 and 2.
/// let texts = TokenTexts { ids: &[0, 1, 0, 2], offsets: &[0, 2, 4] };
/// let weights = word_weights(&texts, &[true, false], &[0, 1, 0, 1], 0.5)?;
/// assert!(weights[1] > 0.0 && weights[2] < 0.0 && weights.len() == 4);
/// # Ok::<(), dalign_core::word_weights::WordsError>(())
/// ```
pub fn word_weights(
    texts: &TokenTexts<'_>,
    told_as: &[bool],
    order: &[u32],
    rate: f64,
) -> Result<Vec<f64>, WordsError> {
    offsets_delimit("text", texts.offsets.iter().copied(), texts.ids.len())?;
    same_length("told_as", told_as.len(), texts.len())?;
    let unknown = |&(_, &text): &(usize, &u32)| text as usize >= texts.len();
    if let Some((row, &found)) = order.iter().enumerate().find(unknown) {
        return Err(WordsError::NoSuchRow { row, found, texts: texts.len() });
    }
    let words = texts.ids.iter().max().map_or(0, |&last| last as usize + 1);
    let (mut weights, mut bias) = (vec![0.0_f64; words], 0.0_f64);
    for &text in order {
        let has = texts.text(text as usize);
        let logit = has.iter().fold(bias, |sum, &word| sum + weights[word as usize]);
        let told = 1.0 / (1.0 + (-logit.clamp(-MOST_LOGIT, MOST_LOGIT)).exp());
        let step = rate * (f64::from(u8::from(told_as[text as usize])) - told);
        bias += step;
        for &word in has {
            weights[word as usize] += step;
        }
    }
    weights.push(bias);
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Two steps by hand: at 0 the model says 0.5 of each.
    #[test]
    fn a_step_goes_by_what_was_told() {
        let texts = TokenTexts { ids: &[0, 1, 1], offsets: &[0, 2, 3] };
        let one = word_weights(&texts, &[true, false], &[0], 0.1).unwrap();
        assert_eq!(one, [0.05, 0.05, 0.05]);
        let two = word_weights(&texts, &[true, false], &[0, 1], 0.1).unwrap();
        let step = 0.1 / (1.0 + (-0.1_f64).exp());
        assert_eq!(two, [0.05, 0.05 - step, 0.05 - step]);
    }

    #[test]
    fn without_an_order_nothing_is_learnt() {
        let texts = TokenTexts { ids: &[], offsets: &[0, 0] };
        assert_eq!(word_weights(&texts, &[true], &[], 0.1).unwrap(), [0.0]);
        let none = TokenTexts { ids: &[], offsets: &[0] };
        assert_eq!(word_weights(&none, &[], &[], 0.1).unwrap(), [0.0]);
    }

    #[test]
    fn columns_that_do_not_belong_together_are_refused() {
        let texts = TokenTexts { ids: &[0, 1], offsets: &[0, 1, 2] };
        let kind = |error: WordsError| error.kind();
        assert_eq!(word_weights(&texts, &[true], &[], 0.1).map_err(kind), Err("length_mismatch"));
        let error = word_weights(&texts, &[true, true], &[0, 2], 0.1).unwrap_err();
        assert_eq!(
            (error.kind(), error.row(), error.value(), error.limit()),
            ("no_such_row", Some(1), Some(2.0), Some(2.0))
        );
        let cut = TokenTexts { ids: &[0, 1], offsets: &[0, 1] };
        assert_eq!(word_weights(&cut, &[true], &[], 0.1).map_err(kind), Err("bad_offsets"));
    }

    proptest! {
        /// Steps sum to the bias, however often a text is learnt of, and weights stay finite.
        #[test]
        fn a_word_that_every_text_has_weighs_as_much_as_the_bias(
            rest in prop::collection::vec(prop::collection::btree_set(1_u32..9, 0..5), 1..6),
            order in prop::collection::vec(0_usize..6, 0..60),
            rate in 0.01..10.0,
        ) {
            let sets: Vec<Vec<u32>> =
                rest.iter().map(|words| std::iter::once(0).chain(words.iter().copied()).collect()).collect();
            let ids = sets.concat();
            let offsets: Vec<u64> = std::iter::once(0)
                .chain(sets.iter().scan(0, |end, set| {
                    *end += set.len() as u64;
                    Some(*end)
                }))
                .collect();
            let told_as: Vec<bool> = (0..sets.len()).map(|text| text % 2 == 0).collect();
            let order: Vec<u32> = order.iter().map(|text| (text % sets.len()) as u32).collect();
            let texts = TokenTexts { ids: &ids, offsets: &offsets };
            let weights = word_weights(&texts, &told_as, &order, rate).unwrap();
            prop_assert_eq!(weights[0].to_bits(), weights[weights.len() - 1].to_bits());
            prop_assert!(weights.iter().all(|weight| weight.is_finite()));
        }
    }
}

//! Hashes of word n-grams: n words in a row, at every place of a text.

/// The n-grams of a text whose words hash to `words`, one hash for each place where n words follow
/// one another: `words.len() − n + 1` of them, or none.
///
/// The n-gram of words w₀ … wₙ₋₁ hashes to Σ wᵢ·Bⁿ⁻¹⁻ⁱ modulo 2⁶⁴, carried from one place to the next
/// (Karp and Rabin 1987): two multiplications a place, whatever n. Equal n-grams have equal hashes; two
/// different ones share a hash with a chance of about 2⁻⁶³, since each wᵢ is a random 64-bit number.
/// O(words); allocates nothing.
///
/// ```
/// use dalign_core::text::{ngram::ngrams, words::verbatim};
///
/// let words: Vec<u64> = verbatim("a rose is a rose is").map(|word| word.hash).collect();
/// let hashes: Vec<u64> = ngrams(&words, 3).collect();
/// assert_eq!(hashes.len(), 4);
/// assert_eq!(hashes[0], hashes[3]);
/// assert_eq!(ngrams(&words, 7).count(), 0);
/// ```
///
/// # Panics
///
/// If `n` is 0.
#[must_use]
pub fn ngrams(words: &[u64], n: usize) -> impl ExactSizeIterator<Item = u64> {
    assert!(n > 0, "an n-gram has at least one word");
    // The word that leaves is taken off in the same step as the next one comes, so that only one
    // multiplication and one addition stand between a hash and the next.
    let leaving_power = power(n + 1);
    let places = (words.len() + 1).saturating_sub(n);
    let mut hash = words.iter().take(n - 1).fold(0, |hash, &word| enter(hash, word));
    (0..places).map(move |place| {
        let left = place.checked_sub(1).map_or(0, |left| words[left].wrapping_mul(leaving_power));
        hash = enter(hash, words[place + n - 1].wrapping_sub(left));
        hash
    })
}

/// A base without a pattern. It is 3 modulo 4, so that B − 1 is even only once and swapping two
/// neighbours costs a single bit of the hash.
const BASE: u64 = 0x9e37_79b9_7f4a_7c17;

#[inline]
fn enter(hash: u64, word: u64) -> u64 {
    hash.wrapping_mul(BASE).wrapping_add(word)
}

/// What a word is multiplied with when n − 1 others have come after it.
fn power(n: usize) -> u64 {
    (1..n).fold(1_u64, |power, _| power.wrapping_mul(BASE))
}

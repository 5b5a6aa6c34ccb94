//! The plainest way to do what the core does, to compare with: `equivalence.rs` proves both equal.

use std::collections::HashSet;

/// Reasoning and answer by `find`, for prefix-tagged replies; none where the form is broken.
#[must_use]
pub fn parse(text: &str) -> Option<(&str, &str)> {
    let body = text.trim_start().strip_prefix("<think>")?;
    let close = body.find("</think>")?;
    let (reasoning, answer) = (body[..close].trim(), body[close + "</think>".len()..].trim());
    let is_whole = !reasoning.contains("<think>")
        && !answer.contains("<think>")
        && !answer.contains("</think>")
        && !reasoning.is_empty()
        && !answer.is_empty();
    is_whole.then_some((reasoning, answer))
}

/// How full best fit decreasing fills its bins, each found by looking at all of them: the space
/// left in each bin, in no order.
#[must_use]
pub fn spaces_left(lengths: &[u32], capacity: u32) -> Vec<u32> {
    let mut sorted = lengths.to_vec();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let mut spaces: Vec<u32> = Vec::new();
    for length in sorted {
        match spaces.iter_mut().filter(|space| **space >= length).min() {
            Some(space) => *space -= length,
            None => spaces.push(capacity - length),
        }
    }
    spaces
}

/// How many words lie in an n-gram that stood in the text before: every word a string, every n-gram
/// a list of them.
#[must_use]
pub fn repeated_words(text: &str, n: usize) -> usize {
    let lower = text.to_lowercase();
    let words: Vec<String> = lower.split_whitespace().map(str::to_owned).collect();
    let mut seen = std::collections::HashSet::new();
    let mut covered = vec![false; words.len()];
    for (place, gram) in words.windows(n).enumerate() {
        if !seen.insert(gram.to_vec()) {
            covered[place..place + n].fill(true);
        }
    }
    covered.iter().filter(|&&covered| covered).count()
}

/// The score of a reply in one of the five forms of [`crate::replies`], by `rfind` of each.
#[must_use]
pub fn score(reply: &str) -> Option<f64> {
    let visible = reply.rsplit("</think>").next().unwrap_or(reply);
    ["<score>", "\"score\": ", "Score: ", "**Score**: ", "score "].iter().find_map(|label| {
        let value = &visible[visible.rfind(label)? + label.len()..];
        let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
        value[..digits].parse().ok()
    })
}

/// The least finite score of each completion; none where fewer than `min_valid` are finite.
#[must_use]
pub fn least(scores: &[f64], offsets: &[u32], min_valid: usize) -> Vec<Option<f64>> {
    let group = |ends: &[u32]| {
        let valid: Vec<f64> = scores[ends[0] as usize..ends[1] as usize]
            .iter()
            .copied()
            .filter(|score| score.is_finite())
            .collect();
        let least = valid.iter().copied().min_by(f64::total_cmp);
        least.filter(|_| valid.len() >= min_valid)
    };
    offsets.windows(2).map(group).collect()
}

/// At most `maximum` rows of each category, drawn by shuffling the rows of each; rising.
#[must_use]
pub fn drawn(categories: &[u32], maximum: usize, stream: &mut crate::Stream) -> Vec<u64> {
    let mut rows: std::collections::BTreeMap<u32, Vec<u64>> = std::collections::BTreeMap::new();
    for (row, &category) in (0..).zip(categories) {
        rows.entry(category).or_default().push(row);
    }
    let mut drawn = Vec::new();
    for mut rows in rows.into_values() {
        for end in (1..rows.len()).rev() {
            rows.swap(end, stream.below(end + 1));
        }
        rows.truncate(maximum);
        drawn.extend(rows);
    }
    drawn.sort_unstable();
    drawn
}

/// The pairs of rows whose sets of `n` words in a row have a Jaccard similarity of `threshold` or more,
/// by comparing each with each.
#[must_use]
pub fn similar_pairs(texts: &[&str], n: usize, threshold: f64) -> Vec<(u32, u32, f64)> {
    let sets: Vec<HashSet<Vec<&str>>> =
        texts.iter().map(|text| runs_of_words(&[text], n)).collect();
    let mut pairs = Vec::new();
    for (a, one) in sets.iter().enumerate() {
        for (b, other) in sets.iter().enumerate().skip(a + 1) {
            let shared = one.intersection(other).count() as f64;
            let jaccard = shared / (one.len() as f64 + other.len() as f64 - shared);
            if jaccard >= threshold {
                pairs.push((a as u32, b as u32, jaccard));
            }
        }
    }
    pairs
}

/// Every run of `n` words of some texts.
#[must_use]
pub fn runs_of_words<'t>(texts: &[&'t str], n: usize) -> HashSet<Vec<&'t str>> {
    let mut runs = HashSet::new();
    for text in texts {
        let words: Vec<&str> = text.split_whitespace().collect();
        runs.extend(words.windows(n).map(<[&str]>::to_vec));
    }
    runs
}

/// How many places of each text hold a run of `n` words that is known.
#[must_use]
#[allow(clippy::implicit_hasher, reason = "the benches make it, with the default one")]
pub fn shared_runs(texts: &[&str], known: &HashSet<Vec<&str>>, n: usize) -> Vec<u32> {
    let shared = |text: &&str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        words.windows(n).filter(|run| known.contains(*run)).count() as u32
    };
    texts.iter().map(shared).collect()
}

/// Rows one after the other in an order.
#[must_use]
pub fn gathered(rows: &[&[i32]], order: &[u32]) -> Vec<i32> {
    let mut column = Vec::new();
    for &row in order {
        column.extend_from_slice(rows[row as usize]);
    }
    column
}

/// Krippendorff's alpha of the squared difference, by every pair of scores of a completion and the variance
/// of all scores; a completion with fewer than two finite scores is left out.
#[must_use]
pub fn interval_alpha(scores: &[f64], offsets: &[u64]) -> Option<f64> {
    let units = offsets.windows(2).map(|ends| {
        let unit = &scores[ends[0] as usize..ends[1] as usize];
        unit.iter().copied().filter(|score| score.is_finite()).collect::<Vec<f64>>()
    });
    let units: Vec<Vec<f64>> = units.filter(|unit| unit.len() > 1).collect();
    let mut observed = 0.0;
    for unit in &units {
        let pairs = unit.iter().flat_map(|a| unit.iter().map(move |b| (a - b).powi(2)));
        observed += pairs.sum::<f64>() / (unit.len() as f64 - 1.0);
    }
    let all: Vec<f64> = units.into_iter().flatten().collect();
    let count = all.len() as f64;
    let mean = all.iter().sum::<f64>() / count;
    // All pairs (a − b)² add up to twice the count times the squares from the mean.
    let squares = all.iter().map(|score| (score - mean).powi(2)).sum::<f64>();
    let expected = 2.0 * count * squares / (count - 1.0);
    (expected > 0.0).then(|| 1.0 - observed / expected)
}

/// The first of prompts of `length` tokens that holds `run` tokens of a policy in a row which its own text
/// does not hold.
#[must_use]
pub fn first_leak(
    prompts: &[u32],
    own: &[u32],
    length: usize,
    policy: &[u32],
    run: usize,
) -> Option<usize> {
    prompts.chunks(length).zip(own.chunks(length)).position(|(prompt, own)| {
        prompt.windows(run).any(|tokens| {
            let holds = |text: &[u32]| text.windows(run).any(|other| other == tokens);
            holds(policy) && !holds(own)
        })
    })
}

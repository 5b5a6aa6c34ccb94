//! Seeded inputs for every bench: the same on each machine and in each run.

#[path = "naive.rs"]
pub mod naive;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Numbers of rows: three decades.
pub const ROWS: [usize; 3] = [1_000, 10_000, 100_000];

/// A random stream (xorshift64*): small, and the same everywhere.
///
/// ```
/// use dalign_benches::Stream;
///
/// assert_eq!(Stream::new(7).below(10), Stream::new(7).below(10));
/// ```
#[derive(Debug, Clone)]
pub struct Stream(u64);

impl Stream {
    /// A stream of its own for each seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Zero is the one state that xorshift never leaves.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number in `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of some things.
    pub fn pick<'t, T>(&mut self, things: &'t [T]) -> &'t T {
        &things[self.below(things.len())]
    }
}

const WORDS: [&str; 24] = [
    "the",
    "policy",
    "clause",
    "S3",
    "says",
    "to",
    "refuse",
    "a",
    "request",
    "for",
    "method",
    "information",
    "and",
    "comply",
    "with",
    "history",
    "or",
    "help",
    "seeking",
    "user",
    "asks",
    "so",
    "answer",
    "safely",
];

/// A text of this many words.
#[must_use]
pub fn prose(stream: &mut Stream, words: usize) -> String {
    (0..words).map(|_| *stream.pick(&WORDS)).collect::<Vec<_>>().join(" ")
}

/// Completions of about 1.2 kB: nine in ten well formed, the others broken in five ways; every
/// tenth repeats an earlier one with other white space.
#[must_use]
pub fn completions(rows: usize) -> Vec<String> {
    let mut stream = Stream::new(1);
    let mut completions: Vec<String> = Vec::with_capacity(rows);
    for row in 0..rows {
        if row > 0 && stream.below(10) == 0 {
            let earlier = completions[stream.below(row)].replace('\n', " \n ");
            completions.push(earlier);
            continue;
        }
        let (reasoning, answer) = (prose(&mut stream, 150), prose(&mut stream, 50));
        completions.push(match stream.below(50) {
            0 => answer,
            1 => format!("<think>\n{reasoning}"),
            2 => format!("{reasoning}\n</think>\n{answer}"),
            3 => format!("<think>\n{reasoning}<think></think>\n{answer}"),
            4 => format!("<think>\n{reasoning}\n</think>"),
            _ => format!("<think>\n{reasoning}\n</think>\n\n{answer}"),
        });
    }
    completions
}

/// Lines of JSON with an id and a completion each, as [`completions`] makes them.
#[must_use]
pub fn rollout_rows(rows: usize) -> String {
    let line = |(row, text): (usize, &String)| {
        let text = text.replace('\n', "\\n");
        format!("{{\"id\": \"row-{row}\", \"completion\": \"{text}\"}}\n")
    };
    completions(rows).iter().enumerate().map(line).collect()
}

/// As [`rollout_rows`], shorter and with every character of the completion as an escape.
#[must_use]
pub fn escaped_rows(rows: usize) -> String {
    let mut stream = Stream::new(10);
    let escaped = |text: &str| {
        text.chars().fold(String::new(), |mut written, it| {
            let _ = write!(written, "\\u{:04x}", u32::from(it));
            written
        })
    };
    let line = |row| {
        let text = format!("<think>{}</think>{}", prose(&mut stream, 20), prose(&mut stream, 10));
        format!("{{\"id\": \"row-{row}\", \"completion\": \"{}\"}}\n", escaped(&text))
    };
    (0..rows).map(line).collect()
}

/// Documents of 300 words; every tenth is an earlier one with up to 3 % of its words replaced.
#[must_use]
pub fn documents(rows: usize) -> Vec<String> {
    let mut stream = Stream::new(8);
    let mut documents: Vec<String> = Vec::with_capacity(rows);
    for row in 0..rows {
        if row == 0 || stream.below(10) > 0 {
            documents.push(prose(&mut stream, 300));
            continue;
        }
        let share = 0.03 * stream.unit();
        let origin = stream.below(row);
        let earlier = documents[origin]
            .split(' ')
            .map(|word| if stream.unit() < share { *stream.pick(&WORDS) } else { word });
        let copy = earlier.collect::<Vec<_>>().join(" ");
        documents.push(copy);
    }
    documents
}

/// One document of 100 words, in each row with other white space: no two rows are equal byte for byte.
#[must_use]
pub fn respaced(rows: usize) -> Vec<String> {
    let words = prose(&mut Stream::new(9), 100);
    let words: Vec<&str> = words.split(' ').collect();
    let spaced = |row: usize| {
        let space = |place: usize| if row >> place & 1 == 1 { "  " } else { " " };
        let spaced =
            words.iter().enumerate().map(|(place, word)| format!("{word}{}", space(place % 64)));
        spaced.collect()
    };
    (0..rows).map(spaced).collect()
}

/// Judge replies of about 370 characters in five forms, one in twenty without a score.
#[must_use]
pub fn replies(rows: usize) -> Vec<String> {
    let mut stream = Stream::new(2);
    let reply = |stream: &mut Stream| {
        let (reason, score) = (prose(stream, 60), stream.below(11));
        match stream.below(20) {
            0 => format!("{reason}. I'm sorry, I can't rate this."),
            1..5 => format!("{reason}\n<score>{score}</score>"),
            5..9 => format!("```json\n{{\"reason\": \"{reason}\", \"score\": {score}}}\n```"),
            9..13 => format!("{reason}\nScore: {score}/10"),
            13..17 => format!("{reason}\n**Score**: {score}"),
            _ => format!("<think>{reason}</think>\nscore {score} ."),
        }
    };
    (0..rows).map(|_| reply(&mut stream)).collect()
}

/// Lengths in tokens with a long tail, as completions have: most of some hundred, few of thousands.
#[must_use]
pub fn lengths(rows: usize, capacity: u32) -> Vec<u32> {
    let mut stream = Stream::new(3);
    (0..rows)
        .map(|_| {
            // The sum of uniform numbers stands for a normal one.
            let normal = (0..12).map(|_| stream.unit()).sum::<f64>() - 6.0;
            let length = (6.2 + 0.9 * normal).exp();
            #[allow(clippy::cast_sign_loss, reason = "an exponential is positive")]
            let length = length as u32;
            length.clamp(16, capacity)
        })
        .collect()
}

/// Lengths that leave no two rows of a bin equal and no bin full: the most spaces to search.
#[must_use]
pub fn spread_lengths(rows: usize, capacity: u32) -> Vec<u32> {
    let mut stream = Stream::new(4);
    (0..rows).map(|_| 1 + stream.below(capacity as usize) as u32).collect()
}

/// Scores of `completions` completions with `k` judgements each, one in twenty failed, and their
/// offsets.
#[must_use]
pub fn scores(completions: usize, k: usize) -> (Vec<f64>, Vec<u32>) {
    let mut stream = Stream::new(5);
    let mut score = || if stream.below(20) == 0 { f64::NAN } else { stream.below(11) as f64 };
    let scores = (0..completions * k).map(|_| score()).collect();
    (scores, (0..=completions).map(|completion| (completion * k) as u32).collect())
}

/// As [`scores`], with offsets of 64 bits.
#[must_use]
pub fn wide_scores(completions: usize, k: usize) -> (Vec<f64>, Vec<u64>) {
    let (scores, offsets) = scores(completions, k);
    (scores, offsets.into_iter().map(u64::from).collect())
}

/// Categories of which each has half the rows of the one before, and up to three clauses a row: the
/// offsets and codes of their lists.
#[must_use]
pub fn strata(rows: usize) -> (Vec<u32>, Vec<u64>, Vec<u32>) {
    let mut stream = Stream::new(6);
    let (mut categories, mut offsets, mut clauses) = (Vec::new(), vec![0], Vec::new());
    for _ in 0..rows {
        categories.push((stream.below(1 << 7) as u32 + 1).leading_zeros() - 24);
        let named = stream.below(4);
        clauses.extend((0..named).map(|_| stream.below(50) as u32));
        offsets.push(clauses.len() as u64);
    }
    (categories, offsets, clauses)
}

/// Writes a byte-level `tokenizer.json` of whole words and single bytes, and nothing to merge.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write_tokenizer(path: &Path) -> std::io::Result<()> {
    let symbol = |byte: u8| match byte {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
        other => {
            // GPT-2's order: the unprintable bytes count up from U+0100.
            let rank = match other {
                0..=0x20 => u32::from(other),
                0x7f..=0xa0 => u32::from(other) - 0x7f + 33,
                _ => 67,
            };
            char::from_u32(0x100 + rank).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
    };
    let bytes = (0..=255_u8).map(|byte| symbol(byte).to_string());
    let words = WORDS.iter().filter(|word| word.len() > 1);
    let words = words.flat_map(|word| [(*word).to_owned(), format!("Ġ{word}")]);
    let vocabulary: Vec<String> =
        bytes.chain(words).enumerate().map(|(id, token)| format!("{token:?}: {id}")).collect();
    let level = r#"{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}"#;
    let text = format!(
        r#"{{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "post_processor": null, "pre_tokenizer": {level}, "decoder": {level},
        "model": {{"type": "BPE", "dropout": null, "unk_token": null, "fuse_unk": false,
        "continuing_subword_prefix": null, "end_of_word_suffix": null, "byte_fallback": false,
        "ignore_merges": true, "merges": [], "vocab": {{{}}}}}}}"#,
        vocabulary.join(", ")
    );
    fs::write(path, text)
}

/// The texts as the core takes them.
#[must_use]
pub fn borrowed(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// How many bytes some texts have.
#[must_use]
pub fn bytes(texts: &[String]) -> u64 {
    texts.iter().map(|text| text.len() as u64).sum()
}

//! The part of dalign that touches every byte: completions are parsed and deduplicated, rows
//! tokenized and packed, judge replies read, their scores reduced and their intervals drawn.
//!
//! Columns in, columns out: each function takes slices and returns vectors, once a shard, in
//! parallel on rayon's pool where a row stands alone. The result never depends on the number of
//! threads. Nothing here reads a config or prints.
//!
//! | module | from | to | used by, in Python |
//! |---|---|---|---|
//! | [`completion`] | a model's reply | status, reasoning, answer | `filter`, `models.reasoning` |
//! | [`quality`] | reasoning, answer, prompt | measures, and the limit that they break | `filter` |
//! | [`jsonl`], [`files`] | files of JSON Lines larger than memory | batches of rows; the rows that stay, the others with their reason | `files`: `dalign data` |
//! | [`row_filter`], [`seen`] | texts, batches of rows | the rows that stay, a reason for each of the others | `filter`, `duplicates` |
//! | [`dedup`] | texts | exact and near duplicates, and the row that stands for each group | `duplicates`, `synth` |
//! | [`overlap`] | texts, and reference texts | runs of words that both hold: a policy recited, an evaluation prompt | `overlap`: `filter`, `select`, `synth` |
//! | [`balance`] | categories, clauses, quotas | rows drawn | `balance`: `select`, `dalign data balance` |
//! | [`tokenize`] | texts | token ids and offsets | `models.tokenizer` |
//! | [`leak`] | token ids of prompts and of the policy | the first prompt that holds it | `pack` |
//! | [`pack`] | row lengths | rows of each bin | [`gather`] |
//! | [`gather`] | lists of tokens by row | the same columns by bin | `pack` |
//! | [`verdict`] | a judge's reply | state, score, stance, sub-scores, single clauses | `judge` |
//! | [`pattern`] | a user's regular expression | whether and where it stands in a text, in linear time | `data.patterns`, `judge` |
//! | [`aggregate`] | scores by completion | one score each, or none | `judge` |
//! | [`agreement`] | scores by completion | alpha, split-half reliability | `judge.reliability` |
//! | [`bootstrap`] | values by cluster | mean and interval | `evaluate` |
//! | [`ids`] | parents, variant, index | a row's id | `rows`, `judge`, `select`, `train` |
//!
//! [`text`] and [`error`] serve all of them, [`memory`] those whose columns are large.
//!
//! The Python package `dalign` uses this crate through `dalign._core`; from Rust, start at the
//! module that names your stage.
#![deny(unsafe_code)]

pub mod aggregate;
pub mod agreement;
pub mod balance;
pub mod bootstrap;
pub mod completion;
pub mod dedup;
mod distribution;
pub mod error;
pub mod files;
pub mod gather;
pub mod ids;
pub mod journal;
pub mod jsonl;
pub mod leak;
pub mod markers;
pub mod memory;
pub mod overlap;
pub mod pack;
pub mod pattern;
pub mod quality;
pub mod row_filter;
pub mod seen;
mod simd;
pub mod text;
pub mod tokenize;
pub mod verdict;
pub mod word_weights;

pub use error::{ColumnError, CoreError};

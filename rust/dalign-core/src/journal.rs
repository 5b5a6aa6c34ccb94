//! Lines of a journal of replies: a JSON object each, with a checksum of its bytes.

use crate::error::{ColumnError, same_length};

/// Replies by their columns, which have one length.
///
/// ```
/// use dalign_core::journal::Replies;
///
/// let replies =
///     Replies { ids: &["a"], keys: &["k"], texts: &["Yes."], finishes: &["stop"], tokens: &[3] };
/// assert_eq!(
///     std::str::from_utf8(&replies.lines()?).unwrap(),
///     r#"{"id": "a", "key": "k", "text": "Yes.", "finish": "stop", "tokens": 3, "crc32": 3561889477}
/// "#
/// );
/// # Ok::<(), dalign_core::error::ColumnError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Replies<'a> {
    /// Of the requests.
    pub ids: &'a [&'a str],
    /// Digests of all that determines a reply.
    pub keys: &'a [&'a str],
    /// What the model said.
    pub texts: &'a [&'a str],
    /// How it ended.
    pub finishes: &'a [&'a str],
    /// Tokens of the text.
    pub tokens: &'a [u64],
}

impl Replies<'_> {
    /// A line for each reply, which ends it. `crc32`, the last key, is the checksum (as zlib's) of the
    /// line as it would be without it, from brace to brace. O(bytes).
    ///
    /// ```
    /// use dalign_core::journal::Replies;
    ///
    /// let two = Replies {
    ///     ids: &["a", "b"],
    ///     keys: &["k", "l"],
    ///     texts: &["Yes.", "said \"no\"\n"],
    ///     finishes: &["stop", "length"],
    ///     tokens: &[3, 256],
    /// };
    /// let lines = String::from_utf8(two.lines()?).unwrap();
    /// assert_eq!(lines.lines().count(), 2);
    /// assert!(lines.contains(r#""text": "said \"no\"\n", "finish": "length""#));
    /// # Ok::<(), dalign_core::error::ColumnError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ColumnError`] when a column has another length than the ids.
    ///
    /// # Panics
    ///
    /// Never: memory takes what is written to it.
    pub fn lines(&self) -> Result<Vec<u8>, ColumnError> {
        let rows = self.ids.len();
        let lengths = [
            ("keys", self.keys.len()),
            ("texts", self.texts.len()),
            ("finishes", self.finishes.len()),
            ("tokens", self.tokens.len()),
        ];
        for (column, found) in lengths {
            same_length(column, found, rows)?;
        }
        let bytes: usize = self.texts.iter().map(|text| text.len() + 192).sum();
        let mut out = Vec::with_capacity(bytes);
        for row in 0..rows {
            let begun = out.len();
            let texts = [
                ("{\"id\": ", self.ids[row]),
                (", \"key\": ", self.keys[row]),
                (", \"text\": ", self.texts[row]),
                (", \"finish\": ", self.finishes[row]),
            ];
            for (name, text) in texts {
                out.extend_from_slice(name.as_bytes());
                serde_json::to_writer(&mut out, text).expect("memory takes every byte");
            }
            out.extend_from_slice(format!(", \"tokens\": {}}}", self.tokens[row]).as_bytes());
            let checksum = crc32fast::hash(&out[begun..]);
            out.pop();
            out.extend_from_slice(format!(", \"crc32\": {checksum}}}\n").as_bytes());
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::error::CoreError;

    fn of<'a>(texts: &'a [&'a str], tokens: &'a [u64]) -> Replies<'a> {
        Replies { ids: texts, keys: texts, texts, finishes: texts, tokens }
    }

    #[test]
    fn no_reply_has_no_line() {
        assert!(of(&[], &[]).lines().unwrap().is_empty());
    }

    #[test]
    fn columns_of_another_length_are_refused() {
        let error = of(&["a", "b"], &[1]).lines().unwrap_err();
        assert_eq!((error.kind(), error.value()), ("length_mismatch", Some(1.0)));
    }

    proptest! {
        /// Each line is one line, says what it was given, and ends with the checksum of the rest.
        #[test]
        fn a_line_reads_back(texts in prop::collection::vec("(?s).{0,40}", 0..5), first in any::<u64>()) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let tokens: Vec<u64> = (0..texts.len() as u64).map(|row| first.wrapping_add(row)).collect();
            let lines = String::from_utf8(of(&texts, &tokens).lines().unwrap()).unwrap();
            prop_assert_eq!(lines.matches('\n').count(), texts.len());
            for ((line, text), count) in lines.lines().zip(&texts).zip(&tokens) {
                let mut row: Value = serde_json::from_str(line).unwrap();
                let (rest, _) = line.rsplit_once(", \"crc32\": ").unwrap();
                let told = row.as_object_mut().unwrap().remove("crc32").unwrap();
                prop_assert_eq!(told.as_u64(), Some(u64::from(crc32fast::hash(format!("{rest}}}").as_bytes()))));
                let said = serde_json::json!({"id": text, "key": text, "text": text, "finish": text, "tokens": count});
                prop_assert_eq!(row, said);
            }
        }
    }
}

//! Texts as small numbers, the same number for the same text in every batch.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use xxhash_rust::xxh3::Xxh3Default;

/// The codes of some texts, given in the order in which they first come.
///
/// ```
/// use dalign_core::balance::Labels;
///
/// let mut labels = Labels::default();
/// assert_eq!(labels.codes(&["b", "a", "b"]), [0, 1, 0]);
/// assert_eq!(labels.codes(&["c", "a"]), [2, 1]);
/// assert_eq!(labels.text(2), Some("c"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Labels {
    code_of: HashMap<Box<str>, u32, BuildHasherDefault<Xxh3Default>>,
    texts: Vec<Box<str>>,
}

impl Labels {
    /// The code of each text. O(bytes).
    ///
    /// ```
    /// assert_eq!(dalign_core::balance::Labels::default().codes(&["x", "x"]), [0, 0]);
    /// ```
    pub fn codes(&mut self, texts: &[&str]) -> Vec<u32> {
        texts.iter().map(|text| self.code(text)).collect()
    }

    /// The code of one text.
    ///
    /// ```
    /// assert_eq!(dalign_core::balance::Labels::default().code("x"), 0);
    /// ```
    pub fn code(&mut self, text: &str) -> u32 {
        if let Some(&code) = self.code_of.get(text) {
            return code;
        }
        let code = self.texts.len() as u32;
        self.code_of.insert(text.into(), code);
        self.texts.push(text.into());
        code
    }

    /// The text of a code, or none for a code that was never given.
    ///
    /// ```
    /// assert_eq!(dalign_core::balance::Labels::default().text(0), None);
    /// ```
    #[must_use]
    pub fn text(&self, code: u32) -> Option<&str> {
        self.texts.get(code as usize).map(AsRef::as_ref)
    }
}

//! Whether a text breaks off.

use memchr::memmem;

/// Why a text seems cut off, if it does.
///
/// ```
/// use dalign_core::quality::{Ending, ending};
///
/// assert_eq!(ending("It rains (as ever."), Ending::OpenBracket);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// It ends where a text can end.
    Whole,
    /// In the middle of a sentence, though its other sentences have ends.
    MidSentence,
    /// With a bracket of its last paragraph open.
    OpenBracket,
    /// Inside a code fence.
    OpenFence,
}

impl Ending {
    /// Every ending, each at the place that `ending as usize` gives.
    ///
    /// ```
    /// use dalign_core::quality::Ending;
    ///
    /// assert_eq!(Ending::ALL[Ending::OpenFence as usize], Ending::OpenFence);
    /// ```
    pub const ALL: [Self; 4] = [Self::Whole, Self::MidSentence, Self::OpenBracket, Self::OpenFence];

    /// The ending as it is written in a column.
    ///
    /// ```
    /// assert_eq!(dalign_core::quality::Ending::OpenFence.as_str(), "open_fence");
    /// ```
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::MidSentence => "mid_sentence",
            Self::OpenBracket => "open_bracket",
            Self::OpenFence => "open_fence",
        }
    }
}

/// How a text ends; O(bytes).
///
/// A last line that is a list item, a row of a table, a heading or a formula needs no full stop, nor
/// does a text in which no sentence ends, such as `Paris`. A comma, a colon, a hyphen or an opening
/// bracket at the end is always the middle of a sentence.
///
/// ```
/// use dalign_core::quality::{Ending, ending};
///
/// assert_eq!(ending("It rains. Take a coat."), Ending::Whole);
/// assert_eq!(ending("It rains. Take a"), Ending::MidSentence);
/// assert_eq!(ending("Paris"), Ending::Whole);
/// assert_eq!(ending("```\nlet x"), Ending::OpenFence);
/// ```
#[must_use]
pub fn ending(text: &str) -> Ending {
    let text = text.trim_end();
    if in_fence(text) {
        return Ending::OpenFence;
    }
    let last_line = text.rsplit('\n').next().unwrap_or(text).trim_start();
    if last_line.starts_with("```") || last_line.starts_with("~~~") {
        return Ending::Whole;
    }
    if has_open_bracket(last_paragraph(text)) {
        return Ending::OpenBracket;
    }
    // Closing quotes, brackets and markup stand behind the end of the sentence.
    let bare = text.trim_end_matches(is_closing);
    match bare.chars().next_back() {
        None => Ending::Whole,
        Some(last) if ends_sentence(last) => Ending::Whole,
        Some(',' | ';' | ':' | '-' | '(' | '[' | '{' | '\u{2013}' | '\u{2014}' | '、' | '，') => {
            Ending::MidSentence
        }
        Some(last) if !last.is_alphanumeric() => Ending::Whole,
        // A closing mark behind a letter: a quotation, a link, code.
        Some(_) if bare.len() < text.len() => Ending::Whole,
        Some(_) if is_item(last_line) || !has_sentence(text) => Ending::Whole,
        Some(_) => Ending::MidSentence,
    }
}

/// Whether the text ends between two lines of a code fence.
fn in_fence(text: &str) -> bool {
    ["```", "~~~"].iter().any(|fence| {
        let bytes = text.as_bytes();
        let lines = memmem::find_iter(bytes, fence).filter(|&at| {
            let line = text[..at].trim_end_matches([' ', '\t']);
            line.is_empty() || line.ends_with('\n')
        });
        lines.count() % 2 == 1
    })
}

/// What stands behind the last empty line.
fn last_paragraph(text: &str) -> &str {
    text.rfind("\n\n").map_or(text, |at| &text[at..])
}

/// Whether more brackets of a kind are opened than closed. A closing one without an opening one is
/// a list's `1)` or a face.
fn has_open_bracket(text: &str) -> bool {
    let mut open = [0_usize; 3];
    for byte in text.bytes() {
        match byte {
            b'(' => open[0] += 1,
            b'[' => open[1] += 1,
            b'{' => open[2] += 1,
            b')' => open[0] = open[0].saturating_sub(1),
            b']' => open[1] = open[1].saturating_sub(1),
            b'}' => open[2] = open[2].saturating_sub(1),
            _ => {}
        }
    }
    open != [0; 3]
}

fn is_closing(character: char) -> bool {
    matches!(
        character,
        ')' | ']'
            | '}'
            | '"'
            | '\''
            | '*'
            | '_'
            | '`'
            | '>'
            | '\u{2019}'
            | '\u{201d}'
            | '»'
            | '」'
            | '』'
            | '）'
            | '】'
            | '》'
            | '$'
    )
}

fn ends_sentence(character: char) -> bool {
    matches!(
        character,
        '.' | '!'
            | '?'
            | '…'
            | '。'
            | '！'
            | '？'
            | '．'
            | '؟'
            | '۔'
            | '।'
            | '॥'
            | '։'
            | '።'
            | '᙮'
    )
}

/// Whether a line is an item, a heading or a row of a table.
fn is_item(line: &str) -> bool {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_numbered = rest.len() < line.len() && rest.starts_with([')', '.']);
    is_numbered || line.starts_with(['-', '*', '+', '•', '#', '|'])
}

/// Whether a sentence ends inside the text: a mark for it before white space, or one of a script
/// that needs none.
fn has_sentence(text: &str) -> bool {
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_end = ends_sentence(character)
            && (!character.is_ascii()
                || characters.peek().is_some_and(|next| next.is_whitespace()));
        if is_end {
            return true;
        }
    }
    false
}

//! The part of a reply that can hold a verdict, and what is known of it before it is read.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use memchr::memrchr;

use crate::simd::widest;

/// The reply without the judge's reasoning; none when that is not closed.
///
/// The last of the two tags decides, so the search runs from the end and stops there.
pub(super) fn after_reasoning(reply: &str) -> Option<&str> {
    let bytes = reply.as_bytes();
    let mut end = bytes.len();
    while let Some(at) = memrchr(b'<', &bytes[..end]) {
        if bytes[at..].starts_with(b"</think>") {
            return Some(&reply[at + "</think>".len()..]);
        }
        if bytes[at..].starts_with(b"<think>") {
            return None;
        }
        end = at;
    }
    Some(reply)
}

/// Whether the text apologises where a score should stand.
pub(super) fn is_refusal(text: &str) -> bool {
    REFUSALS.is_match(text)
}

/// What stands somewhere in a text, so that what does not need not be searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Survey(u8);

impl Survey {
    const BRACE: u8 = 1;
    const STANCE: u8 = 2;
    const FOREIGN: u8 = 0x80;

    /// Looks at each byte once.
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        widest(|| Self(survey(bytes)))
    }

    /// A character that is not ASCII.
    pub(super) fn has_foreign(self) -> bool {
        self.0 & Self::FOREIGN != 0
    }

    /// An opening brace.
    pub(super) fn has_brace(self) -> bool {
        self.0 & Self::BRACE != 0
    }

    /// `gr`, in capitals or not, which every stance holds.
    pub(super) fn has_stance(self) -> bool {
        self.0 & Self::STANCE != 0
    }

    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "only what is inlined is compiled for wide instructions"
    )]
    fn of_pair(byte: u8, next: u8) -> u8 {
        // Bits by multiplication: the compiler makes wide compares of this, and jumps of an `if`.
        let stance = u8::from(byte | 0x20 == b'g') & u8::from(next | 0x20 == b'r');
        let brace = u8::from(byte == b'{');
        (byte & Self::FOREIGN) | (brace * Self::BRACE) | (stance * Self::STANCE)
    }
}

/// Bytes of one wide step, and the one after them.
const WINDOW: usize = 33;

#[inline(always)]
#[allow(clippy::inline_always, reason = "only what is inlined is compiled for wide instructions")]
fn survey(bytes: &[u8]) -> u8 {
    let mut seen = [0_u8; WINDOW - 1];
    let mut rest = bytes;
    while let Some(window) = rest.first_chunk::<WINDOW>() {
        for (at, seen) in seen.iter_mut().enumerate() {
            *seen |= Survey::of_pair(window[at], window[at + 1]);
        }
        rest = &rest[WINDOW - 1..];
    }
    // Bytes may be looked at twice, so the last window ends with the text.
    if let Some(window) = bytes.last_chunk::<WINDOW>() {
        for (at, seen) in seen.iter_mut().enumerate() {
            *seen |= Survey::of_pair(window[at], window[at + 1]);
        }
        rest = &bytes[bytes.len() - 1..];
    }
    let wide = seen.iter().fold(0, |all, seen| all | seen);
    let last = rest.last().map_or(0, |&byte| Survey::of_pair(byte, 0));
    rest.windows(2).fold(wide | last, |all, pair| all | Survey::of_pair(pair[0], pair[1]))
}

/// What a judge says in place of a score.
static REFUSALS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build([
            "i can't",
            "i cannot",
            "i can not",
            "i'm sorry",
            "i am sorry",
            "i won't",
            "i will not",
            "i'm unable",
            "i am unable",
            "i'm not able",
            "i am not able",
            "i must decline",
            "i apologize",
            "i apologise",
            "sorry, but",
        ])
        .expect("fifteen short patterns fit any automaton")
});

#[cfg(test)]
mod tests {
    use super::Survey;

    #[test]
    fn a_survey_sees_every_place() {
        // Below, at and above one wide step, and two of them.
        for length in [0, 1, 2, 31, 32, 33, 34, 63, 64, 65, 66, 100] {
            let plain = "x".repeat(length);
            assert_eq!(Survey::of(&plain), Survey(0), "{length}");
            for at in 0..length {
                let with = |part: &str| {
                    let mut text = plain.clone();
                    text.replace_range(at..(at + part.len()).min(length), part);
                    Survey::of(&text)
                };
                assert!(with("{").has_brace() && !with("{").has_stance(), "{at} of {length}");
                assert!(with("gR").has_stance() && !with("gR").has_foreign(), "{at} of {length}");
                assert!(with("é").has_foreign() && !with("é").has_brace(), "{at} of {length}");
            }
        }
    }
}

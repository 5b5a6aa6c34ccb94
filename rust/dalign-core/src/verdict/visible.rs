//! The part of a reply that can hold a verdict, and what is known of it before it is read.
#![allow(clippy::inline_always, reason = "only what is inlined is compiled for wide instructions")]

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use memchr::{memchr2, memrchr};

use super::folded::{begins_folded, find_folded};
use super::place::near;
use crate::simd::{Masks, Work, widest};
use crate::text::is_invisible;

/// The reply without the judge's reasoning; none when that is not closed.
///
/// The last of the two tags decides, so the search runs from the end and stops there.
pub(super) fn after_reasoning(reply: &str) -> Option<&str> {
    let bytes = reply.as_bytes();
    let mut end = bytes.len();
    while let Some(at) = memrchr(b'<', &bytes[..end]) {
        let tag = reply[at..].strip_prefix("</think");
        if let Some(behind) =
            tag.and_then(|it| it.trim_start_matches([' ', '\t', '\n']).strip_prefix('>'))
        {
            return Some(behind);
        }
        if bytes[at..].starts_with(b"<think>") {
            return None;
        }
        end = at;
    }
    Some(reply)
}

/// Names of tags between which models of other families reason: `<name>`, `[NAME]`.
const NAMES: [&str; 14] = [
    "think",
    "thinking",
    "thought",
    "thoughts",
    "reason",
    "reasoning",
    "reasoning_content",
    "reflection",
    "analysis",
    "scratchpad",
    "inner_monologue",
    "chain_of_thought",
    "seed:think",
    "longcat_think",
];

/// How others open and close theirs.
const FAMILIES: [(&str, &str); 9] = [
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|start_thinking|>", "<|end_thinking|>"),
    ("<|thinking|>", "<|/thinking|>"),
    ("<|think|>", "<|/think|>"),
    ("<unused94>", "<unused95>"),
    ("<|channel>thought", "<channel|>"),
    ("<|channel|>analysis", "<|channel|>final<|message|>"),
    ("<|start|>assistant<|channel|>analysis", "<|channel|>final<|message|>"),
];

/// Finds what closes reasoning of another family.
static CLOSES: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let named = NAMES.iter().flat_map(|name| [format!("</{name}>"), format!("[/{name}]")]);
    let other = FAMILIES.iter().map(|(_, close)| (*close).to_owned());
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(named.chain(other))
        .expect("so few short patterns fit any automaton")
});

/// The reply without reasoning of any other family at its head; none when that is not closed.
///
/// Blocks at the head go to their first closing tag, for what stands further on may be quoted. A closing
/// tag that nothing opens ends reasoning that the template opened.
pub(super) fn after_foreign_reasoning(reply: &str) -> Option<&str> {
    let mut rest = reply;
    loop {
        let head = rest.trim_start_matches(|c: char| c.is_whitespace() || is_invisible(c));
        let Some((inside, close)) = opened(head) else { break };
        rest = &inside[find_folded(inside, &close).next()? + close.len()..];
    }
    if memchr2(b'<', b'[', rest.as_bytes()).is_none() && !rest.contains('◁') {
        return Some(rest);
    }
    let lone = CLOSES.find_iter(rest).last().filter(|close| {
        let before = &rest[..close.start()];
        let name = rest[close.range()].trim_start_matches(['<', '[', '/']);
        let name = name.trim_end_matches(['>', ']']);
        match FAMILIES.get(close.pattern().as_usize().wrapping_sub(2 * NAMES.len())) {
            Some((open, _)) => find_folded(before, open).next().is_none(),
            None => ["<", "["]
                .iter()
                .all(|it| find_folded(before, &format!("{it}{name}")).next().is_none()),
        }
    });
    Some(lone.map_or(rest, |close| &rest[close.end()..]))
}

/// What stands inside the reasoning that a text begins with, and what closes that.
fn opened(head: &str) -> Option<(&str, String)> {
    let (sign, end) = match head.as_bytes().first()? {
        b'<' => ('<', '>'),
        b'[' => ('[', ']'),
        0x80.. => ('◁', '▷'),
        _ => return None,
    };
    let family = FAMILIES.iter().rev().find(|(open, _)| begins_folded(head, open));
    if let Some((open, close)) = family {
        return Some((&head[open.len()..], (*close).to_owned()));
    }
    let rest = head.strip_prefix(sign)?;
    NAMES.iter().find_map(|name| {
        let inside = rest.get(name.len()..).filter(|_| begins_folded(rest, name))?;
        let at = near(inside, 64).find(end)?;
        let is_whole = at == 0 || inside.starts_with(char::is_whitespace);
        is_whole.then(|| (&inside[at + end.len_utf8()..], format!("{sign}/{name}{end}")))
    })
}

/// What stands before the part that is read and outside of a block of reasoning at its head: all that a
/// closing tag which is only quoted would hide.
pub(super) fn hidden<'r>(reply: &'r str, visible: &str) -> &'r str {
    let mut rest = &reply[..reply.len() - visible.len()];
    loop {
        let head = rest.trim_start_matches(|c: char| c.is_whitespace() || is_invisible(c));
        let Some((inside, close)) = opened(head) else { return rest };
        let Some(at) = find_folded(inside, &close).next() else { return rest };
        rest = &inside[at + close.len()..];
    }
}

/// Whether the text apologises where a score should stand.
pub(super) fn is_refusal(text: &str) -> bool {
    let may_be = seen_in(text.as_bytes(), begins_refusal) != 0;
    may_be && REFUSALS.is_match(text)
}

/// Not 0 for a pair that one of [`REFUSALS`] begins with, or, of the last, ends a word with.
#[inline(always)]
fn begins_refusal(byte: u8, next: u8) -> u8 {
    let first_person = u8::from(byte | 0x20 == b'i') & u8::from(next == b' ' || next == b'\'');
    first_person | u8::from(byte | 0x20 == b'y') & u8::from(next == b',')
}

/// What stands somewhere in a text, so that what does not need not be searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Survey(u8);

impl Survey {
    const BRACE: u8 = 1;
    const STANCE: u8 = 2;
    const TAG: u8 = 4;
    const FOREIGN: u8 = 0x80;

    /// Looks at each byte once.
    pub(super) fn of(text: &str) -> Self {
        Self(seen_in(text.as_bytes(), Self::of_pair))
    }

    /// A character that is not ASCII.
    pub(super) fn has_foreign(self) -> bool {
        self.0 & Self::FOREIGN != 0
    }

    /// An opening brace.
    pub(super) fn has_brace(self) -> bool {
        self.0 & Self::BRACE != 0
    }

    /// `<`, which every tag holds.
    pub(super) fn has_tag(self) -> bool {
        self.0 & Self::TAG != 0
    }

    /// `gr`, in capitals or not, which every stance holds.
    pub(super) fn has_stance(self) -> bool {
        self.0 & Self::STANCE != 0
    }

    #[inline(always)]
    fn of_pair(byte: u8, next: u8) -> u8 {
        // Bits by multiplication: the compiler makes wide compares of this, and jumps of an `if`.
        let brace = u8::from(byte == b'{') * Self::BRACE;
        let tag = u8::from(byte == b'<') * Self::TAG;
        let stance = u8::from(byte | 0x20 == b'g') & u8::from(next | 0x20 == b'r');
        (byte & Self::FOREIGN) | brace | tag | (stance * Self::STANCE)
    }
}

/// Bytes of one wide step, and the one after them.
const WINDOW: usize = 33;

/// What `of_pair` sees in all pairs of bytes together; the last byte stands before a 0.
#[inline(always)]
fn seen_in(bytes: &[u8], of_pair: impl Fn(u8, u8) -> u8 + Copy) -> u8 {
    let last = bytes.last().map_or(0, |&byte| of_pair(byte, 0));
    if bytes.len() < WINDOW {
        return bytes.windows(2).fold(last, |all, pair| all | of_pair(pair[0], pair[1]));
    }
    last | widest(Windows { bytes, of_pair })
}

/// What [`seen_in`] sees in a text of a window at least, without the last byte.
struct Windows<'a, F> {
    bytes: &'a [u8],
    of_pair: F,
}

impl<F: Fn(u8, u8) -> u8> Work for Windows<'_, F> {
    type Found = u8;

    #[inline(always)]
    fn run<M: Masks>(self) -> u8 {
        let mut seen = [0_u8; WINDOW - 1];
        let mut rest = self.bytes;
        // Bytes may be looked at twice, so the last window ends with the text.
        while let Some(window) = rest.first_chunk::<WINDOW>().or(self.bytes.last_chunk()) {
            for (at, seen) in seen.iter_mut().enumerate() {
                *seen |= (self.of_pair)(window[at], window[at + 1]);
            }
            if rest.len() <= WINDOW {
                break;
            }
            rest = &rest[WINDOW - 1..];
        }
        seen.iter().fold(0, |all, seen| all | seen)
    }
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

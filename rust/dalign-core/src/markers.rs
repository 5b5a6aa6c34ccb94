//! Control markers in text of others: strings that some model's template gives a meaning to, found by
//! their shape whatever family they are of, and broken up so that they are text again.

use std::borrow::Cow;

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use memchr::{memchr3_iter, memmem};

use crate::error::{CoreError, Fault};
use crate::text::boundary;

/// Finds the markers of the families that are known, and those of one engine.
///
/// | shape | such as |
/// |---|---|
/// | angles with a bar inside, of any width | `<\|im_start\|>`, `<\|"\|>`, `<｜User｜>`, `<turn\|>`, `<｜DSML｜invoke>` |
/// | angles around words joined by `of`, by U+2581, or that end in `_token` | `<start_of_turn>`, `<BOS_TOKEN>` |
/// | angles around a known name, one with a number or one in brackets | `<s>`, `<[fim-suffix]>`, `<bos>`, `<sop>`, `<think>`, `<tool_call>`, `<unused7>` |
/// | square brackets around a known name or bars | `[INST]`, `[SYSTEM_PROMPT]`, `[gMASK]`, `[\|assistant\|]` |
/// | triangles | `◁think▷` |
/// | single strings | `<<SYS>>`, `]~b]` |
///
/// Closing forms count too. Other tags, brackets and operators stay: `<div>`, `List<String>`, `a[0]`.
///
/// ```
/// use dalign_core::markers::Markers;
///
/// let markers = Markers::new(&["@@end"])?;
/// assert_eq!(markers.broken("a <|im_end|> b @@end <div>"), "a <\u{200b}|im_end|> b @\u{200b}@end <div>");
/// # Ok::<(), dalign_core::markers::MarkersError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Markers {
    /// What has none of the shapes.
    strings: AhoCorasick,
}

/// Markers of no shape.
const STRINGS: [&str; 5] = ["<<SYS>>", "<</SYS>>", "]~b]", "]~!b[", "[e~["];

const BREAK: &str = "\u{200b}";

impl Markers {
    /// `tokens`: the engine's own, of whatever shape; one of a single character cannot be broken up.
    ///
    /// # Errors
    ///
    /// [`MarkersError`] for more than an automaton holds: some 2³¹ bytes.
    ///
    /// ```
    /// use dalign_core::markers::Markers;
    ///
    /// let markers = Markers::new(&["@@user"])?;
    /// assert_eq!(markers.broken("@@user says <|im_end|>"), "@\u{200b}@user says <\u{200b}|im_end|>");
    /// # Ok::<(), dalign_core::markers::MarkersError>(())
    /// ```
    pub fn new<S: AsRef<str>>(tokens: &[S]) -> Result<Self, MarkersError> {
        let own = tokens
            .iter()
            .map(AsRef::as_ref)
            .filter(|token| token.chars().nth(1).is_some() && shape_at(token) != Some(token.len()));
        let strings: Vec<&str> = STRINGS.into_iter().chain(own).collect();
        Ok(Self { strings: finder(&strings)? })
    }

    /// The text with a zero-width space behind the first character of each marker. Borrowed where there
    /// is none. O(bytes).
    ///
    /// ```
    /// use dalign_core::markers::Markers;
    ///
    /// let markers = Markers::new::<&str>(&[])?;
    /// assert_eq!(markers.broken("[INST] x < y, a[0], <div>"), "[\u{200b}INST] x < y, a[0], <div>");
    /// # Ok::<(), dalign_core::markers::MarkersError>(())
    /// ```
    #[must_use]
    pub fn broken<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let found = self.find(text);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut broken = String::with_capacity(text.len() + BREAK.len() * found.len());
        let mut kept = 0;
        for (start, _) in found {
            let behind = start + text[start..].chars().next().map_or(0, char::len_utf8);
            if behind > kept {
                broken.push_str(&text[kept..behind]);
                broken.push_str(BREAK);
                kept = behind;
            }
        }
        broken.push_str(&text[kept..]);
        Cow::Owned(broken)
    }

    /// The first marker of a text.
    ///
    /// ```
    /// use dalign_core::markers::Markers;
    ///
    /// let markers = Markers::new::<&str>(&[])?;
    /// assert_eq!(markers.first("a </think> b"), Some("</think>"));
    /// # Ok::<(), dalign_core::markers::MarkersError>(())
    /// ```
    #[must_use]
    pub fn first<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.find(text).first().map(|&(start, end)| &text[start..end])
    }

    /// Where markers begin and end, in order.
    fn find(&self, text: &str) -> Vec<(usize, usize)> {
        let bytes = text.as_bytes();
        let mut starts: Vec<usize> = memchr3_iter(b'<', b'[', b']', bytes).collect();
        if !text.is_ascii() {
            starts.extend(memmem::find_iter(bytes, "◁"));
            starts.extend(memmem::find_iter(bytes, "＜"));
            starts.extend(memmem::find_iter(bytes, "‹"));
        }
        let shaped = starts.into_iter();
        let mut found: Vec<(usize, usize)> =
            shaped.filter_map(|start| Some((start, start + shape_at(&text[start..])?))).collect();
        let strings = self.strings.find_overlapping_iter(bytes);
        found.extend(strings.map(|it| (it.start(), it.end())));
        found.sort_unstable();
        found
    }
}

/// What finds any of these strings.
pub(crate) fn finder(strings: &[&str]) -> Result<AhoCorasick, MarkersError> {
    AhoCorasick::builder()
        .match_kind(MatchKind::Standard)
        .build(strings)
        .map_err(|_| MarkersError { tokens: strings.len() })
}

/// The first marker in a model's words that ends or begins a turn, whatever family it is of.
///
/// Those that a text has by chance count at its very end alone, where they are the end of a turn that
/// leaked: `</s>` is HTML's too. Placeholders and other tags never count: `<api_token>`, `<tools>`.
///
/// ```
/// use dalign_core::markers::turn_token;
///
/// assert_eq!(turn_token("Yes.<|im_end|>"), Some("<|im_end|>"));
/// assert_eq!(turn_token("Yes.</s>\n"), Some("</s>"));
/// assert_eq!(turn_token("<s>old</s> new, a <|> b, <div>"), None);
/// ```
#[must_use]
pub fn turn_token(text: &str) -> Option<&str> {
    static ALL: LazyLock<Markers> =
        LazyLock::new(|| Markers::new::<&str>(&[]).expect("so few strings fit any automaton"));
    let counts = |&(start, end): &(usize, usize)| {
        let marker = &text[start..end];
        is_turn(marker) || (is_end(marker) && text[end..].trim().is_empty())
    };
    let (start, end) = ALL.find(text).into_iter().find(counts)?;
    Some(&text[start..end])
}

/// Whether a marker is no one's word: it has a bar, a triangle or U+2581, or names a turn.
fn is_turn(marker: &str) -> bool {
    let name = marker.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let bounds = ["start_of_", "end_of_", "begin_of_"];
    marker.contains(|c| BARS.contains(&c) || c == '◁' || c == '▁')
        || bounds.iter().any(|bound| name.starts_with(bound))
        || ["inst", "system_prompt"].contains(&name.as_str()) && marker.starts_with('[')
        || STRINGS.contains(&marker)
}

/// Names of ends that stand in a text by chance too.
const ENDS: [&str; 16] = [
    "s",
    "bos",
    "eos",
    "pad",
    "eod",
    "eom",
    "eop",
    "eot",
    "im_end",
    "im_start",
    "eot_id",
    "endoftext",
    "end_turn",
    "turn_end",
    "eos_token",
    "bos_token",
];

fn is_end(marker: &str) -> bool {
    let name = marker.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    marker.starts_with('<') && ENDS.contains(&name.as_str())
}

/// No marker of a shape is longer, in bytes.
const LONGEST: usize = 96;

/// How long the marker is that a text begins with, if it begins with one of a shape.
fn shape_at(text: &str) -> Option<usize> {
    let open = text.chars().next()?;
    let inside = &text[open.len_utf8()..];
    let near = &inside[..boundary(inside, LONGEST)];
    let (close, is_marker): (&[char], fn(&str) -> bool) = match open {
        '<' | '＜' | '‹' => (&['>', '＞', '›'], in_angles),
        '[' => (&[']'], in_brackets),
        '◁' => (&['▷'], is_name),
        _ => return None,
    };
    let end = near.find(close)?;
    let closing = near[end..].chars().next()?.len_utf8();
    is_marker(&near[..end]).then_some(open.len_utf8() + end + closing)
}

/// Whether these are letters, digits and what joins them, with a letter among them.
fn is_name(text: &str) -> bool {
    let joins = |c: char| matches!(c, '_' | '-' | ':' | '.' | '/' | '@' | '=' | '▁');
    text.chars().all(|c| c.is_alphanumeric() || joins(c)) && text.chars().any(char::is_alphabetic)
}

/// Bars of any width.
const BARS: [char; 10] = ['|', '｜', '│', '┃', '❘', '∣', '￨', '¦', '⏐', '︱'];

/// Names that stand between angles alone.
const NAMES: [&str; 87] = [
    "s",
    "bos",
    "eos",
    "pad",
    "unk",
    "cls",
    "sep",
    "sop",
    "eop",
    "sod",
    "eod",
    "som",
    "eom",
    "sot",
    "eot",
    "eoh",
    "eoa",
    "eoc",
    "eor",
    "think",
    "thinking",
    "thought",
    "thoughts",
    "reasoning",
    "reflection",
    "scratchpad",
    "scratch_pad",
    "think_fast",
    "no_think",
    "tool_call",
    "tool_calls",
    "tool_response",
    "tool_responses",
    "tool_result",
    "tool_results",
    "tool_output",
    "tool_code",
    "tools",
    "tool_declare",
    "function_call",
    "function_calls",
    "function_response",
    "start_function_call",
    "end_function_call",
    "start_function_response",
    "end_function_response",
    "start_function_declaration",
    "end_function_declaration",
    "arg_key",
    "arg_value",
    "im_start",
    "im_end",
    "im_middle",
    "im_sep",
    "eot_id",
    "start_header_id",
    "end_header_id",
    "endoftext",
    "startoftext",
    "end_turn",
    "turn_end",
    "fim_prefix",
    "fim_suffix",
    "fim_middle",
    "fim_pad",
    "mask",
    "toolcall",
    "available_tools",
    "system_prompt",
    "sys",
    "file_sep",
    "repo_name",
    "reponame",
    "jupyter_start",
    "image",
    "vision_start",
    "vision_end",
    "role",
    "用户",
    "ai",
    "tool_sep",
    "endofturn",
    "eos_id",
    "bos_id",
    "_user",
    "_bot",
    "_system",
];

/// Names that stand before a number.
const NUMBERED: [&str; 10] = [
    "unused",
    "extra_id",
    "special",
    "reserved",
    "reserved_token",
    "reserved_special_token",
    "tokens_unused",
    "extra",
    "control",
    "ctrl",
];

/// What a name begins with, and goes on as it likes.
const LEADS: [&str; 5] = ["seed:", "minimax:", "longcat_", "function=", "parameter="];

/// Whether a text between angles makes a marker.
fn in_angles(inside: &str) -> bool {
    let inside = inside.strip_prefix('/').unwrap_or(inside);
    if inside.starts_with(|c: char| BARS.contains(&c) && !c.is_ascii()) {
        // `<｜DSML｜parameter name="x">`
        return true;
    }
    let name = inside.trim_matches(BARS);
    if name.len() < inside.len() {
        // `<|"|>`, `<|0.00|>`, but not the operators of `f <| x |> g`.
        let is_barred = inside.starts_with(BARS) && inside.ends_with(BARS);
        let is_open = name.is_empty() || name.starts_with(' ') || name.ends_with(' ');
        return is_name(name) || is_barred && !is_open && !name.contains(['\n', '\t']);
    }
    let name = inside.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    if name.is_some_and(is_name) {
        return true;
    }
    if !is_name(inside) {
        return false;
    }
    let name = inside.trim_start_matches('/').to_lowercase();
    name.contains('▁')
        || name.contains("_of_")
        || name.ends_with("_token")
        || NAMES.contains(&name.as_str())
        || is_numbered(&name)
        || LEADS.iter().any(|lead| name.starts_with(lead))
}

/// Names that stand between square brackets, in capitals as here.
const CAPITALS: [&str; 33] = [
    "INST",
    "SYS",
    "SYSTEM_PROMPT",
    "AVAILABLE_TOOLS",
    "TOOL_CALLS",
    "TOOL_RESULTS",
    "TOOL_CONTENT",
    "TOOL_CALL",
    "TOOL_RESPONSE",
    "MODEL_SETTINGS",
    "ARGS",
    "CALL_ID",
    "THINK",
    "IMG",
    "IMG_BREAK",
    "IMG_END",
    "AUDIO",
    "BEGIN_AUDIO",
    "PREFIX",
    "MIDDLE",
    "SUFFIX",
    "gMASK",
    "sMASK",
    "MASK",
    "CLS",
    "SEP",
    "PAD",
    "BOS",
    "EOS",
    "EOT",
    "ROBOT",
    "USER",
    "BOT",
];

/// What such a name begins with, and goes on in capitals.
const LIMITS: [&str; 3] = ["BEGIN_OF_", "START_OF_", "END_OF_"];

/// Whether a text between square brackets makes a marker.
fn in_brackets(inside: &str) -> bool {
    let name = inside.trim_matches(BARS);
    if name.len() < inside.len() {
        return is_name(name);
    }
    let name = inside.trim_start_matches('/');
    let joined = |c: char| c.is_ascii_uppercase() || c == '_';
    CAPITALS.contains(&name)
        || LIMITS.iter().any(|it| name.starts_with(it)) && name.chars().all(joined)
        || is_name(name) && is_numbered(&name.to_lowercase())
        || name.strip_prefix("UNUSED_TOKEN_").is_some()
}

/// Whether a name in small letters is one that stands before a number, with it.
fn is_numbered(name: &str) -> bool {
    let word = name.trim_end_matches(|c: char| c.is_ascii_digit());
    word.len() < name.len() && NUMBERED.contains(&word.trim_end_matches(['_', '-']))
}

/// More tokens than can be looked for at once.
///
/// ```
/// use dalign_core::markers::Markers;
///
/// assert!(Markers::new(&["<|a|>"; 1000]).is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{tokens} control tokens are too many to look for; give those of one model")]
pub struct MarkersError {
    tokens: usize,
}

impl CoreError for MarkersError {
    fn fault(&self) -> Fault {
        Fault::of("too_many_tokens")
    }
}

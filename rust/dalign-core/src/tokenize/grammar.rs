//! The splitting rules that are done here on ASCII text, and how a `tokenizer.json` spells them.

use serde_json::Value;

/// Rules of one family of splitting patterns, as they apply to ASCII.
pub(super) trait Rules {
    /// How many digits make a word; 0 for all that stand together.
    const DIGITS: u32;
    /// Whether each digit cuts the text before any other rule looks at it.
    const DIGITS_CUT: bool = false;
    /// Whether line breaks have rules of their own and letters take one character before them.
    const LINE_BREAKS: bool;
    /// Whether a capital after a small letter begins a word.
    const CASE: bool = false;
    /// What `'s`, `'ll` and the like are.
    const SHORT_FORMS: ShortForms;
    /// Whether `/` may stand among the line breaks that end a word of punctuation.
    const SLASHES: bool = false;
}

/// What `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` and `'d` are to a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShortForms {
    /// Nothing of their own.
    None,
    /// A word, in small letters only.
    SmallWord,
    /// A word, in any case.
    Word,
    /// The end of the letters before them, in any case.
    Suffix,
}

/// GPT-2's pattern, which is also that of `ByteLevel`.
pub(super) struct Gpt2;
/// The same after each digit has been cut out: SmolLM2.
pub(super) struct Gpt2DigitsCut;
/// cl100k and Llama 3 with 3, Qwen 2 with 1 digit a word.
pub(super) struct Cl100k<const DIGITS: u32>;
/// o200k: GPT-4o, Llama 4, gpt-oss.
pub(super) struct O200k;
/// Mistral's tekken.
pub(super) struct Tekken;

impl Rules for Gpt2 {
    const DIGITS: u32 = 0;
    const LINE_BREAKS: bool = false;
    const SHORT_FORMS: ShortForms = ShortForms::SmallWord;
}

impl Rules for Gpt2DigitsCut {
    const DIGITS: u32 = 1;
    const DIGITS_CUT: bool = true;
    const LINE_BREAKS: bool = false;
    const SHORT_FORMS: ShortForms = ShortForms::SmallWord;
}

impl<const DIGITS: u32> Rules for Cl100k<DIGITS> {
    const DIGITS: u32 = DIGITS;
    const LINE_BREAKS: bool = true;
    const SHORT_FORMS: ShortForms = ShortForms::Word;
}

impl Rules for O200k {
    const DIGITS: u32 = 3;
    const LINE_BREAKS: bool = true;
    const CASE: bool = true;
    const SHORT_FORMS: ShortForms = ShortForms::Suffix;
    const SLASHES: bool = true;
}

impl Rules for Tekken {
    const DIGITS: u32 = 1;
    const LINE_BREAKS: bool = true;
    const CASE: bool = true;
    const SHORT_FORMS: ShortForms = ShortForms::None;
    const SLASHES: bool = true;
}

/// A pre-tokenizer that is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grammar {
    Gpt2,
    Gpt2DigitsCut,
    Cl100k,
    Qwen2,
    O200k,
    Tekken,
}

pub(super) const GPT2: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
pub(super) const CL100K: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
pub(super) const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
pub(super) const O200K: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
pub(super) const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

impl Grammar {
    /// The grammar of a canonical config's `pre_tokenizer` (there `ByteLevel` is a `Split`), where it
    /// is one of these, letter for letter.
    pub(super) fn read(splitter: &Value) -> Option<Self> {
        let members = match splitter.get("pretokenizers") {
            Some(members) => members.as_array()?.as_slice(),
            None => std::slice::from_ref(splitter),
        };
        match members {
            [one] => Self::of_pattern(one),
            [digits, one] if cuts_digits(digits) && Self::of_pattern(one) == Some(Self::Gpt2) => {
                Some(Self::Gpt2DigitsCut)
            }
            _ => None,
        }
    }

    fn of_pattern(splitter: &Value) -> Option<Self> {
        let text = |key: &str| splitter.get(key).and_then(Value::as_str);
        let is_inverted = splitter.get("invert").and_then(Value::as_bool).unwrap_or(false);
        // The patterns leave no gaps: gaps removed are matches isolated.
        let keeps_matches = match text("behavior") {
            None | Some("Isolated") => !is_inverted,
            Some("Removed") => is_inverted,
            _ => false,
        };
        if text("type") != Some("Split") || !keeps_matches {
            return None;
        }
        match splitter.pointer("/pattern/Regex")?.as_str()? {
            GPT2 => Some(Self::Gpt2),
            CL100K => Some(Self::Cl100k),
            QWEN2 => Some(Self::Qwen2),
            O200K => Some(Self::O200k),
            TEKKEN => Some(Self::Tekken),
            _ => None,
        }
    }
}

fn cuts_digits(splitter: &Value) -> bool {
    splitter.get("type").and_then(Value::as_str) == Some("Digits")
        && splitter.get("individual_digits") == Some(&Value::Bool(true))
}

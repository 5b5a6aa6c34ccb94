//! Which scripts a text is written in, and what of it is in none that is expected.

use unicode_script::{Script, UnicodeScript};

/// A set of scripts.
///
/// ```
/// use dalign_core::quality::ScriptSet;
///
/// assert_eq!(ScriptSet::of("ещё"), ScriptSet::of("другое"));
/// assert!(ScriptSet::named("Cyrillic").is_some_and(|set| set == ScriptSet::of("ещё, 5!")));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScriptSet([u64; 4]);

impl ScriptSet {
    /// The scripts of a text's letters. Kana bring Han with them, and Han and Hangul each other's
    /// helpers: who writes Japanese writes three scripts. O(bytes).
    ///
    /// ```
    /// use dalign_core::quality::ScriptSet;
    ///
    /// assert_eq!(ScriptSet::of("1 + 2 = ?"), ScriptSet::default());
    /// assert_eq!(ScriptSet::of("ひらがな"), ScriptSet::of("ひらがな漢字"));
    /// ```
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut set = Self::default();
        for letter in letters(text) {
            set.add(letter.script);
        }
        set.with_companions()
    }

    /// The script of this name in Unicode (`Latin`, `Han`) or code in ISO 15924 (`Latn`, `Hani`).
    ///
    /// ```
    /// assert!(dalign_core::quality::ScriptSet::named("Klingon").is_none());
    /// ```
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let script = Script::from_full_name(name).or_else(|| Script::from_short_name(name))?;
        let mut set = Self::default();
        set.add(script);
        Some(set.with_companions())
    }

    /// The scripts of either set.
    ///
    /// ```
    /// use dalign_core::quality::ScriptSet;
    ///
    /// let both = ScriptSet::of("a").union(&ScriptSet::of("я"));
    /// assert_eq!(both, ScriptSet::of("aя"));
    /// ```
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] | other.0[at]))
    }

    fn contains(&self, script: Script) -> bool {
        let place = script as u8;
        self.0[usize::from(place / 64)] >> (place % 64) & 1 == 1
    }

    fn add(&mut self, script: Script) {
        let place = script as u8;
        self.0[usize::from(place / 64)] |= 1 << (place % 64);
    }

    fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    fn with_companions(mut self) -> Self {
        if self.contains(Script::Hiragana) || self.contains(Script::Katakana) {
            for script in [Script::Hiragana, Script::Katakana, Script::Han] {
                self.add(script);
            }
        }
        if self.contains(Script::Han) {
            self.add(Script::Bopomofo);
        }
        if self.contains(Script::Hangul) {
            self.add(Script::Han);
        }
        self
    }
}

/// What of a text is in a script that is not expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Foreign {
    /// Letters in all.
    pub(super) letters: u32,
    /// Letters of other scripts.
    pub(super) other: u32,
    /// Letters of the longest run of them with no expected letter inside.
    pub(super) run: u32,
    /// Where that run starts and ends, in bytes; the first of equals.
    pub(super) span: (usize, usize),
}

/// Counts a text's letters by `expected`, or by the script that most of them have where nothing is
/// expected.
pub(super) fn foreign(text: &str, expected: &ScriptSet) -> Foreign {
    let own;
    let expected = if expected.is_empty() {
        own = main_script(text);
        &own
    } else {
        expected
    };
    let mut found = Foreign::default();
    if text.is_ascii() && (expected.is_empty() || expected.contains(Script::Latin)) {
        found.letters = text.bytes().filter(u8::is_ascii_alphabetic).count() as u32;
        return found;
    }
    let (mut run, mut start) = (0, 0);
    for letter in letters(text) {
        found.letters += 1;
        if expected.contains(letter.script) {
            run = 0;
            continue;
        }
        found.other += 1;
        if run == 0 {
            start = letter.start;
        }
        run += 1;
        if run > found.run {
            found.run = run;
            found.span = (start, letter.end);
        }
    }
    found
}

/// The script that most letters of a text have; the first of equals.
fn main_script(text: &str) -> ScriptSet {
    let mut counts = [0_u32; 256];
    let mut most: Option<Script> = None;
    for Letter { script, .. } in letters(text) {
        counts[script as usize] += 1;
        if most.is_none_or(|most| counts[script as usize] > counts[most as usize]) {
            most = Some(script);
        }
    }
    let mut set = ScriptSet::default();
    if let Some(script) = most {
        set.add(script);
    }
    set.with_companions()
}

/// A letter of a script that is one.
struct Letter {
    start: usize,
    end: usize,
    script: Script,
}

/// The letters of a text; digits, signs and marks that every script uses are none.
fn letters(text: &str) -> impl Iterator<Item = Letter> {
    text.char_indices().filter_map(|(start, character)| {
        let script = match character {
            'a'..='z' | 'A'..='Z' => Script::Latin,
            '\0'..='\u{7f}' => return None,
            '\u{4e00}'..='\u{9fff}' => Script::Han,
            other if other.is_alphabetic() => other.script(),
            _ => return None,
        };
        let is_own = !matches!(script, Script::Common | Script::Inherited | Script::Unknown);
        is_own.then(|| Letter { start, end: start + character.len_utf8(), script })
    })
}

//! Every place in a reply that speaks of a score, and which of them is the verdict.

use super::folded::find_folded;
use super::label::{
    self, Announced, Connector, Label, Needs, json_value, prose_value, skip_seal, whole_start,
};
use super::number;
use super::object::{self, Object};
use super::place::{
    begins_clause, begins_line, ends_line, is_disclaimed, is_disclaimed_before, is_first_person,
    is_struck, is_supposed, is_taken_back, line_head, line_tail, names_another, near,
};
use super::reading::{Form, Rank, Reading, differ};
use super::rival;

/// The verdict of a text: its last reading of the highest rank, and whether another one of that rank
/// gives another number. `is_other` says of the text before a label whether it makes the label another
/// score's: `compliance score`.
pub(super) fn verdict(
    text: &str,
    labels: &[Label],
    objects: &[Object],
    seal: &str,
    is_other: impl Fn(&str) -> bool,
) -> Option<(Reading, bool)> {
    let found = verdict_of(text, labels, objects, seal, is_other);
    if seal.is_empty() || found.is_some_and(|(it, _)| it.rank == Rank::Sealed) {
        return found;
    }
    // Who writes the seal down knows the form: what stands there without it may be quoted.
    let holds: Vec<usize> = find_folded(text, seal).collect();
    let found = found.filter(|(it, _)| {
        let head = line_head(text, it.start);
        it.rank == Rank::Own
            || it.form != Form::Prose
            || begins_clause(head)
            || is_first_person(head)
    });
    if holds.is_empty() { found } else { bare_seal(text, seal, &holds).map(|it| (it, false)) }
}

/// The last line that begins with the seal alone and gives a number: `3f2a9c1d: 7`.
fn bare_seal(text: &str, seal: &str, places: &[usize]) -> Option<Reading> {
    let read = |&start: &usize| {
        let tail = skip_seal(&text[start..], seal).1;
        let reading = in_prose(text, start, prose_value(tail, Needs::Sign)?, true)?;
        (reading.rank == Rank::Sealed).then_some(reading)
    };
    places.iter().filter_map(read).next_back()
}

/// As [`verdict`], of what names a score.
fn verdict_of(
    text: &str,
    labels: &[Label],
    objects: &[Object],
    seal: &str,
    is_other: impl Fn(&str) -> bool,
) -> Option<(Reading, bool)> {
    // Most replies speak of a score once.
    if let ([label], []) = (labels, objects) {
        let reading = read(text, *label, seal)?;
        return (!is_other(&text[..label.start])).then_some((reading, false));
    }
    let mut tallies = Rank::ALL.map(|_| Tally::default());
    let mut objects = objects.iter().peekable();
    for &label in labels {
        // What an object holds is not read as prose.
        while let Some(object) = objects.next_if(|object| object.end <= label.start) {
            object.reading.iter().for_each(|reading| tallies[reading.rank as usize].add(*reading));
        }
        if objects.peek().is_some_and(|object| object.start <= label.start) {
            continue;
        }
        if let Some(reading) = read(text, label, seal)
            && !is_other(&text[..label.start])
        {
            tallies[reading.rank as usize].add(reading);
        }
    }
    for object in objects {
        object.reading.iter().for_each(|reading| tallies[reading.rank as usize].add(*reading));
    }
    let [prose, own, sealed] = tallies;
    // Who knows the seal has said which one counts, whatever was said before.
    let sealed = sealed.last.map(|last| (last, false));
    let plain = |tally: Tally| Some((tally.last?, tally.differs));
    sealed.or_else(|| plain(own)).or_else(|| plain(prose))
}

/// The readings of one rank.
#[derive(Default)]
struct Tally {
    first: Option<f64>,
    last: Option<Reading>,
    differs: bool,
}

impl Tally {
    fn add(&mut self, reading: Reading) {
        if reading.is_word && self.last.is_some() {
            return;
        }
        self.first = self.first.or(reading.value);
        self.differs |= differ(self.first, reading.value);
        self.last = Some(reading);
    }
}

/// Whether a text gives this number as a score somewhere, also where its lines are joined or another
/// score's name stands before it: whatever is read of a reply is found where it is shown, too.
pub(super) fn gives(text: &str, value: f64) -> bool {
    let mut labels = Vec::new();
    label::find(text, &mut labels);
    let is_value = |number: f64| !differ(Some(number), Some(value));
    let is_it = |text: &str| {
        labels.iter().any(|&label| {
            any_number(text, label).is_some_and(is_value)
                || read(text, label, "").and_then(|it| it.value).is_some_and(is_value)
        })
    };
    if is_it(text) || !labels.is_empty() && is_it(&text.replace('\n', " ")) {
        return true;
    }
    let mut objects = Vec::new();
    object::find(text, "", &mut objects);
    objects.iter().filter_map(|it| it.reading?.value).any(is_value)
}

/// The number that a label announces, whosesoever score it is.
pub(super) fn any_number(text: &str, label: Label) -> Option<f64> {
    let tail = &text[label.end..];
    let in_tag = || {
        let is_tag = text[..whole_start(text, label.start)].ends_with('<');
        let near = near(tail, ATTRIBUTES);
        near.find('>').filter(|_| is_tag).map(|close| &tail[close + 1..])
    };
    let value = json_value(&text[..label.start], tail)
        .or_else(in_tag)
        .or_else(|| tail.strip_prefix('>'))
        .or_else(|| Some(prose_value(skip_seal(tail, "").1, label.needs)?.value))?;
    Some(number::with_scale(value.trim_start())?.value)
}

/// Reads what a label says of its score; none where it is no label, or another score's.
#[inline]
pub(super) fn read(text: &str, label: Label, seal: &str) -> Option<Reading> {
    let start = whole_start(text, label.start);
    let (head, tail) = (&text[..start], &text[label.end..]);
    if head.ends_with('<') {
        return in_tag(text, start, tail, seal);
    }
    if let Some(value) = json_value(head, tail) {
        let number = number::score(value);
        let end = text.len() - number.map_or(value, |it| it.rest).len();
        let rank = if begins_line(line_head(text, start)) { Rank::Own } else { Rank::Prose };
        let (value, out_of) = (number.map(|it| it.value), number.and_then(|it| it.out_of));
        return Some(Reading {
            value,
            out_of,
            contradicted: false,
            is_word: false,
            form: Form::Json,
            rank,
            start,
            end,
        });
    }
    // `sub_score` and `sub-score` announce something else; `_Score_` is only set in italics.
    let before = head.trim_end_matches(['_', '-']);
    if before.ends_with(|c: char| c.is_alphanumeric()) {
        return None;
    }
    let (is_sealed, tail) = skip_seal(tail, seal);
    let needs = if is_sealed { Needs::Nothing } else { label.needs };
    in_prose(text, start, prose_value(tail, needs)?, is_sealed)
}

/// What a tag holds beside its name is never longer, in bytes.
const ATTRIBUTES: usize = 64;

/// `<score>7</score>`, also with the seal among its attributes.
fn in_tag(text: &str, start: usize, tail: &str, seal: &str) -> Option<Reading> {
    let close = near(tail, ATTRIBUTES).find('>')?;
    let (attributes, inside) = (&tail[..close], &tail[close + 1..]);
    if !attributes.is_empty() && (!attributes.starts_with(' ') || attributes.contains(['<', '\n']))
    {
        return None;
    }
    let number = number::score(inside.trim_start());
    let closed = number.and_then(|it| it.rest.trim_start().strip_prefix("</"));
    let after = closed.and_then(|rest| Some(&rest[near(rest, ATTRIBUTES).find('>')? + 1..]));
    let end = text.len() - after.unwrap_or(inside).len();
    let is_own = begins_line(line_head(text, start - 1)) || ends_line(line_tail(text, end).0);
    let is_sealed = !seal.is_empty()
        && find_folded(attributes, seal).next().is_some()
        && !is_disclaimed(line_head(text, start - 1));
    // `<score max="5">4</score>`
    let named = ["max", "scale", "out_of"].iter().find_map(|name| attributes.split_once(name));
    let named_end = named.and_then(|(_, end)| {
        number::scale_end(end.trim_start_matches(|c: char| !c.is_ascii_digit()))
    });
    // `<score>4</score>/5`
    let behind = after.and_then(|rest| number::denominator(rest).0);
    Some(Reading {
        value: closed.and(number).map(|it| it.value),
        out_of: number.and_then(|it| it.out_of).or(named_end).or(behind),
        contradicted: false,
        is_word: false,
        form: Form::Tag,
        rank: rank(is_sealed, is_own),
        start,
        end,
    })
}

fn rank(is_sealed: bool, is_own: bool) -> Rank {
    match (is_sealed, is_own) {
        (true, _) => Rank::Sealed,
        (false, true) => Rank::Own,
        (false, false) => Rank::Prose,
    }
}

/// `Score: 7`, `score is 7`, `score 7`; without a number where a sign or a denial stands in its place.
fn in_prose(
    text: &str,
    start: usize,
    announced: Announced<'_>,
    is_sealed: bool,
) -> Option<Reading> {
    let Announced { connector, value, out_of } = announced;
    let head = line_head(text, start);
    let has_sign = connector == Connector::Sign;
    if names_another(head, has_sign) {
        return None;
    }
    let is_sealed = is_sealed && begins_clause(head) && !is_disclaimed_before(head);
    let number = number::score(value);
    if number.is_none() && !has_sign && !is_denial(value) {
        return None;
    }
    let end = text.len() - number.map_or(value, |it| it.rest).len();
    let (tail, _) = line_tail(text, end);
    let own = ["score", "rating", "overall", "final"];
    let is_part = !is_sealed && !own.iter().any(|word| starts_with(&text[start..], word));
    if is_struck(head, tail) || !is_sealed && number.is_some() && is_taken_back(tail) {
        return None;
    }
    let is_line = match connector {
        Connector::Sign | Connector::Is => true,
        Connector::Of => false,
        Connector::None => ends_line(tail),
    };
    let rank = rank(is_sealed, is_line && begins_line(head));
    // A mention counts where the judge gives it, not where it is denied, demanded or supposed.
    if rank == Rank::Prose && (is_disclaimed(head) || is_supposed(tail)) {
        return None;
    }
    Some(Reading {
        value: number.map(|it| it.value),
        out_of: number.and_then(|it| it.out_of).or(out_of).or_else(|| scale_before(head)),
        contradicted: number.is_some_and(|it| {
            rival::in_line(tail, it.value, is_part)
                || !is_sealed && rival::below(text, end, it.value)
        }),
        is_word: number.is_none() && is_word(value),
        form: Form::Prose,
        rank,
        start,
        end,
    })
}

/// The end of the scale that a line names before its score: `On a scale of 1 to 5, I give it a score of 4`.
fn scale_before(head: &str) -> Option<f64> {
    let named = ["scale of ", "scale from "].iter().find_map(|words| head.split_once(words));
    number::scale_end(named?.1)
}

/// What says in place of a number that there is none.
const DENIALS: [&str; 16] = [
    "n/a",
    "none",
    "unknown",
    "unclear",
    "undecided",
    "undetermined",
    "undefined",
    "impossible",
    "unavailable",
    "pending",
    "tbd",
    "withheld",
    "refuse",
    "decline",
    "null",
    "no ",
];

/// What does so before one of [`GIVEN`]: `cannot be given`, but not `is not higher`.
const NEGATIONS: [&str; 6] = ["cannot", "can't", "can not", "could not", "couldn't", "not "];

const GIVEN: [&str; 20] = [
    "given",
    "determined",
    "possible",
    "available",
    "known",
    "applicable",
    "assigned",
    "decided",
    "told",
    "defined",
    "computed",
    "stated",
    "provided",
    "settled",
    "reached",
    "certain",
    "sure",
    "clear",
    "made",
    "yet",
];

/// Whether a text says that there is no score: `cannot be given`.
fn is_denial(text: &str) -> bool {
    let begins = |words: &[&str]| words.iter().any(|word| starts_with(text, word));
    let mut words = text.split(|c: char| !c.is_alphabetic() && c != '\'').take(5);
    begins(&DENIALS) || begins(&NEGATIONS) && words.any(|word| GIVEN.contains(&word))
}

/// Whether what stands in a number's place is a word of no weight, as in `Rating: Good`: it takes nothing
/// from a number that was given before.
fn is_word(text: &str) -> bool {
    let first = text.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    let weighs = ["between", "from", "about", "around"];
    let negates = NEGATIONS.iter().any(|word| starts_with(text, word));
    !first.is_empty()
        && !is_denial(text)
        && !negates
        && number::number_word(first).is_none()
        && !weighs.iter().any(|word| first.eq_ignore_ascii_case(word))
}

fn starts_with(text: &str, word: &str) -> bool {
    let head = text.as_bytes().get(..word.len());
    head.is_some_and(|it| it.eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether the line, the tag or the object that a reading stands in has come to its end.
pub(super) fn is_closed(text: &str, reading: &Reading) -> bool {
    match reading.form {
        Form::Tag => text[..reading.end].ends_with('>'),
        Form::Json if text[..reading.end].ends_with('}') => true,
        Form::Json | Form::Prose => line_tail(text, reading.end).1,
    }
}

//! Every place in a reply where a score is given, and which of them is the verdict.

use memchr::memrchr;

use super::label::{Label, json_value, last_before, prose_value, whole_start};
use super::number;
use super::object::Object;
use super::reading::{Form, Reading};

/// The verdict of a text: its last reading. `is_other` says of the text before a label whether it
/// makes the label another score's: `compliance score`.
#[inline]
pub(super) fn verdict(
    text: &str,
    objects: &[Object],
    is_other: impl Fn(&str) -> bool,
) -> Option<Reading> {
    let mut readings = Backwards { text, objects, end: text.len(), is_other };
    let mut last = readings.next(0)?;
    // Only what stands on the same line can contradict.
    let line = memrchr(b'\n', &text.as_bytes()[..last.start]).map_or(0, |at| at + 1);
    while !last.contradicted
        && let Some(before) = readings.next(line)
        && before.form == last.form
    {
        last.contradicted = last.differs(&before);
    }
    Some(last)
}

/// The readings of a text from its end.
struct Backwards<'t, 'o, F> {
    text: &'t str,
    /// The objects that begin before `end`; what they hold is not read as prose.
    objects: &'o [Object],
    end: usize,
    is_other: F,
}

impl<F: Fn(&str) -> bool> Backwards<'_, '_, F> {
    /// The next reading whose label, or one of whose labels, does not stand before `from`.
    fn next(&mut self, from: usize) -> Option<Reading> {
        while let Some(label) = last_before(self.text, from, self.end) {
            while let Some((object, before)) = self.objects.split_last()
                && object.start > label.start
            {
                self.objects = before;
            }
            if let Some((object, before)) = self.objects.split_last()
                && label.start < object.end
            {
                self.objects = before;
                self.end = object.start;
                if object.reading.is_some() {
                    return object.reading;
                }
                continue;
            }
            self.end = label.start;
            let is_other = || (self.is_other)(&self.text[..label.start]);
            if let Some(reading) = read(self.text, label)
                && !is_other()
            {
                return Some(reading);
            }
        }
        None
    }
}

/// Reads the score that a label announces, if it does.
#[inline]
pub(super) fn read(text: &str, label: Label) -> Option<Reading> {
    let start = whole_start(text, label.start);
    let (head, tail) = (&text[..start], &text[label.end..]);
    let (form, value) = if head.ends_with('<') {
        (Form::Tag, tail.strip_prefix('>')?.trim_start())
    } else if let Some(value) = json_value(head, tail) {
        (Form::Json, value)
    } else {
        // `sub_score` and `sub-score` announce something else; `_Score_` is only set in italics.
        let before = head.trim_end_matches(['_', '-']);
        if before.ends_with(|c: char| c.is_alphanumeric()) {
            return None;
        }
        (Form::Prose, prose_value(tail, label.needs)?)
    };
    let number = number::score(value)?;
    if form == Form::Tag && !number.rest.trim_start().starts_with("</") {
        return None;
    }
    Some(Reading {
        value: number.value,
        out_of: number.out_of,
        contradicted: false,
        form,
        start,
        end: text.len() - number.rest.len(),
    })
}

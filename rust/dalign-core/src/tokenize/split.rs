//! Text into words: ASCII here, stretches with other characters by the crate.
//!
//! The text is cut between an ASCII letter and white space. No word of any of the patterns goes on
//! there, and none of them looks back, so that the parts have the words that the whole has.

use std::marker::PhantomData;

use super::bounds::Bounds;
use super::characters::Kinds;
use super::grammar::{Cl100k, Gpt2, Gpt2DigitsCut, Grammar, O200k, Rules, Tekken};
use super::starts::Starts;
use crate::simd::{Masks, Work, widest};

/// ASCII characters in a row before a stretch with others ends: what is handed over has its price.
const CALM: usize = 256;

/// Notes the start of each word of a text. `others(from, until, bounds)` notes those of a part with
/// other characters than ASCII.
///
/// # Errors
///
/// Those of `others`.
pub(super) fn split<E>(
    grammar: Grammar,
    text: &[u8],
    bounds: &mut Bounds,
    mut others: impl FnMut(usize, usize, &mut Bounds) -> Result<(), E>,
) -> Result<(), E> {
    let mut from = 0;
    while from < text.len() {
        let Some(foreign) = first_foreign(text, from, text.len()) else {
            split_ascii(grammar, &text[from..], from, bounds);
            break;
        };
        let until = last_cut(text, from, foreign);
        split_ascii(grammar, &text[from..until], from, bounds);
        from = calm_after(text, foreign);
        others(until, from, bounds)?;
    }
    Ok(())
}

fn split_ascii(grammar: Grammar, text: &[u8], offset: usize, bounds: &mut Bounds) {
    match grammar {
        Grammar::Gpt2 => split_by::<Gpt2>(text, offset, bounds),
        Grammar::Gpt2DigitsCut => split_by::<Gpt2DigitsCut>(text, offset, bounds),
        Grammar::Cl100k => split_by::<Cl100k<3>>(text, offset, bounds),
        Grammar::Qwen2 => split_by::<Cl100k<1>>(text, offset, bounds),
        Grammar::O200k => split_by::<O200k>(text, offset, bounds),
        Grammar::Tekken => split_by::<Tekken>(text, offset, bounds),
    }
}

fn split_by<R: Rules>(text: &[u8], offset: usize, bounds: &mut Bounds) {
    widest(Ascii { text, offset, bounds, rules: PhantomData::<R> });
}

/// ASCII text to be split by the rules `R`, that begins at `offset` of the whole one.
struct Ascii<'t, R> {
    text: &'t [u8],
    offset: usize,
    bounds: &'t mut Bounds,
    rules: PhantomData<R>,
}

impl<R: Rules> Work for Ascii<'_, R> {
    type Found = ();

    #[inline(always)]
    fn run<M: Masks>(self) {
        let Self { text, offset, bounds, .. } = self;
        let mut state = Starts::default();
        let (blocks, rest) = text.as_chunks::<64>();
        let mut base = 0;
        for block in blocks {
            let starts = state.of::<R>(Kinds::of::<M>(block), text, base);
            bounds.push(starts, (offset + base) as u32);
            base += 64;
        }
        if !rest.is_empty() {
            // 0xff is of no kind.
            let mut block = [0xff; 64];
            block[..rest.len()].copy_from_slice(rest);
            let starts = state.of::<R>(Kinds::of::<M>(&block), text, base);
            bounds.push(starts, (offset + base) as u32);
        }
    }
}

/// The first byte of a character other than ASCII.
fn first_foreign(text: &[u8], from: usize, until: usize) -> Option<usize> {
    let mut at = from;
    for block in text[from..until].chunks(64) {
        if !block.is_ascii() {
            return block.iter().position(|byte| !byte.is_ascii()).map(|inner| at + inner);
        }
        at += block.len();
    }
    None
}

fn is_cut(text: &[u8], at: usize) -> bool {
    text[at - 1].is_ascii_alphabetic() && matches!(text[at], b' ' | b'\t'..=b'\r')
}

/// The last cut before `until`; `from` where there is none.
fn last_cut(text: &[u8], from: usize, until: usize) -> usize {
    (from + 1..until).rev().find(|&at| is_cut(text, at)).unwrap_or(from)
}

/// The first cut after `foreign` that some ASCII follows; the text's end where there is none.
fn calm_after(text: &[u8], mut foreign: usize) -> usize {
    loop {
        let Some(cut) = (foreign + 1..text.len()).find(|&at| is_cut(text, at)) else {
            return text.len();
        };
        match first_foreign(text, cut, text.len().min(cut + CALM)) {
            Some(next) => foreign = next,
            None => return cut,
        }
    }
}

#[cfg(test)]
mod tests;

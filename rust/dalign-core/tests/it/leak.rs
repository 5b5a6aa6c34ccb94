use std::num::NonZeroUsize;

use dalign_core::CoreError;
use dalign_core::leak::{TokenTexts, first_leak};
use proptest::prelude::*;
use serde::Deserialize;

use crate::cases;

#[derive(Deserialize)]
struct Case {
    name: String,
    prompts: Vec<Vec<u32>>,
    own: Vec<Vec<u32>>,
    policy: Vec<Vec<u32>>,
    run: NonZeroUsize,
    row: Option<usize>,
}

/// Ids and offsets of some texts.
fn flat(texts: &[Vec<u32>]) -> (Vec<u32>, Vec<u64>) {
    let ends = texts.iter().scan(0, |end, text| {
        *end += text.len() as u64;
        Some(*end)
    });
    (texts.concat(), std::iter::once(0).chain(ends).collect())
}

fn leak(
    prompts: &[Vec<u32>],
    own: &[Vec<u32>],
    policy: &[Vec<u32>],
    run: NonZeroUsize,
) -> Option<usize> {
    let texts = [flat(prompts), flat(own), flat(policy)];
    let [prompts, own, policy] = texts.each_ref().map(|(ids, offsets)| TokenTexts { ids, offsets });
    first_leak(&prompts, &own, &policy, run).unwrap()
}

#[test]
fn the_table_of_leaks_holds() {
    for case in cases::<Case>("leaks") {
        let found = leak(&case.prompts, &case.own, &case.policy, case.run);
        assert_eq!(found, case.row, "{}", case.name);
    }
}

#[test]
fn texts_that_do_not_belong_together_are_refused() {
    let none = TokenTexts { ids: &[], offsets: &[0] };
    let one = TokenTexts { ids: &[1], offsets: &[0, 1] };
    let torn = TokenTexts { ids: &[1], offsets: &[0, 2] };
    let kind = |prompts, own, policy| {
        first_leak(&prompts, &own, &policy, NonZeroUsize::MIN).map_err(|error| error.kind())
    };
    assert_eq!(kind(one, one, none), Ok(None));
    assert_eq!(kind(one, none, none), Err("length_mismatch"));
    assert_eq!(kind(one, one, torn), Err("bad_offsets"));
}

proptest! {
    #[test]
    fn a_leak_is_a_run_of_the_policy_that_the_user_did_not_write(
        prompts in prop::collection::vec(prop::collection::vec(0..4_u32, 0..8), 0..4),
        own in prop::collection::vec(prop::collection::vec(0..4_u32, 0..8), 4),
        policy in prop::collection::vec(prop::collection::vec(0..4_u32, 0..5), 0..3),
        run in 1..4_usize,
    ) {
        let own = &own[..prompts.len()];
        let has = |text: &[u32], words: &[u32]| text.windows(run).any(|it| it == words);
        let expected = prompts.iter().zip(own).position(|(prompt, own)| {
            prompt.windows(run).any(|it| policy.iter().any(|text| has(text, it)) && !has(own, it))
        });
        let run = NonZeroUsize::new(run).unwrap();
        prop_assert_eq!(leak(&prompts, own, &policy, run), expected);
    }
}

//! Any reply: a score exactly when the state says so, and a line with the seal is the verdict.
#![no_main]

use dalign_core::verdict::{Asked, Scale, State, parse, parse_asked};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|reply: &str| {
    let scale = Scale::new(0.0, 10.0).expect("0 is below 10");
    let verdict = parse(reply, scale);
    assert_eq!(verdict.score.is_some(), verdict.state == State::Ok);
    assert!(verdict.score.is_none_or(|score| (0.0..=10.0).contains(&score)));
    if verdict.state != State::Unclosed {
        let judged = format!("{reply}\n\nScore 3f2a9c1d: 7");
        let asked = Asked { seal: "3f2a9c1d", ..Asked::default() };
        assert_eq!(parse_asked(&judged, asked, scale).score, Some(7.0));
    }
});

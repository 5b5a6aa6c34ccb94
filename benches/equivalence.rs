//! The baselines of the benches give what the core gives: only then are their speeds compared.

use std::num::NonZeroUsize;

use dalign_benches::{
    Stream, borrowed, completions, documents, lengths, naive, prose, replies, scores,
    spread_lengths, strata, wide_scores,
};
use dalign_core::aggregate::{Method, reduce};
use dalign_core::agreement::Scale::Interval;
use dalign_core::agreement::krippendorff_alpha;
use dalign_core::balance::{Balancer, Quota, Quotas, Rows, Settings};
use dalign_core::bootstrap;
use dalign_core::completion::{Status, Tags, parse_column};
use dalign_core::dedup::{self, near, representatives};
use dalign_core::gather::Packing;
use dalign_core::goodness::goodness;
use dalign_core::leak::{TokenTexts, first_leak};
use dalign_core::memory::Pool;
use dalign_core::overlap::NgramIndex;
use dalign_core::pack::{OverLong, plan};
use dalign_core::quality::{Checks, Completion};
use dalign_core::text::normalise_into;
use dalign_core::verdict::{Asks, Scale, parse_column as verdicts};

#[test]
fn the_naive_parser_finds_the_same_parts() {
    let texts = completions(2_000);
    let texts = borrowed(&texts);
    let tags = Tags::pair("<think>", "</think>", false).unwrap();
    let parsed = parse_column(&texts, &tags, &vec![false; texts.len()]).unwrap();
    let mut broken = 0;
    for (text, parsed) in texts.iter().zip(parsed) {
        let found = (parsed.status == Status::Ok).then_some((parsed.reasoning, parsed.answer));
        assert_eq!(naive::parse(text), found, "{text}");
        broken += usize::from(found.is_none());
    }
    assert!(broken > 100, "the input has broken rows too: {broken}");
}

#[test]
fn the_naive_packer_leaves_the_same_spaces() {
    let apart = [2049, 2051].repeat(500);
    for lengths in
        [lengths(3_000, 4096), spread_lengths(3_000, 4096), lengths(101, 700), apart, vec![7; 500]]
    {
        let capacity = lengths.iter().copied().max().unwrap();
        let plan = plan(&lengths, capacity).unwrap();
        let mut left: Vec<u32> = plan
            .bin_offsets
            .windows(2)
            .map(|ends| {
                let rows = &plan.row_order[ends[0] as usize..ends[1] as usize];
                capacity - rows.iter().map(|&row| lengths[row as usize]).sum::<u32>()
            })
            .collect();
        let mut naive = naive::spaces_left(&lengths, capacity);
        left.sort_unstable();
        naive.sort_unstable();
        assert_eq!(left, naive);
    }
}

#[test]
fn the_naive_reduction_gives_the_same_scores() {
    let (scores, offsets) = scores(5_000, 8);
    for min_valid in [1, 8] {
        let reduced = reduce(&scores, &offsets, Method::Min, min_valid).unwrap();
        let reduced: Vec<_> = reduced.iter().map(|row| row.score).collect();
        assert_eq!(naive::least(&scores, &offsets, min_valid as usize), reduced);
    }
}

#[test]
fn the_naive_draw_keeps_as_many_rows_of_each_category() {
    let (categories, ..) = strata(5_000);
    for maximum in [0, 1, 100, 5_000] {
        let quota = Quota { maximum: Some(maximum as u64), ..Quota::default() };
        let quotas = Quotas { default: quota, ..Quotas::default() };
        let mut balancer =
            Balancer::new(Settings { categories: quotas, ..Settings::default() }).unwrap();
        balancer.offer(Rows { categories: Some(&categories), clauses: None }).unwrap();
        let drawn = naive::drawn(&categories, maximum, &mut Stream::new(7));
        let counts = |rows: &[u64]| {
            let mut counts = [0; 9];
            for &row in rows {
                counts[categories[row as usize] as usize] += 1;
            }
            counts
        };
        assert_eq!(counts(&balancer.finish().kept), counts(&drawn));
    }
}

#[test]
fn comparing_each_with_each_finds_the_same_near_duplicates() {
    let texts = documents(300);
    let texts = borrowed(&texts);
    let naive = naive::similar_pairs(&texts, 5, 0.7);
    assert!(naive.len() > 20, "the input has near-duplicates: {}", naive.len());
    let settings = dedup::Settings::new(5, 256, 64, 0.7).unwrap();
    let found = near(&texts, settings).unwrap();
    // Of a document that is copied unchanged the core reports the copy, and its pairs only once.
    let kept = representatives(texts.len(), &found, None).unwrap();
    for (a, b, jaccard) in &naive {
        assert_eq!(kept[*a as usize], kept[*b as usize], "{a} and {b} of similarity {jaccard}");
    }
    for pair in found {
        assert!(naive.contains(&(pair.a, pair.b, pair.jaccard)), "{pair:?}");
    }
}

#[test]
fn the_naive_count_of_repeated_words_is_the_same() {
    let checks = Checks::new(3, &[], &[]).unwrap();
    let mut stream = Stream::new(7);
    for words in 0..300 {
        let answer = prose(&mut stream, words);
        let completion = Completion { prompt: "", reasoning: "", answer: &answer };
        let found = checks.measure(completion).answer;
        let repeated = naive::repeated_words(&answer, 3);
        let covered = found.repeated * f64::from(found.words);
        assert!((covered - repeated as f64).abs() < 0.5, "{answer}");
    }
}

#[test]
fn looking_up_every_run_of_words_finds_the_same_overlap() {
    let texts = documents(500);
    let texts = borrowed(&texts);
    let known = naive::runs_of_words(&texts[..20], 13);
    let index = NgramIndex::new(&texts[..20], 13).unwrap();
    let found = index.overlap_column(&texts, None).unwrap();
    let found: Vec<u32> = found.iter().map(|row| row.shared).collect();
    assert_eq!(naive::shared_runs(&texts, &known, 13), found);
    assert!(found[20..].iter().any(|&shared| shared > 0), "a copy of a reference is among them");
}

#[test]
fn words_joined_by_a_space_are_the_normalised_text() {
    // Every white space, what has the same first byte, and words around blocks of 32 bytes.
    let pieces = [
        " ",
        "  ",
        "\t",
        "\n",
        "\u{b}",
        "\u{c}",
        "\r\n",
        "\u{85}",
        "\u{a0}",
        "\u{1680}",
        "\u{2000}",
        "\u{2009}",
        "\u{2028}",
        "\u{202f}",
        "\u{205f}",
        "\u{3000}",
        "\u{200b}",
        "’",
        "é",
        "á",
        "あ",
        "中",
        "🙂",
        "\u{1f}",
        "a",
        "word",
        "some_longer_word",
        "a word of the policy that has no other spaces",
    ];
    let mut stream = Stream::new(14);
    for _ in 0..20_000 {
        let count = stream.below(12);
        let text: String = (0..count).map(|_| *stream.pick(&pieces)).collect();
        let mut found = String::from("x");
        normalise_into(&text, &mut found);
        assert_eq!(found[1..], naive::normalised(&text), "{text:?}");
    }
}

#[test]
fn rows_one_after_the_other_are_the_gathered_column() {
    for lengths in [lengths(2_000, 4096), vec![1; 5_000]] {
        let packing = Packing::new(&lengths, 4096, OverLong::Error).unwrap();
        let ids: Vec<i32> = (0..).take(packing.tokens()).collect();
        let mut rest = &ids[..];
        let rows: Vec<&[i32]> =
            lengths.iter().map(|&length| rest.split_off(..length as usize).unwrap()).collect();
        let naive = naive::gathered(&rows, &packing.plan().row_order);
        assert_eq!(*packing.gather(&rows, &Pool::default()).unwrap(), naive);
    }
}

#[test]
fn alpha_by_every_pair_is_the_same() {
    let (scores, offsets) = wide_scores(3_000, 8);
    let alpha = krippendorff_alpha(&scores, &offsets, Interval).unwrap().unwrap();
    let naive = naive::interval_alpha(&scores, &offsets).unwrap();
    assert!((alpha - naive).abs() < 1e-9, "{alpha} and {naive}");
}

#[test]
fn goodness_of_sorted_attacks_is_the_same() {
    let mut stream = Stream::new(12);
    let harms: Vec<f64> = (0..8_000).map(|_| stream.unit()).collect();
    let offsets: Vec<u64> = (0..=1_000).map(|prompt| prompt * 8).collect();
    let settings = bootstrap::Settings {
        n_resamples: 10,
        level: 0.95,
        seed: 7,
        method: bootstrap::Method::Percentile,
    };
    for share in [0.1, 0.3, 1.0] {
        let found = goodness(&harms, &offsets, share, None, settings).unwrap().estimate.mean;
        let naive = naive::goodness(&harms, &offsets, share);
        assert!((found - naive).abs() < 1e-12, "{found} and {naive} at {share}");
    }
}

#[test]
fn comparing_run_with_run_finds_the_same_leak() {
    let mut stream = Stream::new(13);
    let policy: Vec<u32> = (0..200).map(|_| stream.below(9) as u32).collect();
    let prompts: Vec<u32> = (0..4_000).map(|_| stream.below(9) as u32).collect();
    let own: Vec<u32> = (0..4_000).map(|_| stream.below(9) as u32).collect();
    let offsets: Vec<u64> = (0..=200).map(|row| row * 20).collect();
    let mut found = Vec::new();
    for run in 1..8 {
        let leak = first_leak(
            &TokenTexts { ids: &prompts, offsets: &offsets },
            &TokenTexts { ids: &own, offsets: &offsets },
            &TokenTexts { ids: &policy, offsets: &[0, 200] },
            NonZeroUsize::new(run).unwrap(),
        );
        let leak = leak.unwrap();
        assert_eq!(leak, naive::first_leak(&prompts, &own, 20, &policy, run));
        found.push(leak);
    }
    assert!(found.iter().any(|leak| leak.is_some_and(|row| row > 0)), "{found:?}");
    assert!(found.contains(&None), "{found:?}");
}

#[test]
fn the_naive_reader_finds_the_same_scores() {
    let replies = replies(5_000);
    let scale = Scale::new(0.0, 10.0).unwrap();
    let mut missing = 0;
    for (reply, verdict) in
        replies.iter().zip(verdicts(&borrowed(&replies), &Asks::default(), scale))
    {
        assert_eq!(naive::score(reply), verdict.score, "{reply}");
        missing += usize::from(verdict.score.is_none());
    }
    assert!(missing > 100, "the input has replies without a score too: {missing}");
}

//! Text packed with Zstandard: frames one after the other, and every way in which one is broken.

use std::io::{ErrorKind, Read};

use dalign_core::files::Zstd;
use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// A frame with a checksum at its end.
fn frame(data: &[u8]) -> Vec<u8> {
    compress_to_vec(data, CompressionLevel::Fastest)
}

/// A frame of a packer's own, to be passed over.
fn passed_over(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u32).to_le_bytes();
    [b"\x53\x2a\x4d\x18", &length[..], data].concat()
}

/// What stands in the frames, read so many bytes at a time.
fn unpacked(packed: &[u8], step: usize) -> std::io::Result<Vec<u8>> {
    let (mut reader, mut room, mut all) = (Zstd::new(packed), vec![0; step], Vec::new());
    loop {
        match reader.read(&mut room)? {
            0 => return Ok(all),
            count => all.extend_from_slice(&room[..count]),
        }
    }
}

#[test]
fn frames_are_read_one_after_the_other_and_those_to_be_passed_over_are() {
    let nothing = frame(b"");
    for (parts, expected) in [
        (vec![], ""),
        (vec![nothing.clone()], ""),
        (vec![passed_over(b"abc")], ""),
        (vec![frame(b"{}\n"), frame(b"{ }\n")], "{}\n{ }\n"),
        (vec![passed_over(b""), frame(b"a"), passed_over(b"abc"), frame(b"b")], "ab"),
        (vec![frame(b"a"), nothing.clone(), nothing, frame(b"b"), passed_over(b"end")], "ab"),
    ] {
        assert_eq!(unpacked(&parts.concat(), 64).unwrap(), expected.as_bytes());
    }
}

#[test]
fn more_than_is_unpacked_at_once_comes_out_whole() {
    // A megabyte is unpacked at a time; the numbers do not repeat, the letters do.
    let numbers: Vec<u8> = (0..300_000_u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect();
    let letters = b"x".repeat(3_000_000);
    for level in [CompressionLevel::Uncompressed, CompressionLevel::Fastest] {
        let packed = [&numbers, &letters].map(|data| compress_to_vec(&data[..], level)).concat();
        assert!(unpacked(&packed, 1 << 16).unwrap() == [&numbers[..], &letters].concat());
    }
}

#[test]
fn a_frame_that_is_cut_off_anywhere_is_damaged() {
    let (first, second) = (frame(b"the first one"), frame(&b"the second one ".repeat(9)));
    let packed = [&first[..], &second, &passed_over(b"nothing of interest")].concat();
    let last = first.len() + second.len();
    for cut in (1..packed.len()).filter(|cut| ![first.len(), last].contains(cut)) {
        let error = unpacked(&packed[..cut], 64).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "cut at {cut}: {error}");
    }
    assert_eq!(unpacked(&packed[..first.len()], 64).unwrap(), b"the first one");
}

#[test]
fn a_frame_that_differs_from_its_checksum_is_damaged() {
    let packed = frame(b"some text");
    for byte in packed.len() - 4..packed.len() {
        let mut flipped = packed.clone();
        flipped[byte] ^= 1;
        let error = unpacked(&flipped, 64).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(error.to_string(), "its checksum is another");
    }
}

#[test]
fn what_is_no_frame_is_told_from_one() {
    for packed in [b"{\"id\": \"a\"}".to_vec(), [frame(b"a"), b"more".to_vec()].concat()] {
        let error = unpacked(&packed, 64).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains("BadMagicNumber"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_text_in_any_frames_read_in_any_steps_is_the_text(
        parts in prop::collection::vec(prop::collection::vec(b'a'..b'd', 0..300), 0..5),
        step in 1_usize..80,
    ) {
        let packed: Vec<u8> = parts.iter().flat_map(|part| frame(part)).collect();
        prop_assert_eq!(unpacked(&packed, step).unwrap(), parts.concat());
    }
}

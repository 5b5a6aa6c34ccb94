//! The one place with `unsafe`: a loop compiled once for every x86-64 CPU and once for those with
//! AVX2 or AVX-512, and the choice between them when it runs; one bit for each of 64 bytes; asking for
//! memory before it is read.

/// Loops that are to be compiled for wide instructions.
///
/// The compiler turns loops into wide instructions by itself, but only in code that is inlined into the
/// function for the CPU feature: all that `run` calls in its loops, and `run` itself, must be
/// `#[inline(always)]`. A closure is work too, but may only be small: the compiler inlines it as it
/// likes, and a long one is left outside, compiled for any CPU, without a word.
///
/// The result must not depend on the instructions, so no sum of floats may be left to the compiler's
/// order; plain Rust never is.
pub(crate) trait Work {
    type Found;

    fn run<M: Masks>(self) -> Self::Found;
}

impl<R, F: FnOnce() -> R> Work for F {
    type Found = R;

    #[inline(always)]
    fn run<M: Masks>(self) -> R {
        self()
    }
}

/// How the CPU that work is compiled for gathers one bit of each byte.
pub(crate) trait Masks {
    /// The high bit of each byte of a block, the first byte's in the lowest.
    fn high_bits(block: &[u8; 64]) -> u64;
}

/// Does the work, with AVX2 where the CPU has it.
#[inline]
pub(crate) fn widest<W: Work>(work: W) -> W::Found {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("bmi1")
        && std::arch::is_x86_feature_detected!("bmi2")
        && std::arch::is_x86_feature_detected!("lzcnt")
        && std::arch::is_x86_feature_detected!("popcnt")
    {
        // SAFETY: the CPU has every feature that `with_avx2` is compiled for, as just asked of it.
        #[allow(
            unsafe_code,
            reason = "calling code for a CPU feature is unsafe unless it is asked for"
        )]
        return unsafe { with_avx2(work) };
    }
    work.run::<Any>()
}

/// As [`widest`], with AVX-512 where the CPU has it: for loops over whole blocks of numbers, which gain
/// by it; a loop over a few bytes only gets longer.
#[inline]
pub(crate) fn widest_blocks<W: Work>(work: W) -> W::Found {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512dq")
        && std::arch::is_x86_feature_detected!("avx512vl")
        && std::arch::is_x86_feature_detected!("bmi1")
        && std::arch::is_x86_feature_detected!("bmi2")
        && std::arch::is_x86_feature_detected!("lzcnt")
        && std::arch::is_x86_feature_detected!("popcnt")
    {
        // SAFETY: the CPU has every feature that `with_avx512` is compiled for, as just asked of it.
        #[allow(
            unsafe_code,
            reason = "calling code for a CPU feature is unsafe unless it is asked for"
        )]
        return unsafe { with_avx512(work) };
    }
    widest(work)
}

/// One bit for each byte of a block, the first byte's in the lowest: whether `is` holds of it.
///
/// `is` must not branch, so that the loop becomes wide instructions.
#[inline(always)]
pub(crate) fn bits_where<M: Masks>(block: &[u8; 64], is: impl Fn(u8) -> bool) -> u64 {
    let mut marks = [0; 64];
    for (mark, &byte) in marks.iter_mut().zip(block) {
        *mark = if is(byte) { 0xff } else { 0 };
    }
    M::high_bits(&marks)
}

/// [`bits_where`] of the bytes from `base` on, fewer than 64; behind the last one no bit is set.
#[inline(always)]
pub(crate) fn last_bits_where<M: Masks>(bytes: &[u8], base: usize, is: impl Fn(u8) -> bool) -> u64 {
    let rest = &bytes[base..];
    // The bytes before them are looked at again, where there are enough: to copy a few bytes and load
    // many makes a CPU wait.
    let (block, before) = if let Some(block) = bytes.last_chunk() {
        (*block, 64 - rest.len())
    } else {
        let mut block = [0; 64];
        block[..rest.len()].copy_from_slice(rest);
        (block, 0)
    };
    let bits = bits_where::<M>(&block, is).unbounded_shr(before as u32);
    bits & !u64::MAX.unbounded_shl(rest.len() as u32)
}

/// Any CPU.
pub(crate) struct Any;

#[cfg(target_arch = "x86_64")]
impl Masks for Any {
    #[inline(always)]
    fn high_bits(block: &[u8; 64]) -> u64 {
        use std::arch::x86_64::{_mm_loadu_si128, _mm_movemask_epi8};
        let (parts, _) = block.as_chunks::<16>();
        parts.iter().rev().fold(0, |bits, part| {
            // SAFETY: sixteen bytes are read from a reference to sixteen, and every x86-64 CPU has SSE2.
            #[allow(unsafe_code, reason = "the compiler finds this instruction in no loop")]
            let part = unsafe { _mm_movemask_epi8(_mm_loadu_si128(part.as_ptr().cast())) };
            bits << 16 | u64::from(part.cast_unsigned())
        })
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Masks for Any {
    #[inline(always)]
    fn high_bits(block: &[u8; 64]) -> u64 {
        /// Moves the lowest bit of byte `i` to bit `56 + i`.
        const GATHER: u64 = 0x0102_0408_1020_4080;
        const LOW: u64 = 0x0101_0101_0101_0101;
        let (words, _) = block.as_chunks::<8>();
        words.iter().rev().fold(0, |bits, word| {
            bits << 8 | (u64::from_le_bytes(*word) >> 7 & LOW).wrapping_mul(GATHER) >> 56
        })
    }
}

/// A CPU with AVX2; named by [`with_avx2`] alone.
#[cfg(target_arch = "x86_64")]
struct Avx2;

#[cfg(target_arch = "x86_64")]
impl Masks for Avx2 {
    #[inline(always)]
    fn high_bits(block: &[u8; 64]) -> u64 {
        use std::arch::x86_64::{_mm256_loadu_si256, _mm256_movemask_epi8};
        let (parts, _) = block.as_chunks::<32>();
        parts.iter().rev().fold(0, |bits, part| {
            // SAFETY: 32 bytes are read from a reference to 32, and only `with_avx2` names this type.
            #[allow(unsafe_code, reason = "the compiler finds this instruction in no loop")]
            let part = unsafe { _mm256_movemask_epi8(_mm256_loadu_si256(part.as_ptr().cast())) };
            bits << 32 | u64::from(part.cast_unsigned())
        })
    }
}

/// A CPU with AVX-512; named by [`with_avx512`] alone.
#[cfg(target_arch = "x86_64")]
struct Avx512;

#[cfg(target_arch = "x86_64")]
impl Masks for Avx512 {
    #[inline(always)]
    fn high_bits(block: &[u8; 64]) -> u64 {
        use std::arch::x86_64::{_mm512_loadu_si512, _mm512_movepi8_mask};
        // SAFETY: 64 bytes are read from a reference to 64, and only `with_avx512` names this type.
        #[allow(unsafe_code, reason = "the compiler finds this instruction in no loop")]
        unsafe {
            _mm512_movepi8_mask(_mm512_loadu_si512(block.as_ptr().cast()))
        }
    }
}

/// Asks for the memory behind a reference, which is to be read soon. Nothing depends on it.
#[inline(always)]
pub(crate) fn prefetch<T>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing and never faults, and every x86-64 CPU has it.
        #[allow(unsafe_code, reason = "the instruction takes a pointer")]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(place).cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
fn with_avx2<W: Work>(work: W) -> W::Found {
    work.run::<Avx2>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2,lzcnt,popcnt")]
fn with_avx512<W: Work>(work: W) -> W::Found {
    work.run::<Avx512>()
}

#[cfg(test)]
mod tests {
    use super::{Any, Masks, Work, bits_where, widest, widest_blocks};

    struct Bits<'b>(&'b [u8; 64]);

    impl Work for Bits<'_> {
        type Found = u64;

        fn run<M: Masks>(self) -> u64 {
            bits_where::<M>(self.0, |byte| byte == b'b')
        }
    }

    #[test]
    fn each_byte_has_its_bit() {
        for place in 0..64 {
            let mut block = [b'a'; 64];
            block[place] = b'b';
            assert_eq!(bits_where::<Any>(&block, |byte| byte != b'b'), !(1 << place));
            for found in
                [Bits(&block).run::<Any>(), widest(Bits(&block)), widest_blocks(Bits(&block))]
            {
                assert_eq!(found, 1 << place);
            }
        }
    }

    #[test]
    fn last_bytes_have_their_bits() {
        let bytes: Vec<u8> = (0..200).map(|at| b"ab"[at % 3 % 2]).collect();
        for length in 0..bytes.len() {
            let bytes = &bytes[..length];
            for base in length.saturating_sub(63)..=length {
                let expected = (base..length).filter(|&at| bytes[at] == b'b');
                let expected = expected.fold(0, |bits, at| bits | 1_u64 << (at - base));
                let found = super::last_bits_where::<Any>(bytes, base, |byte| byte == b'b');
                assert_eq!(found, expected, "{base} of {length}");
                let found = super::last_bits_where::<Any>(bytes, base, |byte| byte != b'a');
                assert_eq!(found, expected, "{base} of {length}");
            }
        }
    }

    #[test]
    fn the_result_is_that_of_the_plain_loop() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1_001).collect();
        let count = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte < 0x80).count();
        assert_eq!(widest(|| count(&bytes)), count(&bytes));
        assert_eq!(widest_blocks(|| count(&bytes)), count(&bytes));
    }
}

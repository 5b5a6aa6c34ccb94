//! The one place with `unsafe`: a loop compiled once for every x86-64 CPU and once for those with
//! AVX2 or AVX-512, and the choice between them when it runs; asking for memory before it is read.

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
    type Result;

    fn run(self) -> Self::Result;
}

impl<R, F: FnOnce() -> R> Work for F {
    type Result = R;

    #[inline(always)]
    fn run(self) -> R {
        self()
    }
}

/// Does the work, with AVX2 where the CPU has it.
#[inline]
pub(crate) fn widest<W: Work>(work: W) -> W::Result {
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
    work.run()
}

/// As [`widest`], with AVX-512 where the CPU has it: for loops over whole blocks of numbers, which gain
/// by it; a loop over a few bytes only gets longer.
#[inline]
pub(crate) fn widest_blocks<W: Work>(work: W) -> W::Result {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512dq")
        && std::arch::is_x86_feature_detected!("avx512vl")
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
fn with_avx2<W: Work>(work: W) -> W::Result {
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn with_avx512<W: Work>(work: W) -> W::Result {
    work.run()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_result_is_that_of_the_plain_loop() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1_001).collect();
        let count = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte < 0x80).count();
        assert_eq!(super::widest(|| count(&bytes)), count(&bytes));
        assert_eq!(super::widest_blocks(|| count(&bytes)), count(&bytes));
    }
}

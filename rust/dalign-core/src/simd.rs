//! The one place with `unsafe`: a loop compiled once for every x86-64 CPU and once for those with
//! AVX2, and the choice between the two when it runs; asking for memory before it is read.

/// What `work` returns; its loops may use AVX2 where the CPU has it.
///
/// The compiler turns the loops into wide instructions by itself, but only in code that is inlined
/// here: `work` must be a closure, and all that it calls in its loops `#[inline(always)]`. The result
/// must not depend on the choice, so no sum of floats may be left to the compiler's order; plain
/// Rust never is.
#[inline]
pub(crate) fn widest<R>(work: impl FnOnce() -> R) -> R {
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
    work()
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
fn with_avx2<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_result_is_that_of_the_plain_loop() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1_001).collect();
        let count = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte < 0x80).count();
        assert_eq!(super::widest(|| count(&bytes)), count(&bytes));
    }
}

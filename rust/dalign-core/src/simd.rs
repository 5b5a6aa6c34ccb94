//! The one place with `unsafe`: a loop compiled once for every x86-64 CPU and once for those with
//! AVX2, and the choice between the two when it runs.

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

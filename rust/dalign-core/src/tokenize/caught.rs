//! The crate's panics, as errors.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use tokenizers::Error;

thread_local! {
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// What the work gives. The crate panics on files that its tables cannot hold: here that is an
/// error as others are, and nothing is printed.
pub(super) fn caught<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |told| {
            if !IS_CAUGHT.get() {
                before(told);
            }
        }));
    });
    let was_caught = IS_CAUGHT.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    IS_CAUGHT.set(was_caught);
    result.unwrap_or_else(|told| {
        let said = told.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| told.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
        Err(format!("its tables cannot hold it: {said}").into())
    })
}

#[cfg(test)]
mod tests {
    use super::caught;

    #[test]
    fn a_panic_is_an_error_with_its_words_and_work_goes_on() {
        let ids = [7, 3];
        let at = |place: usize| caught(|| Ok(ids[place]));
        assert_eq!(at(0).unwrap(), 7);
        let said = at(2).unwrap_err().to_string();
        assert!(said.contains("index out of bounds"), "{said}");
        assert_eq!(at(1).unwrap(), 3);
    }
}

//! Token ids as labels.

use crate::memory::Plain;

/// A label: a token id, or a mark for a token that carries no loss.
///
/// ```
/// use dalign_core::gather::Label;
///
/// assert_eq!((i32::IGNORED, i64::IGNORED), (-100, -100));
/// ```
pub trait Label: Plain + PartialEq + Send + Sync {
    /// The label of a token that carries no loss: −100, which torch's cross entropy ignores.
    const IGNORED: Self;
}

impl Label for i32 {
    const IGNORED: Self = -100;
}

impl Label for i64 {
    const IGNORED: Self = -100;
}

/// A token id, and how it reads as a label.
///
/// ```
/// use dalign_core::gather::Token;
///
/// // No label of 32 bits holds every unsigned id.
/// assert_eq!((7_i32.label(), u32::MAX.label()), (7_i32, 4_294_967_295_i64));
/// ```
pub trait Token: Copy + Default + Send + Sync {
    /// The signed type of this id's label.
    type Label: Label;

    /// The id as the label of a token that carries loss.
    fn label(self) -> Self::Label;
}

impl Token for i32 {
    type Label = i32;

    fn label(self) -> i32 {
        self
    }
}

impl Token for i64 {
    type Label = i64;

    fn label(self) -> i64 {
        self
    }
}

impl Token for u32 {
    type Label = i64;

    fn label(self) -> i64 {
        i64::from(self)
    }
}

//! The ids of a word in 16 bytes.

/// How many bits an id takes in an entry: where 16 do, more ids stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Bits16,
    Bits32,
}

/// The ids of a word as they stand in its entry: seven of 16 bits, or three of 32, lower half first;
/// the highest byte is their number.
///
/// Where that is [`LONG`], there stand instead three numbers of 32 bits: where in
/// [`Words`](super::words::Words) the ids and the word's bytes begin, and how many bytes there are (none for a word that is its own key).
/// The last lower bits are how many ids there are.
pub(super) type Packed = [u16; 8];

/// More ids than any entry has.
pub(super) const LONG: usize = 0xff;

impl Width {
    /// The narrowest for ids below `vocabulary`.
    pub(super) fn of(vocabulary: usize) -> Self {
        if vocabulary <= 1 << 16 { Self::Bits16 } else { Self::Bits32 }
    }

    /// The ids as they stand in an entry, if they have room there.
    pub(super) fn pack(self, ids: &[u32]) -> Option<Packed> {
        let mut packed = [0; 8];
        match self {
            Self::Bits16 if ids.len() <= 7 && ids.iter().all(|&id| id < 1 << 16) => {
                packed.iter_mut().zip(ids).for_each(|(place, &id)| *place = id as u16);
            }
            Self::Bits32 if ids.len() <= 3 => packed = halves(ids),
            _ => return None,
        }
        packed[7] |= (ids.len() as u16) << 8;
        Some(packed)
    }
}

/// At most four numbers as halves, the lower ones first.
pub(super) fn halves(numbers: &[u32]) -> Packed {
    let mut halves = [0; 8];
    for (pair, number) in halves.chunks_exact_mut(2).zip(numbers) {
        pair.copy_from_slice(&[*number as u16, (number >> 16) as u16]);
    }
    halves
}

/// The numbers that halves are of.
#[inline(always)]
pub(super) fn joined(halves: &Packed) -> [u32; 4] {
    std::array::from_fn(|at| u32::from(halves[2 * at]) | u32::from(halves[2 * at + 1]) << 16)
}

/// The number of ids; [`LONG`] where they stand elsewhere.
#[inline(always)]
pub(super) fn count_of(packed: &Packed) -> usize {
    usize::from(packed[7] >> 8)
}

#[cfg(test)]
mod tests {
    use super::{Width, count_of, joined};

    #[test]
    fn ids_come_out_as_they_went_in() {
        // As many as have room, and the largest that have.
        let narrow = [0, 1, 0xffff, 3, 4, 5, 0xffff];
        for count in 0..=7 {
            let packed = Width::Bits16.pack(&narrow[..count]).unwrap();
            assert_eq!(
                (count_of(&packed), &packed.map(u32::from)[..count]),
                (count, &narrow[..count])
            );
        }
        let wide = [0, 0x1_0000, u32::MAX];
        for count in 0..=3 {
            let packed = Width::Bits32.pack(&wide[..count]).unwrap();
            assert_eq!((count_of(&packed), &joined(&packed)[..count]), (count, &wide[..count]));
        }
    }

    #[test]
    fn more_or_larger_ids_have_no_room() {
        assert_eq!(Width::Bits16.pack(&[0; 8]), None);
        assert_eq!(Width::Bits16.pack(&[0x1_0000]), None);
        assert_eq!(Width::Bits32.pack(&[0; 4]), None);
        assert_eq!([65_536, 65_537].map(Width::of), [Width::Bits16, Width::Bits32]);
    }
}

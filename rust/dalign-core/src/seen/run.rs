//! Records in a temporary file, sorted by hash.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::{RECORD_BYTES, Record};

/// Records that one read takes in: three pages.
const BLOCK: usize = 512;

/// A file of sorted records, and the first key of each block of it.
#[derive(Debug)]
pub(super) struct Run {
    file: File,
    records: usize,
    fences: Vec<[u64; 2]>,
}

impl Run {
    /// Writes sorted records to a file without a name in `folder`.
    pub(super) fn write(records: &[Record], folder: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(tempfile::tempfile_in(folder)?);
        for record in records {
            for part in record {
                file.write_all(&part.to_le_bytes())?;
            }
        }
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let fences = records.chunks(BLOCK).map(|block| [block[0][0], block[0][1]]).collect();
        Ok(Self { file, records: records.len(), fences })
    }

    /// The line kept with a key.
    pub(super) fn find(&mut self, key: [u64; 2]) -> io::Result<Option<u64>> {
        let Some(block) = self.fences.partition_point(|&fence| fence <= key).checked_sub(1) else {
            return Ok(None);
        };
        let start = block * BLOCK;
        let count = BLOCK.min(self.records - start);
        let mut bytes = [0; BLOCK * RECORD_BYTES];
        let bytes = &mut bytes[..count * RECORD_BYTES];
        self.file.seek(SeekFrom::Start((start * RECORD_BYTES) as u64))?;
        self.file.read_exact(bytes)?;
        let (parts, _) = bytes.as_chunks::<8>();
        let (records, _) = parts.as_chunks::<3>();
        let number = |part: [u8; 8]| u64::from_le_bytes(part);
        let found = records.binary_search_by_key(&key, |record| {
            record.map(number)[..2].try_into().unwrap_or_default()
        });
        Ok(found.ok().map(|record| number(records[record][2])))
    }
}

//! What a file says that is packed with Zstandard.

use std::io::{BufRead, Error, ErrorKind, Read, Result};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Bytes that are unpacked at once, beside the window that a frame asks for: 100 MiB at most.
const STEP_BYTES: usize = 1 << 20;

/// Unpacks a source of Zstandard frames, one after the other, in bounded memory.
///
/// A frame that is cut off, damaged or differs from its checksum is an error of the kind
/// [`ErrorKind::InvalidData`].
///
/// ```
/// use dalign_core::files::Zstd;
/// use std::io::Read;
///
/// // A frame of the four bytes `{}\n\n` as they are, without a checksum.
/// let packed = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 4, 0x21, 0, 0, b'{', b'}', b'\n', b'\n'];
/// let mut text = String::new();
/// Zstd::new(&packed[..]).read_to_string(&mut text)?;
/// assert_eq!(text, "{}\n\n");
/// assert!(Zstd::new(&packed[..12]).read_to_string(&mut text).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    /// Whether a frame was begun and its end not reached.
    is_within: bool,
}

impl<R: BufRead> Zstd<R> {
    /// Takes the frames from the source's start.
    ///
    /// ```
    /// use std::io::Read;
    ///
    /// let mut nothing = Vec::new();
    /// assert_eq!(dalign_core::files::Zstd::new(&b""[..]).read_to_end(&mut nothing)?, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn new(source: R) -> Self {
        Self { source, decoder: FrameDecoder::new(), is_within: false }
    }

    /// Begins the next frame that holds something; false at the end of the source.
    fn begin(&mut self) -> Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.source) {
                Ok(()) => {
                    self.is_within = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    let mut rest = self.source.by_ref().take(length);
                    if std::io::copy(&mut rest, &mut std::io::sink())? < length {
                        return Err(damaged(&"it ends within a frame that is passed over"));
                    }
                }
                Err(cause) => return Err(damaged(&cause)),
            }
        }
        Ok(false)
    }

    fn check(&self) -> Result<()> {
        let (told, found) =
            (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum());
        match told {
            Some(told) if Some(told) != found => Err(damaged(&"its checksum is another")),
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        while !out.is_empty() && (self.is_within || self.begin()?) {
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let step = BlockDecodingStrategy::UptoBytes(STEP_BYTES);
                self.decoder.decode_blocks(&mut self.source, step).map_err(|e| damaged(&e))?;
            }
            let count = self.decoder.read(out)?;
            if count > 0 {
                return Ok(count);
            }
            self.check()?;
            self.is_within = false;
        }
        Ok(0)
    }
}

fn damaged(cause: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidData, cause.to_string())
}

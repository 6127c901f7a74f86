// SPDX-License-Identifier: Apache-2.0
//! Decompression by what the bytes are, not by what the media type says: both lie at times, the bytes to nobody.
//! In-process always: an external decompressor was CVE-2014-9357.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use crate::error::{Context, Error, Result};

const INPUT: usize = 64 << 10;
/// 128 MiB: what `zstd --ultra -22` needs. A frame may ask for 2 GiB (a bomb of memory).
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// The source, with the bytes that were read to recognise it put back in front.
type Source<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

pub enum Decompress<R: Read> {
    Gzip(Box<MultiGzDecoder<Source<R>>>),
    Zstd(Zstd<R>),
    None(Source<R>),
}

impl<R: Read> Decompress<R> {
    pub fn new(mut source: R) -> Result<Self> {
        let mut head = Vec::with_capacity(6);
        source.by_ref().take(6).read_to_end(&mut head).context(|| "unable to read the layer")?;
        let magic = head.clone();
        let source = BufReader::with_capacity(INPUT, Cursor::new(head).chain(source));
        Ok(match magic[..] {
            [0x1f, 0x8b, ..] => Decompress::Gzip(Box::new(MultiGzDecoder::new(source))),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Decompress::Zstd(Zstd::new(source)?)
            }
            [b'B', b'Z', b'h', ..] => return Err(unsupported("bzip2")),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => return Err(unsupported("xz")),
            _ => Decompress::None(source),
        })
    }
}

fn unsupported(format: &str) -> Error {
    Error::corrupt(format!("the layer is compressed with {format}, which the image spec does not allow"))
}

impl<R: Read> Read for Decompress<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Decompress::Gzip(d) => d.read(buf),
            Decompress::Zstd(d) => d.read(buf),
            Decompress::None(d) => d.read(buf),
        }
    }
}

pub struct Zstd<R: Read> {
    source: Source<R>,
    context: DCtx<'static>,
    /// Between frames the stream may end; inside one it may not.
    in_frame: bool,
}

impl<R: Read> Zstd<R> {
    fn new(source: Source<R>) -> Result<Self> {
        let mut context = DCtx::create();
        context.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX)).map_err(|code| {
            Error::new(format!("unable to set up zstd: {}", zstd_safe::get_error_name(code)))
        })?;
        Ok(Zstd { source, context, in_frame: false })
    }
}

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let available = self.source.fill_buf()?;
            let ended = available.is_empty();
            let mut input = InBuffer::around(available);
            let mut output = OutBuffer::around(&mut *buf);
            let hint = self.context.decompress_stream(&mut output, &mut input).map_err(|code| {
                Error::corrupt(format!("bad zstd data: {}", zstd_safe::get_error_name(code)))
            })?;
            let (consumed, produced) = (input.pos(), output.pos());
            self.source.consume(consumed);
            if consumed > 0 || produced > 0 {
                self.in_frame = hint != 0;
            }
            if produced > 0 || buf.is_empty() {
                return Ok(produced);
            }
            if ended {
                return if self.in_frame { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(0) };
            }
        }
    }
}

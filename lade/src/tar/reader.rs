// SPDX-License-Identifier: Apache-2.0
//! The stream of entries. One buffer, whose slices are the file data: nothing is copied on the way to `write`.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use super::header::{Format, Header};
use super::pax::Pax;
use super::preceding::{Preceding, gnu_name, kind, once, one_of};
use super::sparse;
use super::{BLOCK, Entry, Kind, META_MAX, Time};
use crate::corrupt;
use crate::error::{Context, Error, Result};

const BUFFER: usize = 128 << 10;
/// Tar pads to its record size; nobody's records are larger than this.
const TRAILER_MAX: u64 = 16 << 20;

pub struct Reader<R> {
    src: R,
    buf: Box<[u8]>,
    pos: usize,
    len: usize,
    /// Data of the current entry not yet handed out, and the padding after it.
    left: u64,
    padding: usize,
    done: bool,
    meta_max: u64,
    /// Where in the source the buffer ends.
    read: u64,
    seek: Option<fn(&mut R, i64) -> io::Result<()>>,
}

impl<R: Read> Reader<R> {
    pub fn new(src: R) -> Self {
        let buf = vec![0; BUFFER].into_boxed_slice();
        Reader {
            src,
            buf,
            pos: 0,
            len: 0,
            left: 0,
            padding: 0,
            done: false,
            meta_max: META_MAX,
            read: 0,
            seek: None,
        }
    }

    /// Takes extended headers of up to `max` bytes.
    pub fn with_headers_up_to(self, max: u64) -> Self {
        Reader { meta_max: max, ..self }
    }

    /// A reader that jumps over what is not asked for.
    pub fn seekable(src: R) -> Self
    where
        R: Seek,
    {
        let seek = |src: &mut R, by| src.seek(SeekFrom::Current(by)).map(drop);
        Reader { seek: Some(seek), ..Reader::new(src) }
    }

    /// Where in the source the next byte handed out lies.
    pub fn position(&self) -> u64 {
        self.read - (self.len - self.pos) as u64
    }

    pub fn into_source(self) -> R {
        self.src
    }

    fn fill(&mut self) -> Result<bool> {
        while self.pos == self.len {
            match self.src.read(&mut self.buf) {
                Ok(0) => return Ok(false),
                Ok(n) => (self.pos, self.len, self.read) = (0, n, self.read + n as u64),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => corrupt!("the stream ends too early"),
                Err(e) => return Err(e).context(|| "unable to read the archive"),
            }
        }
        Ok(true)
    }

    /// The next slice of the current entry's data; empty when there is no more.
    pub fn data(&mut self) -> Result<&[u8]> {
        if self.left == 0 {
            return Ok(&[]);
        }
        if !self.fill()? {
            corrupt!("the archive ends in the middle of a file");
        }
        let n = (self.len - self.pos).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= n as u64;
        let start = self.pos;
        self.pos += n;
        Ok(&self.buf[start..start + n])
    }

    fn read_exact(&mut self, out: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while filled < out.len() {
            if !self.fill()? {
                corrupt!("the archive ends in the middle of a block");
            }
            let n = (self.len - self.pos).min(out.len() - filled);
            out[filled..filled + n].copy_from_slice(&self.buf[self.pos..self.pos + n]);
            self.pos += n;
            filled += n;
        }
        Ok(())
    }

    fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        if !self.fill()? {
            return Ok(None);
        }
        let mut block = [0; BLOCK];
        self.read_exact(&mut block)?;
        Ok(Some(block))
    }

    fn begin(&mut self, size: u64) {
        self.left = size;
        self.padding = (BLOCK - (size % BLOCK as u64) as usize) % BLOCK;
    }

    fn skip_rest(&mut self) -> Result<()> {
        let buffered = (self.len - self.pos) as u64;
        if let Some(seek) = self.seek
            && self.left > buffered + BUFFER as u64
        {
            let jump = self.left - buffered;
            let by = i64::try_from(jump).map_err(|_| Error::corrupt("an entry is too long"))?;
            seek(&mut self.src, by).context(|| "unable to seek in the archive")?;
            (self.pos, self.len, self.left, self.read) = (0, 0, 0, self.read + jump);
        }
        while !self.data()?.is_empty() {}
        // Umoci forgets the last padding. What is cut off is not an archive's to tell: the digest is.
        while self.padding > 0 && self.fill()? {
            let n = self.padding.min(self.len - self.pos);
            self.pos += n;
            self.padding -= n;
        }
        self.padding = 0;
        Ok(())
    }

    fn meta(&mut self, header: &Header) -> Result<Vec<u8>> {
        let size = header.size()?;
        if size > self.meta_max {
            let text = format!("an extended header is larger than {} bytes", self.meta_max);
            return Err(Error::corrupt(text).hint("--max-header-size raises the limit"));
        }
        self.begin(size);
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        self.left = 0;
        self.read_exact(&mut bytes)?;
        let mut padding = [0; BLOCK];
        let padding = &mut padding[..self.padding];
        self.read_exact(padding)?;
        self.padding = 0;
        // GNU tar and Python read a long name up to its NUL, however long the header says that it is.
        if padding.iter().any(|b| *b != 0) {
            corrupt!("an extended header is longer than it says");
        }
        Ok(bytes)
    }

    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        if self.done {
            return Ok(None);
        }
        self.skip_rest()?;
        let mut preceding = Preceding::default();
        loop {
            let block = self.block()?;
            let Some(block) = block.filter(|b| b.iter().any(|x| *x != 0)) else {
                if preceding.pax.is_some() || preceding.long_name.is_some() || preceding.long_link.is_some() {
                    corrupt!("an extended header is not followed by an entry");
                }
                self.done = true;
                if block.is_some() {
                    self.trailer()?;
                }
                return Ok(None);
            };
            let header = Header::parse(&block)?;
            match header.typeflag() {
                b'g' => Pax::parse(&self.meta(&header)?)?.require_harmless()?,
                b'x' => {
                    let pax = Pax::parse(&self.meta(&header)?)?;
                    once(&mut preceding.pax, pax, "PAX header")?;
                }
                b'L' => once(&mut preceding.long_name, gnu_name(self.meta(&header)?), "GNU long name")?,
                b'K' => once(&mut preceding.long_link, gnu_name(self.meta(&header)?), "GNU long link")?,
                _ => return self.entry(&header, preceding).map(Some),
            }
        }
    }

    /// After the first block of zeros: nothing but zeros, or two parsers could see two archives.
    fn trailer(&mut self) -> Result<()> {
        let mut total = 0u64;
        while self.fill()? {
            if self.buf[self.pos..self.len].iter().any(|b| *b != 0) {
                corrupt!("there is data after the end of the archive");
            }
            total += (self.len - self.pos) as u64;
            self.pos = self.len;
            if total > TRAILER_MAX {
                corrupt!("the archive ends in more than {TRAILER_MAX} bytes of padding");
            }
        }
        Ok(())
    }

    fn entry(&mut self, header: &Header, preceding: Preceding) -> Result<Entry> {
        let pax = preceding.pax.unwrap_or_default();
        let path = one_of(preceding.long_name, pax.path, || header.path())?;
        let link = one_of(preceding.long_link, pax.link, || header.link())?;
        let kind = kind(header, &path)?;
        let stored = match pax.size {
            Some(size) => size,
            None => header.size()?,
        };
        if !matches!(kind, Kind::File) && (stored != 0 || pax.sparse.seen) {
            corrupt!("the entry {} has data and is not a file", String::from_utf8_lossy(&path));
        }
        let mtime = match pax.mtime {
            Some(time) => time,
            None => Time { sec: header.mtime()?, nsec: 0 },
        };
        let (major, minor) = if matches!(kind, Kind::Char | Kind::Block) { header.device()? } else { (0, 0) };
        let mut entry = Entry {
            path,
            kind,
            link,
            mode: header.mode()?,
            uid: pax.uid.map_or_else(|| header.uid(), Ok)?,
            gid: pax.gid.map_or_else(|| header.gid(), Ok)?,
            mtime,
            major,
            minor,
            size: stored,
            xattrs: pax.xattrs,
            sparse: None,
        };
        self.begin(stored);
        if header.typeflag() == b'S' {
            if header.format != Format::Gnu || pax.sparse.seen {
                corrupt!("a sparse entry mixes two formats");
            }
            self.old_sparse(header, &mut entry)?;
        } else if pax.sparse.seen {
            let used = sparse::from_pax(pax.sparse, &mut entry, |out| self.sparse_map_block(out))?;
            self.left = stored.checked_sub(used).ok_or_else(|| Error::corrupt("a sparse map is too long"))?;
        }
        if let Some(map) = &entry.sparse {
            sparse::check(map, entry.size, self.left)?;
        }
        Ok(entry)
    }

    /// One block of the data of a PAX 1.0 sparse file, which begins with its map.
    fn sparse_map_block(&mut self, out: &mut [u8; BLOCK]) -> Result<()> {
        self.read_exact(out)
    }

    fn old_sparse(&mut self, header: &Header, entry: &mut Entry) -> Result<()> {
        let (mut map, mut more, size) = header.gnu_sparse()?;
        while more {
            let Some(block) = self.block()? else { corrupt!("a sparse map is cut short") };
            map.extend(super::header::sparse_pairs(&block[..504])?);
            more = block[504] != 0;
            sparse::check_len(&map)?;
        }
        entry.size = size;
        entry.sparse = Some(map);
        Ok(())
    }
}

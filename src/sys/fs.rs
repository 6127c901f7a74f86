// SPDX-License-Identifier: Apache-2.0
//! Files by descriptor: open, read, write, make, remove, and the resolution flags of openat2(2).

use std::borrow::ToOwned;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::vec;
use std::vec::Vec;

use super::{Errno, Result, check, check_unit, owned, retry};

pub use libc::{
    O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR,
    O_TRUNC, O_WRONLY, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG,
};

/// The working directory, for calls that take a directory and a path.
pub const CWD: BorrowedFd<'static> =
    // SAFETY: AT_FDCWD is no descriptor but a marker that every *at call accepts.
    unsafe { BorrowedFd::borrow_raw(libc::AT_FDCWD) };

/// How openat2(2) may walk a path.
#[derive(Clone, Copy)]
pub enum Resolve {
    /// As inside a chroot at the directory: `..` and absolute links stay below it, no magic links.
    InRoot,
    /// The same, and a link anywhere in the path is ELOOP.
    InRootNoLinks,
    /// Never out of the directory (an escape is EXDEV), no links at all, no other filesystem.
    Beneath,
    /// An absolute path of the host may be given too, and filesystems crossed; no links at all.
    NoLinks,
}

const RESOLVE_NO_XDEV: u64 = 0x01;
const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
const RESOLVE_NO_SYMLINKS: u64 = 0x04;
const RESOLVE_BENEATH: u64 = 0x08;
const RESOLVE_IN_ROOT: u64 = 0x10;

impl Resolve {
    fn bits(self) -> u64 {
        match self {
            Resolve::InRoot => RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
            Resolve::InRootNoLinks => RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
            Resolve::Beneath => {
                RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV
            }
            Resolve::NoLinks => RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
        }
    }
}

#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// openat2(2), Linux 5.6. A rename or mount anywhere on the machine makes the kernel say EAGAIN for
/// a path with `..`; libpathrs found 128 tries to be plenty.
pub fn openat2(dir: BorrowedFd<'_>, path: &CStr, flags: i32, mode: u32, resolve: Resolve) -> Result<OwnedFd> {
    let how =
        OpenHow { flags: (flags | libc::O_CLOEXEC) as u64, mode: u64::from(mode), resolve: resolve.bits() };
    let size = size_of::<OpenHow>();
    let mut last = Errno::EAGAIN;
    for _ in 0..128 {
        let ret =
            unsafe { libc::syscall(libc::SYS_openat2, dir.as_raw_fd(), path.as_ptr(), &raw const how, size) };
        match owned(ret) {
            Err(e @ (Errno::EAGAIN | Errno::EINTR)) => last = e,
            result => return result,
        }
    }
    Err(last)
}

pub fn openat(dir: BorrowedFd<'_>, path: &CStr, flags: i32, mode: u32) -> Result<OwnedFd> {
    retry(|| {
        owned(unsafe { libc::openat(dir.as_raw_fd(), path.as_ptr(), flags | libc::O_CLOEXEC, mode) }.into())
    })
}

/// Opens a path of the host, as the caller named it.
pub fn open(path: &CStr, flags: i32) -> Result<OwnedFd> {
    openat(CWD, path, flags, 0)
}

pub fn read(fd: BorrowedFd<'_>, buf: &mut [u8]) -> Result<usize> {
    retry(|| {
        check(unsafe { libc::read(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len()) } as _)
            .map(|n| n as usize)
    })
}

/// The beginning of the file, wherever its position is.
pub fn read_from_start(fd: BorrowedFd<'_>, buf: &mut [u8]) -> Result<usize> {
    retry(|| {
        check(unsafe { libc::pread(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), 0) } as _)
            .map(|n| n as usize)
    })
}

/// Reads to the end, but at most `limit` bytes: a longer file is EFBIG. For files of the kernel and
/// of our own; the image's files must be proven regular first.
pub fn read_to_end(fd: BorrowedFd<'_>, limit: usize) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let start = data.len();
        data.resize(start + 4096.max(start), 0);
        let n = read(fd, &mut data[start..])?;
        data.truncate(start + n);
        if data.len() > limit {
            return Err(Errno::EFBIG);
        }
        if n == 0 {
            return Ok(data);
        }
    }
}

/// A file of procfs, which gives a page at a time: less than one was the last.
pub fn read_kernel_file(fd: BorrowedFd<'_>, limit: usize) -> Result<Vec<u8>> {
    let mut page = vec![0; 4096];
    let n = read(fd, &mut page)?;
    page.truncate(n);
    // A line that would not have fitted is left for the next page: half of one is sure to be the end.
    if n > page.capacity() / 2 {
        page.extend(read_to_end(fd, limit)?);
    }
    Ok(page)
}

/// One write(2): files of cgroupfs, procfs and sysfs take a value whole or not at all.
pub fn write(fd: BorrowedFd<'_>, data: &[u8]) -> Result<usize> {
    retry(|| {
        check(unsafe { libc::write(fd.as_raw_fd(), data.as_ptr().cast(), data.len()) } as _)
            .map(|n| n as usize)
    })
}

pub fn write_all(fd: BorrowedFd<'_>, mut data: &[u8]) -> Result<()> {
    while !data.is_empty() {
        match write(fd, data)? {
            0 => return Err(Errno::EIO),
            n => data = &data[n..],
        }
    }
    Ok(())
}

pub fn mkdirat(dir: BorrowedFd<'_>, path: &CStr, mode: u32) -> Result<()> {
    check_unit(unsafe { libc::mkdirat(dir.as_raw_fd(), path.as_ptr(), mode) }.into())
}

pub fn rmdirat(dir: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    check_unit(unsafe { libc::unlinkat(dir.as_raw_fd(), path.as_ptr(), libc::AT_REMOVEDIR) }.into())
}

pub fn unlinkat(dir: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    check_unit(unsafe { libc::unlinkat(dir.as_raw_fd(), path.as_ptr(), 0) }.into())
}

pub fn renameat(dir: BorrowedFd<'_>, from: &CStr, to: &CStr) -> Result<()> {
    let fd = dir.as_raw_fd();
    check_unit(unsafe { libc::renameat(fd, from.as_ptr(), fd, to.as_ptr()) }.into())
}

pub fn symlinkat(target: &CStr, dir: BorrowedFd<'_>, path: &CStr) -> Result<()> {
    check_unit(unsafe { libc::symlinkat(target.as_ptr(), dir.as_raw_fd(), path.as_ptr()) }.into())
}

/// `mode` holds the type too (`S_IFCHR | 0o666`). For a fifo `device` is 0.
pub fn mknodat(dir: BorrowedFd<'_>, path: &CStr, mode: u32, device: u64) -> Result<()> {
    check_unit(unsafe { libc::mknodat(dir.as_raw_fd(), path.as_ptr(), mode, device) }.into())
}

/// The target of a link, in `buf`; a longer one is cut, as readlink(2) does.
pub fn readlinkat<'b>(dir: BorrowedFd<'_>, path: &CStr, buf: &'b mut [u8]) -> Result<&'b [u8]> {
    let n = check(unsafe {
        libc::readlinkat(dir.as_raw_fd(), path.as_ptr(), buf.as_mut_ptr().cast(), buf.len()) as libc::c_long
    })?;
    Ok(&buf[..n as usize])
}

pub fn makedev(major: u32, minor: u32) -> u64 {
    libc::makedev(major, minor)
}

/// The names of the directories in a directory, by getdents64(2). For filesystems that tell the type
/// of an entry, as kernfs does.
pub fn subdirectories(dir: BorrowedFd<'_>) -> Result<Vec<CString>> {
    const NAME: usize = 19;
    let mut names = Vec::new();
    let mut buf = [0u8; 8192];
    loop {
        let n = check(unsafe {
            libc::syscall(libc::SYS_getdents64, dir.as_raw_fd(), buf.as_mut_ptr(), buf.len())
        })? as usize;
        if n == 0 {
            return Ok(names);
        }
        let mut entries = &buf[..n];
        // struct linux_dirent64: inode and offset (8 bytes each), length (2), type (1), name.
        while entries.len() > NAME {
            let length = usize::from(u16::from_ne_bytes([entries[16], entries[17]]));
            let name = CStr::from_bytes_until_nul(&entries[NAME..length]).map_err(|_| Errno::EIO)?;
            if entries[18] == libc::DT_DIR && name != c"." && name != c".." {
                names.push(name.to_owned());
            }
            entries = &entries[length..];
        }
    }
}

/// What fstat(2) told of a file.
#[derive(Clone, Copy)]
pub struct Stat {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub device: u64,
    pub inode: u64,
    pub rdev: u64,
    pub links: u64,
    pub size: u64,
}

impl Stat {
    pub fn is(&self, kind: u32) -> bool {
        self.mode & S_IFMT == kind
    }
}

/// Works on O_PATH descriptors too.
pub fn fstat(fd: BorrowedFd<'_>) -> Result<Stat> {
    fstatat(fd, c"", libc::AT_EMPTY_PATH)
}

/// What a path leads to.
pub fn statat(dir: BorrowedFd<'_>, path: &CStr) -> Result<Stat> {
    fstatat(dir, path, 0)
}

/// The entry itself, never what a link points at.
pub fn lstatat(dir: BorrowedFd<'_>, path: &CStr) -> Result<Stat> {
    fstatat(dir, path, libc::AT_SYMLINK_NOFOLLOW)
}

fn fstatat(dir: BorrowedFd<'_>, path: &CStr, flags: i32) -> Result<Stat> {
    // SAFETY: all zeroes is a valid stat, and the kernel overwrites it.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    check(unsafe { libc::fstatat(dir.as_raw_fd(), path.as_ptr(), &raw mut stat, flags) }.into())?;
    Ok(Stat {
        mode: stat.st_mode,
        uid: stat.st_uid,
        gid: stat.st_gid,
        device: stat.st_dev,
        inode: stat.st_ino,
        rdev: stat.st_rdev,
        links: stat.st_nlink as u64,
        size: stat.st_size as u64,
    })
}

/// One name in a directory, and its type (`S_IFDIR`, `S_IFREG` ...).
pub struct Entry {
    pub name: CString,
    pub kind: u32,
}

/// Every name in a directory but "." and "..", read before the first is given out: the caller may
/// remove them as it goes. An O_PATH descriptor will do.
pub fn entries(dir: BorrowedFd<'_>) -> Result<Vec<Entry>> {
    /// Where struct linux_dirent64 has its record length, its type and its name.
    const LENGTH: usize = 16;
    const TYPE: usize = 18;
    const NAME: usize = 19;
    let dir = openat(dir, c".", O_RDONLY | O_DIRECTORY, 0)?;
    let mut buf = [0u8; 8192];
    let mut found = Vec::new();
    loop {
        let n = check(unsafe {
            libc::syscall(libc::SYS_getdents64, dir.as_raw_fd(), buf.as_mut_ptr(), buf.len())
        })?;
        let mut records = &buf[..n as usize];
        if records.is_empty() {
            return Ok(found);
        }
        while records.len() > NAME {
            let length = usize::from(u16::from_ne_bytes([records[LENGTH], records[LENGTH + 1]]));
            let name = CStr::from_bytes_until_nul(&records[NAME..length]).map_err(|_| Errno::EIO)?;
            if name != c"." && name != c".." {
                // DT_* are the S_IF* shifted down; DT_UNKNOWN (0) where a filesystem keeps no types.
                let kind = match u32::from(records[TYPE]) << 12 {
                    0 => lstatat(dir.as_fd(), name).map_or(0, |stat| stat.mode & S_IFMT),
                    kind => kind,
                };
                found.push(Entry { name: name.to_owned(), kind });
            }
            records = &records[length..];
        }
    }
}

/// An extended attribute of what a path leads to.
pub fn set_attribute(path: &CStr, name: &CStr, value: &[u8]) -> Result<()> {
    let (value, len) = (value.as_ptr().cast(), value.len());
    check_unit(unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value, len, 0) }.into())
}

/// The `f_type` of the filesystem a descriptor is on (`PROC_SUPER_MAGIC` ...).
pub fn filesystem_magic(fd: BorrowedFd<'_>) -> Result<u64> {
    // SAFETY: all zeroes is a valid statfs, and the kernel overwrites it.
    let mut stat: libc::statfs = unsafe { std::mem::zeroed() };
    retry(|| check(unsafe { libc::fstatfs(fd.as_raw_fd(), &raw mut stat) }.into()))?;
    Ok(stat.f_type as u64)
}

/// The same of a path of the host.
pub fn magic_of(path: &CStr) -> Result<u64> {
    // SAFETY: all zeroes is a valid statfs, and the kernel overwrites it.
    let mut stat: libc::statfs = unsafe { std::mem::zeroed() };
    retry(|| check(unsafe { libc::statfs(path.as_ptr(), &raw mut stat) }.into()))?;
    Ok(stat.f_type as u64)
}

pub const PROC_MAGIC: u64 = 0x9fa0;
pub const CGROUP2_MAGIC: u64 = 0x6367_7270;
pub const CGROUP1_MAGIC: u64 = 0x0027_e0eb;

/// The flags of the mount that a descriptor is on (`ST_RDONLY`, `ST_NOSUID` ...).
pub fn mount_flags(fd: BorrowedFd<'_>) -> Result<u64> {
    // SAFETY: all zeroes is a valid statvfs, and the kernel overwrites it.
    let mut stat: libc::statvfs = unsafe { std::mem::zeroed() };
    retry(|| check(unsafe { libc::fstatvfs(fd.as_raw_fd(), &raw mut stat) }.into()))?;
    Ok(stat.f_flag as u64)
}

/// Is a mount right there, and not only above? True where the kernel cannot tell (before Linux 5.8).
pub fn is_mount_root(fd: BorrowedFd<'_>) -> Result<bool> {
    const MOUNT_ROOT: u64 = 0x2000;
    let stat = statx(fd.as_raw_fd(), c"", libc::AT_EMPTY_PATH, libc::STATX_TYPE)?;
    Ok((stat.stx_attributes | !stat.stx_attributes_mask) & MOUNT_ROOT != 0)
}

/// The number of the mount at `path`, which no other has or will have.
///
/// # Errors
/// `ENOSYS` before Linux 6.8, too.
pub fn mount_id(path: &CStr) -> Result<u64> {
    const MNT_ID_UNIQUE: u32 = 0x4000;
    let stat = statx(libc::AT_FDCWD, path, 0, MNT_ID_UNIQUE)?;
    if stat.stx_mask & MNT_ID_UNIQUE == 0 { Err(Errno::ENOSYS) } else { Ok(stat.stx_mnt_id) }
}

fn statx(dir: i32, path: &CStr, flags: i32, mask: u32) -> Result<libc::statx> {
    // SAFETY: all zeroes is a valid statx, and the kernel overwrites it.
    let mut stat: libc::statx = unsafe { std::mem::zeroed() };
    check_unit(unsafe { libc::syscall(libc::SYS_statx, dir, path.as_ptr(), flags, mask, &raw mut stat) })?;
    Ok(stat)
}

/// May the calling process, by its effective ids, execute this file? (faccessat2(2), Linux 5.8)
pub fn may_execute(path: &CStr) -> Result<()> {
    let path = path.as_ptr();
    check_unit(unsafe {
        libc::syscall(libc::SYS_faccessat2, libc::AT_FDCWD, path, libc::X_OK, libc::AT_EACCESS)
    })
}

pub fn fchown(fd: BorrowedFd<'_>, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
    let (uid, gid) = (uid.unwrap_or(u32::MAX), gid.unwrap_or(u32::MAX));
    check_unit(unsafe { libc::fchownat(fd.as_raw_fd(), c"".as_ptr(), uid, gid, libc::AT_EMPTY_PATH) }.into())
}

/// chmod of an entry by its parent; the caller has just made it there, so it is no link.
pub fn chmodat(dir: BorrowedFd<'_>, path: &CStr, mode: u32) -> Result<()> {
    check_unit(unsafe { libc::fchmodat(dir.as_raw_fd(), path.as_ptr(), mode, 0) }.into())
}

pub fn fchmod(fd: BorrowedFd<'_>, mode: u32) -> Result<()> {
    check_unit(unsafe { libc::fchmod(fd.as_raw_fd(), mode) }.into())
}

pub fn fchdir(fd: BorrowedFd<'_>) -> Result<()> {
    check_unit(unsafe { libc::fchdir(fd.as_raw_fd()) }.into())
}

pub fn chdir(path: &CStr) -> Result<()> {
    check_unit(unsafe { libc::chdir(path.as_ptr()) }.into())
}

/// The raw getcwd(2): a directory outside our root comes back as "(unreachable)...", which glibc
/// would hide behind a search of its own (CVE-2024-21626 turned on that).
pub fn getcwd(buf: &mut [u8]) -> Result<&[u8]> {
    let n = check(unsafe { libc::syscall(libc::SYS_getcwd, buf.as_mut_ptr(), buf.len()) })? as usize;
    Ok(&buf[..n.saturating_sub(1)])
}

/// The process's umask becomes `mask`.
pub fn umask(mask: u32) {
    unsafe { libc::umask(mask) };
}

pub fn mkfifoat(dir: BorrowedFd<'_>, path: &CStr, mode: u32) -> Result<()> {
    mknodat(dir, path, S_IFIFO | mode, 0)
}

/// Bytes waiting in a pipe or fifo, from either of its ends.
pub fn bytes_waiting(fd: BorrowedFd<'_>) -> Result<usize> {
    let mut n: libc::c_int = 0;
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONREAD, &raw mut n) }.into())?;
    Ok(n as usize)
}

/// A counter that the kernel adds to when something happens (eventfd(2)).
pub fn eventfd() -> Result<OwnedFd> {
    owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }.into())
}

/// A pipe: (read end, write end).
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let mut pair = [0; 2];
    check(unsafe { libc::pipe2(pair.as_mut_ptr(), libc::O_CLOEXEC) }.into())?;
    Ok((owned(pair[0].into())?, owned(pair[1].into())?))
}

/// An open-file-description lock: it dies with the descriptor, and no other thread or library can
/// drop it by closing some other one (fcntl(2), Linux 3.15). EAGAIN while another holds it.
pub fn try_lock(fd: BorrowedFd<'_>, exclusive: bool) -> Result<()> {
    let kind = if exclusive { libc::F_WRLCK } else { libc::F_RDLCK };
    // SAFETY: all zeroes is a valid flock: the whole file, pid 0 as OFD locks demand.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    retry(|| check_unit(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) }.into()))
}

/// Gives the lock up for every descriptor of this open file, also those that a clone has copied.
pub fn unlock(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: all zeroes is a valid flock: the whole file, pid 0 as OFD locks demand.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_UNLCK as libc::c_short;
    check_unit(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) }.into())
}

/// Reads and writes on this open file say EAGAIN rather than wait.
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> Result<()> {
    let flags = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) }.into())? as i32;
    check_unit(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) }.into())
}

/// dup3(2) onto a fixed number, which then stays open over exec.
pub fn dup_to(fd: BorrowedFd<'_>, number: i32) -> Result<()> {
    check_unit(retry(|| check(unsafe { libc::dup2(fd.as_raw_fd(), number) }.into()))?)
}

/// Another descriptor for the same file, numbered 3 or more.
pub fn duplicate(fd: BorrowedFd<'_>) -> Result<OwnedFd> {
    owned(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3) }.into())
}

/// A descriptor that the caller of this program handed down by its number; EBADF when it did not.
pub fn inherited(number: i32) -> Result<BorrowedFd<'static>> {
    check(unsafe { libc::fcntl(number, libc::F_GETFD) }.into())?;
    // SAFETY: it is open, and nothing in this program owns or closes what it inherited.
    Ok(unsafe { BorrowedFd::borrow_raw(number) })
}

/// One of the three standard streams, which `entry::prepare` has found open or made so.
pub fn stream(number: i32) -> BorrowedFd<'static> {
    assert!((0..3).contains(&number));
    // SAFETY: open for the life of the process, and owned by nothing in it.
    unsafe { BorrowedFd::borrow_raw(number) }
}

/// An anonymous file that can be sealed and executed (memfd_create(2); MFD_EXEC since Linux 6.3).
pub fn memfd(name: &CStr) -> Result<OwnedFd> {
    const MFD_EXEC: u32 = 0x10;
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    match owned(unsafe { libc::memfd_create(name.as_ptr(), flags | MFD_EXEC) }.into()) {
        Err(Errno::EINVAL) => owned(unsafe { libc::memfd_create(name.as_ptr(), flags) }.into()),
        result => result,
    }
}

/// F_SEAL_WRITE would say no more where nothing is mapped for writing, but first waits for whoever holds a page (reclaim,
/// migration), and gives up with EBUSY.
const SEALS: i32 = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_FUTURE_WRITE;

/// No byte of the memfd can change any more, for anyone.
pub fn seal(fd: BorrowedFd<'_>) -> Result<()> {
    check_unit(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, SEALS) }.into())
}

/// EINVAL for a file that cannot have seals.
pub fn is_sealed(fd: BorrowedFd<'_>) -> Result<bool> {
    let seals = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) }.into())?;
    Ok(seals as i32 & SEALS == SEALS)
}

/// Copies within the kernel, from the files' positions, at most `count` bytes.
pub fn sendfile(to: BorrowedFd<'_>, from: impl AsFd, count: usize) -> Result<usize> {
    let from = from.as_fd().as_raw_fd();
    retry(|| {
        check(unsafe { libc::sendfile(to.as_raw_fd(), from, std::ptr::null_mut(), count) } as _)
            .map(|n| n as usize)
    })
}

/// The next names in a directory, `.` and `..` left out; None at its end. Allocates nothing.
pub fn names<'b>(dir: BorrowedFd<'_>, buffer: &'b mut [u8]) -> Result<Option<Names<'b>>> {
    let n = check(unsafe {
        libc::syscall(libc::SYS_getdents64, dir.as_raw_fd(), buffer.as_mut_ptr(), buffer.len())
    })?;
    Ok((n > 0).then(|| Names(&buffer[..n as usize])))
}

/// Names out of the records of getdents64(2): inode (8), offset (8), length (2), type (1), name.
pub struct Names<'b>(&'b [u8]);

impl<'b> Iterator for Names<'b> {
    type Item = &'b CStr;

    fn next(&mut self) -> Option<&'b CStr> {
        loop {
            let length = usize::from(u16::from_ne_bytes([*self.0.get(16)?, *self.0.get(17)?]));
            let record = self.0.get(..length)?;
            self.0 = &self.0[length..];
            let name = CStr::from_bytes_until_nul(record.get(19..)?).ok()?;
            if name != c"." && name != c".." {
                return Some(name);
            }
        }
    }
}

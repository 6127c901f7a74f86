// SPDX-License-Identifier: Apache-2.0
//! The functions of libc that init's sources call, each a system call and no more, and what the compiler itself calls.
//!
//! The crate libc declares them; here they are. None is a cancellation point, takes a lock, or has state but errno.

use core::arch::asm;
use core::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};
use core::sync::atomic::Ordering;

use crate::sys::LAST;

/// Any system call, with the kernel's answer: an errno is negative.
unsafe fn kernel(number: c_long, args: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = args;
    let answer: isize;
    // SAFETY: the caller's; the registers are those of the architecture's convention for system calls.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("syscall", inlateout("rax") number as isize => answer, in("rdi") a, in("rsi") b, in("rdx") c,
            in("r10") d, in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _, options(nostack));
        #[cfg(target_arch = "aarch64")]
        asm!("svc 0", in("x8") number, inlateout("x0") a as isize => answer, in("x1") b, in("x2") c, in("x3") d,
            in("x4") e, in("x5") f, options(nostack));
        #[cfg(target_arch = "riscv64")]
        asm!("ecall", in("a7") number, inlateout("a0") a as isize => answer, in("a1") b, in("a2") c, in("a3") d,
            in("a4") e, in("a5") f, options(nostack));
    }
    answer
}

fn result(answer: isize) -> c_long {
    const MAX_ERRNO: isize = 4095;
    if (-MAX_ERRNO..0).contains(&answer) {
        LAST.store(-answer as i32, Ordering::Relaxed);
        return -1;
    }
    answer as c_long
}

/// Variadic in C: the arguments come in the same registers, and those that were not given do no harm.
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(
    number: c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> c_long {
    result(unsafe { kernel(number, [a, b, c, d, e, f]) })
}

/// `NAME(arguments) = CALL(arguments)`, one system call each.
macro_rules! calls {
    ($($name:ident($($argument:ident: $type:ty),*) = $number:ident($($value:expr),*);)*) => {
        $(
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($argument: $type),*) -> c_long {
                let mut args = [0; 6];
                let given: &[usize] = &[$($value as usize),*];
                args[..given.len()].copy_from_slice(given);
                result(unsafe { kernel(libc::$number, args) })
            }
        )*
    };
}

type Text = *const c_char;
type Data = *const c_void;

calls! {
    chdir(path: Text) = SYS_chdir(path);
    chroot(path: Text) = SYS_chroot(path);
    close(fd: c_int) = SYS_close(fd);
    dup2(from: c_int, to: c_int) = SYS_dup3(from, to, 0);
    execve(path: Text, args: Data, env: Data) = SYS_execve(path, args, env);
    fchdir(fd: c_int) = SYS_fchdir(fd);
    fchmodat(dir: c_int, path: Text, mode: c_uint, flags: c_int) = SYS_fchmodat(dir, path, mode, flags);
    fchownat(dir: c_int, path: Text, uid: c_uint, gid: c_uint, flags: c_int)
        = SYS_fchownat(dir, path, uid, gid, flags);
    fcntl(fd: c_int, command: c_int, argument: usize) = SYS_fcntl(fd, command, argument);
    fstatat(dir: c_int, path: Text, stat: Data, flags: c_int) = SYS_newfstatat(dir, path, stat, flags);
    fstatfs(fd: c_int, stat: Data) = SYS_fstatfs(fd, stat);
    getresgid(real: Data, effective: Data, saved: Data) = SYS_getresgid(real, effective, saved);
    getresuid(real: Data, effective: Data, saved: Data) = SYS_getresuid(real, effective, saved);
    ioctl(fd: c_int, request: c_ulong, argument: usize) = SYS_ioctl(fd, request, argument);
    mkdirat(dir: c_int, path: Text, mode: c_uint) = SYS_mkdirat(dir, path, mode);
    mknodat(dir: c_int, path: Text, mode: c_uint, device: c_ulong) = SYS_mknodat(dir, path, mode, device);
    mount(source: Text, target: Text, kind: Text, flags: c_ulong, data: Data)
        = SYS_mount(source, target, kind, flags, data);
    openat(dir: c_int, path: Text, flags: c_int, mode: c_uint) = SYS_openat(dir, path, flags, mode);
    prctl(option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) = SYS_prctl(option, a, b, c, d);
    pread(fd: c_int, data: Data, size: usize, offset: c_long) = SYS_pread64(fd, data, size, offset);
    prlimit64(pid: c_int, resource: c_uint, new: Data, old: Data) = SYS_prlimit64(pid, resource, new, old);
    read(fd: c_int, data: Data, size: usize) = SYS_read(fd, data, size);
    readlinkat(dir: c_int, path: Text, data: Data, size: usize) = SYS_readlinkat(dir, path, data, size);
    recvmsg(fd: c_int, message: Data, flags: c_int) = SYS_recvmsg(fd, message, flags);
    sendfile(to: c_int, from: c_int, offset: Data, size: usize) = SYS_sendfile(to, from, offset, size);
    sendmsg(fd: c_int, message: Data, flags: c_int) = SYS_sendmsg(fd, message, flags);
    setdomainname(name: Data, size: usize) = SYS_setdomainname(name, size);
    sethostname(name: Data, size: usize) = SYS_sethostname(name, size);
    setsid() = SYS_setsid();
    setxattr(path: Text, name: Text, value: Data, size: usize, flags: c_int)
        = SYS_setxattr(path, name, value, size, flags);
    socket(domain: c_int, kind: c_int, protocol: c_int) = SYS_socket(domain, kind, protocol);
    symlinkat(target: Text, dir: c_int, path: Text) = SYS_symlinkat(target, dir, path);
    umask(mask: c_uint) = SYS_umask(mask);
    umount2(path: Text, flags: c_int) = SYS_umount2(path, flags);
    write(fd: c_int, data: Data, size: usize) = SYS_write(fd, data, size);
}

/// Its callers go on nowhere: a filter may forbid the call, and then the end is a fault.
#[unsafe(no_mangle)]
unsafe extern "C" fn _exit(code: c_int) -> ! {
    for number in [libc::SYS_exit_group, libc::SYS_exit] {
        // SAFETY: nothing of this process is left to be harmed.
        unsafe { kernel(number, [code as usize, 0, 0, 0, 0, 0]) };
    }
    loop {
        // SAFETY: it raises a signal that cannot be ignored.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            asm!("ud2");
            #[cfg(target_arch = "aarch64")]
            asm!("udf #0");
            #[cfg(target_arch = "riscv64")]
            asm!("unimp");
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn poll(fds: Data, count: usize, milliseconds: c_int) -> c_long {
    let time = [c_long::from(milliseconds) / 1000, c_long::from(milliseconds) % 1000 * 1_000_000];
    let timeout = if milliseconds < 0 { 0 } else { time.as_ptr() as usize };
    result(unsafe { kernel(libc::SYS_ppoll, [fds as usize, count, timeout, 0, 0, 0]) })
}

/// Its flags are those of statfs(2), but for a bit that says that they are valid.
#[unsafe(no_mangle)]
unsafe extern "C" fn fstatvfs(fd: c_int, to: *mut libc::statvfs) -> c_long {
    const ST_VALID: usize = 0x20;
    // struct statfs is words on a machine of 64 bits; the crate libc has no name for the eleventh.
    let mut words = [0_usize; 16];
    // SAFETY: larger than what the kernel writes; `to` is the caller's.
    unsafe {
        let done = fstatfs(fd, words.as_mut_ptr().cast());
        (*to).f_flag = (words[10] & !ST_VALID) as c_ulong;
        done
    }
}

/// New memory of the kernel's, or null.
pub(crate) fn map(size: usize) -> *mut u8 {
    let protection = (libc::PROT_READ | libc::PROT_WRITE) as usize;
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize;
    // SAFETY: nothing is mapped there before.
    match result(unsafe { kernel(libc::SYS_mmap, [0, size, protection, flags, usize::MAX, 0]) }) {
        -1 => core::ptr::null_mut(),
        address => address as *mut u8,
    }
}

// The compiler makes calls of these out of copies and comparisons. Byte by byte and volatile, where a plain loop would
// become a call of itself; the longest that init has to do is its plan.

#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, size: usize) -> *mut u8 {
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("rep movsb", inout("rcx") size => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack));
    }
    #[cfg(not(target_arch = "x86_64"))]
    for i in 0..size {
        unsafe { to.add(i).write_volatile(from.add(i).read_volatile()) };
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, size: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= size {
        return unsafe { memcpy(to, from, size) };
    }
    for i in (0..size).rev() {
        unsafe { to.add(i).write_volatile(from.add(i).read_volatile()) };
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: c_int, size: usize) -> *mut u8 {
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("rep stosb", inout("rcx") size => _, inout("rdi") to => _, in("al") byte as u8, options(nostack));
    }
    #[cfg(not(target_arch = "x86_64"))]
    for i in 0..size {
        unsafe { to.add(i).write_volatile(byte as u8) };
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, size: usize) -> c_int {
    for i in 0..size {
        let (a, b) = unsafe { (a.add(i).read_volatile(), b.add(i).read_volatile()) };
        if a != b {
            return c_int::from(a) - c_int::from(b);
        }
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, size: usize) -> c_int {
    unsafe { memcmp(a, b, size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut length = 0;
    while unsafe { text.add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}

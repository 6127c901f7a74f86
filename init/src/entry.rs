// SPDX-License-Identifier: Apache-2.0
//! What the C library would do before `main`: the entry, memory, and the end of a panic.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::global_asm;
use core::ffi::{CStr, c_char};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

// The kernel leaves the number of arguments, then the arguments, at the top of the stack.
#[cfg(target_arch = "x86_64")]
global_asm!(".globl _start", "_start:", "xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call {0}", "ud2", sym start);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x29, #0", "mov x0, sp", "bl {0}", "brk #1", sym start);
#[cfg(target_arch = "riscv64")]
global_asm!(".globl _start", "_start:", "mv a0, sp", "andi sp, sp, -16", "call {0}", "unimp", sym start);

unsafe extern "C" fn start(top: *const usize) -> ! {
    // SAFETY: the kernel's layout: a count, as many pointers to strings that live as long as the process, a null.
    let argument = |i| unsafe { (i < *top).then(|| CStr::from_ptr(*top.add(1 + i) as *const c_char)) };
    crate::main(&[argument(0), argument(1), argument(2)])
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // As abort(3) ends a process.
    crate::sys::process::exit_now(134)
}

/// Memory that is never given back: the plan, and the process is another's. What does not fit into `FEW` is mapped.
struct Plan;

const FEW: usize = 256 << 10;

static mut MEMORY: [u8; FEW] = [0; FEW];
static USED: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Plan = Plan;

// SAFETY: one thread; every piece is handed out once, aligned as asked, and lives as long as the process.
unsafe impl GlobalAlloc for Plan {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = (&raw mut MEMORY).cast::<u8>();
        let used = USED.load(Ordering::Relaxed);
        // SAFETY: the offset stays below FEW, as is checked before it is used.
        let piece = unsafe { start.add(used) };
        let end = used + piece.align_offset(layout.align()) + layout.size();
        if end > FEW {
            return crate::c::map(layout.size());
        }
        USED.store(end, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { start.add(end - layout.size()) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises. Nothing is handed out twice, so all of it is zero still.
        unsafe { self.alloc(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(old, new, layout.size().min(size));
            }
            new
        }
    }
}

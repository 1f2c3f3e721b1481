//! Releasing memory that a long-lived process no longer needs.

use nix::libc;

/// A size that the used part of the stack never reaches.
const DEEPEST: usize = 1 << 20;

unsafe extern "C" {
    /// The address at which this program's file is mapped, and the end of its code. The linker defines both symbols
    /// (end(3)). The memory between them is never written.
    static __executable_start: u8;
    static etext: u8;
}

/// Releases freed heap memory, unused stack, and the mapped pages of this program's file. Pages of the file that are needed
/// again come from the page cache.
pub fn release_unused() {
    trim_heap();
    forget_stack();
    let (start, end) = (&raw const __executable_start as usize, &raw const etext as usize);
    forget(start, end);
}

/// malloc_trim(3)
fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no arguments but a number; it locks the allocator as free(3) does.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Releases the stack below the current frame, which is unused. This is done only on the initial stack: below it the
/// kernel keeps a gap (`stack_guard_gap`) that is as large as the range may exceed the stack by. Below a thread's stack
/// there may be other memory.
#[inline(never)]
fn forget_stack() {
    let here = 0_u8;
    let here = &raw const here as usize;
    // The kernel has put these sixteen bytes on the initial stack.
    let top = from_kernel(libc::AT_RANDOM);
    if top.checked_sub(here).is_some_and(|depth| depth < DEEPEST) {
        // This leaves room for this function's calls, and for the red zone that the ABI lets a function use below its
        // frame.
        forget(top - DEEPEST, here - page_size());
    }
}

/// Releases the whole pages of a range (madvise(2), `MADV_DONTNEED`).
fn forget(start: usize, end: usize) {
    let page = page_size();
    let (start, end) = (start.next_multiple_of(page), end / page * page);
    // SAFETY: both callers name memory that was never written, or whose content is never read again. The kernel skips
    // addresses that are not mapped. A failure is ignored, because the memory only stays in use.
    unsafe {
        libc::madvise(start as *mut libc::c_void, end.saturating_sub(start), libc::MADV_DONTNEED);
    }
}

fn page_size() -> usize {
    from_kernel(libc::AT_PAGESZ)
}

/// A value of the auxiliary vector, which the kernel passes to a new program (getauxval(3)).
fn from_kernel(what: libc::c_ulong) -> usize {
    // SAFETY: reads a table that is never written to.
    unsafe { libc::getauxval(what) as usize }
}

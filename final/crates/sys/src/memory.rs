//! Releasing memory that a long-lived process no longer needs.

use nix::libc;

/// More stack than the way to anything here takes.
const DEEPEST: usize = 1 << 20;

unsafe extern "C" {
    /// Where this program's file is mapped, and the end of its code: both are the linker's (end(3)). What lies between is
    /// never written.
    static __executable_start: u8;
    static etext: u8;
}

/// Releases freed heap memory, unused stack, and the mapped pages of this program's file. Pages of the file that are needed
/// again come from the page cache.
pub fn give_back() {
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

/// What lies below the stack's end is nobody's. Only on the stack that the process began with: under it the kernel keeps
/// a gap as wide as what may be asked for here beyond its beginning (`stack_guard_gap`), and under a thread's may be anything.
#[inline(never)]
fn forget_stack() {
    let here = 0_u8;
    let here = &raw const here as usize;
    // These sixteen bytes the kernel put on the first stack.
    let top = from_kernel(libc::AT_RANDOM);
    if top.checked_sub(here).is_some_and(|depth| depth < DEEPEST) {
        // Far enough for this function's calls, and for what the ABI lets a function use below its frame.
        forget(top - DEEPEST, here - page_size());
    }
}

/// madvise(2), `MADV_DONTNEED`, of the whole pages in between.
fn forget(start: usize, end: usize) {
    let page = page_size();
    let (start, end) = (start.next_multiple_of(page), end / page * page);
    // SAFETY: both callers name memory that nobody has written to, or whose content nobody reads again; what is not mapped
    // of it the kernel passes over. That it could not be done is no loss.
    unsafe {
        libc::madvise(start as *mut libc::c_void, end.saturating_sub(start), libc::MADV_DONTNEED);
    }
}

fn page_size() -> usize {
    from_kernel(libc::AT_PAGESZ)
}

/// getauxval(3): what the kernel told the program about itself when it began.
fn from_kernel(what: libc::c_ulong) -> usize {
    // SAFETY: reads a table that is never written to.
    unsafe { libc::getauxval(what) as usize }
}

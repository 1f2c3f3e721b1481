/// The name of the attribute that marks this directory as opaque, if it has one. An extended
/// attribute (xattr(7)) is a pair of name and value, and the prefix of the name says who may set it.
/// `trusted.` is reserved to root of the machine, so that nobody else can forge the mark.
pub fn opaque_mark(path: &Path) -> Option<&'static str> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    [c"trusted.overlay.opaque", c"user.overlay.opaque"].into_iter().find_map(|name| {
        let mut value = 0_u8;
        // SAFETY: both strings end in a zero byte, and the kernel may write one byte, which is what
        // `value` has room for.
        let length = unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), (&raw mut value).cast(), 1) };
        (length == 1 && value == b'y').then(|| name.to_str().ok()).flatten()
    })
}

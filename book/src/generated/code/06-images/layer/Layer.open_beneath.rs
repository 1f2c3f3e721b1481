/// Opens a directory of the layer. The kernel checks the path while it follows it: a check before
/// the open would be useless, because an earlier entry may have put a link on the path.
fn open_beneath(&self, directory: &Path) -> nix::Result<OwnedFd> {
    // The empty path is the layer's directory itself.
    let path = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    // BENEATH: EXDEV if the path leaves the layer, by `..` or by a link. NO_MAGICLINKS: ELOOP at
    // links such as /proc/PID/cwd, which lead anywhere.
    let rules = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat2(self.root.as_fd(), path, OpenHow::new().flags(flags).resolve(rules))
}

/// Opens a directory of the layer. The kernel checks the path while it follows it: a check before
/// the open would be useless, because an earlier entry may have put a link on the path.
fn open_beneath(&self, directory: &Path) -> nix::Result<OwnedFd> {
    // The empty path is the layer's directory itself.
    let path = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    // BENEATH: the call fails with EXDEV if the path leaves the layer, through `..` or through
    // a link. NO_MAGICLINKS: it fails with ELOOP at links such as /proc/PID/cwd, which can lead
    // anywhere.
    let rules = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat2(self.root.as_fd(), path, OpenHow::new().flags(flags).resolve(rules))
}

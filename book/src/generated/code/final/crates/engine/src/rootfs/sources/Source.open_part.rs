/// What is in the volume may be hostile and may change meanwhile, so its part is looked up once, by one call that
/// neither `..` nor a symlink leads out of, and held by descriptor.
fn open_part(&self, volume: &OwnedFd, part: &Path) -> Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    hull_sys::fs::openat2(volume, part, OFlags::PATH, Mode::empty(), resolve).map_err(|errno| {
        let name = self.mount.name.as_deref().unwrap_or_default();
        let why = match errno {
            nix::errno::Errno::EXDEV => "it leads out of the volume".to_owned(),
            errno => errno.desc().to_owned(),
        };
        Error::Invalid { what: format!("subpath {:?} of the volume {name}", part.display()), why }
    })
}

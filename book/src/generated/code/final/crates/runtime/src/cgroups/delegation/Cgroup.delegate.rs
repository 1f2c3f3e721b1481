/// Gives the cgroup to a user and a group of the host, in every hierarchy.
pub fn delegate(&self, uid: u32, gid: u32) -> Result<()> {
    for directory in self.directories().filter(|directory| directory.is_dir()) {
        give(&directory, uid, gid)?;
        for file in FILES {
            match give(&directory.join(file), uid, gid) {
                // Not every version of cgroups and of the kernel has all of these files.
                Err(Error::Call { errno: Errno::ENOENT, .. }) => {}
                given => given?,
            }
        }
    }
    Ok(())
}

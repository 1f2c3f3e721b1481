/// The options of the mount. mount(2) takes one page of them, which is enough for some forty lower
/// directories.
pub fn options(dir: &Path, lowers: &[String], in_user_namespace: bool) -> String {
    let lowers: Vec<String> = lowers.iter().map(|lower| escape(lower)).collect();
    let at = |name: &str| escape(&dir.join(name).to_string_lossy());
    let mut options =
        format!("lowerdir={},upperdir={},workdir={}", lowers.join(":"), at("upper"), at("work"));
    if in_user_namespace {
        // In a user namespace the marks are `user.` attributes. Without this option `rm -r d; mkdir
        // d` fails with EIO, because the kernel cannot mark the new directory as opaque. Every user
        // can set such attributes on their own files, so the kernel obeys them only in an overlay
        // that is mounted with this option.
        options.push_str(",userxattr");
    }
    options
}

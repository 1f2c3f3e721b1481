/// A path as a part of the options. A colon separates lower directories, and a comma separates
/// options. Without the backslashes a directory called `a:b` would be two layers, `a` and `b`, and a
/// comma would begin an option that nobody has asked for.
pub fn escape(path: &str) -> String {
    path.replace('\\', r"\\").replace(':', r"\:").replace(',', r"\,")
}

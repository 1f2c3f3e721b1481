/// Adds an attribute. Its length does not include the padding. Length and kind have 16 bits each.
/// The meaning of a kind depends on the message or the attribute around it.
pub fn attr(mut self, kind: u16, value: impl AsRef<[u8]>) -> Self {
    let value = value.as_ref();
    self.0.extend((4 + value.len() as u16).to_ne_bytes());
    self.0.extend(kind.to_ne_bytes());
    self.0.extend(value);
    self.0.resize(self.0.len().next_multiple_of(4), 0);
    self
}

/// Begins a message with these flags and the fixed part that belongs to its type.
pub fn new(kind: u16, flags: i32, fixed: &[u8]) -> Self {
    // Every message to the kernel has this flag, and the answers do not have it.
    let flags = (flags | libc::NLM_F_REQUEST) as u16;
    // Space for the length, which `ask` fills in.
    let mut bytes = vec![0; 4];
    // Netlink uses the machine's own byte order.
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    // `ask` fills in the sequence number too. The sender's port id stays 0.
    bytes.resize(16, 0);
    bytes.extend(fixed);
    Self(bytes)
}

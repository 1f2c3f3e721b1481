/// Whether this is a whiteout: a character device with the numbers 0,0. No driver has these numbers,
/// so the mark cannot be mistaken for a device, and since Linux 5.8 creating it takes no privilege.
pub fn is_whiteout(found: &Metadata) -> bool {
    found.file_type().is_char_device() && found.rdev() == 0
}

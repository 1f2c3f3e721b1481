//! Words of an instruction as they are written, where the parsed instruction does not have them.

use crate::dockerfile::Instruction;

/// The words after the instruction's name and its flags.
pub(super) fn arguments(instruction: &Instruction) -> Vec<&str> {
    let words = instruction.original.split_ascii_whitespace().skip(1);
    words.skip_while(|word| word.starts_with("--")).collect()
}

//! A seccomp filter of the length and depth of hull's default one: a balanced tree over the system call number.

use anyhow::Result;
use hull_sys::security::{Instruction, load_filter};

/// Leaves of the tree: three instructions each make 712, where hull's default policy compiles to 714.
const RANGES: u32 = 238;

/// The number a filter sees as an offset: `seccomp_data.nr`.
const LOAD_NUMBER: Instruction = Instruction { code: 0x20, jt: 0, jf: 0, k: 0 };
const ALLOW: Instruction = Instruction { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 };
/// Jump forward by `k`.
const JUMP: u16 = 0x05;
/// Jump on "greater or equal".
const AT_LEAST: u16 = 0x35;

/// Loads the filter. Every leaf allows the call, so that any program runs.
pub fn load() -> Result<()> {
    let mut program = vec![LOAD_NUMBER];
    program.extend(tree(0, RANGES));
    Ok(load_filter(&program, 0)?)
}

/// Decides between `low..high`; conditional jumps reach 255 instructions, a plain one reaches any distance.
fn tree(low: u32, high: u32) -> Vec<Instruction> {
    if high - low == 1 {
        return vec![ALLOW];
    }
    let middle = low.midpoint(high);
    let (below, above) = (tree(low, middle), tree(middle, high));
    let mut code = vec![Instruction { code: AT_LEAST, jt: 0, jf: 1, k: middle * 4 }];
    code.push(Instruction { code: JUMP, jt: 0, jf: 0, k: below.len() as u32 });
    code.extend(below);
    code.extend(above);
    code
}

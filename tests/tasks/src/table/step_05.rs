use super::Step;

pub const STEP: Step = Step { name: "05-veth-bridge", blanks: &[] };

use super::Step;

pub const STEP: Step = Step { name: "04-overlay", blanks: &[] };

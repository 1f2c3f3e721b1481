use super::Step;

pub const STEP: Step = Step { name: "07-security", blanks: &[] };

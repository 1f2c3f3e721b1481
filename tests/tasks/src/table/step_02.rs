use super::Step;

pub const STEP: Step = Step { name: "02-pid-mount", blanks: &[] };

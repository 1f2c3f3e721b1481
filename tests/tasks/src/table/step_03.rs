use super::Step;

pub const STEP: Step = Step { name: "03-cgroups", blanks: &[] };

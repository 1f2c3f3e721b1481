use super::Step;

pub const STEP: Step = Step { name: "06-images", blanks: &[] };

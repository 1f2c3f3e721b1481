//! `doctor`: shows what works on this machine, what it is for, and how to get the rest.

use anyhow::Result;
use hull_engine::doctor::{Finding, Patient, examine};
use hull_storage::paths::Paths;

use crate::cli::Global;
use crate::cli::system::Doctor;
use crate::environment;
use crate::ui::output;

/// Opens no engine, because something that this finds may keep an engine from being opened.
pub fn doctor(global: &Global, args: &Doctor) -> Result<u8> {
    let paths = Paths::choose(global.root.clone(), global.runroot.clone(), environment::paths());
    let patient = Patient { programs: environment::search_path(), data: paths.data };
    let findings = examine(&patient);
    match args.format.as_deref() {
        Some(_) => output::pretty(&findings)?,
        None => output::text(&shown(&findings))?,
    }
    Ok(u8::from(findings.iter().any(Finding::is_needed_and_missing)))
}

fn shown(findings: &[Finding]) -> String {
    let mut text = String::new();
    let mut group = "";
    let width = findings.iter().map(|one| one.name.len()).max().unwrap_or(0);
    for one in findings {
        if one.group != group {
            group = one.group;
            text.push_str(&format!("{group}\n"));
        }
        let state = match (one.works, one.needed) {
            (true, _) => "ok",
            (false, true) => "MISSING",
            (false, false) => "missing",
        };
        text.push_str(&format!("  {state:<7}  {:<width$}  {}\n", one.name, one.purpose));
        let below = " ".repeat(width + 13);
        if let Some(why) = &one.why {
            text.push_str(&format!("{below}{why}\n"));
        }
        if let Some(fix) = one.fix {
            text.push_str(&format!("{below}to get it: {fix}\n"));
        }
    }
    let missing = findings.iter().filter(|one| one.is_needed_and_missing()).count();
    text.push_str(&match missing {
        0 => "Everything that containers need is there.\n".to_owned(),
        1 => "One thing that your containers need is missing.\n".to_owned(),
        count => format!("{count} things that your containers need are missing.\n"),
    });
    text
}

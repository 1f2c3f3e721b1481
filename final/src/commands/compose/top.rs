//! `compose top`: the processes of the project's containers.

use anyhow::Result;

use super::Session;
use super::containers::{Member, OneOff, of_project};
use crate::cli::compose::list::Top;
use crate::ui::{list, output};

/// The title of the column that is the last, whatever columns ps(1) has.
const COMMAND: &str = "CMD";

pub fn top(session: &Session<'_>, args: &Top) -> Result<u8> {
    let name = session.project_name()?;
    let engine = session.engine()?;
    let mut members = of_project(&engine, &name, OneOff::Include)?;
    members.retain(|member| member.is_active() && member.is_of(&args.services));
    members.sort_by(|one, other| one.summary.name.cmp(&other.summary.name));
    let mut titles = vec!["SERVICE".to_owned(), "#".to_owned()];
    let mut rows: Vec<Vec<(String, String)>> = Vec::new();
    for member in &members {
        let top = engine.top(&member.summary.id, &[])?;
        for title in &top.titles {
            if !titles.contains(title) {
                titles.push(title.clone());
            }
        }
        let own = own_cells(member);
        rows.extend(
            top.rows
                .into_iter()
                .map(|cells| own.iter().cloned().chain(top.titles.iter().cloned().zip(cells)).collect()),
        );
    }
    if rows.is_empty() {
        return Ok(0);
    }
    if let Some(index) = titles.iter().position(|title| title == COMMAND) {
        let command = titles.remove(index);
        titles.push(command);
    }
    let cell = |row: &Vec<(String, String)>, title: &String| {
        let found = row.iter().find(|(own, _)| own == title);
        found.map_or("-".to_owned(), |(_, cell)| cell.clone())
    };
    let cells = |row: &Vec<(String, String)>| titles.iter().map(|title| cell(row, title)).collect();
    let lines: Vec<Vec<String>> = std::iter::once(titles.clone()).chain(rows.iter().map(cells)).collect();
    output::text(&list::align_in(&lines, 4, 2))?;
    Ok(0)
}

fn own_cells(member: &Member) -> [(String, String); 2] {
    let number = member.container.label(hull_compose::labels::CONTAINER_NUMBER).unwrap_or_default();
    [("SERVICE".into(), member.container.service.clone()), ("#".into(), number.to_owned())]
}

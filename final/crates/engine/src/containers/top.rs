//! `top`: the container's processes, as the host's ps(1) shows them.

use crate::engine::Engine;
use crate::error::{Error, IoContext, Result};
use crate::events::Event;
use crate::records::snapshot::Snapshot;
use crate::records::state::Status;
use crate::records::state::wrong_state;

#[derive(Debug, Clone)]
pub struct Top {
    pub titles: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Engine {
    /// `ps_args` are ps(1)'s, `-ef` if none; its output must have a PID column.
    pub fn top(&self, name: &str, ps_args: &[String]) -> Result<Top> {
        let record = self.find(name)?;
        let snapshot = Snapshot::take(self.root(), &record.id)?;
        if !matches!(snapshot.status, Status::Running | Status::Paused) {
            return Err(wrong_state("list the processes of", &record, snapshot.status));
        }
        let pids = match snapshot.state.as_ref().and_then(|state| state.cgroup.as_ref()) {
            Some(path) => self.cgroup(path)?.pids(),
            None => snapshot.init_pid().map(in_pid_namespace_of).unwrap_or_default(),
        };
        let default = ["-ef".to_owned()];
        let args = if ps_args.is_empty() { &default[..] } else { ps_args };
        let output = self.programs().command("ps")?.args(args).output().context(|| "run ps".into())?;
        if !output.status.success() {
            return Err(Error::Invalid {
                what: "ps options".into(),
                why: String::from_utf8_lossy(&output.stderr).trim().into(),
            });
        }
        let top = select(&String::from_utf8_lossy(&output.stdout), &pids)?;
        Event::container(&record, "top").emit(self);
        Ok(top)
    }
}

fn in_pid_namespace_of(init: i32) -> Vec<i32> {
    let namespace = |pid: i32| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let wanted = namespace(init);
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| wanted.is_some() && namespace(*pid) == wanted).collect()
}

/// The rows whose PID is one of `pids`. The last column may hold spaces.
fn select(text: &str, pids: &[i32]) -> Result<Top> {
    let mut lines = text.lines();
    let titles: Vec<String> = lines.next().unwrap_or("").split_whitespace().map(str::to_owned).collect();
    let column = titles.iter().position(|title| title == "PID").ok_or_else(|| Error::Invalid {
        what: "ps options".into(),
        why: "their output has no PID column".into(),
    })?;
    let rows = lines.filter_map(|line| {
        let mut fields = Vec::with_capacity(titles.len());
        let mut rest = line.trim_start();
        while fields.len() + 1 < titles.len() {
            let (field, tail) = rest.split_once(char::is_whitespace)?;
            fields.push(field.to_owned());
            rest = tail.trim_start();
        }
        fields.push(rest.to_owned());
        let pid: i32 = fields.get(column)?.parse().ok()?;
        pids.contains(&pid).then_some(fields)
    });
    Ok(Top { rows: rows.collect(), titles })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_containers_rows_are_kept_and_a_command_keeps_its_spaces() {
        let text = "UID  PID  CMD\nroot   1  init\nroot  42  sleep 1  2\n";
        let top = select(text, &[42]).unwrap();
        assert_eq!(top.rows, [["root", "42", "sleep 1  2"]]);
        assert!(select("UID CMD\n", &[]).is_err());
    }
}

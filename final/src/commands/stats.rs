//! `stats`: what containers use, once or until ctrl-c.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Result;
use hull_docker::size;
use hull_docker::wire::NEVER;
use hull_docker::wire::stats::StatsResponse;
use hull_engine::{Engine, StatsReader};
use serde_json::{Map, Value, json};

use super::selection;
use crate::cli::resources::Stats;
use crate::ui::list::{self, Columns};
use crate::ui::live::Live;
use crate::ui::{errors, human, output};

const COLUMNS: Columns = Columns {
    titles: &[
        ("Container", "CONTAINER"),
        ("ID", "CONTAINER ID"),
        ("Name", "NAME"),
        ("CPUPerc", "CPU %"),
        ("MemUsage", "MEM USAGE / LIMIT"),
        ("MemPerc", "MEM %"),
        ("NetIO", "NET I/O"),
        ("BlockIO", "BLOCK I/O"),
        ("PIDs", "PIDS"),
        // podman's, beside docker's.
        ("ContainerID", "CONTAINER ID"),
        ("CPU", "CPU %"),
        ("CPUNano", "CPU NANO"),
        ("CPUSystemNano", "CPU SYSTEM NANO"),
        ("MemLimit", "MEM LIMIT"),
        ("MemUsageBytes", "MEM USAGE / LIMIT"),
        ("NetInput", "NET INPUT"),
        ("NetOutput", "NET OUTPUT"),
        ("BlockInput", "BLOCK INPUT"),
        ("BlockOutput", "BLOCK OUTPUT"),
        ("PIDS", "PIDS"),
    ],
    shown: &["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"],
};

/// Where a value is not known (yet).
const UNKNOWN: &str = "--";

/// Between the two readings of `--no-stream`, from which the CPU share follows.
const SECOND: Duration = Duration::from_secs(1);

/// Which containers there are to show, by their ids.
type Ids<'a> = &'a dyn Fn() -> Result<Vec<String>>;

pub fn stats(engine: &Engine, args: &Stats) -> Result<u8> {
    show(Watch::new(engine, args)?)
}

/// Shows the containers that `ids` gives at each reading.
pub fn stats_of(engine: &Engine, args: &Stats, ids: Ids<'_>) -> Result<u8> {
    show(Watch { ids: Some(ids), ..Watch::new(engine, args)? })
}

fn show(mut watch: Watch<'_>) -> Result<u8> {
    let args = watch.args;
    let live = Live::start()?;
    let is_drawn = !args.no_stream && !args.no_reset && std::io::stdout().is_terminal();
    let ids = watch.ids()?;
    match is_drawn {
        // Something to see at once; the CPU share comes a second later.
        true => live.show(&watch.text(&ids)?)?,
        false => watch.reader.prime(&ids),
    }
    let pause = if args.no_stream { SECOND } else { Duration::from_secs(args.interval.into()) };
    while live.wait(pause)? {
        let ids = if args.no_stream { ids.clone() } else { watch.ids()? };
        let text = watch.text(&ids)?;
        match is_drawn {
            true => live.show(&text)?,
            false => output::text(&text)?,
        }
        if args.no_stream || watch.is_over(&ids) {
            return Ok(0);
        }
    }
    Ok(0)
}

/// The containers that are shown.
struct Watch<'a> {
    args: &'a Stats,
    ids: Option<Ids<'a>>,
    reader: StatsReader,
    /// Whether these containers only are shown.
    is_named: bool,
    /// The names that were given, with their ids.
    named: Vec<(String, String)>,
    has_warned: bool,
}

impl<'a> Watch<'a> {
    fn new(engine: &Engine, args: &'a Stats) -> Result<Self> {
        let reader = engine.stats_reader()?;
        let mut errors = Vec::new();
        let mut named = Vec::new();
        let names = if args.latest { vec![selection::latest(engine)?] } else { args.names.clone() };
        for name in &names {
            match engine.resolve(name) {
                Ok(id) => named.push((name.clone(), id)),
                Err(error) => errors.push(error),
            }
        }
        // As docker: if one of the names is wrong, nothing is shown.
        if let Some(last) = errors.pop() {
            errors
                .into_iter()
                .for_each(|error| _ = errors::report(&error.into(), crate::ui::hints::Code::Plain));
            return Err(last.into());
        }
        Ok(Self { args, ids: None, reader, is_named: !names.is_empty(), named, has_warned: false })
    }

    fn ids(&mut self) -> Result<Vec<String>> {
        match (self.ids, self.is_named) {
            (Some(ids), _) => ids(),
            (None, false) => Ok(self.reader.ids(self.args.all)?),
            (None, true) => Ok(self.named.iter().map(|(_, id)| id.clone()).collect()),
        }
    }

    /// Whether every container that was named has been removed.
    fn is_over(&self, ids: &[String]) -> bool {
        self.is_named && ids.is_empty()
    }

    fn text(&mut self, ids: &[String]) -> Result<String> {
        let mut rows = Vec::new();
        for (id, read) in ids.iter().zip(self.reader.read(ids)) {
            match read {
                Ok(stats) => rows.push(self.row(&stats)),
                // It was removed meanwhile.
                Err(error) if error.is_no_such_container() => self.named.retain(|(_, other)| other != id),
                Err(error) if self.is_named => return Err(error.into()),
                Err(error) => self.warn(&error),
            }
        }
        list::text(COLUMNS, &rows, self.args.format.as_deref())
    }

    /// Once, because a warning with each reading would scroll the table away.
    fn warn(&mut self, error: &hull_engine::Error) {
        if !std::mem::replace(&mut self.has_warned, true) {
            errors::warn(&error.to_string(), "hull info says which cgroups this machine has");
        }
    }

    fn row(&self, stats: &StatsResponse) -> Value {
        let short = human::short_id(&stats.id);
        let container = self.named.iter().find(|(_, id)| *id == stats.id).map_or(short, |(name, _)| name);
        let id = if self.args.no_trunc { &stats.id } else { short };
        let ((received, sent), (read, written)) = (stats.network_bytes(), stats.block_bytes());
        let (memory, limit) = (stats.memory_used(), stats.memory_stats.limit);
        let is_first = stats.preread == NEVER && stats.read != NEVER;
        let cpu = if is_first { UNKNOWN.to_owned() } else { percent(stats.cpu_percent()) };
        let both = |one: String, other: String| format!("{one} / {other}");
        let row = json!({
            "BlockIO": both(size::human(read), size::human(written)),
            "CPUPerc": cpu,
            "Container": container,
            "ID": id,
            "MemPerc": percent(stats.memory_percent()),
            "MemUsage": both(size::binary(memory), size::binary(limit)),
            "Name": stats.name.trim_start_matches('/'),
            "NetIO": both(size::human(received), size::human(sent)),
            "PIDs": stats.pids_stats.current.to_string(),
        });
        let mut row = match row {
            Value::Object(row) => row,
            _ => Map::new(),
        };
        // Only where they are asked for: `{{json .}}` shows docker's fields.
        let asked = |name: &str| self.args.format.as_ref().is_some_and(|format| format.contains(name));
        let more = [
            ("ContainerID", json!(id)),
            ("CPU", json!(cpu)),
            ("CPUNano", json!(stats.cpu_stats.cpu_usage.total_usage)),
            ("CPUSystemNano", json!(stats.cpu_stats.cpu_usage.usage_in_kernelmode)),
            ("MemLimit", json!(limit)),
            ("MemUsageBytes", json!(format!("{memory}B / {limit}B"))),
            ("NetInput", json!(received)),
            ("NetOutput", json!(sent)),
            ("BlockInput", json!(read)),
            ("BlockOutput", json!(written)),
            ("PIDS", json!(stats.pids_stats.current)),
        ];
        let more = more.into_iter().filter(|(name, _)| asked(name));
        row.extend(more.map(|(name, value)| (name.to_owned(), value)));
        Value::Object(row)
    }
}

fn percent(share: f64) -> String {
    format!("{share:.2}%")
}

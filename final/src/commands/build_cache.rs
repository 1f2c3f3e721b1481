//! `builder prune` and `builder du`: what the build cache holds, and removing it.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use hull_build::cache::prune::{PruneOptions, prune as remove};
use hull_build::cache::usage::{Entry, entries};
use hull_docker::filters::build_cache::BuildCacheFilters;
use hull_docker::{size, time};
use hull_engine::Engine;
use serde::Serialize;

use super::filter::checked;
use super::prune::{print_cache, print_total};
use crate::cli::builder::{BuilderDu, BuilderPrune};
use crate::cli::values::read_if_given;
use crate::ui::list::{self, Columns};
use crate::ui::output;

const DU: Columns = Columns {
    titles: &[
        ("ID", "ID"),
        ("Reclaimable", "RECLAIMABLE"),
        ("Size", "SIZE"),
        ("LastUsed", "LAST ACCESSED"),
        ("Description", "DESCRIPTION"),
        ("Type", "TYPE"),
    ],
    shown: &["ID", "Reclaimable", "Size", "LastUsed"],
};

/// The table of `system df -v`.
pub const DF: Columns = Columns {
    titles: &[
        ("ID", "CACHE ID"),
        ("CacheType", "CACHE TYPE"),
        ("Size", "SIZE"),
        ("CreatedSince", "CREATED"),
        ("LastUsedSince", "LAST USED"),
        ("UsageCount", "USAGE"),
        ("Shared", "SHARED"),
        ("Description", "DESCRIPTION"),
        ("InUse", "IN USE"),
    ],
    shown: &["ID", "CacheType", "Size", "CreatedSince", "LastUsedSince", "UsageCount", "Shared"],
};

/// A row of `builder du`. A template sees the same names as buildx's.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UsageRow {
    #[serde(rename = "ID")]
    id: String,
    reclaimable: bool,
    size: String,
    last_used: String,
    description: String,
    #[serde(rename = "Type")]
    kind: &'static str,
    mutable: bool,
    shared: bool,
    in_use: bool,
    parents: Vec<String>,
    created_at: String,
    usage_count: u64,
}

impl UsageRow {
    fn of(entry: &Entry, now: SystemTime) -> Self {
        let wire = entry.wire();
        Self {
            // buildx's mark of what builds write to.
            id: if entry.is_mutable() { format!("{}*", entry.id) } else { entry.id.clone() },
            reclaimable: !entry.in_use,
            size: size::human(entry.size),
            last_used: since(entry.last_used, now),
            description: entry.description.clone(),
            kind: entry.type_name(),
            mutable: entry.is_mutable(),
            shared: entry.shared,
            in_use: entry.in_use,
            parents: wire.parents,
            created_at: wire.created_at,
            usage_count: wire.usage_count,
        }
    }

    fn all_of_it(&self) -> String {
        let parents: String = self.parents.iter().map(|parent| format!("Parent:\t\t{parent}\n")).collect();
        format!(
            "ID:\t\t{}\n{parents}Created at:\t{}\nMutable:\t{}\nReclaimable:\t{}\nShared:\t\t{}\nSize:\t\t{}\n\
             Description:\t{}\nUsage count:\t{}\nLast used:\t{}\nType:\t\t{}\n",
            self.id.trim_end_matches('*'),
            self.created_at,
            self.mutable,
            self.reclaimable,
            self.shared,
            self.size,
            hull_printable::cell(&self.description),
            self.usage_count,
            self.last_used,
            self.kind,
        )
    }
}

/// A row of `system df -v`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CacheRow {
    #[serde(rename = "ID")]
    id: String,
    cache_type: &'static str,
    size: String,
    created_since: String,
    last_used_since: String,
    usage_count: String,
    shared: bool,
    description: String,
    in_use: bool,
}

impl CacheRow {
    pub fn of(entry: &Entry, no_trunc: bool) -> Self {
        let now = SystemTime::now();
        let id = if no_trunc { entry.id.clone() } else { entry.id.chars().take(12).collect() };
        Self {
            id: if entry.is_mutable() { format!("{id}*") } else { id },
            cache_type: entry.type_name(),
            size: size::human(entry.size),
            created_since: since(entry.created, now),
            last_used_since: since(entry.last_used, now),
            usage_count: entry.wire().usage_count.to_string(),
            shared: entry.shared,
            description: entry.description.clone(),
            in_use: entry.in_use,
        }
    }
}

fn since(then: SystemTime, now: SystemTime) -> String {
    if then <= UNIX_EPOCH { "N/A".into() } else { format!("{} ago", time::human_since(then, now)) }
}

/// The bytes of all entries, and of those that pruning would free.
pub fn sums(entries: &[Entry]) -> (u64, u64) {
    let sum = |fits: &dyn Fn(&&Entry) -> bool| entries.iter().filter(fits).map(|entry| entry.size).sum();
    (sum(&|entry| !entry.shared), sum(&|entry| !entry.shared && !entry.in_use))
}

pub fn usage(engine: &Engine, args: &BuilderDu) -> Result<u8> {
    let now = SystemTime::now();
    let filters = checked(&args.filter, BuildCacheFilters::parse(&args.filter, now))?;
    let mut found = entries(engine)?;
    found.retain(|entry| filters.fit(entry.shown()));
    // The last used first.
    found.reverse();
    let rows: Vec<UsageRow> = found.iter().map(|entry| UsageRow::of(entry, now)).collect();
    let is_table = args.format.as_deref().is_none_or(|format| format.is_empty() || format == "table");
    match args.verbose {
        true => rows.iter().try_for_each(|row| output::line(row.all_of_it()))?,
        false => list::print(DU, &rows, args.format.as_deref().filter(|_| !is_table))?,
    }
    if !is_table {
        return Ok(0);
    }
    let sum =
        |fits: &dyn Fn(&&Entry) -> bool| -> u64 { found.iter().filter(fits).map(|entry| entry.size).sum() };
    let (shared, total) = (sum(&|entry| entry.shared), sum(&|_| true));
    if shared > 0 {
        output::line(format!(
            "Shared:\t\t{}\nPrivate:\t{}",
            size::summed(shared),
            size::summed(total - shared)
        ))?;
    }
    output::line(format!("Reclaimable:\t{}", size::summed(sum(&|entry| !entry.in_use))))?;
    output::line(format!("Total:\t\t{}", size::summed(total)))?;
    Ok(0)
}

pub fn prune(engine: &Engine, args: &BuilderPrune) -> Result<u8> {
    let bytes = |flag: &str, text: &Option<String>| read_if_given(flag, text.as_deref(), size::parse);
    let options = PruneOptions {
        all: args.all,
        filters: checked(&args.filter, BuildCacheFilters::parse(&args.filter, SystemTime::now()))?,
        reserved: bytes("--reserved-space", &args.reserved_space)?.unwrap_or(0),
        max_used: bytes("--max-used-space", &args.max_used_space)?.unwrap_or(0),
        min_free: bytes("--min-free-space", &args.min_free_space)?.unwrap_or(0),
    };
    let what = if args.all { "all build cache" } else { "all dangling build cache" };
    if !args.force && !output::confirm(&format!("WARNING! This will remove {what}."))? {
        return Ok(0);
    }
    let pruned = remove(engine, &options)?;
    if args.verbose {
        let now = SystemTime::now();
        let rows = pruned.removed.iter().map(|entry| UsageRow::of(entry, now));
        rows.into_iter().try_for_each(|row| output::line(row.all_of_it()))?;
    } else {
        print_cache(&pruned)?;
    }
    print_total(pruned.bytes)?;
    Ok(0)
}

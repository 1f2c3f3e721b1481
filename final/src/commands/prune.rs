//! What the `prune` verbs have in common, and `system prune`.

use std::time::SystemTime;

use anyhow::{Result, bail};
use hull_build::cache::prune::PrunedCache;
use hull_docker::filters::build_cache::BuildCacheFilters;
use hull_docker::filters::prune::{PruneFilters, Pruned};
use hull_docker::size;
use hull_engine::{Engine, PruneOptions};

use super::filter::checked;
use crate::cli::system::Prune;
use crate::ui::output;

pub fn filters(texts: &[String], pruned: Pruned) -> Result<PruneFilters> {
    checked(texts, PruneFilters::parse(texts, pruned, SystemTime::now()))
}

/// The objects that were removed, a blank line below them. Nothing if there are none.
pub fn print(title: &str, lines: &[String]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    output::line(title)?;
    lines.iter().try_for_each(output::line)?;
    output::line("")
}

pub fn print_total(bytes: u64) -> Result<()> {
    output::line(format!("Total reclaimed space: {}", size::summed(bytes)))
}

/// The entries of the build cache that were removed.
pub fn print_cache(pruned: &PrunedCache) -> Result<()> {
    let ids: Vec<String> = pruned.removed.iter().map(|entry| entry.id.clone()).collect();
    print("Deleted build cache objects:", &ids)
}

pub fn everything(engine: &Engine, args: &Prune) -> Result<u8> {
    let filters = filters(&args.filter, Pruned::Plain)?;
    if args.volumes && filters.have_until() {
        bail!("The \"until\" filter is not supported with \"--volumes\"");
    }
    if !args.force && !output::confirm(&question(args))? {
        return Ok(0);
    }
    let until = args.filter.iter().filter(|text| text.starts_with("until=")).cloned().collect::<Vec<_>>();
    // docker prunes no build cache by labels, because it has none.
    let has_labels = until.len() < args.filter.len();
    let cache = checked(&until, BuildCacheFilters::parse(&until, SystemTime::now()))?;
    let pruned = engine.prune(&PruneOptions { all_images: args.all, volumes: args.volumes, filters })?;
    print("Deleted Containers:", &pruned.containers)?;
    print("Deleted Networks:", &pruned.networks)?;
    print("Deleted Volumes:", &pruned.volumes)?;
    print("Deleted Images:", &pruned.images)?;
    let mut bytes = pruned.bytes;
    if !has_labels {
        let options =
            hull_build::cache::prune::PruneOptions { all: args.all, filters: cache, ..Default::default() };
        let pruned = hull_build::cache::prune::prune(engine, &options)?;
        print_cache(&pruned)?;
        bytes += pruned.bytes;
    }
    print_total(bytes)?;
    Ok(super::report_unpruned(pruned.errors))
}

fn question(args: &Prune) -> String {
    let mut warning = String::from("WARNING! This will remove:\n  - all stopped containers\n");
    warning.push_str("  - all networks not used by at least one container\n");
    if args.volumes {
        warning.push_str("  - all anonymous volumes not used by at least one container\n");
    }
    warning.push_str(match args.all {
        true => "  - all images without at least one container associated to them\n",
        false => "  - all dangling images\n",
    });
    warning.push_str("  - unused build cache\n");
    if !args.filter.is_empty() {
        let mut filters = args.filter.clone();
        filters.sort();
        warning.push_str("\n  Items to be pruned will be filtered with:\n");
        filters.iter().for_each(|filter| warning.push_str(&format!("  - {filter}\n")));
    }
    warning
}

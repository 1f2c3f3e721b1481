//! `compose up`.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use hull_compose::convert;
use hull_compose::plan::Recreate;
use hull_compose::timeline::Timeline;
use hull_compose::up::UpOptions;

use super::recreate::{confirm, ensure, plan_options, set_up};
use super::work::{Ensure, Settings, Work, timeout};
use super::{Session, up_attached};
use crate::cli::compose::up::Up;
use crate::ui::output;

/// The width of the bars of `--timeline`.
const TIMELINE_WIDTH: usize = 40;

pub fn up(session: &Session<'_>, args: &Up) -> Result<u8> {
    let begun = Instant::now();
    check(args)?;
    let mut opened = session.load_with(&args.services, args.no_deps)?;
    if opened.project.services.is_empty() {
        bail!("no service selected");
    }
    set_up(&mut opened.project, &args.recreate, &args.scale)?;
    up_attached::check(args, &opened.project)?;
    if !args.no_start {
        convert::check_ports(&opened.project)?;
    }
    let work = Work::of_files(session, opened.project, opened.env_files)?;
    let options = options(session, args)?;
    let settings = Settings { timeout: timeout(args.timeout), renew_volumes: args.renew_anon_volumes };
    let mut timeline = Timeline::new(begun);
    let is_attached = !args.detach && !args.wait && !args.no_start;
    let work = &work;
    let code = work.ensure_images(Ensure { quiet_build: args.quiet_build, ..ensure(&args.recreate) })?;
    if code != 0 {
        return Ok(code);
    }
    let code = session.show("Running", |progress| {
        let mut apply = work.apply(settings, progress);
        let prepared = apply.prepare(&options, &mut confirm(args.recreate.yes))?;
        if !args.no_start && !is_attached {
            apply.start_prepared(&prepared, &options, &mut timeline)?;
        }
        if args.timeline {
            timeline.lines(TIMELINE_WIDTH).iter().try_for_each(output::line)?;
        }
        Ok(())
    })?;
    match &work.project {
        Some(project) if is_attached && code == 0 && !session.args.dry_run => {
            up_attached::run(session, args, work, project)
        }
        Some(_) if is_attached && code == 0 => {
            output::line("end of 'compose up' output, interactive run is not supported in dry-run mode")?;
            Ok(0)
        }
        _ => Ok(code),
    }
}

/// Flags that contradict each other.
fn check(args: &Up) -> Result<()> {
    let is_attached_flag = args.attach_dependencies
        || args.abort_on_container_exit
        || args.exit_code_from.is_some()
        || !args.attach.is_empty();
    if args.wait && (is_attached_flag || args.abort_on_container_failure) {
        bail!(
            "--wait cannot be combined with --abort-on-container-exit, --abort-on-container-failure, --attach, \
             --attach-dependencies or --watch"
        );
    }
    if args.detach && (is_attached_flag || args.abort_on_container_failure || args.watch) {
        bail!(
            "--detach cannot be combined with --abort-on-container-exit, --abort-on-container-failure, --attach, \
             --attach-dependencies or --watch"
        );
    }
    if args.watch && args.recreate.no_build {
        bail!("--no-build and --watch are incompatible");
    }
    if args.renew_anon_volumes && args.recreate.no_recreate {
        bail!("--no-recreate and --renew-anon-volumes are incompatible");
    }
    Ok(())
}

fn options(session: &Session<'_>, args: &Up) -> Result<UpOptions> {
    let mut plan = plan_options(session, &args.recreate, &args.services);
    if args.always_recreate_deps {
        plan.recreate_dependencies = Recreate::Always;
    }
    if args.renew_anon_volumes {
        plan.recreate = Recreate::Always;
    }
    let ignore_orphans = session.is_set("COMPOSE_IGNORE_ORPHANS");
    if ignore_orphans && plan.remove_orphans {
        bail!("cannot combine COMPOSE_IGNORE_ORPHANS and --remove-orphans");
    }
    let seconds =
        args.wait_timeout.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
    Ok(UpOptions {
        plan,
        ignore_orphans,
        wait: args.wait,
        wait_timeout: seconds.map(Duration::from_secs),
        // What is not started cannot become healthy.
        rolling: args.rolling && !args.no_start,
    })
}

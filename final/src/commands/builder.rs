//! `builder` and `buildx`: docker's words for a builder that is a program of its own. hull's is hull itself.

use anyhow::{Result, anyhow};
use hull_engine::Engine;
use hull_image::platform::Platform;
use serde::Serialize;

use super::{build, build_cache};
use crate::cli::build::{Builder, BuilderInspect, BuilderList};
use crate::cli::build_request::{is_own, no_builder};
use crate::persona::Persona;
use crate::ui::errors::Hint;
use crate::ui::output;

/// The version of buildx whose flags hull follows. Programs read the second word of `buildx version`.
const BUILDX_VERSION: &str = "v0.24.0";

pub fn builder(engine: &Engine, verb: &Builder) -> Result<u8> {
    match verb {
        Builder::Build(args) => build::build(engine, args),
        Builder::Du(args) => build_cache::usage(engine, args),
        Builder::Prune(args) => build_cache::prune(engine, args),
        Builder::Inspect(args) => inspect(args),
        Builder::Ls(args) => list(args),
        Builder::Use(args) => own(&args.name).map(|()| 0),
        Builder::Version(_) => version(),
    }
}

fn own(name: &str) -> Result<()> {
    let hint = || Hint("hull builds by itself: its one builder is called default".into());
    if is_own(name) { Ok(()) } else { Err(anyhow!(no_builder(name)).context(hint())) }
}

/// A row of `buildx ls`, with docker's keys.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    name: &'static str,
    driver_endpoint: &'static str,
    status: &'static str,
    buildkit: &'static str,
    platforms: String,
}

fn list(args: &BuilderList) -> Result<u8> {
    let row = Row {
        name: "default*",
        driver_endpoint: "hull",
        status: "running",
        buildkit: Persona::Hull.version(),
        platforms: platform(),
    };
    output::object(&row, args.format.as_deref().filter(|format| *format != "table"), || {
        format!(
            "NAME/NODE   DRIVER/ENDPOINT   STATUS    BUILDKIT   PLATFORMS\n{:<11} {:<17} {:<9} {:<10} {}\n",
            row.name, row.driver_endpoint, row.status, row.buildkit, row.platforms
        )
    })?;
    Ok(0)
}

fn inspect(args: &BuilderInspect) -> Result<u8> {
    own(args.name.as_deref().unwrap_or_default())?;
    output::text(&format!(
        "Name:   default\nDriver: hull\n\nNodes:\nName:             default\nEndpoint:         hull\nStatus:           running\nBuildKit version: {}\nPlatforms:        {}\n",
        Persona::Hull.version(),
        platform()
    ))?;
    Ok(0)
}

fn version() -> Result<u8> {
    output::line(format!("hull/buildx {BUILDX_VERSION} hull-{}", Persona::Hull.version()))?;
    Ok(0)
}

fn platform() -> String {
    let Platform { architecture, os, .. } = Platform::host();
    format!("{os}/{architecture}")
}

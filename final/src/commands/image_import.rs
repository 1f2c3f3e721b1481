//! `import`: an image of a root file system, or of LXD's archives.

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::{Context, Result, bail};
use hull_engine::Engine;
use hull_image::Digest;
use hull_image::archive::{self, ImportOptions};
use hull_image::platform::Platform;
use hull_image::reference::Reference;
use hull_image::registry::{Access, fetch};

use super::{daemon, registry};
use crate::cli::image_system::Import;
use crate::ui::output;

pub fn import(engine: &Engine, args: &Import) -> Result<u8> {
    let (properties, words) = properties(&args.words)?;
    let checksum = args.checksum.as_deref().map(checksum).transpose()?;
    let mut options = ImportOptions {
        message: args.message.clone(),
        platform: args.platform.as_deref().map(Platform::parse).transpose()?,
        properties,
        ..ImportOptions::default()
    };
    for change in &args.change {
        archive::apply_change(&mut options.config, change)?;
    }
    let mut names = args.alias.iter().map(|name| Reference::parse(name)).collect::<Result<Vec<_>, _>>()?;
    let mut received = engine.receive_image(open(&args.file.to_string_lossy(), &args.file)?)?;
    let mut words = words.into_iter();
    if received.wants_root() {
        let Some(root) = words.next() else {
            bail!(
                "{} is LXD's description of an image without its files: give the archive with its root file system, \
                 too: hull image import METADATA ROOTFS",
                args.file.display()
            );
        };
        received.add_root(open(root, root.as_ref())?, None)?;
    }
    if let Some(name) = words.next() {
        names.push(Reference::parse(name)?);
    }
    if let Some(more) = words.next() {
        bail!(
            "{more:?} is one word too many: an image gets other names with --alias, and properties as KEY=VALUE"
        );
    }
    if let Some(checksum) = &checksum {
        received.verify(checksum)?;
    }
    let id = engine.finish_image(received, &names, options)?;
    output::own(&id)?;
    output::lxds(format!("Image imported with fingerprint: {}", id.hex()))?;
    Ok(0)
}

/// Opens a file, an address, or stdin.
fn open(text: &str, path: &std::path::Path) -> Result<Box<dyn Read>> {
    Ok(match text {
        url if fetch::is_url(url) => {
            let access = Access::new(registry::default_options(daemon::read()?))?;
            Box::new(fetch::open(&access, url)?)
        }
        url if url.contains("://") => bail!("cannot import {url}: hull fetches from http and https"),
        "-" => Box::new(std::io::stdin().lock()),
        _ => Box::new(std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?),
    })
}

fn checksum(text: &str) -> Result<Digest> {
    let text = if text.contains(':') { text.to_owned() } else { format!("sha256:{text}") };
    Digest::parse(&text).with_context(|| "--checksum takes sha256: and 64 hexadecimal digits")
}

/// Separates properties, `KEY=VALUE`, from other words.
pub fn properties(words: &[String]) -> Result<(BTreeMap<String, String>, Vec<&String>)> {
    let (mut properties, mut others) = (BTreeMap::new(), Vec::new());
    for word in words {
        match word.split_once('=') {
            // An address may have a query.
            Some(_) if fetch::is_url(word) => others.push(word),
            Some(("", _)) => bail!("{word:?} is no property: expected KEY=VALUE"),
            Some((key, value)) => drop(properties.insert(key.to_owned(), value.to_owned())),
            None => others.push(word),
        }
    }
    Ok((properties, others))
}

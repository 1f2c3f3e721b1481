//! Devices by name: the Container Device Interface (CDI).
//!
//! ```text
//! document  a specification, read and checked
//! ```
//!
//! Specifications are files in two directories, in JSON (`.json`) or YAML (`.yaml`). A device of the second directory
//! replaces one of the same name of the first. If two files of one directory have a device of the same name, no device
//! has that name. A damaged file hides only its own devices.

mod document;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hull_docker::flags::cdi;
use hull_docker::wire::host_config::DeviceRequest;

use crate::engine::Engine;
use crate::error::{Error, Result};

use document::Document;
pub(crate) use document::{DeviceNode, Edits, Mount};

/// Where specifications are unless docker's `daemon.json` names other directories.
const DIRECTORIES: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];

/// The kind of the devices of `--gpus`.
const GPU: &str = "nvidia.com/gpu";

/// All specifications of this machine.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    documents: Vec<Document>,
    /// The document and the index of each device, by its qualified name.
    devices: BTreeMap<String, (usize, usize)>,
    /// Files that cannot be used, and names that are not unique: sentences.
    errors: Vec<String>,
}

impl Engine {
    pub(crate) fn cdi_directories(&self) -> Vec<PathBuf> {
        match self.configured_cdi_directories() {
            [] => DIRECTORIES.iter().map(PathBuf::from).collect(),
            configured => configured.to_vec(),
        }
    }

    /// What the requested devices change in a container.
    pub(crate) fn cdi_edits(&self, requests: &[DeviceRequest]) -> Result<Edits> {
        let catalog = Catalog::read(&self.cdi_directories());
        let mut names = Vec::new();
        for request in requests {
            names.extend(catalog.names_of(request)?);
        }
        catalog.edits(&names)
    }
}

impl Catalog {
    pub(crate) fn read(directories: &[PathBuf]) -> Self {
        let mut catalog = Self::default();
        let mut ambiguous = Vec::new();
        for directory in directories {
            let mut here: BTreeMap<String, (usize, usize)> = BTreeMap::new();
            for path in files(directory) {
                match Document::load(&path) {
                    Ok(document) => {
                        let number = catalog.documents.len();
                        for (index, device) in document.devices.iter().enumerate() {
                            let name = format!("{}={}", document.kind, device.name);
                            if here.insert(name.clone(), (number, index)).is_some() {
                                let directory = directory.display();
                                catalog.errors.push(format!("two files in {directory} have a device {name}"));
                                ambiguous.push(name);
                            }
                        }
                        catalog.documents.push(document);
                    }
                    Err(why) => catalog.errors.push(format!("{}: {why}", path.display())),
                }
            }
            catalog.devices.extend(here);
        }
        catalog.devices.retain(|name, _| !ambiguous.contains(name));
        catalog
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.devices.keys().map(String::as_str)
    }

    /// The names of the devices that a request asks for: by their names, or as so many GPUs.
    fn names_of(&self, request: &DeviceRequest) -> Result<Vec<String>> {
        let DeviceRequest { driver, count, device_ids: ids, capabilities, .. } = request;
        if driver == cdi::DRIVER {
            return Ok(ids.clone());
        }
        let asks_for_gpu = capabilities.iter().any(|all| all.iter().any(|one| one == "gpu"));
        let has_gpus = self.names().any(|name| name.starts_with(GPU));
        if !["", "nvidia"].contains(&driver.as_str()) || !asks_for_gpu || !has_gpus {
            let sets: Vec<String> = capabilities.iter().map(|all| format!("[{}]", all.join(" "))).collect();
            return Err(Error::Unsupported(format!(
                "could not select device driver {driver:?} with capabilities: [{}]{}",
                sets.join(" "),
                if has_gpus { String::new() } else { self.reason(&format!("no device of {GPU}")) }
            )));
        }
        if *count != 0 && !ids.is_empty() {
            let why = "it has a count and ids of devices".into();
            return Err(Error::Invalid { what: "request for GPUs".into(), why });
        }
        let qualified = |id: &String| if cdi::is_name(id) { id.clone() } else { format!("{GPU}={id}") };
        match *count {
            _ if !ids.is_empty() => Ok(ids.iter().map(qualified).collect()),
            count if count < 0 => Ok(vec![format!("{GPU}=all")]),
            count => Ok((0..count.min(1024)).map(|number| format!("{GPU}={number}")).collect()),
        }
    }

    /// The edits of devices, in order. Those of a specification come before those of its first device.
    fn edits(&self, names: &[String]) -> Result<Edits> {
        let missing: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| !self.devices.contains_key(*name)).collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            let reason = self.reason("no such device");
            return Err(Error::Unsupported(format!("unresolvable CDI devices {missing}{reason}")));
        }
        let (mut edits, mut used) = (Edits::default(), Vec::new());
        for (document, device) in names.iter().filter_map(|name| self.devices.get(name)) {
            let found = &self.documents[*document];
            if !used.contains(document) {
                used.push(*document);
                edits.append(&found.container_edits);
            }
            edits.append(&found.devices[*device].container_edits);
        }
        Ok(edits)
    }

    /// Why a device is missing: what is wrong with the specifications, if anything is.
    fn reason(&self, otherwise: &str) -> String {
        match self.errors.as_slice() {
            [] => format!(": the specifications of this machine have {otherwise}"),
            errors => format!(": {}", errors.join("; ")),
        }
    }
}

/// The specifications directly in a directory, by their names' order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let is_specification =
        |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json" || extension == "yaml");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_specification).collect();
    files.sort();
    files
}

//! `compose config`: the project that the files make.

use std::collections::BTreeSet;
use std::io::IsTerminal;

use anyhow::{Context, Result, bail};
use hull_composefile::interpolate::variables;
use hull_composefile::model::{Print, Project, Service};
use hull_composefile::print::{Form, Tree, json, yaml, yaml_uninterpolated};
use hull_composefile::{Entry, LoadOptions, Node, ServiceEnvironment, Value, hash, load_model};
use hull_image::reference::Reference;
use hull_image::registry::Access;

use super::{Session, table};
use crate::cli::compose::config::Config;
use crate::commands::registry;
use crate::ui::output;

pub fn config(session: &Session<'_>, args: &Config) -> Result<u8> {
    let text = text(session, args)?;
    let prints_project = !args.services && !prints_list(args);
    match args.output.as_deref().filter(|path| prints_project && !path.as_os_str().is_empty()) {
        // What is a list is printed in spite of it.
        _ if args.quiet && prints_project => {}
        Some(path) if !text.is_empty() => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        // A file gets exactly what Compose writes.
        _ if !std::io::stdout().is_terminal() => output::raw(&text)?,
        _ => output::text(&text)?,
    }
    Ok(0)
}

/// Whether something other than the project is printed, which `--output` has no influence on.
fn prints_list(args: &Config) -> bool {
    args.hash.as_ref().is_some_and(|hash| !hash.is_empty())
        || [
            args.volumes,
            args.networks,
            args.models,
            args.profiles,
            args.images,
            args.variables,
            args.environment,
        ]
        .contains(&true)
}

/// What is printed. Of several flags that ask for a list, the first in Compose's order counts.
fn text(session: &Session<'_>, args: &Config) -> Result<String> {
    let hash = args.hash.as_deref().filter(|hash| !hash.is_empty());
    if args.services {
        return services(session, args);
    }
    let all = |session| load(session, args, &[], ServiceEnvironment::Unresolved);
    let selected = |session| load(session, args, &args.names, ServiceEnvironment::Unresolved);
    if args.volumes {
        return Ok(lines(all(session)?.volumes.into_keys()));
    }
    if args.networks {
        return Ok(lines(all(session)?.networks.into_keys()));
    }
    if args.models {
        let models = all(session)?.models.into_values().map(|model| model.model);
        return Ok(lines(models.filter(|model| !model.is_empty())));
    }
    if let Some(names) = hash {
        return hashes(all(session)?, names);
    }
    if args.profiles {
        let project = selected(session)?;
        let profiles = project.all_services().flat_map(|service| service.profiles.iter().cloned());
        return Ok(lines(profiles.collect::<BTreeSet<String>>().into_iter()));
    }
    if args.images {
        let project = selected(session)?;
        let image = |service| hull_compose::convert::image(&project, service);
        return Ok(lines(project.services.values().map(image)));
    }
    if args.variables {
        return variable_table(session, args);
    }
    if args.environment {
        let project = load(session, args, &args.names, ServiceEnvironment::Enabled)?;
        return Ok(lines(project.environment.iter().map(|(name, value)| format!("{name}={value}"))));
    }
    match args.no_interpolate {
        true => model(session, args),
        false => project(session, args),
    }
}

fn lines(items: impl Iterator<Item = String>) -> String {
    items.map(|item| item + "\n").collect()
}

fn options(
    session: &Session<'_>,
    args: &Config,
    services: &[String],
    environment: ServiceEnvironment,
) -> Result<LoadOptions> {
    Ok(LoadOptions {
        service_environment: environment,
        no_interpolate: args.no_interpolate,
        // Compose prints the project of --compatibility as the files have it.
        no_normalize: args.no_normalize || session.args.compatibility,
        no_path_resolution: args.no_path_resolution,
        no_consistency: args.no_consistency,
        ..session.options(services)?
    })
}

fn load(
    session: &Session<'_>,
    args: &Config,
    services: &[String],
    environment: ServiceEnvironment,
) -> Result<Project> {
    Ok(session.open(&options(session, args, services, environment)?)?.project)
}

/// The project as it will be run. A dollar is doubled, so that what is printed can be read as a compose file again.
fn project(session: &Session<'_>, args: &Config) -> Result<String> {
    let environment = match args.no_env_resolution {
        true => ServiceEnvironment::EnabledByProfile,
        false => ServiceEnvironment::Enabled,
    };
    let mut project = load(session, args, &args.names, environment)?;
    if args.resolve_image_digests || args.lock_image_digests {
        let access = registry::access(&Default::default())?;
        for service in project.services.values_mut().filter(|service| !service.image.is_empty()) {
            service.image = pinned(&access, &service.image)?;
        }
    }
    if args.lock_image_digests {
        keep_only_images(&mut project);
    }
    let text = match format(args)? {
        Format::Yaml => yaml(&project.tree(Form::Yaml)),
        Format::Json => json_text(&project.tree(Form::Json))?,
    };
    Ok(text.replace('$', "$$"))
}

enum Format {
    Yaml,
    Json,
}

fn format(args: &Config) -> Result<Format> {
    match args.format.as_deref() {
        None | Some("" | "yaml") => Ok(Format::Yaml),
        Some("json") => Ok(Format::Json),
        Some(other) => bail!("unsupported format {other:?}"),
    }
}

/// The name of an image with the digest that its registry has for it now.
fn pinned(access: &Access, image: &str) -> Result<String> {
    let mut reference = Reference::parse(image)?;
    if reference.digest().is_none() {
        let found = hull_image::remote::offered(access, std::slice::from_ref(&reference));
        let (descriptor, _) = found.with_context(|| format!("failed to resolve digest for {image}"))?;
        reference = Reference::parse(&format!("{}@{}", reference.canonical(), descriptor.digest))?;
    }
    Ok(reference.canonical())
}

/// Leaves only the images of the services.
fn keep_only_images(project: &mut Project) {
    for service in project.services.values_mut() {
        *service = Service { image: std::mem::take(&mut service.image), ..Service::default() };
    }
    let Project { name, networks, volumes, secrets, configs, models, extensions, .. } = project;
    name.clear();
    networks.clear();
    volumes.clear();
    secrets.clear();
    configs.clear();
    models.clear();
    extensions.clear();
}

/// The merged files as they are, without the values of variables.
fn model(session: &Session<'_>, args: &Config) -> Result<String> {
    let options = options(session, args, &args.names, ServiceEnvironment::Unresolved)?;
    let mut model = session.told(load_model(&options))?;
    if args.resolve_image_digests || args.lock_image_digests {
        pin_images(&mut model)?;
    }
    if args.lock_image_digests {
        keep_images(&mut model);
    }
    Ok(match format(args)? {
        Format::Yaml => yaml_uninterpolated(&Tree::of(&model, Form::Yaml)),
        Format::Json => json_text(&Tree::of(&model, Form::Json))?,
    })
}

fn json_text(tree: &Tree) -> Result<String> {
    if tree.has_number_outside_json() {
        bail!("an extension field is .inf or .nan, and JSON has no such number");
    }
    Ok(json::pretty(tree))
}

fn services_of(model: &mut Node) -> impl Iterator<Item = &mut Entry> {
    let services = match &mut model.value {
        Value::Mapping(entries) => entries.get_mut("services"),
        _ => None,
    };
    let services = services.and_then(|services| match &mut services.node.value {
        Value::Mapping(services) => Some(services),
        _ => None,
    });
    services.into_iter().flat_map(|services| services.values_mut())
}

fn pin_images(model: &mut Node) -> Result<()> {
    let access = registry::access(&Default::default())?;
    for service in services_of(model) {
        let Value::Mapping(fields) = &mut service.node.value else { continue };
        let Some(image) = fields.get_mut("image") else { continue };
        if let Value::String(name) = &mut image.node.value {
            *name = pinned(&access, name)?;
        }
    }
    Ok(())
}

fn keep_images(model: &mut Node) {
    if let Value::Mapping(entries) = &mut model.value {
        entries.retain(|key, _| key == "services");
    }
    for service in services_of(model) {
        if let Value::Mapping(fields) = &mut service.node.value {
            fields.retain(|key, _| key == "image");
        }
    }
}

/// The names of services, each after those that it depends on.
fn services(session: &Session<'_>, args: &Config) -> Result<String> {
    if args.no_interpolate {
        let options = options(session, args, &[], ServiceEnvironment::Unresolved)?;
        let model = session.told(load_model(&options))?;
        let services = match &model.value {
            Value::Mapping(entries) => entries.get("services"),
            _ => None,
        };
        return Ok(match services.map(|services| &services.node.value) {
            Some(Value::Mapping(services)) => lines(services.keys().cloned()),
            _ => String::new(),
        });
    }
    let project = load(session, args, &[], ServiceEnvironment::Unresolved)?;
    let mut ordered = Vec::new();
    project.services.keys().for_each(|name| add_after_dependencies(&project, name, &mut ordered));
    Ok(lines(ordered.into_iter()))
}

/// The depth is bounded, because the project has no cycles.
fn add_after_dependencies(project: &Project, name: &String, ordered: &mut Vec<String>) {
    let Some(service) = project.services.get(name).filter(|_| !ordered.contains(name)) else { return };
    service.depends_on.keys().for_each(|other| add_after_dependencies(project, other, ordered));
    ordered.push(name.clone());
}

/// `SERVICE HASH` for these services, with commas between them, or for all.
fn hashes(mut project: Project, names: &str) -> Result<String> {
    let default = project.environment.get("DOCKER_DEFAULT_PLATFORM").cloned().unwrap_or_default();
    let mut names: Vec<String> = match names {
        "*" => project.services.keys().cloned().collect(),
        names => names.split(',').map(str::to_owned).collect(),
    };
    names.sort();
    let hash = |name: String| {
        let Some(service) = project.services.get_mut(&name) else { bail!("no such service: {name}") };
        if service.build.is_some() && service.platform.is_empty() {
            service.platform.clone_from(&default);
        }
        Ok(format!("{name} {}\n", hash::service(service)))
    };
    names.into_iter().map(hash).collect()
}

fn variable_table(session: &Session<'_>, args: &Config) -> Result<String> {
    let options = options(session, args, &args.names, ServiceEnvironment::Unresolved)?;
    let options = LoadOptions { no_interpolate: true, ..options };
    let found = variables(&session.told(load_model(&options))?);
    match args.format.as_deref().unwrap_or_default() {
        "yaml" => {
            let tree = found.into_iter().map(|(name, variable)| {
                let fields = [
                    ("name", Tree::String(variable.name)),
                    ("defaultvalue", Tree::String(variable.default_value)),
                    ("presencevalue", Tree::String(variable.presence_value)),
                    ("required", Tree::Bool(variable.required)),
                ];
                let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value));
                (name, Tree::Mapping(fields.collect()))
            });
            // Compose's own lists are indented by four, and this one has two levels.
            Ok(yaml_uninterpolated(&Tree::map(tree, Form::Yaml)).replace("\n  ", "\n    "))
        }
        "json" => Ok(json::wide(&found) + "\n\n"),
        format => {
            let titles = ["NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"];
            let cells = found.values().map(|variable| {
                let required = variable.required.to_string();
                vec![
                    variable.name.clone(),
                    required,
                    variable.default_value.clone(),
                    variable.presence_value.clone(),
                ]
            });
            table::text(format, &titles, cells.collect())
        }
    }
}

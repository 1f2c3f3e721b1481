//! New containers. Nothing is stopped here, and a failure removes what has been made.

use std::collections::BTreeMap;

use hull_composefile::hash;
use hull_composefile::model::Service;
use hull_docker::wire::container::MountPoint;
use hull_engine::options::{CreateOptions, MountOption};

use super::{Apply, Member, Members};
use crate::convert::{self, Around, OneOff, Peer, Replaced, Role, Wanted};
use crate::error::{Context, Error, Result};
use crate::names;
use crate::plan::{Plan, Replace, ServicePlan};
use crate::progress::{self, Event};

/// What has been made so far.
#[derive(Default)]
struct Made {
    ids: Vec<String>,
    /// The containers of each service under the names that they have in the end.
    members: Members,
    /// For each new container, its id by that of the one that it replaces.
    replacements: BTreeMap<String, String>,
}

/// The containers of a project once those that are replaced are gone.
pub struct Created {
    pub members: Members,
    /// The id of each replacement, by that of the container that it replaces.
    pub replacements: BTreeMap<String, String>,
}

/// What all containers of a service have in common.
struct Common<'a> {
    service: &'a Service,
    image_id: Option<String>,
    image_volumes: Vec<String>,
}

impl Apply<'_> {
    /// Creates what the plan has of new containers.
    pub fn create(&mut self, plan: &Plan) -> Result<Created> {
        let mut made = Made::default();
        for service in &plan.services {
            if let Err(error) = self.create_of_service(service, &mut made) {
                return Err(self.undo(made.ids, error));
            }
        }
        Ok(Created { members: made.members, replacements: made.replacements })
    }

    fn create_of_service(&mut self, planned: &ServicePlan, made: &mut Made) -> Result<()> {
        let service = self.service(&planned.service)?;
        let mut members: Vec<(Option<u32>, Member)> = Vec::new();
        for one in &planned.keep {
            if one.is_running() {
                self.progress.event(Event::done(progress::container(&one.name), "Running"));
            }
            let renamed = planned.rename.iter().find(|(other, _)| other.id == one.id);
            let name = renamed.map_or(&one.name, |(_, name)| name).clone();
            members.push((one.number, Member { id: one.id.clone(), name, runs: one.is_running() }));
        }
        if !planned.replace.is_empty() || !planned.create.is_empty() {
            let common = self.common(service)?;
            for replace in &planned.replace {
                let id = self.create_replacement(&common, replace, made)?;
                made.replacements.insert(replace.container.id.clone(), id.clone());
                members.push((Some(replace.number), Member { id, name: replace.name.clone(), runs: false }));
            }
            for (number, name) in &planned.create {
                let id = self.create_new(&common, *number, name, made)?;
                members.push((Some(*number), Member { id, name: name.clone(), runs: false }));
            }
        }
        members.sort_by(|(a, one), (b, other)| (a, &one.name).cmp(&(b, &other.name)));
        made.members.insert(planned.service.clone(), members.into_iter().map(|(_, member)| member).collect());
        Ok(())
    }

    fn common<'b>(&self, service: &'b Service) -> Result<Common<'b>> {
        let image = convert::image(self.files()?, service);
        let found = self.engine.images().inspect(&image);
        let found = match found {
            Err(_) if self.dry_run => return Ok(Common { service, image_id: None, image_volumes: vec![] }),
            found => {
                found.map_err(hull_engine::Error::from).context(|| format!("service {}", service.name))?
            }
        };
        let config = hull_engine::image_config(&image, found.run_config.as_deref());
        let config = config.context(|| format!("service {}", service.name))?;
        let image_volumes = config.volumes.into_keys().collect();
        Ok(Common { service, image_id: Some(found.id.to_string()), image_volumes })
    }

    fn create_new(
        &mut self,
        common: &Common<'_>,
        number: u32,
        name: &str,
        made: &mut Made,
    ) -> Result<String> {
        let id = progress::container(name);
        self.progress.event(Event::working(&id, "Creating"));
        let created = self.request(common, name, name, Role::Number(number), made);
        match &created {
            Ok(_) => self.progress.event(Event::done(&id, "Created")),
            Err(error) => self.progress.event(Event::error(&id, error.to_string())),
        }
        created
    }

    fn create_replacement(
        &mut self,
        common: &Common<'_>,
        replace: &Replace,
        made: &mut Made,
    ) -> Result<String> {
        let old = &replace.container;
        let id = progress::container(&old.name);
        self.progress.event(Event::working(&id, "Recreate"));
        let mounts = self.kept_mounts(&old.id, &old.name);
        let created = mounts.and_then(|mounts| {
            let role = Role::Replacement(replace.number, Replaced { mounts: &mounts });
            let temporary = names::replacement(&old.id, &replace.name);
            self.request(common, &temporary, &replace.name, role, made)
        });
        if let Err(error) = &created {
            self.progress.event(Event::error(&id, error.to_string()));
        }
        created
    }

    /// An anonymous volume of the replaced container goes with the new one, though that has it by its name.
    fn mark_inherited(&self, replaced: &[MountPoint], options: &mut CreateOptions) {
        for mount in &mut options.mounts {
            if let MountOption::Volume { name: Some(name), extras, .. } = mount
                && replaced.iter().any(|one| one.name.as_ref() == Some(name))
                && self.engine.volumes().find(name).is_ok_and(|found| found.is_some_and(|one| one.anonymous))
            {
                extras.inherited = true;
            }
        }
    }

    /// The mounts of a container that its replacement may take over.
    fn kept_mounts(&self, id: &str, name: &str) -> Result<Vec<MountPoint>> {
        if self.renew_volumes {
            return Ok(vec![]);
        }
        Ok(self.engine.inspect(id).context(|| format!("container {name}"))?.mounts)
    }

    /// Creates a container with the name `created`, which is to have `name` in the end.
    fn request(
        &self,
        common: &Common<'_>,
        created: &str,
        name: &str,
        role: Role<'_>,
        made: &mut Made,
    ) -> Result<String> {
        let peers = |service: &str| {
            let members = made.members.get(service).into_iter().flatten();
            members.map(|member| Peer { name: member.name.clone(), id: member.id.clone() }).collect()
        };
        let around = Around {
            project: self.files()?,
            env_files: self.env_files,
            proxies: self.proxies,
            peers: &peers,
        };
        let wanted = Wanted {
            name: name.to_owned(),
            role,
            image: common.image_id.as_deref(),
            image_volumes: &common.image_volumes,
        };
        let what = || format!("service {}", common.service.name);
        let mut request = convert::create_request(&around, common.service, &wanted)?;
        (self.complete)(&mut request.request).map_err(|why| Error::Invalid(format!("{}: {why}", what())))?;
        let mut options = CreateOptions::try_from(request.request).context(what)?;
        options.name = Some(created.to_owned());
        options.platform = request.platform;
        if let Role::Replacement(_, Replaced { mounts }) = wanted.role {
            self.mark_inherited(mounts, &mut options);
        }
        options.definition = Some(hash::definition(common.service));
        if self.dry_run {
            return Ok(created.to_owned());
        }
        let record = self.engine.create(&options).context(what)?;
        made.ids.push(record.id.clone());
        Ok(record.id)
    }

    /// Creates a container of `run`, with its configs and secrets. `service` is what the flags have made of the service, and
    /// `members` are the containers of services to which it may refer.
    pub fn create_one_off(
        &mut self,
        service: &Service,
        name: &str,
        one_off: OneOff<'_>,
        members: &Members,
    ) -> Result<String> {
        let common = self.common(service)?;
        let mut made = Made { members: members.clone(), ..Made::default() };
        let id = self.request(&common, name, name, Role::OneOff(one_off), &mut made)?;
        if self.dry_run {
            return Ok(id);
        }
        match self.copy_files(service, &id) {
            Ok(()) => Ok(id),
            Err(error) => Err(self.undo(made.ids, error)),
        }
    }

    /// Removes containers that have been made in vain. Volumes that belong to others stay.
    pub(super) fn undo(&mut self, ids: Vec<String>, error: Error) -> Error {
        let mut errors = vec![error];
        for id in ids.into_iter().rev() {
            let removed = self.engine.remove(&id, true, true);
            errors.extend(removed.context(|| "remove a new container".into()).err());
        }
        Error::all(errors)
    }
}

use std::collections::BTreeMap;
use std::time::SystemTime;

use hull_engine::Status;

use super::*;
use crate::labels;
use crate::observe::{Network, Object};

const PROJECT: &str = "shop";

/// A hash that tells what it was computed from.
fn hash(name: &str, references: &BTreeMap<String, String>) -> Result<String> {
    let references: Vec<_> = references.iter().map(|(name, id)| format!("{name}={id}")).collect();
    Ok(format!("{name}({})", references.join(",")))
}

fn wanted(services: &[(&str, Wanted)]) -> WantedProject<'static> {
    let own = |(name, service): &(&str, Wanted)| ((*name).to_owned(), service.clone());
    WantedProject {
        separator: '-',
        name: PROJECT.into(),
        services: services.iter().map(own).collect(),
        disabled: vec![],
        networks: BTreeMap::new(),
        volumes: BTreeMap::new(),
        hash: &hash,
    }
}

fn scale(scale: u32) -> Wanted {
    Wanted { scale, ..Wanted::default() }
}

fn on(service: Wanted, dependencies: &[(&str, bool)]) -> Wanted {
    let dependency = |restart| Dependency { condition: Condition::Started, restart, required: true };
    let depends_on = dependencies.iter().map(|(name, restart)| ((*name).to_owned(), dependency(*restart)));
    Wanted { depends_on: depends_on.collect(), ..service }
}

pub(crate) fn container(name: &str, service: &str, number: u32) -> Container {
    let own = [
        (labels::PROJECT, PROJECT.to_owned()),
        (labels::CONFIG_HASH, format!("{service}()")),
        (labels::CONTAINER_NUMBER, number.to_string()),
    ];
    Container {
        id: format!("id-of-{name}"),
        name: name.into(),
        service: service.into(),
        number: Some(number),
        one_off: false,
        status: Status::Running,
        is_stopping: false,
        health: None,
        exit_code: None,
        created: SystemTime::UNIX_EPOCH,
        image: String::new(),
        image_id: String::new(),
        labels: own.map(|(key, value)| (key.to_owned(), value)).into(),
        networks: vec![],
        mounts: vec![],
    }
}

fn changed(mut container: Container) -> Container {
    container.labels.insert(labels::CONFIG_HASH.into(), "other".into());
    container
}

fn observed(containers: &[Container]) -> Observed {
    Observed { containers: containers.to_vec(), ..Observed::default() }
}

/// What becomes of the containers of a service, in words.
fn story(plan: &Plan, service: &str) -> Vec<String> {
    let service = plan.service(service).unwrap();
    let keep = service.keep.iter().map(|one| format!("keep {}", one.name));
    let rename = service.rename.iter().map(|(one, name)| format!("rename {} {name}", one.name));
    let replace = service
        .replace
        .iter()
        .map(|one| format!("replace {} by {}: {:?}", one.container.name, one.name, one.why));
    let create = service.create.iter().map(|(_, name)| format!("create {name}"));
    let remove = service.remove.iter().map(|(one, why)| format!("remove {}: {why:?}", one.name));
    keep.chain(rename).chain(replace).chain(create).chain(remove).collect()
}

fn planned(wanted: &WantedProject<'_>, containers: &[Container]) -> Plan {
    plan(wanted, &observed(containers), &PlanOptions::default()).unwrap()
}

#[test]
fn what_is_as_wanted_stays() {
    let wanted = wanted(&[("web", scale(2))]);
    let plan = planned(&wanted, &[container("shop-web-1", "web", 1), container("shop-web-2", "web", 2)]);
    assert_eq!(story(&plan, "web"), ["keep shop-web-1", "keep shop-web-2"]);
    assert!(plan.is_empty());
    let plan = planned(&wanted, &[]);
    assert_eq!(story(&plan, "web"), ["create shop-web-1", "create shop-web-2"]);
}

#[test]
fn fewer_containers_lose_those_that_differ_and_then_the_highest_numbers() {
    let web = |number: u32| container(&format!("shop-web-{number}"), "web", number);
    let plan = planned(&wanted(&[("web", scale(1))]), &[web(1), web(2), web(3)]);
    assert_eq!(
        story(&plan, "web"),
        ["keep shop-web-1", "remove shop-web-2: Surplus", "remove shop-web-3: Surplus"]
    );
    let plan = planned(&wanted(&[("web", scale(1))]), &[changed(web(1)), web(2)]);
    assert_eq!(story(&plan, "web"), ["keep shop-web-2", "remove shop-web-1: Definition"]);
    // More ones continue after the highest number.
    let plan = planned(&wanted(&[("web", scale(2))]), &[web(4)]);
    assert_eq!(story(&plan, "web"), ["keep shop-web-4", "create shop-web-5"]);
    assert_eq!(
        story(&planned(&wanted(&[("web", scale(0))]), &[web(1)]), "web"),
        ["remove shop-web-1: Surplus"]
    );
}

#[test]
fn an_interrupted_replacement_is_finished() {
    let web = &wanted(&[("web", scale(1))]);
    let old = container("shop-web-1", "web", 1);
    let new = container("0123456789ab_shop-web-1", "web", 1);
    // Killed before the old one was removed, and after.
    let plan = planned(web, &[changed(old.clone()), new.clone()]);
    let expected = [
        "keep 0123456789ab_shop-web-1",
        "rename 0123456789ab_shop-web-1 shop-web-1",
        "remove shop-web-1: Replaced",
    ];
    assert_eq!(story(&plan, "web"), expected);
    assert_eq!(story(&planned(web, std::slice::from_ref(&new)), "web"), expected[..2]);
    // The files have been set back.
    let plan = planned(web, &[old.clone(), changed(new.clone())]);
    assert_eq!(story(&plan, "web"), ["keep shop-web-1", "remove 0123456789ab_shop-web-1: Replaced"]);
    // Both differ: the new one's name would be that of the old one's next replacement.
    let plan = planned(web, &[changed(old), changed(new)]);
    assert_eq!(
        story(&plan, "web"),
        ["replace 0123456789ab_shop-web-1 by shop-web-1: Definition", "remove shop-web-1: Replaced"]
    );
}

#[test]
fn another_image_or_definition_replaces_a_container() {
    let mut old = container("shop-web-1", "web", 1);
    old.labels.insert(labels::IMAGE.into(), "sha256:1".into());
    let image = |id: &str| Wanted { image_id: Some(id.into()), ..scale(1) };
    assert!(planned(&wanted(&[("web", image("sha256:1"))]), std::slice::from_ref(&old)).is_empty());
    let plan = planned(&wanted(&[("web", image("sha256:2"))]), std::slice::from_ref(&old));
    assert!(matches!(plan.services[0].replace[0].why, Reason::Image { .. }));
    let options = |recreate| PlanOptions { recreate, ..PlanOptions::default() };
    let wanted = &wanted(&[("web", image("sha256:2"))]);
    let never = plan_with(wanted, &[changed(old.clone())], &options(Recreate::Never));
    assert!(never.is_empty());
    let always = plan_with(wanted, &[old], &options(Recreate::Always));
    assert_eq!(story(&always, "web"), ["replace shop-web-1 by shop-web-1: Forced"]);
}

fn plan_with(wanted: &WantedProject<'_>, containers: &[Container], options: &PlanOptions) -> Plan {
    plan(wanted, &observed(containers), options).unwrap()
}

#[test]
fn dependencies_have_a_policy_of_their_own() {
    let wanted = wanted(&[("web", on(scale(1), &[("db", true)])), ("db", scale(1))]);
    let both = [container("shop-web-1", "web", 1), container("shop-db-1", "db", 1)];
    let options =
        PlanOptions { services: vec!["web".into()], recreate: Recreate::Always, ..PlanOptions::default() };
    let plan = plan_with(&wanted, &both, &options);
    assert_eq!(
        (plan.service("db").unwrap().replace.len(), plan.service("web").unwrap().replace.len()),
        (0, 1)
    );
    let options = PlanOptions { recreate_dependencies: Recreate::Always, ..options };
    let plan = plan_with(&wanted, &both, &options);
    assert_eq!(plan.services.iter().map(|one| one.service.as_str()).collect::<Vec<_>>(), ["db", "web"]);
    assert_eq!(plan.stop, ["web"]);
}

#[test]
fn who_shares_a_replaced_containers_namespace_is_replaced_with_it() {
    let shares = |own: Wanted| Wanted { references: vec!["vpn".into()], ..on(own, &[("vpn", true)]) };
    let wanted = wanted(&[("app", shares(scale(1))), ("vpn", scale(1))]);
    let vpn = container("shop-vpn-1", "vpn", 1);
    let mut app = container("shop-app-1", "app", 1);
    app.labels.insert(labels::CONFIG_HASH.into(), format!("app(vpn={})", vpn.id));
    assert!(planned(&wanted, &[app.clone(), vpn.clone()]).is_empty());
    let plan = planned(&wanted, &[app, changed(vpn)]);
    assert_eq!(story(&plan, "app"), ["replace shop-app-1 by shop-app-1: Shares(\"vpn\")"]);
}

#[test]
fn networks_and_volumes_are_those_of_the_files() {
    let mut project = wanted(&[(
        "web",
        Wanted { networks: vec!["front".into()], volumes: vec!["data".into()], ..scale(1) },
    )]);
    let network = WantedNetwork { name: "shop_front".into(), external: false, hash: "1".into() };
    let volume = WantedVolume { name: "shop_data".into(), external: false, hash: "1".into() };
    project.networks.insert("front".into(), network);
    project.volumes.insert("data".into(), volume);
    let own = |name: &str, key: &str, hash: &str| Object {
        name: name.into(),
        labels: [(labels::PROJECT, PROJECT), (key, &name["shop_".len()..]), (labels::CONFIG_HASH, hash)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        anonymous: false,
    };
    let mut web = container("shop-web-1", "web", 1);
    let mut seen = observed(&[web.clone()]);
    let plan = |seen: &Observed, options: &PlanOptions| super::plan(&project, seen, options).unwrap();
    let first = plan(&seen, &PlanOptions::default());
    assert_eq!(
        (&first.networks[0].action, &first.volumes[0].action),
        (&ResourceAction::Create, &ResourceAction::Create)
    );
    assert_eq!(story(&first, "web"), ["replace shop-web-1 by shop-web-1: Network(\"front\")"]);

    seen.networks.push(Network { id: "n1".into(), object: own("shop_front", labels::NETWORK, "1") });
    seen.volumes.push(own("shop_data", labels::VOLUME, "1"));
    (web.networks, web.mounts) = (vec!["n1".into()], vec!["/etc".into()]);
    seen.containers = vec![web.clone()];
    assert_eq!(
        story(&plan(&seen, &PlanOptions::default()), "web"),
        ["replace shop-web-1 by shop-web-1: Volume(\"data\")"]
    );
    seen.containers[0].mounts.push("shop_data".into());
    assert!(plan(&seen, &PlanOptions::default()).is_empty());

    // A network that differs is made again; its containers stay, and are started on it.
    seen.networks[0].object = own("shop_front", labels::NETWORK, "2");
    let again = plan(&seen, &PlanOptions::default());
    assert_eq!(
        (again.networks[0].action.clone(), again.networks[0].users.clone()),
        (ResourceAction::Replace, vec!["web".to_owned()])
    );
    assert_eq!(story(&again, "web"), ["keep shop-web-1"]);
    seen.networks[0].object = own("shop_front", labels::NETWORK, "1");

    // A volume that differs keeps its data unless its loss was agreed to.
    seen.volumes[0] = own("shop_data", labels::VOLUME, "2");
    let kept = plan(&seen, &PlanOptions::default());
    assert!(kept.is_empty() && kept.diverged_volumes == ["shop_data"]);
    let options = PlanOptions { recreate_volumes: vec!["shop_data".into()], ..PlanOptions::default() };
    assert_eq!(plan(&seen, &options).volumes[0].action, ResourceAction::Replace);
}

#[test]
fn orphans_are_containers_of_services_that_are_gone_and_ended_one_off_ones() {
    let mut project = wanted(&[("web", scale(1))]);
    project.disabled.push("debug".into());
    let one_off =
        |status| Container { one_off: true, number: None, status, ..container("shop-web-run-1", "web", 1) };
    let containers = [
        container("shop-web-1", "web", 1),
        container("shop-gone-1", "gone", 1),
        container("shop-debug-1", "debug", 1),
        one_off(Status::Exited),
        one_off(Status::Running),
    ];
    let plan = planned(&project, &containers);
    assert_eq!(
        plan.orphans.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(),
        ["shop-gone-1", "shop-web-run-1"]
    );
    assert!(plan.is_empty(), "they stay unless their removal is asked for");
}

#[test]
fn a_fixed_name_has_one_container() {
    let named = |scale| Wanted { container_name: Some("own".into()), ..self::scale(scale) };
    let plan = planned(&wanted(&[("web", named(1))]), &[]);
    assert_eq!(story(&plan, "web"), ["create own"]);
    let refused = super::plan(&wanted(&[("web", named(2))]), &Observed::default(), &PlanOptions::default());
    assert!(refused.unwrap_err().to_string().contains("unique name"));
}

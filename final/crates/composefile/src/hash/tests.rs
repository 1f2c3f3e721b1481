use super::*;
use crate::load::{LoadOptions, load};
use crate::model::Project;

fn project(text: &str) -> Project {
    let options = LoadOptions {
        files: vec!["-".into()],
        stdin: Some(text.into()),
        current_directory: "/".into(),
        project_name: Some("p".into()),
        all_resources: true,
        profiles: vec!["*".into()],
        ..LoadOptions::default()
    };
    load(&options).result.unwrap()
}

/// Each line has the hash that Docker Compose 2.40.3 prints, and the attribute that a service with `image: a` has with it.
#[test]
fn the_hash_of_a_service_is_composes_for_each_attribute() {
    let mut wrong = Vec::new();
    for line in include_str!("services.txt").lines() {
        let (hash, attribute) = line.split_once(' ').unwrap();
        let project = project(&format!("services:\n  web:\n    image: a\n    {attribute}\n"));
        if service(&project.services["web"]) != hash {
            wrong.push(attribute);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The hashes are from the labels that Docker Compose 2.40.3 asks an engine for.
#[test]
fn the_hashes_of_networks_and_volumes_are_composes() {
    let project = project(
        "
services:
  web:
    image: a
networks:
  front:
    name: networks_front
    driver: bridge
    internal: true
    attachable: true
    enable_ipv6: true
    enable_ipv4: true
    labels: {a: b}
    driver_opts:
      com.docker.network.bridge.name: front0
      com.docker.network.driver.mtu: 1400
    ipam:
      driver: default
      config:
        - subnet: 10.70.0.0/16
          ip_range: 10.70.8.0/24
          gateway: 10.70.0.254
          aux_addresses:
            one: 10.70.0.5
        - subnet: fd00:70::/64
  back:
    name: another-network
    ipam:
      config:
        - subnet: 10.71.0.0/16
        - subnet: fd00:71::/64
  default:
    name: networks_default
volumes:
  data:
    name: mounts_data
",
    );
    for (name, hash) in [
        ("front", "4d7a2b8d109c3704574660720a77bb672e92224d97f081599622bd041abdadde"),
        ("back", "fe7b980ebed29953f202be12505d937ecd77f8afcb3f6ebc0ae9a3249a52804d"),
        ("default", "7cee076df08e91d50984feedb09c6ac5408e56fb223d3d4eefccefdc3d341d63"),
    ] {
        assert_eq!(network(&project.networks[name]), hash, "{name}");
    }
    assert_eq!(
        volume(&project.volumes["data"]),
        "109525904b698359bbe4ef5bf6a8ffbe5af23fb20cb09750503434242df087f3"
    );
}

/// What changes no container is not in its hash.
#[test]
fn a_service_may_be_built_and_scaled_otherwise_with_the_same_hash() {
    let plain = project("services: {a: {image: a, deploy: {mode: replicated}}, b: {image: b}}");
    let other = project(
        "services: {a: {image: a, build: /x, scale: 3, pull_policy: always, depends_on: [b], profiles: [p], \
         deploy: {mode: replicated}}, b: {image: b}}",
    );
    assert_eq!(service(&plain.services["a"]), service(&other.services["a"]));
    assert_ne!(service(&plain.services["a"]), service(&plain.services["b"]));
}

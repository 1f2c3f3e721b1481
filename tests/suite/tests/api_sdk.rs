//! docker-py against hull's API: its whole public surface. The other clients are in `api_sdk_clients.rs`.

#[allow(dead_code, reason = "each suite uses its part")]
#[path = "api_sdk/world.rs"]
mod world;

use world::World;

#[test]
fn docker_py_finds_all_that_it_asks_for() {
    let Some(world) = World::start() else { return };
    let said = world.python("docker_py/main.py", &[]);
    assert!(said.lines().filter(|line| line.starts_with("ok ")).count() >= 28, "{said}");
}

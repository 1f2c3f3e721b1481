//! testcontainers for Rust against the server of DOCKER_HOST, which has the images busybox and database:1.
//!
//! It has no reaper: its containers are removed when they are dropped.
//!
//! What bollard sends, as seen on the socket: no version in the path; every key of a query, empty ones too (`platform=`);
//! POST and PUT without a body and without Content-Length; Content-Type twice in a PUT of an archive and in a build, and with
//! GET and DELETE; `null` for what is not given in exec start; times with a fraction of nineteen digits in its own tests.
//! testcontainers adds: logs?follow=true&since=0&until=0 for each stream by itself, until the line has come; GET
//! networks/bridge for the address of the machine; containers/json with filters `network` and `label` to find one to reuse;
//! PUT archive before the start for what is copied into it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use testcontainers::core::wait::HealthWaitStrategy;
use testcontainers::core::{ExecCommand, Healthcheck, IntoContainerPort, Mount, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{CopyDataSource, GenericImage, ImageExt, ReuseDirective};

const WEB: [&str; 3] =
    ["sh", "-c", "mkdir -p /www; cp /etc/copied /www/index.html; echo serving; exec httpd -f -p 80 -h /www"];

/// Sends a line to a port, and returns what comes back first.
fn ask(host: &str, port: u16, line: &str) -> String {
    let mut stream = TcpStream::connect((host, port)).expect("the port is published");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream.write_all(line.as_bytes()).expect("it reads");
    let mut buffer = [0; 1000];
    let length = stream.read(&mut buffer).expect("it answers");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[tokio::test]
async fn a_generic_container_has_its_port_published() {
    let container = GenericImage::new("busybox", "latest")
        .with_exposed_port(80.tcp())
        .with_wait_for(WaitFor::message_on_stdout("serving"))
        .with_cmd(WEB)
        .with_env_var("A", "b")
        .with_label("own", "yes")
        .with_mount(Mount::tmpfs_mount("/scratch"))
        .with_copy_to("/etc/copied", CopyDataSource::Data(b"hello".to_vec()))
        .start()
        .await
        .expect("it starts");
    let host = container.get_host().await.expect("a host").to_string();
    let port = container.get_host_port_ipv4(80).await.expect("a port");
    let answer = ask(&host, port, "GET / HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1."), "{answer}");
    let mut result = container.exec(ExecCommand::new(["sh", "-c", "echo $A"])).await.expect("it runs");
    assert_eq!(result.stdout_to_vec().await.expect("its output"), b"b\n");
    assert_eq!(result.exit_code().await.expect("its end"), Some(0));
    assert!(container.is_running().await.expect("its state"));
    container.stop_with_timeout(Some(0)).await.expect("it stops");
    container.rm().await.expect("it goes");
}

#[tokio::test]
async fn a_database_answers() {
    let check = Healthcheck::cmd_shell("redis-cli ping").with_interval(Duration::from_millis(500));
    let container = GenericImage::new("database", "1")
        .with_exposed_port(6379.tcp())
        .with_wait_for(WaitFor::message_on_stdout("Ready to accept connections"))
        .with_wait_for(WaitFor::Healthcheck(HealthWaitStrategy::new()))
        .with_health_check(check)
        .start()
        .await
        .expect("it starts");
    let host = container.get_host().await.expect("a host").to_string();
    let port = container.get_host_port_ipv4(6379).await.expect("a port");
    assert_eq!(ask(&host, port, "SET key value\r\n"), "+OK\r\n");
    assert_eq!(ask(&host, port, "GET key\r\n"), "$5\r\nvalue\r\n");
}

#[tokio::test]
async fn a_container_is_used_again_and_removed_when_it_is_dropped() {
    let start = || {
        let image = GenericImage::new("busybox", "latest").with_cmd(["sleep", "1000"]);
        image.with_network("rust-net").with_label("again", "yes").with_reuse(ReuseDirective::Always).start()
    };
    let one = start().await.expect("it starts");
    let two = start().await.expect("it is found");
    assert_eq!(one.id(), two.id());
    let docker = bollard::Docker::connect_with_local_defaults().expect("a client");
    let found = docker.inspect_container(one.id(), None).await.expect("it is there");
    let networks = found.network_settings.and_then(|settings| settings.networks).expect("networks");
    assert!(networks.contains_key("rust-net"), "{networks:?}");
    // Those that are used again stay when they are dropped.
    one.rm().await.expect("it goes");

    let dropped =
        GenericImage::new("busybox", "latest").with_cmd(["sleep", "1000"]).start().await.expect("it starts");
    let id = dropped.id().to_owned();
    drop(dropped);
    let left = docker.inspect_container(&id, None).await;
    assert!(left.is_err(), "{left:?}");
}

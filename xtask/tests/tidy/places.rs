//! Invariants 2, 3, 4 and 6: each kind of code has one place.

use std::fs;

use crate::{
    check,
    sources::{self, Source},
};

/// Offences of a crate's files outside the given places.
fn outside(name: &str, places: &[&str], marks: &[&str]) -> Vec<String> {
    let elsewhere = |source: &Source| {
        let inside = |place: &&str| {
            source
                .path
                .starts_with(&format!("crates/{name}/src/{place}"))
        };
        !places.iter().any(inside) && !source.is_test()
    };
    let files = sources::of_crate(name)
        .into_iter()
        .filter(|source| elsewhere(source));
    files.flat_map(|source| source.find(marks)).collect()
}

#[test]
fn only_handlers_name_wire_messages_in_the_front_end() {
    check(&outside(
        "kafka",
        &["handler/"],
        &["kafka_protocol::messages"],
    ));
}

#[test]
fn protocol_versions_stop_in_the_handlers() {
    let below = ["hub", "storage", "coordinator", "quota", "auth", "model"];
    let marks = ["api_version", "ApiKey", "correlation_id"];
    let offences: Vec<String> = below
        .iter()
        .flat_map(|name| outside(name, &[], &marks))
        .collect();
    check(&offences);
}

#[test]
fn one_module_of_storage_touches_files() {
    let marks = [
        "std::fs",
        "rustix::fs",
        "rustix::io",
        "File::open",
        "OpenOptions",
    ];
    check(&outside("storage", &["disk", "index/map", "map"], &marks));
}

#[test]
fn only_server_and_client_touch_sockets() {
    let marks = ["TcpListener", "TcpStream", "UdpSocket", "UnixStream"];
    let others = [
        "model",
        "storage",
        "coordinator",
        "quota",
        "auth",
        "hub",
        "wire",
        "kafka",
    ];
    let offences: Vec<String> = others
        .iter()
        .flat_map(|name| outside(name, &[], &marks))
        .collect();
    check(&offences);
}

#[test]
fn only_one_module_reads_the_clock() {
    let marks = ["Instant::now()", "SystemTime::now()"];
    let pure_to_front = [
        "model",
        "storage",
        "coordinator",
        "quota",
        "auth",
        "hub",
        "wire",
        "kafka",
    ];
    let mut offences: Vec<String> = pure_to_front
        .iter()
        .flat_map(|name| outside(name, &[], &marks))
        .collect();
    offences.extend(outside("server", &["clock"], &marks));
    check(&offences);
}

#[test]
fn unbounded_queues_and_clocks_are_banned_by_lint() {
    let lints = fs::read_to_string(sources::root().join(".clippy.toml")).expect("it is there");
    for banned in [
        "std::time::Instant::now",
        "std::time::SystemTime::now",
        "std::thread::sleep",
        "tokio::sync::mpsc::unbounded_channel",
        "std::sync::mpsc::channel",
    ] {
        assert!(
            lints.contains(&format!("\"{banned}\"")),
            "{banned} is no longer banned"
        );
    }
}

//! How connections end: by being idle, by the client's disappearance, by a mistake about TLS.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::bad_input::alive;
use super::consumer_groups::Group;
use crate::broker::{Configuration, ExtraListener};
use crate::clock;
use crate::endpoint::Endpoint;
use crate::network::{Network, cut};
use crate::raw::{Answer, Raw};
use crate::scenario::{Scenario, Suite};
use crate::stage::Stage;

pub(super) const SUITE: Suite = Suite {
    name: "connections",
    scenarios: &[
        Scenario::new("an idle connection is closed, a busy one is not", idle),
        Scenario::new(
            "a client goes on after its connection was idle",
            idle_client,
        ),
        Scenario::new("a client that vanishes is missed and let go", vanished),
        Scenario::new("the log says on which side TLS is missing", tls_mistakes),
    ],
};

const ACTIVE: &str = "tidegate_active_connections";

fn with_idle_timeout(seconds: u64) -> Configuration {
    Configuration {
        limits: format!("idle_timeout = \"{seconds}s\"\n"),
        ..Configuration::default()
    }
}

fn idle(stage: &mut Stage<'_>) -> Result<()> {
    let limit = Duration::from_secs(1);
    let bootstrap = stage.configured(with_idle_timeout(1))?.plain()?.bootstrap;
    let mut busy = Raw::connect(&bootstrap)?;
    let mut idle = Raw::connect(&bootstrap)?;
    // Silent from the first, it has never been a client of Kafka at all.
    let mut silent = Raw::connect(&bootstrap)?;
    let start = clock::now();
    alive(&mut idle)?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let talk = scope.spawn(|| -> Result<()> {
            while !over.load(Ordering::Relaxed) {
                alive(&mut busy)?;
            }
            Ok(())
        });
        let answers = (idle.answer(), silent.answer());
        over.store(true, Ordering::Relaxed);
        let (idle, silent) = (answers.0?, answers.1?);
        ensure!(idle == Answer::Closed, "an idle client is told {idle:?}");
        ensure!(silent == Answer::Closed, "a silent one is told {silent:?}");
        let lasted = clock::now() - start;
        ensure!(lasted >= limit, "closed after {lasted:?} already");
        talk.join().unwrap_or_else(|_| Ok(()))
    })?;
    alive(&mut busy)
}

fn idle_client(stage: &mut Stage<'_>) -> Result<()> {
    let python = stage.tools.python()?;
    let endpoint = stage.configured(with_idle_timeout(1))?.plain()?;
    let command = endpoint.equip(python.program("line_by_line.py"), "idle", "");
    let mut producer = stage.start(command, "line_by_line.py")?;
    for _ in 0..2 {
        producer.say("a message")?;
        let line = producer.line(stage.deadline())?.context("it ended")?;
        ensure!(line.contains("sent"), "it says {line}");
        // Its other ends are gone when it wants to send again.
        until(stage, "its connections are closed", |stage| {
            Ok(stage.own_broker()?.metric(ACTIVE, "local")? < 0.5)
        })?;
    }
    let (status, _) = producer.finish(stage.deadline())?;
    ensure!(status.success(), "the producer ended with {status}");
    Ok(())
}

/// Looks again and again until something is so.
fn until(
    stage: &mut Stage<'_>,
    what: &str,
    mut holds: impl FnMut(&mut Stage<'_>) -> Result<bool>,
) -> Result<()> {
    while !holds(stage)? {
        ensure!(!stage.deadline().passed(), "not in time: {what}");
    }
    Ok(())
}

fn vanished(stage: &mut Stage<'_>) -> Result<()> {
    stage.tools.python()?;
    let network = Network::new(stage)?;
    network.inside(|| vanished_inside(stage))
}

/// A member of a group is cut off: no end of its connections is ever sent or acknowledged.
fn vanished_inside(stage: &mut Stage<'_>) -> Result<()> {
    let far = ExtraListener {
        name: "far",
        security: "plaintext",
        namespace: "dev",
    };
    let configuration = Configuration {
        listeners: vec![far],
        ..with_idle_timeout(4)
    };
    let far = stage.configured(configuration)?.listener("far")?;
    let mut group = Group::new(stage, "range", 6000)?;
    group.join(None)?;
    group.join_through(&far, None)?;
    group.until_shared()?;
    group.produce(10)?;
    group.until_all_read()?;
    group.commit()?;
    let connections = group.stage.own_broker()?.metric(ACTIVE, "far")?;
    ensure!(connections > 0.5, "no connection is the one to be cut");
    cut(&far.bootstrap)?;
    group.lose_last();
    let connections = group.stage.own_broker()?.metric(ACTIVE, "far")?;
    ensure!(connections > 0.5, "the broker was told of the end");
    // The session of the member runs out, and the other one gets what it had.
    group.produce(10)?;
    group.until_shared()?;
    group.until_all_read()?;
    until(group.stage, "the connections are let go", |stage| {
        Ok(stage.own_broker()?.metric(ACTIVE, "far")? < 0.5)
    })?;
    group.produce(5)?;
    group.until_all_read()?;
    group.leave()
}

fn tls_mistakes(stage: &mut Stage<'_>) -> Result<()> {
    let kcat = stage.tools.kcat()?;
    let plain = stage.own_broker()?.plain()?;
    let secure = stage.own_broker()?.secure(None)?;
    let mut bystander = Raw::connect(&plain.bootstrap)?;
    let swapped = |bootstrap: &Endpoint, words: &Endpoint| Endpoint {
        bootstrap: bootstrap.bootstrap.clone(),
        login: words.login.clone(),
    };
    let cases = [
        (
            swapped(&plain, &secure),
            "the client speaks TLS on a listener without TLS",
            "listener=\"local\"",
        ),
        (
            swapped(&secure, &plain),
            "the client speaks without TLS on a TLS listener",
            "listener=\"public\"",
        ),
    ];
    for (endpoint, said, listener) in cases {
        let mut command = Command::new(kcat);
        command.args(endpoint.librdkafka_arguments());
        command.args(["-L", "-m", "2"]);
        let (status, _) = stage.start(command, "kcat")?.finish(stage.deadline())?;
        ensure!(!status.success(), "kcat finds nothing wrong");
        let log = stage.own_broker()?.log()?;
        let mut lines = log.lines().filter(|line| line.contains(said));
        ensure!(
            lines.any(|line| line.contains(listener)),
            "the log of {listener} doesn't say: {said}"
        );
        alive(&mut bystander)?;
    }
    Ok(())
}

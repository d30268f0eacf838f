//! What a connection may do before it has logged in, and how a login goes wrong.

use anyhow::{Context, Result, ensure};

use crate::broker::{Configuration, ExtraListener};
use crate::raw::{Answer, Raw, Request};
use crate::scenario::{Scenario, Suite};
use crate::stage::Stage;

pub(super) const SUITE: Suite = Suite {
    name: "login",
    scenarios: &[
        Scenario::new("before login only the login is looked at", before),
        Scenario::new("a failed login says what was wrong, and no key", failures),
        Scenario::new("after SaslHandshake 0 the token comes bare", bare_token),
        Scenario::new(
            "who never logs in is closed, and the log says why",
            no_login,
        ),
        Scenario::new(
            "a reload ends the connections of a withdrawn key where asked",
            withdrawn_key,
        ),
    ],
};

const UNSUPPORTED_SASL_MECHANISM: i16 = 33;
const SASL_AUTHENTICATION_FAILED: i16 = 58;

/// A listener with login and without TLS, so that its bytes can be written by hand; returns its
/// address and a connection string.
fn listener(stage: &mut Stage<'_>) -> Result<(String, String)> {
    listener_with(stage, Configuration::default())
}

fn listener_with(stage: &mut Stage<'_>, configuration: Configuration) -> Result<(String, String)> {
    let extra = ExtraListener {
        name: "bare",
        security: "sasl_plaintext",
        namespace: "dev",
    };
    let configuration = Configuration {
        listeners: vec![extra],
        ..configuration
    };
    let broker = stage.configured(configuration)?;
    Ok((
        broker.listener("bare")?.bootstrap,
        broker.connection_string(None)?,
    ))
}

fn handshake(version: i16, mechanism: &str) -> Request {
    Request::new(17, version).string(mechanism)
}

fn token(user: &str, password: &str) -> Vec<u8> {
    [b"\0", user.as_bytes(), b"\0", password.as_bytes()].concat()
}

/// Whether Metadata is answered.
fn may_ask(raw: &mut Raw) -> bool {
    raw.ask(&Request::new(3, 1).int32(0)).is_ok()
}

fn before(stage: &mut Stage<'_>) -> Result<()> {
    let (bootstrap, _) = listener(stage)?;
    let mut early = Raw::connect(&bootstrap)?;
    ensure!(
        early.ask(&Request::new(18, 0))?.int16()? == 0,
        "ApiVersions is refused"
    );
    ensure!(!may_ask(&mut early), "Metadata is answered before login");
    let mut large = Raw::connect(&bootstrap)?;
    large.say(
        &[
            &65_537_i32.to_be_bytes()[..],
            &handshake(1, "PLAIN").frame()[4..],
        ]
        .concat(),
    );
    ensure!(
        large.answer()? == Answer::Closed,
        "a large frame is waited for before login"
    );
    let mut other = Raw::connect(&bootstrap)?;
    let mut reply = other.ask(&handshake(1, "SCRAM-SHA-1"))?;
    ensure!(
        reply.int16()? == UNSUPPORTED_SASL_MECHANISM,
        "another error"
    );
    ensure!(reply.int32()? >= 1, "no mechanism is offered");
    ensure!(
        reply.string()? == "PLAIN",
        "another mechanism is offered first"
    );
    Ok(())
}

fn failures(stage: &mut Stage<'_>) -> Result<()> {
    let (bootstrap, string) = listener(stage)?;
    let key = string.split("SharedAccessKey=").nth(1).context("no key")?;
    let key = key.split(';').next().unwrap_or(key);
    let cases = [
        (
            "another user",
            "someone",
            string.clone(),
            "$ConnectionString",
        ),
        (
            "no connection string",
            "$ConnectionString",
            "secret".to_owned(),
            "",
        ),
        (
            "an unknown policy",
            "$ConnectionString",
            string.replace("RootManageSharedAccessKey", "Nobody"),
            "policy",
        ),
        (
            "a wrong key",
            "$ConnectionString",
            string.replace(key, "d3Jvbmcga2V5"),
            "key",
        ),
        ("an empty password", "$ConnectionString", String::new(), ""),
    ];
    for (name, user, password, told) in cases {
        let mut raw = Raw::connect(&bootstrap)?;
        ensure!(
            raw.ask(&handshake(1, "PLAIN"))?.int16()? == 0,
            "the handshake is refused"
        );
        let request = Request::new(36, 0).bytes(&token(user, &password));
        let mut reply = raw.ask(&request).with_context(|| name.to_owned())?;
        let code = reply.int16()?;
        ensure!(
            code == SASL_AUTHENTICATION_FAILED,
            "{name} is answered with {code}"
        );
        let message = reply.string()?;
        ensure!(
            message.contains(told),
            "{name}: {message:?} does not speak of {told}"
        );
        ensure!(
            !message.contains(key) && !message.contains("secret"),
            "{name}: {message:?}"
        );
        ensure!(!may_ask(&mut raw), "{name}: the connection may go on");
    }
    let log = stage.own_broker()?.log()?;
    ensure!(!log.contains(key), "the log holds a key");
    Ok(())
}

fn bare_token(stage: &mut Stage<'_>) -> Result<()> {
    let (bootstrap, string) = listener(stage)?;
    let mut raw = Raw::connect(&bootstrap)?;
    ensure!(
        raw.ask(&handshake(0, "PLAIN"))?.int16()? == 0,
        "the handshake is refused"
    );
    let token = token("$ConnectionString", &string);
    let length = i32::try_from(token.len())?.to_be_bytes();
    raw.say(&[&length[..], &token].concat());
    ensure!(
        raw.answer()? == Answer::Frame(Vec::new()),
        "another answer to the token"
    );
    ensure!(may_ask(&mut raw), "Metadata is refused after login");

    let mut wrong = Raw::connect(&bootstrap)?;
    ensure!(
        wrong.ask(&handshake(0, "PLAIN"))?.int16()? == 0,
        "the handshake is refused"
    );
    wrong.say(&[&7_i32.to_be_bytes()[..], b"\0user\0x"].concat());
    ensure!(
        wrong.answer()? == Answer::Closed,
        "a wrong token is answered"
    );
    Ok(())
}

/// A connection's end is in the log once its socket is closed.
fn await_log(stage: &mut Stage<'_>, words: &str) -> Result<()> {
    while !stage.own_broker()?.log()?.contains(words) {
        ensure!(!stage.deadline().passed(), "the log doesn't say: {words}");
    }
    Ok(())
}

fn no_login(stage: &mut Stage<'_>) -> Result<()> {
    let configuration = Configuration {
        limits: "login_timeout = \"500ms\"".to_owned(),
        ..Configuration::default()
    };
    let (bootstrap, _) = listener_with(stage, configuration)?;
    let mut open = Raw::connect(&stage.own_broker()?.plain()?.bootstrap)?;
    let mut raw = Raw::connect(&bootstrap)?;
    let asked = raw.ask(&Request::new(18, 0))?.int16()?;
    ensure!(asked == 0, "ApiVersions is refused");
    ensure!(
        raw.answer()? == Answer::Closed,
        "it is served without login"
    );
    await_log(stage, "no login within 500ms")?;
    ensure!(may_ask(&mut open), "a listener without login has the limit");
    Ok(())
}

fn withdrawn_key(stage: &mut Stage<'_>) -> Result<()> {
    let tables = |key: &str| {
        format!(
            "[[namespace]]\nname = \"dev\"\ndisconnect_revoked = true\n\
             [[namespace.policy]]\nname = \"app\"\nprimary_key = \"{key}\"\n\
             [[namespace.policy]]\nname = \"other\"\nprimary_key = \"kept\"\n"
        )
    };
    let configuration = Configuration {
        tables: tables("first"),
        ..Configuration::default()
    };
    let (bootstrap, _) = listener_with(stage, configuration)?;
    let login = |policy: &str, key: &str| -> Result<Raw> {
        let string =
            format!("Endpoint=sb://dev/;SharedAccessKeyName={policy};SharedAccessKey={key}");
        let mut raw = Raw::connect(&bootstrap)?;
        ensure!(raw.ask(&handshake(1, "PLAIN"))?.int16()? == 0, "handshake");
        let request = Request::new(36, 0).bytes(&token("$ConnectionString", &string));
        ensure!(raw.ask(&request)?.int16()? == 0, "{policy} is refused");
        ensure!(may_ask(&mut raw), "{policy} is not served");
        Ok(raw)
    };
    let (mut revoked, mut kept) = (login("app", "first")?, login("other", "kept")?);
    stage.own_broker()?.reload(&tables("second"))?;
    while may_ask(&mut revoked) {
        ensure!(!stage.deadline().passed(), "the old key is still served");
    }
    await_log(stage, "after its key, policy or rights were withdrawn")?;
    ensure!(may_ask(&mut kept), "another policy's connection ended too");
    login("app", "second").map(drop)
}

//! The binary as a process: its settings where only the whole shows them, and what it prints.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    thread::JoinHandle,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_tidegate");

/// A directory with a configuration.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// `rest` follows the tables of every broker here.
    fn new(storage: &str, rest: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let text = format!(
            "[storage]\ndata_dir = {data:?}\nfree_space_min = 0\n{storage}\n\
             [admin]\naddress = \"127.0.0.1:0\"\n{rest}"
        );
        fs::write(dir.path().join("tidegate.toml"), text).unwrap();
        Self { dir }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("tidegate.toml")
    }

    fn start(&self) -> Broker {
        let mut child = Command::new(BINARY)
            .args(["serve", "--config"])
            .arg(self.config())
            .env("RUST_BACKTRACE", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let log = BufReader::new(child.stderr.take().unwrap());
        Broker { child, out, log }
    }

    /// Another command of the binary; what it printed on both streams.
    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new(BINARY).args(arguments).output().unwrap();
        let streams = [output.stdout, output.stderr].concat();
        String::from_utf8(streams).unwrap()
    }

    /// What the running broker says of itself.
    fn runtime(&self) -> toml::Table {
        let text = fs::read_to_string(self.data().join("runtime.toml")).unwrap();
        text.parse().unwrap()
    }

    fn listener(&self, name: &str) -> String {
        let runtime = self.runtime();
        let listeners = runtime["listener"].as_array().unwrap();
        let found = listeners
            .iter()
            .find(|listener| listener["name"].as_str() == Some(name))
            .unwrap();
        found["address"].as_str().unwrap().to_owned()
    }
}

struct Broker {
    child: Child,
    out: BufReader<ChildStdout>,
    log: BufReader<ChildStderr>,
}

/// A broker that serves, whose streams are read by threads.
struct Serving {
    child: Child,
    out: JoinHandle<String>,
    log: JoinHandle<String>,
}

impl Broker {
    /// Reads until the banner says that it serves; for a log of lines.
    fn serving(self) -> Serving {
        let log = collect(self.log, String::new());
        let (out, read) = read_until(self.out, "is ready");
        Serving {
            child: self.child,
            out: collect(out, read),
            log,
        }
    }

    /// Reads until the log says so; where there is no banner.
    fn serving_by_log(self) -> Serving {
        let out = collect(self.out, String::new());
        let (log, read) = read_until(self.log, "\"ready\"");
        Serving {
            child: self.child,
            out,
            log: collect(log, read),
        }
    }
}

impl Serving {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it; gives whether it ended well, its output and its log.
    fn stop(mut self) -> (bool, String, String) {
        self.signal(Signal::TERM);
        let status = self.child.wait().unwrap();
        (
            status.success(),
            self.out.join().unwrap(),
            self.log.join().unwrap(),
        )
    }
}

fn collect(mut stream: impl Read + Send + 'static, mut read: String) -> JoinHandle<String> {
    std::thread::spawn(move || {
        stream.read_to_string(&mut read).unwrap();
        read
    })
}

fn read_until<R: BufRead>(mut stream: R, mark: &str) -> (R, String) {
    let mut read = String::new();
    while !read.contains(mark) {
        let length = stream.read_line(&mut read).unwrap();
        assert_ne!(length, 0, "ended with: {read}");
    }
    (stream, read)
}

/// Logs in after SaslHandshake 0, where a token comes bare; whether it was taken.
fn logs_in(address: &str, password: &str) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut handshake = vec![0, 17, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
    handshake.extend_from_slice(b"\0\x05PLAIN");
    let token = format!("\0$ConnectionString\0{password}");
    for frame in [&handshake[..], token.as_bytes()] {
        let length = u32::try_from(frame.len()).unwrap();
        stream.write_all(&length.to_be_bytes()).unwrap();
        stream.write_all(frame).unwrap();
    }
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut reply = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut reply).unwrap();
    stream.read_exact(&mut length).is_ok()
}

/// Every text that lets somebody in and may be in no output.
const SECRETS: [&str; 6] = [
    "first-of-given-Zq1",
    "second-of-given-Zq2",
    "first-in-file-Zq3",
    "second-in-file-Zq4",
    "first-of-hub-Zq5",
    "wrong-guess-Zq6",
];

fn with_policies() -> Place {
    let place = Place::new(
        "",
        "[log]\nfilter = \"trace\"\n\
         [[listener]]\nname = \"login\"\naddress = \"127.0.0.1:0\"\nsecurity = \"sasl_plaintext\"\n\
         [[namespace]]\nname = \"dev\"\n",
    );
    let mut text = fs::read_to_string(place.config()).unwrap();
    let file = |name: &str, content: &str| {
        let path = place.dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let (first, second) = (file("first", SECRETS[2]), file("second", SECRETS[3]));
    text.push_str(&format!(
        "[[namespace.policy]]\nname = \"given\"\nprimary_key = \"{}\"\nsecondary_key = \"{}\"\n\
         [[namespace.policy]]\nname = \"filed\"\nprimary_key_file = {first:?}\n\
         secondary_key_file = {second:?}\n\
         [[namespace.policy]]\nname = \"made\"\n\
         [[namespace.event_hub]]\nname = \"orders\"\n\
         [[namespace.event_hub.policy]]\nname = \"own\"\nrights = [\"send\"]\n\
         primary_key = \"{}\"\nsecondary_key_file = {second:?}\n\
         [[namespace.event_hub.policy]]\nname = \"other\"\nrights = [\"send\"]\n\
         primary_key_file = {first:?}\nsecondary_key = \"{}\"\n",
        SECRETS[0], SECRETS[1], SECRETS[4], SECRETS[1]
    ));
    fs::write(place.config(), text).unwrap();
    place
}

#[test]
fn every_key_opens_its_policy_and_none_is_in_any_output() {
    let place = with_policies();
    let broker = place.start().serving();
    let address = place.listener("login");
    let string = |policy: &str, key: &str, rest: &str| {
        format!("Endpoint=sb://dev/;SharedAccessKeyName={policy};SharedAccessKey={key}{rest}")
    };
    let hub = ";EntityPath=orders";
    for (policy, key, rest) in [
        ("given", SECRETS[0], ""),
        ("given", SECRETS[1], ""),
        ("filed", SECRETS[2], ""),
        ("filed", SECRETS[3], ""),
        ("own", SECRETS[4], hub),
        ("own", SECRETS[3], hub),
        ("other", SECRETS[2], hub),
        ("other", SECRETS[1], hub),
    ] {
        assert!(
            logs_in(&address, &string(policy, key, rest)),
            "{policy} {key}"
        );
    }
    let right = string("given", SECRETS[0], "");
    for wrong in [
        string("given", SECRETS[5], ""),
        string("nobody", SECRETS[0], ""),
        format!("\"{right}\""),
        SECRETS[0].to_owned(),
        format!("SharedAccessKey={}", SECRETS[0]),
        right.replace("sb://dev", "sb://dev%2f"),
    ] {
        assert!(!logs_in(&address, &wrong), "{wrong}");
    }
    broker.signal(Signal::HUP);
    let config = place.config().display().to_string();
    let mut printed = place.run(&["config", "show", "--config", &config]);
    printed += &place.run(&["config", "check", &config]);
    let made = fs::read_to_string(place.data().join("secrets.toml")).unwrap();
    let made: toml::Table = made.parse().unwrap();
    let (ended_well, out, log) = broker.stop();
    assert!(ended_well, "{log}");
    printed += &out;
    printed += &log;
    assert!(log.contains("no policy"), "the log says why: {log}");
    let policy = &made["policy"].as_array().unwrap()[0];
    let made = ["primary_key", "secondary_key"].map(|name| policy[name].as_str().unwrap());
    for secret in SECRETS.into_iter().chain(made) {
        assert!(!printed.contains(secret), "{secret} is printed");
    }
    assert!(out.contains("tidegate connection-string"), "{out}");
}

#[test]
fn what_the_file_says_of_places_and_event_hubs_is_there() {
    let place = Place::new(
        "",
        "[log]\nformat = \"json\"\nfilter = \"warn,tidegate=info\"\n\
         [[listener]]\nname = \"chosen\"\naddress = \"127.0.0.1:0\"\nsecurity = \"plaintext\"\n\
         namespace = \"second\"\nprotocol = \"kafka\"\n\
         [[namespace]]\nname = \"first\"\n\
         [[namespace]]\nname = \"second\"\n\
         [[namespace.event_hub]]\nname = \"orders\"\npartition_count = 3\nretention = \"3d\"\n\
         retention_bytes = \"7MiB\"\ncleanup_policy = \"compact,delete\"\n",
    );
    let broker = place.start().serving_by_log();
    let server = place.listener("chosen");
    let shown = place.run(&["event-hub", "show", "orders", "--json", "--server", &server]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["partitions"].as_array().unwrap().len(), 3);
    let configs = &shown["configs"];
    assert_eq!(configs["retention.ms"], "259200000");
    assert_eq!(configs["retention.bytes"], "7340032");
    assert_eq!(configs["cleanup.policy"], "compact,delete");

    let admin = place.runtime()["admin"].as_str().unwrap().to_owned();
    let mut stream = TcpStream::connect(&admin).unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let (ended_well, out, log) = broker.stop();
    assert!(ended_well, "{log}");
    assert_eq!(out, "", "a log for machines has no banner beside it");
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        let target = entry["target"].as_str().unwrap();
        let is_shown = target.starts_with("tidegate") || entry["level"] != "INFO";
        assert!(is_shown, "{line}");
    }
}

#[test]
fn a_certificate_of_the_operator_is_taken_instead_of_a_made_one() {
    let listener = "[[listener]]\nname = \"tls\"\naddress = \"127.0.0.1:0\"\nsecurity = \"tls\"\n\
                    namespace = \"dev\"\n[[namespace]]\nname = \"dev\"\n";
    let maker = Place::new("", listener);
    maker.start().serving().stop();
    let made = |name: &str| maker.data().join("tls").join(name);
    assert!(made("ca.pem").exists());
    let own = |certificate: &Path, key: &Path| {
        Place::new(
            "",
            &format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n{listener}"),
        )
    };
    let place = own(&made("server.pem"), &made("server.key"));
    let (ended_well, out, log) = place.start().serving().stop();
    assert!(ended_well, "{log}");
    assert!(!place.data().join("tls/ca.pem").exists(), "{out}");
    let wrong = own(&made("server.pem"), &made("ca.key"));
    let config = wrong.config().display().to_string();
    let refused = wrong.run(&["serve", "--config", &config]);
    assert!(refused.contains("certificate"), "{refused}");
}

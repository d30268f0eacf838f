//! Apache Kafka as the rival, with the heap of its own start script and its default settings.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Any cluster id will do: 16 bytes in URL-safe base64.
const CLUSTER_ID: &str = "dGlkZWdhdGUtYmVuY2htaw";

/// What Kafka's own start script gives the virtual machine.
const JVM: [&str; 8] = [
    "-server",
    "-Xmx1G",
    "-Xms1G",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];

const LOG4J: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Configuration>
  <Appenders>
    <Console name="out"><PatternLayout pattern="%d %p %m (%c)%n"/></Console>
  </Appenders>
  <Loggers><Root level="INFO"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"#;

/// A certificate authority, and the broker's key with its certificate, in one PEM file.
const CERTIFICATES: &str = "set -e
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -keyout ca.key -out ca.pem \
    -subj '/CN=bench CA' -addext basicConstraints=critical,CA:TRUE
openssl req -newkey rsa:2048 -nodes -keyout broker.key -out broker.csr -subj /CN=localhost
echo subjectAltName=DNS:localhost,IP:127.0.0.1 > names
openssl x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
    -extfile names -out broker.crt
openssl pkcs8 -topk8 -nocrypt -in broker.key -out broker.pk8
cat broker.pk8 broker.crt ca.pem > broker.pem
";

/// A broker's folder, ready to be started from.
pub(super) struct Kafka {
    pub(super) class_path: String,
    pub(super) folder: PathBuf,
}

pub(super) struct Ports {
    pub(super) plain: u16,
    pub(super) secure: u16,
    pub(super) controller: u16,
}

impl Kafka {
    /// Writes the configuration and formats the data directory.
    pub(super) fn prepare(&self, ports: &Ports, is_synced: bool) -> Result<()> {
        fs::write(self.folder.join("log4j2.xml"), LOG4J)?;
        let mut openssl = Command::new("bash");
        openssl.args(["-c", CERTIFICATES]);
        self.run(openssl, "make certificates")?;
        let properties = self.properties(ports, is_synced);
        fs::write(self.folder.join("server.properties"), properties)?;
        let mut format = self.java(&[]);
        format.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID]);
        format.args(["-c", "server.properties"]);
        self.run(format, "format the data directory")
    }

    /// The program and arguments that start the broker.
    pub(super) fn command(&self) -> Command {
        let mut command = self.java(&JVM);
        command.args(["kafka.Kafka", "server.properties"]);
        command
    }

    fn java(&self, options: &[&str]) -> Command {
        let mut command = Command::new("java");
        command
            .args(options)
            .arg("-Dlog4j2.configurationFile=log4j2.xml")
            .args(["-cp", &self.class_path])
            .current_dir(&self.folder);
        command
    }

    fn run(&self, mut command: Command, what: &str) -> Result<()> {
        let output = command.current_dir(&self.folder).output();
        let output = output.context(what.to_owned())?;
        let trouble = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{what}: {trouble}");
        Ok(())
    }

    /// Kafka's defaults, and what a single node needs.
    fn properties(&self, ports: &Ports, is_synced: bool) -> String {
        let Ports {
            plain,
            secure,
            controller,
        } = ports;
        let folder = self.folder.display();
        let mut text = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAIN://127.0.0.1:{plain},SECURE://127.0.0.1:{secure},\
             CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAIN://127.0.0.1:{plain},SECURE://localhost:{secure}\n\
             listener.security.protocol.map=PLAIN:PLAINTEXT,SECURE:SASL_SSL,\
             CONTROLLER:PLAINTEXT\n\
             controller.listener.names=CONTROLLER\n\
             inter.broker.listener.name=PLAIN\n\
             sasl.enabled.mechanisms=PLAIN\n\
             listener.name.secure.plain.sasl.jaas.config=\
             org.apache.kafka.common.security.plain.PlainLoginModule required \
             user_bench=\"bench\";\n\
             listener.name.secure.ssl.keystore.type=PEM\n\
             listener.name.secure.ssl.keystore.location={folder}/broker.pem\n\
             log.dirs={folder}/data\n\
             offsets.topic.replication.factor=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n"
        );
        if is_synced {
            text.push_str("log.flush.interval.messages=1\n");
        }
        text
    }
}

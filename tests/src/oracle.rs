//! Apache Kafka's own broker as the oracle: a client program that fails against it is wrong itself.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::clock::Deadline;
use crate::endpoint::{Endpoint, Login};
use crate::process::Process;
use crate::toolchain::Toolchains;

const START_LIMIT: Duration = Duration::from_secs(60);
const PASSWORD: &str = "changeit";
const CONNECTION_STRING: &str = "Endpoint=sb://localhost/;\
    SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=b3JhY2xl";
/// Any cluster id will do: 16 bytes in URL-safe base64.
const CLUSTER_ID: &str = "dGlkZWdhdGUtb3JhY2xlIQ";

/// Makes a certification authority and the server's key with its certificate.
const CERTIFICATES: &str = r#"set -e
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -keyout ca.key -out ca.pem \
    -subj "/CN=oracle CA" -addext "basicConstraints=critical,CA:TRUE"
openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj "/CN=localhost"
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' > extensions
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
    -extfile extensions -out server.crt
openssl pkcs8 -topk8 -nocrypt -in server.key -out server.pk8
cat server.pk8 server.crt ca.pem > server.pem
keytool -importcert -noprompt -alias ca -file ca.pem -keystore truststore.p12 \
    -storetype PKCS12 -storepass changeit
"#;

pub(crate) struct Oracle {
    plain: String,
    secure: String,
    /// Held so that it ends with us, and before its folder goes; the lock only makes it shareable.
    _process: Mutex<Process>,
    folder: TempDir,
}

impl Oracle {
    pub(crate) fn start(tools: &Toolchains) -> Result<Self> {
        let project = tools.java_project("kafka-broker")?;
        let java = tools.java()?;
        let folder = TempDir::with_prefix("tidegate-oracle-")?;
        let [plain, secure, controller] = free_ports()?;
        let log = folder.path().join("kafka.log");
        let mut certificates = Command::new("bash");
        certificates.args(["-c", CERTIFICATES]);
        run(certificates, "openssl", folder.path(), &log)?;
        fs::write(
            folder.path().join("server.properties"),
            properties(folder.path(), plain, secure, controller),
        )?;
        let mut format = java.with(project);
        format.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID]);
        format.args(["-c", "server.properties"]);
        run(format, "format", folder.path(), &log)?;
        let mut broker = java.with(project);
        broker
            .args(["kafka.Kafka", "server.properties"])
            .current_dir(folder.path());
        let mut process = Process::logged(broker, "kafka", &log)?;
        let address = format!("127.0.0.1:{plain}");
        let deadline = Deadline::after(START_LIMIT);
        while std::net::TcpStream::connect(&address).is_err() {
            ensure!(
                !process.ended_within(Duration::from_millis(100))?,
                "kafka ended at its start"
            );
            ensure!(
                !deadline.passed(),
                "kafka was not ready within {START_LIMIT:?}"
            );
        }
        Ok(Self {
            plain: address,
            secure: format!("localhost:{secure}"),
            folder,
            _process: Mutex::new(process),
        })
    }

    pub(crate) fn plain(&self) -> Endpoint {
        Endpoint {
            bootstrap: self.plain.clone(),
            login: None,
        }
    }

    pub(crate) fn secure(&self) -> Endpoint {
        Endpoint {
            bootstrap: self.secure.clone(),
            login: Some(Login {
                ca_file: self.folder.path().join("ca.pem"),
                truststore: self.folder.path().join("truststore.p12"),
                truststore_password: PASSWORD.to_owned(),
                connection_string: CONNECTION_STRING.to_owned(),
            }),
        }
    }
}

fn run(mut command: Command, name: &str, folder: &Path, log: &Path) -> Result<()> {
    command.current_dir(folder);
    let status = Process::logged(command, name, log)?.wait(Deadline::after(START_LIMIT))?;
    ensure!(
        status.success(),
        "{name} failed: {}",
        fs::read_to_string(log)?
    );
    Ok(())
}

/// Ports that were free a moment ago: Kafka must be told its controller's beforehand.
fn free_ports() -> Result<[u16; 3]> {
    let bind = || TcpListener::bind("127.0.0.1:0");
    let held = [bind()?, bind()?, bind()?];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr().context("ask for a port")?.port();
    }
    Ok(ports)
}

fn properties(folder: &Path, plain: u16, secure: u16, controller: u16) -> String {
    let folder = folder.display();
    let module = "org.apache.kafka.common.security.plain.PlainLoginModule";
    format!(
        r#"process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAIN://127.0.0.1:{plain},SASL://127.0.0.1:{secure},CTRL://127.0.0.1:{controller}
advertised.listeners=PLAIN://127.0.0.1:{plain},SASL://localhost:{secure}
listener.security.protocol.map=PLAIN:PLAINTEXT,SASL:SASL_SSL,CTRL:PLAINTEXT
controller.listener.names=CTRL
inter.broker.listener.name=PLAIN
sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config={module} required user_$ConnectionString="{CONNECTION_STRING}";
listener.name.sasl.ssl.keystore.type=PEM
listener.name.sasl.ssl.keystore.location={folder}/server.pem
log.dirs={folder}/data
num.partitions=4
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
"#
    )
}

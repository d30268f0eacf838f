//! `tidegate serve`: puts the parts together, says where they are, and takes them apart again.
//!
//! ```text
//! settings -> data directory (locked) -> keys, certificates -> hub (recovers) -> listeners
//!                                                                       SIGHUP: reload
//!                                                                       SIGTERM: drain, close
//! ```

mod advice;
mod reload;
mod signals;
mod watched;

use std::{
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, mpsc::RecvTimeoutError},
    time::Duration,
};

use anyhow::Context;
use model::Timestamp;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use server::{
    CertificateFiles, Certificates, KafkaFrontend,
    admin::{AdminRunning, Readiness},
    clock::SystemClock,
};
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use self::{
    reload::Reloader,
    signals::{Signals, Stop},
    watched::Watched,
};
use crate::{
    arguments::ServeArguments,
    banner::Banner,
    certificates::{self, CertificateWish, Ensured, TlsPaths},
    data_directory::DataDirectory,
    logging, lower, output, pages, reach,
    runtime::{RunningListener, Runtime},
    secrets::Secrets,
    settings::{Layers, Settings, Sources},
};

/// The status of a process that ends because its disk failed: `EX_IOERR` of `sysexits.h`.
const DISK_FAILED: u8 = 74;
/// Then nothing is left to be written: requests in flight may have their answers, and no more.
const DISK_FAILED_PATIENCE: Duration = Duration::from_secs(5);

/// Of the time for stopping, the part that requests in flight may take; the rest is the log's.
const DRAIN_SHARE: f64 = 0.7;
/// What the end may take beyond its time, before the process ends as it is.
const END_GRACE: Duration = Duration::from_secs(2);

/// Serves until a signal says otherwise.
pub(crate) fn run(arguments: &ServeArguments) -> anyhow::Result<ExitCode> {
    let sources = Sources::from_process(arguments.settings.config.clone(), arguments.flags());
    let layers = Layers::read(&sources)?;
    let settings = Settings::from_layers(&layers)?;
    logging::start(&settings.log)?;
    raise_descriptor_limit();
    pages::use_small();
    let directory = DataDirectory::open(&settings.storage.data_dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let prepared = Prepared {
        sources,
        layers,
        settings,
        directory,
    };
    let outcome = runtime.block_on(prepared.serve());
    // Whatever still blocks a thread has had its time.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// Threads for connections: one for each core that may be used.
fn workers() -> anyhow::Result<server::Workers> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    server::Workers::start(cores).context("start the threads for connections")
}

/// Everything before the first listener.
struct Prepared {
    sources: Sources,
    layers: Layers,
    settings: Settings,
    directory: DataDirectory,
}

/// The parts at work.
struct Broker {
    hub: Arc<hub::Hub>,
    listeners: server::Running,
    admin: AdminRunning,
    readiness: Readiness,
}

impl Prepared {
    async fn serve(self) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::new()?;
        let data_dir = self.directory.path().to_owned();
        // One that a crash left would lead commands to a stranger.
        Runtime::remove(&data_dir);
        let first_start = !Secrets::path(&data_dir).exists();
        let secrets = Secrets::ensure(&data_dir, &self.settings)?;
        let certificates = load_certificates(&self.settings, &self.directory)?;
        let listeners = self.settings.listeners.iter().map(lower::listener);
        // The addresses are taken before the log is opened: a clash must not cost a recovery.
        let bound = server::bind(listeners.collect(), certificates.clone())?;
        let admin = server::admin::bind(&self.settings.admin.address.to_string())?;
        let runtime = self.describe(&bound.addresses(), admin.address().to_string());

        // Answers from here on, so that a long recovery is seen as alive and not ready.
        let watched = Watched::new(&self.settings)?;
        let readiness = Readiness::default();
        let admin = admin
            .serve(Arc::clone(&watched.metrics), readiness.clone())
            .context("start the thread of the admin listener")?;
        let opening = self.open_hub(&secrets)?;
        let hub = tokio::select! {
            opened = opening => opened.context("the thread that opens the log")??,
            () = signals.stop() => {
                info!("stopped while the log was being opened");
                return Ok(ExitCode::SUCCESS);
            }
        };
        watched.show(&hub);
        let workers = workers()?;
        workers.pulses().measure(&watched.metrics)?;
        readiness.watch_threads(workers.pulses());
        let broker = Broker {
            listeners: self.open_doors(&hub, bound.on(workers), &watched),
            hub: Arc::clone(&hub),
            admin,
            readiness,
        };
        broker.readiness.set(true);
        if let Err(error) = runtime.write(&data_dir) {
            // Operator's commands must be told the address then; a full disk keeps nobody from reading.
            warn!("other commands do not find this broker by themselves: {error:#}");
        }
        self.announce(&runtime, &secrets, first_start)?;
        notify(&[sd_notify::NotifyState::Ready]);

        let patience = self.settings.limits.shutdown_timeout;
        let mut reloader = Reloader {
            sources: self.sources,
            layers: self.layers,
            directory: self.directory,
            certificates,
            hub,
        };
        let on_disk_error = self.settings.storage.on_disk_error;
        let stop = signals
            .until_stop(
                &mut reloader,
                &broker.readiness,
                &broker.listeners,
                on_disk_error,
            )
            .await;
        match stop {
            Stop::Asked => broker.stop(patience, &mut signals, &data_dir).await,
            Stop::DiskFailed => {
                let patience = patience.min(DISK_FAILED_PATIENCE);
                broker.stop(patience, &mut signals, &data_dir).await?;
                Ok(ExitCode::from(DISK_FAILED))
            }
        }
    }

    /// Begins to open the log, on a thread of its own: recovery reads for as long as it takes.
    fn open_hub(
        &self,
        secrets: &Secrets,
    ) -> anyhow::Result<JoinHandle<anyhow::Result<Arc<hub::Hub>>>> {
        let settings = lower::hub_settings(&self.settings, secrets)?;
        let data_dir = self.directory.path().to_owned();
        let open = move || {
            let started = server::clock::now().monotonic;
            let hub = hub::Hub::open(&data_dir, settings, Arc::new(SystemClock))
                .map_err(advice::explained)
                .with_context(|| format!("open the data directory {}", data_dir.display()))?;
            let took = server::clock::now().monotonic - started;
            info!(data_dir = %data_dir.display(), took_ms = millis(took), "the log is open");
            Ok(hub)
        };
        Ok(tokio::task::spawn_blocking(open))
    }

    fn open_doors(
        &self,
        hub: &Arc<hub::Hub>,
        bound: server::Bound,
        watched: &Watched,
    ) -> server::Running {
        let clock = Arc::new(SystemClock);
        let limits = lower::kafka_limits(&self.settings);
        let kafka = kafka::Kafka::new(Arc::clone(hub), clock, limits);
        let frontend = Arc::new(KafkaFrontend::new(kafka, watched.latency.clone()));
        let limits = lower::server_limits(&self.settings);
        bound.serve_kafka(&frontend, limits, &watched.connections)
    }

    fn describe(&self, addresses: &[(String, std::net::SocketAddr)], admin: String) -> Runtime {
        let listeners = self.settings.listeners.iter().zip(addresses);
        Runtime {
            pid: std::process::id(),
            admin,
            config: self
                .sources
                .file
                .as_deref()
                .and_then(|file| file.canonicalize().ok()),
            listener: listeners
                .map(|(listener, (name, address))| RunningListener {
                    name: name.clone(),
                    security: listener.security.word().to_owned(),
                    address: address.to_string(),
                    namespace: listener.namespace.clone(),
                })
                .collect(),
        }
    }

    /// The banner for people, or one entry for machines that read the log.
    fn announce(
        &self,
        runtime: &Runtime,
        secrets: &Secrets,
        first_start: bool,
    ) -> anyhow::Result<()> {
        let data_dir = self.directory.path();
        info!(admin = runtime.admin, data_dir = %data_dir.display(), "ready");
        if self.settings.log.json {
            return Ok(());
        }
        let own_files = self.settings.tls.files.is_some();
        let paths = TlsPaths::of(data_dir);
        let string = reach::connection_string(&self.settings, secrets, reach::Wanted::default())?;
        let string = string.to_string();
        let namespace = self.settings.namespaces.first();
        let explains = first_start || self.sources.file.is_none();
        // A secret belongs into nobody's log. With a configuration of its own the broker's output is
        // likely to be kept even where it is a terminal.
        let may_show = explains && output::is_read_by_a_person();
        let banner = Banner {
            runtime,
            data_dir,
            ca: (!own_files).then_some(paths.ca.as_path()),
            truststore: (!own_files).then_some(paths.truststore.as_path()),
            namespace: namespace.map_or("", |namespace| namespace.name.as_str()),
            host: &namespace.map_or_else(
                || "localhost".to_owned(),
                |namespace| reach::bootstrap_host(&self.settings, namespace),
            ),
            connection_string: may_show.then_some(string.as_str()),
            explains,
        };
        output::text(&banner.text(output::colours()))
    }
}

impl Broker {
    /// Lets requests in flight end, makes everything durable, all within `patience`.
    async fn stop(
        self,
        patience: Duration,
        signals: &mut Signals,
        data_dir: &std::path::Path,
    ) -> anyhow::Result<ExitCode> {
        notify(&[sd_notify::NotifyState::Stopping]);
        end_by(patience + END_GRACE)?;
        self.readiness.set(false);
        let started = server::clock::now().monotonic;
        let stopping = async {
            self.hub.end_waits();
            let drained = self.listeners.shutdown(patience.mul_f64(DRAIN_SHARE)).await;
            if drained.cut_count > 0 {
                let count = drained.cut_count;
                warn!(count, "connections were cut off with requests in flight");
            }
            let spent = server::clock::now().monotonic - started;
            let closed = self.hub.shutdown(patience.saturating_sub(spent)).await;
            self.admin.shutdown().await;
            closed
        };
        let closed = tokio::select! {
            closed = stopping => closed,
            () = signals.stop() => {
                warn!("a second signal: stopping at once");
                false
            }
        };
        Runtime::remove(data_dir);
        let took = server::clock::now().monotonic - started;
        if closed {
            info!(took_ms = millis(took), "stopped");
            Ok(ExitCode::SUCCESS)
        } else {
            error!("stopped without closing the log properly: the next start recovers");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Ends the process after `limit` if it still runs then: whatever holds a thread or a lock may hold
/// the orderly end, too.
fn end_by(limit: Duration) -> anyhow::Result<()> {
    let (end, comes) = std::sync::mpsc::sync_channel::<()>(0);
    std::thread::Builder::new()
        .name("end".to_owned())
        .spawn(move || {
            if comes.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                error!("stopping took longer than it may: the next start recovers");
                std::process::exit(1);
            }
        })
        .context("start the thread that watches the end")?;
    // Never told: it ends with the process, by then at the latest.
    std::mem::forget(end);
    Ok(())
}

/// The operator's certificate, or Tidegate's own, made or renewed if need be. `None` where no
/// listener wants one.
fn load_certificates(
    settings: &Settings,
    directory: &DataDirectory,
) -> anyhow::Result<Option<Arc<Certificates>>> {
    let files = certificate_files(settings, directory, server::clock::now().wall)?;
    if !settings
        .listeners
        .iter()
        .any(|listener| listener.security.tls)
    {
        return Ok(None);
    }
    let certificates = Certificates::load(files).context("load the server certificate")?;
    Ok(Some(Arc::new(certificates)))
}

/// Where the certificate is; Tidegate's own is brought up to date first.
fn certificate_files(
    settings: &Settings,
    directory: &DataDirectory,
    now: Timestamp,
) -> anyhow::Result<CertificateFiles> {
    if let Some(files) = &settings.tls.files {
        return Ok(CertificateFiles {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
        });
    }
    let paths = TlsPaths::of(directory.path());
    let host = certificates::host_name();
    let wish = CertificateWish::of(settings, host.as_deref());
    let log = |text: &str, path: &PathBuf| info!(path = %path.display(), "{text}");
    match certificates::ensure(&paths, &wish, now)? {
        Ensured::Kept => {}
        Ensured::Renewed => log("renewed the server certificate", &paths.server),
        Ensured::Created => log("made a certificate authority: clients need it", &paths.ca),
    }
    Ok(CertificateFiles {
        certificate: paths.server,
        key: paths.server_key,
    })
}

/// The commit this was built from, where the build said so.
const fn commit() -> &'static str {
    match option_env!("TIDEGATE_COMMIT") {
        Some(commit) => commit,
        None => "unknown",
    }
}

/// Each connection takes a descriptor; shells allow few by default and more on request.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!(%error, limit = ?limit.current, "cannot raise the limit of open files");
    }
}

/// For the log, which writes larger numbers as text.
fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Tells systemd, where there is one.
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "cannot tell the service manager");
    }
}

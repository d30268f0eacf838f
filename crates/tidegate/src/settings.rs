//! Configuration: layers of raw values, checked against the key tables, then read into types.

mod check;
mod keys;
mod layers;
mod limits;
mod namespaces;
mod nearest;
mod reference;
mod refusal;
mod section;
mod show;
mod value;

#[cfg(test)]
mod tests;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

pub(crate) use layers::{Flag, Layers, Sources};
pub(crate) use limits::{LimitSettings, PRODUCE_HEADER_BYTES};
pub(crate) use namespaces::{
    ByteLimit, EventHubSettings, KeySource, NamespaceSettings, OverQuota, PolicySettings, Retention,
};
pub(crate) use reference::{complete_file, reference_page};
pub(crate) use refusal::{Origin, Refusal, Refusals};
pub(crate) use show::{fixed_changes, show};
pub(crate) use value::duration;

use section::Section;

/// Everything that a run needs to know, validated.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) log: LogSettings,
    pub(crate) admin: AdminSettings,
    pub(crate) storage: StorageSettings,
    pub(crate) tls: TlsSettings,
    pub(crate) limits: LimitSettings,
    pub(crate) listeners: Vec<ListenerSettings>,
    pub(crate) namespaces: Vec<NamespaceSettings>,
}

#[derive(Clone, Debug)]
pub(crate) struct LogSettings {
    pub(crate) json: bool,
    pub(crate) filter: String,
}

#[derive(Clone, Debug)]
pub(crate) struct AdminSettings {
    pub(crate) address: SocketAddr,
    pub(crate) metrics_per_partition: bool,
}

/// What follows when a write or a sync of the log fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnDiskError {
    Exit,
    ServeReads,
}

#[derive(Clone, Debug)]
pub(crate) struct StorageSettings {
    pub(crate) data_dir: PathBuf,
    pub(crate) free_space_bytes_min: u64,
    pub(crate) on_disk_error: OnDiskError,
    pub(crate) descriptors_max: u32,
    pub(crate) extent_bytes: u64,
    pub(crate) reused_extents_max: u32,
    pub(crate) direct_writes: bool,
    pub(crate) queue_bytes_max: u64,
    pub(crate) tail_cache_bytes: u64,
    pub(crate) catch_up_bytes: u64,
    pub(crate) cold_cache_bytes: u64,
    pub(crate) cold_reads_beside_writers: u32,
    pub(crate) cold_reads_max: u32,
    pub(crate) retention_check_interval: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct TlsSettings {
    /// The operator's own certificate and key; generated ones otherwise.
    pub(crate) files: Option<TlsFiles>,
    pub(crate) names: Vec<String>,
    pub(crate) validity: Duration,
    pub(crate) renew_before: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Whether a listener encrypts, and whether it asks for a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Security {
    pub(crate) tls: bool,
    pub(crate) sasl: bool,
}

impl Security {
    /// The configuration's word.
    pub(crate) const fn word(self) -> &'static str {
        match (self.tls, self.sasl) {
            (false, false) => "plaintext",
            (true, false) => "tls",
            (false, true) => "sasl_plaintext",
            (true, true) => "sasl_tls",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let (tls, sasl) = match word {
            "plaintext" => (false, false),
            "tls" => (true, false),
            "sasl_plaintext" => (false, true),
            "sasl_tls" => (true, true),
            _ => return None,
        };
        Some(Self { tls, sasl })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ListenerSettings {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) security: Security,
    pub(crate) advertised: Option<Endpoint>,
    /// Where clients land whom no host name assigns.
    pub(crate) namespace: Option<String>,
}

/// A host, perhaps with a port, as told to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl Endpoint {
    /// Reads `host`, `host:port`, `[v6]` or `[v6]:port`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']')?;
                (
                    host,
                    after
                        .strip_prefix(':')
                        .or(if after.is_empty() { None } else { Some("") }),
                )
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            None => None,
            Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        let fits = !host.is_empty() && host.len() <= 253 && host.chars().all(allowed);
        fits.then(|| Self {
            host: host.to_owned(),
            port,
        })
    }
}

/// The namespace that a configuration without `[[namespace]]` has.
pub(crate) const DEFAULT_NAMESPACE: &str = "dev";

impl Settings {
    /// Reads the sources and validates them as a whole.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub(crate) fn load(sources: &Sources) -> Result<Self, Refusals> {
        Self::from_layers(&Layers::read(sources)?)
    }

    pub(crate) fn from_layers(layers: &Layers) -> Result<Self, Refusals> {
        let root = Section::root(layers);
        let mut refusals = Refusals::default();
        let namespaces = namespaces::read(&root, &mut refusals);
        let limits = limits::read(&root.section("limits"), &mut refusals);
        let storage = storage(&root.section("storage"));
        if storage.queue_bytes_max < limits.incoming_bytes_max.saturating_mul(3) / 2 {
            refuse(
                &root.section("storage"),
                "queue_bytes_max",
                "is less than one and a half times limits.incoming_bytes_max",
                "raise it, or events are refused where producers should wait",
                &mut refusals,
            );
        }
        let admitted = hub::settings::batch_bytes_max(storage.extent_bytes);
        if admitted < limits.batch_bytes_max {
            let problem = format!(
                "is {}, and admits batches of {admitted}, less than limits.batch_bytes_max ({})",
                storage.extent_bytes, limits.batch_bytes_max
            );
            let section = root.section("storage");
            let advice = "raise it, or lower the other";
            refuse(&section, "extent_size", &problem, advice, &mut refusals);
        }
        let settings = Self {
            log: log(&root.section("log")),
            admin: admin(&root.section("admin")),
            storage,
            tls: tls(&root.section("tls"), &mut refusals),
            limits,
            listeners: listeners(&root, &namespaces, &mut refusals),
            namespaces,
        };
        refusals.into_result(settings)
    }

    pub(crate) fn namespace(&self, name: &str) -> Option<&NamespaceSettings> {
        let mut namespaces = self.namespaces.iter();
        namespaces.find(|namespace| namespace.name == name)
    }
}

fn log(section: &Section<'_>) -> LogSettings {
    LogSettings {
        json: section.text("format") == "json",
        filter: section.text("filter"),
    }
}

fn admin(section: &Section<'_>) -> AdminSettings {
    AdminSettings {
        address: section.address("address"),
        metrics_per_partition: section.boolean("metrics_per_partition"),
    }
}

fn storage(section: &Section<'_>) -> StorageSettings {
    StorageSettings {
        data_dir: PathBuf::from(section.text("data_dir")),
        free_space_bytes_min: section.size("free_space_min"),
        on_disk_error: match section.text("on_disk_error").as_str() {
            "serve-reads" => OnDiskError::ServeReads,
            _ => OnDiskError::Exit,
        },
        descriptors_max: section.count("descriptors_max"),
        extent_bytes: section.size("extent_size"),
        reused_extents_max: section.count("reused_extents_max"),
        direct_writes: section.boolean("direct_writes"),
        queue_bytes_max: section.size("queue_bytes_max"),
        tail_cache_bytes: section.size("tail_cache_bytes"),
        catch_up_bytes: section.size("catch_up_bytes"),
        cold_cache_bytes: section.size("cold_cache_bytes"),
        cold_reads_beside_writers: section.count("cold_reads_beside_writers"),
        cold_reads_max: section.count("cold_reads_max"),
        retention_check_interval: section.duration("retention_check_interval"),
    }
}

fn tls(section: &Section<'_>, refusals: &mut Refusals) -> TlsSettings {
    let pair = (
        section.optional_path("certificate"),
        section.optional_path("key"),
    );
    let files = match pair {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (None, None) => None,
        (certificate, _) => {
            let (given, absent) = match certificate {
                Some(_) => ("certificate", "key"),
                None => ("key", "certificate"),
            };
            let problem = format!("is given without {}", section.path(absent));
            refuse(section, given, &problem, "give both or neither", refusals);
            None
        }
    };
    let validity = section.duration("validity");
    let renew_before = section.duration("renew_before");
    let day = Duration::from_secs(86_400);
    if validity > 825 * day || validity < day {
        let problem = "is not between 1 and 825 days";
        refuse(
            section,
            "validity",
            problem,
            "many clients refuse longer ones",
            refusals,
        );
    }
    if renew_before >= validity {
        let problem = "is not shorter than tls.validity";
        refuse(section, "renew_before", problem, "shorten it", refusals);
    }
    TlsSettings {
        files,
        names: section.texts("names"),
        validity,
        renew_before,
    }
}

fn listeners(
    root: &Section<'_>,
    namespaces: &[NamespaceSettings],
    refusals: &mut Refusals,
) -> Vec<ListenerSettings> {
    let mut listeners: Vec<ListenerSettings> = Vec::new();
    for section in root.sections("listener") {
        let listener = ListenerSettings {
            name: section.text("name"),
            address: section.address("address"),
            security: Security::from_word(&section.text("security")).expect("word was checked"),
            advertised: section.endpoint("advertised"),
            namespace: section
                .optional_text("namespace")
                .or_else(|| only_one(namespaces)),
        };
        check_listener(&section, &listener, namespaces, &listeners, refusals);
        listeners.push(listener);
    }
    listeners
}

fn check_listener(
    section: &Section<'_>,
    listener: &ListenerSettings,
    namespaces: &[NamespaceSettings],
    earlier: &[ListenerSettings],
    refusals: &mut Refusals,
) {
    if earlier.iter().any(|other| other.name == listener.name) {
        let remedy = "give each listener its own name";
        refuse(section, "name", "is used twice", remedy, refusals);
    }
    let port_taken = |other: &ListenerSettings| {
        listener.address.port() != 0 && other.address == listener.address
    };
    if earlier.iter().any(port_taken) {
        let remedy = "give each listener its own address";
        refuse(section, "address", "is used twice", remedy, refusals);
    }
    match &listener.namespace {
        Some(name) if !namespaces.iter().any(|namespace| namespace.name == *name) => {
            let known: Vec<_> = namespaces.iter().map(|n| n.name.as_str()).collect();
            let remedy = format!("configured are: {}", known.join(", "));
            refuse(
                section,
                "namespace",
                "names no namespace",
                &remedy,
                refusals,
            );
        }
        None if !listener.security.sasl => {
            let remedy = "name the namespace whose rights clients have here";
            refuse(
                section,
                "namespace",
                "is missing for a listener without login",
                remedy,
                refusals,
            );
        }
        _ => {}
    }
}

fn only_one(namespaces: &[NamespaceSettings]) -> Option<String> {
    match namespaces {
        [only] => Some(only.name.clone()),
        _ => None,
    }
}

/// Adds a refusal about the key `name` of `section`.
fn refuse(section: &Section<'_>, name: &str, problem: &str, remedy: &str, refusals: &mut Refusals) {
    let found = section.value(name);
    let kind = section
        .table()
        .key(name)
        .expect("key is in the key tables")
        .kind;
    let value = found.as_ref().map(|(value, _)| section::shown(kind, value));
    refusals.0.push(Refusal {
        origin: found.map_or(Origin::Default, |(_, origin)| origin),
        key: section.path(name),
        value,
        problem: problem.to_owned(),
        remedy: remedy.to_owned(),
    });
}

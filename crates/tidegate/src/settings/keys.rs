//! Every configuration key, once: its type, default, effect on reload and one sentence of help.
//!
//! The loader checks files against these tables, `tidegate config show` walks them, and
//! `docs/configuration.md` and `config/complete.toml` are printed from them.

mod broker;
mod limits;
mod served;

use self::{
    broker::{ADMIN, LOG, STORAGE, TLS},
    limits::LIMITS,
    served::{LISTENER, NAMESPACE},
};

/// What a key's value must look like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text,
    Secret,
    Path,
    /// `ip:port`, to listen on; port 0 lets the system choose.
    Address,
    /// `host` or `host:port`, to be told to clients.
    Endpoint,
    Boolean,
    Count {
        min: i64,
        max: i64,
    },
    Size,
    Duration,
    SizeOrUnlimited,
    DurationOrUnlimited,
    /// A whole number from 1 on, or `"unlimited"`.
    CountOrUnlimited,
    OneOf(&'static [&'static str]),
    ManyOf(&'static [&'static str]),
    Texts,
}

/// One key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: Default,
    /// Whether SIGHUP applies a change.
    pub(crate) live: bool,
    pub(crate) help: &'static str,
}

/// What holds where the key is absent. Literals are TOML.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Default {
    Required(&'static str),
    Absent(&'static str),
    Literal(&'static str),
    /// The second holds under `profile = "event-hubs"`.
    ByProfile(&'static str, &'static str),
}

/// A table of keys; `many` tables are written `[[name]]`.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) many: bool,
    pub(crate) help: &'static str,
    pub(crate) keys: &'static [Key],
    pub(crate) tables: &'static [Self],
}

impl Table {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    pub(crate) fn table(&self, name: &str) -> Option<&'static Self> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// Names of the keys and tables that may stand in this table.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        let keys = self.keys.iter().map(|key| key.name);
        keys.chain(self.tables.iter().map(|table| table.name))
    }
}

const fn literal(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    live: bool,
    help: &'static str,
) -> Key {
    let default = Default::Literal(default);
    Key {
        name,
        kind,
        default,
        live,
        help,
    }
}

const fn key(
    name: &'static str,
    kind: Kind,
    default: Default,
    live: bool,
    help: &'static str,
) -> Key {
    Key {
        name,
        kind,
        default,
        live,
        help,
    }
}

/// Applied at start only.
const START: bool = false;
/// Applied by SIGHUP too.
const LIVE: bool = true;

const fn count(min: i64, max: i64) -> Kind {
    Kind::Count { min, max }
}

/// The whole file.
pub(crate) const ROOT: Table = Table {
    name: "",
    many: false,
    help: "",
    keys: &[literal(
        "profile",
        Kind::OneOf(&["kafka", "event-hubs"]),
        "\"kafka\"",
        START,
        "Whose limits hold where a key is absent: Kafka's, or those of Azure Event Hubs.",
    )],
    tables: &[LOG, ADMIN, STORAGE, TLS, LIMITS, LISTENER, NAMESPACE],
};

//! Who is calling, and what the caller may do: connection strings, shared access keys and tokens,
//! the SASL exchange step by step, and rights.
//!
//! ```text
//! PLAIN message --> Login --(resolve_namespace)--> PolicySet --> Principal --> Caller::allows
//! ```
//!
//! Pure: no sockets, no clock, no async, no sibling crate. `kafka` drives the exchange, `hub` holds
//! one [`PolicySet`] per namespace and asks [`Caller::allows`] on every request.

#![deny(clippy::indexing_slicing)]

mod access;
mod connection_string;
mod key;
mod namespace;
mod policy;
mod sasl;
mod token;

pub use access::{Caller, Principal, Resource, Right, Rights, Scope};
pub use connection_string::{ConnectionString, ConnectionStringError, Credential, Endpoint};
pub use key::Key;
pub use namespace::{first_label, resolve_namespace};
pub use policy::{POLICIES_PER_SCOPE_MAX, Policy, PolicySet, PolicySetError};
pub use sasl::{FAILED_LOGIN_HOLD, Framing, Login, LoginError, MECHANISM_PLAIN, Sasl, SaslError};
pub use token::{SasToken, TokenError};

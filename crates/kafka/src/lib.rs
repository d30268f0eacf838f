//! Kafka messages to hub calls.
//!
//! ```text
//!            frame                                                       Reply
//!  server ----------> Session::dispatch                             <--------- server
//!                       | spine: header, version, state, decode, handler, encode, throttle
//!                       v
//!                     registry: one row per API  ->  handler/<api>: wire message <-> hub call
//! ```
//!
//! `spine` is the one way of every request; `registry` the one table of what is served (ApiVersions
//! is computed from it); `handler/` holds one file per API, each opened by a card that says which
//! versions it serves, what it does, where it differs and what it leaves out. Only handlers name
//! both a wire message and a domain type, and only they look at a version number.
//!
//! This crate opens no file and no socket and reads no clock: `server` hands it frames and the time.

#![deny(clippy::indexing_slicing)]

mod address;
mod fetch_session;
mod handler;
mod large;
mod login;
mod registry;
mod session;
mod spine;

pub use address::{Advertised, Endpoint};
pub use large::{LargeRequest, ReplyMemory, ReplyShare};
pub use registry::{ServedApi, served};
pub use session::{Intake, Kafka, KafkaLimits, LoginReasons, Peer, Reply, Session, Staged};

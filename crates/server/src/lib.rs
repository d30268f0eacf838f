//! Sockets: listeners, TLS, connections with their frames and limits, the admin port, the clock.
//!
//! ```text
//!  accept --> sniff, TLS --> Connection --frame--> Session::dispatch (a front end)
//!                             |  reader: length checked, memory reserved, then read
//!                             |  replies: in request order, whenever they finish
//!                             |  writer: several replies in one vectored write
//! ```
//!
//! Knows no protocol's message by name: a [`Frontend`] judges frames and answers them. The one
//! place that reads the machine's clocks is [`clock`].

pub mod admin;
mod budget;
pub mod clock;
mod connection;
mod doors;
mod end;
mod frame_memory;
mod frontend;
mod kafka_frontend;
mod limits;
mod listener;
pub mod metrics;
mod pace;
mod phase;
mod server;
mod sniff;
mod socket;
mod stream;
mod tls;
mod workers;

pub use end::End;
pub use frontend::{Frontend, Intake, LargeRequest, Peer, Reply, ReplyFuture, Session, Staged};
pub use kafka_frontend::{KafkaFrontend, KafkaSession, LatencyMetrics};
pub use limits::Limits;
pub use listener::{Advertised, BindError, ListenerSettings, Security};
pub use server::{Bound, Drained, Running, bind};
pub use tls::{CertificateFiles, Certificates, TlsError};
pub use workers::{Pulses, Workers};

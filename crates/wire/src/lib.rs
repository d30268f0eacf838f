//! Kafka's bytes: frames, the structure check with its tables, and the codecs of messages.
//!
//! | Module | Holds |
//! |---|---|
//! | [`api`] | the API keys: versions offered, versions read, which are flexible |
//! | [`frame`] | length prefix and limits, request and response headers |
//! | [`shape`] | the proof that a body's lengths and counts are true, before it is decoded |
//! | [`skim`] | requests that are too large to be held, without their records |
//! | [`codec`] | checked bytes to messages and back: `kafka-protocol`, and ours where it lacks |
//! | [`api_versions`] | the ApiVersions request with what 4.4 added |
//! | [`fetch_response`] | the Fetch response as a skeleton around uncopied records |
//! | [`error_code`] | every error number, its name, and whether to try again |
//!
//! ```text
//! socket bytes -> FrameLimits::check_start -> RequestFrame::parse -> shape -> message
//! message -> encode_response / FetchResponse::into_frame -> ResponseFrame -> socket
//! ```
//!
//! This crate does no I/O, holds no state and never panics on a peer's bytes.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod api;
pub mod api_versions;
pub mod codec;
mod cursor;
pub mod error_code;
pub mod fetch_response;
pub mod frame;
mod newest;
mod put;
pub mod shape;
pub mod skim;
mod topic_ids;

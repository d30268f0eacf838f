//! What the load generator and the floor server share: a reader of unread bytes, and a buffer that
//! frames are read into.

pub mod frames;
pub mod reader;

//! What the load generator and the floor server share: a reader of unread bytes, and buffers that
//! bytes are read into and frames are taken from.

pub mod buffer;
pub mod frames;
pub mod reader;

//! What the load generator and the floor server share: a reader of unread bytes, a buffer that
//! frames are read into, and what the kernel says about a process.

pub mod frames;
pub mod process;
pub mod reader;

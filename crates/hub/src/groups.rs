//! Consumer groups: the shell around the coordinator's state machine.
//!
//! The coordinator decides, this shell appends its records to the namespace's groups log, applies
//! them, and lets replies go when they are durable. `coordinator::Command` and `coordinator::Reply`
//! are the vocabulary; the method `Access::group` joins here with them.

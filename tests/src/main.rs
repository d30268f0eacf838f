//! Tests against a running broker.

fn main() {}

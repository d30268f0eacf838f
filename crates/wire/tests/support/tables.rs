//! The generated tables, compiled a second time: the walk keeps them to itself, and the tests
//! need them to make bodies that nobody but the table has described.

#[path = "../../src/shape/requests.rs"]
pub(crate) mod requests;
#[path = "../../src/shape/responses.rs"]
pub(crate) mod responses;
#[path = "../../src/shape/table.rs"]
pub(crate) mod table;

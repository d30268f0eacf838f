//! The Kafka front end as a client meets it, frame by frame, without sockets.

#[cfg(test)]
mod address;
#[cfg(test)]
mod admin_requests;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod committed;
#[cfg(test)]
mod configs;
#[cfg(test)]
mod coordinator;
#[cfg(test)]
mod create_topics;
#[cfg(test)]
mod duplicates;
#[cfg(test)]
mod fetch;
#[cfg(test)]
mod group_rights;
mod groups;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod large_requests;
mod limits;
#[cfg(test)]
mod login;
#[cfg(test)]
mod members;
#[cfg(test)]
mod metadata;
#[cfg(test)]
mod offsets;
#[cfg(test)]
mod produce;
#[cfg(test)]
mod rebalances;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod topics;
#[cfg(test)]
mod versions;
#[cfg(test)]
mod world;

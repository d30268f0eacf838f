//! Event Hubs' rights as Kafka's authorized operations: one bit per operation.

use hub::access::Rights;

const READ: i32 = 1 << 3;
const WRITE: i32 = 1 << 4;
const CREATE: i32 = 1 << 5;
const DELETE: i32 = 1 << 6;
const ALTER: i32 = 1 << 7;
const DESCRIBE: i32 = 1 << 8;
const CLUSTER_ACTION: i32 = 1 << 9;
const DESCRIBE_CONFIGS: i32 = 1 << 10;
const ALTER_CONFIGS: i32 = 1 << 11;
const IDEMPOTENT_WRITE: i32 = 1 << 12;

const fn any(rights: Rights) -> bool {
    rights.send || rights.listen || rights.manage
}

const fn bits(cases: &[(bool, i32)]) -> i32 {
    let mut sum = 0;
    let mut rest = cases;
    while let [(granted, operations), tail @ ..] = rest {
        if *granted {
            sum |= *operations;
        }
        rest = tail;
    }
    sum
}

/// What a caller may do with a topic.
pub(super) const fn on_topic(rights: Rights) -> i32 {
    bits(&[
        (any(rights), DESCRIBE | DESCRIBE_CONFIGS),
        (rights.send, WRITE),
        (rights.listen, READ),
        (rights.manage, CREATE | DELETE | ALTER | ALTER_CONFIGS),
    ])
}

/// What a caller may do with the cluster.
pub(super) const fn on_cluster(rights: Rights) -> i32 {
    bits(&[
        (any(rights), DESCRIBE | DESCRIBE_CONFIGS),
        (rights.send, IDEMPOTENT_WRITE),
        (
            rights.manage,
            CREATE | ALTER | ALTER_CONFIGS | CLUSTER_ACTION,
        ),
    ])
}

/// What a caller may do with a consumer group: groups belong to no event hub.
pub(super) const fn on_group(rights: Rights) -> i32 {
    bits(&[
        (any(rights), DESCRIBE),
        (rights.listen, READ),
        (rights.manage, DELETE),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_follow_from_rights() {
        let listen = Rights {
            listen: true,
            ..Rights::default()
        };
        let manage = Rights {
            send: true,
            listen: true,
            manage: true,
        };
        assert_eq!(on_topic(Rights::default()), 0);
        assert_eq!(on_topic(listen), READ | DESCRIBE | DESCRIBE_CONFIGS);
        // What Kafka's tools print for a topic with every operation.
        assert_eq!(on_topic(manage), 0b1101_1111_1000);
        assert_eq!(on_group(manage), READ | DELETE | DESCRIBE);
        assert_eq!(on_cluster(listen) & CREATE, 0);
    }
}

//! Who has not heard yet that committed offsets are gone.
//!
//! Which groups committed in a damaged stretch of their log is not known any more, so every group
//! that asks for its offsets is told once: by an error, because offsets that went back, or vanished,
//! look like any others. Only a request that names partitions is answered so, as consumers make
//! it; who asks for all that a group has (a monitor) is answered with what is there.
//!
//! The group's members are removed and join again by themselves: the Java consumer asks for its
//! offsets again anyway, librdkafka reports the error and then waits for its next assignment.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use coordinator::{
    Command, DescribedGroup, FetchOffsetsGroup, FetchedGroup, GroupError, LeaveGroup,
    LeavingMember, Reply, Sender,
};
use model::GroupId;
use tracing::{error, warn};

use crate::{namespace::Namespace, sync::lock};

/// Groups that are remembered as told, at most; what comes after them is in the log alone.
const TOLD_MAX: usize = 10_000;

/// What a namespace's log of groups lost, and who knows.
#[derive(Debug, Default)]
pub(crate) struct Untold {
    stretches: u64,
    told: Mutex<HashSet<GroupId>>,
}

impl Untold {
    pub(crate) fn new(stretches: u64) -> Self {
        Self {
            stretches,
            told: Mutex::default(),
        }
    }

    /// Damaged stretches of the log that were met at the start.
    pub(crate) const fn stretches(&self) -> u64 {
        self.stretches
    }

    /// The groups of the command that are to be told now. Each comes once.
    pub(crate) fn tell(&self, command: &Command) -> Vec<GroupId> {
        let Command::FetchOffsets(fetch) = command else {
            return Vec::new();
        };
        if self.stretches == 0 {
            return Vec::new();
        }
        let mut told = lock(&self.told);
        let names_partitions = |group: &&FetchOffsetsGroup| {
            let topics = group.topics.as_ref();
            topics.is_some_and(|topics| !topics.is_empty())
        };
        let groups = fetch.groups.iter().filter(names_partitions);
        let mut tell_one = |group: &GroupId| told.len() < TOLD_MAX && told.insert(group.clone());
        groups
            .filter(|group| tell_one(&group.group))
            .map(|group| group.group.clone())
            .collect()
    }
}

/// Answers these groups with the error.
pub(crate) async fn tell(
    namespace: &Arc<Namespace>,
    groups: &mut [FetchedGroup],
    to_tell: &[GroupId],
) {
    for group in groups {
        if to_tell.contains(&group.group) {
            error!(group = %group.group, "the group is told that committed offsets may be lost");
            group.result = Err(GroupError::OffsetsLost);
            if !let_join_anew(namespace, &group.group).await {
                warn!(group = %group.group, "its members were not asked to join again");
            }
        }
    }
}

async fn let_join_anew(namespace: &Arc<Namespace>, group: &GroupId) -> bool {
    let describe = Command::DescribeGroups(vec![group.clone()]);
    let Ok(described) = namespace.group(describe, &Sender::BROKER) else {
        return false;
    };
    let Ok(Reply::DescribeGroups(described)) = described.await else {
        return false;
    };
    let known = described
        .into_iter()
        .filter_map(|one: DescribedGroup| one.result.ok());
    let members = known
        .flat_map(|group| group.members)
        .map(|member| LeavingMember {
            member: member.member,
            instance: member.instance,
        });
    let leave = Command::LeaveGroup(LeaveGroup {
        group: group.clone(),
        members: members.collect(),
    });
    match namespace.group(leave, &Sender::BROKER) {
        Ok(left) => left.await.is_ok(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use coordinator::{FetchOffsets, PerTopic};
    use model::{PartitionIndex, TopicName};

    use super::*;

    fn fetch(group: &str, names_partitions: bool) -> Command {
        let topics = names_partitions.then(|| {
            vec![PerTopic {
                topic: TopicName::try_from("t").unwrap(),
                partitions: vec![PartitionIndex(0)],
            }]
        });
        Command::FetchOffsets(FetchOffsets {
            groups: vec![FetchOffsetsGroup {
                group: GroupId::from(group),
                topics,
            }],
        })
    }

    #[test]
    fn each_group_is_told_once_and_a_monitor_takes_nobodys_turn() {
        let untold = Untold::new(1);
        assert!(untold.tell(&fetch("a", false)).is_empty());
        assert_eq!(untold.tell(&fetch("a", true)), [GroupId::from("a")]);
        assert!(untold.tell(&fetch("a", true)).is_empty());
        assert_eq!(untold.tell(&fetch("b", true)), [GroupId::from("b")]);
    }

    #[test]
    fn nobody_is_told_where_nothing_was_lost() {
        assert!(Untold::default().tell(&fetch("a", true)).is_empty());
    }

    #[test]
    fn no_more_groups_are_remembered_than_may_be() {
        let untold = Untold::new(1);
        for number in 0..TOLD_MAX {
            assert_eq!(untold.tell(&fetch(&format!("g{number}"), true)).len(), 1);
        }
        assert!(untold.tell(&fetch("one more", true)).is_empty());
    }
}

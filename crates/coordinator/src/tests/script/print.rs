//! Replies as lines, and member ids in short.

use std::fmt::Write as _;

use crate::{DescribedGroup, GroupError, Joined, Reply};

pub(super) fn print(name: &str, reply: &Reply) -> String {
    match reply {
        Reply::JoinGroup(Ok(joined)) => format!("{name}: {}", print_joined(joined)),
        Reply::JoinGroup(Err(error)) => format!("{name}: join: {error:?}"),
        Reply::SyncGroup(Ok(synced)) => format!("{name}: synced {:?}", synced.assignment),
        Reply::SyncGroup(Err(error)) => format!("{name}: sync: {error:?}"),
        Reply::Heartbeat(Ok(())) => format!("{name}: alive"),
        Reply::Heartbeat(Err(error)) => format!("{name}: beat: {error:?}"),
        Reply::LeaveGroup(Ok(left)) => {
            let results: Vec<_> = left.iter().map(|left| outcome_of(&left.result)).collect();
            format!("left {}", results.join(" "))
        }
        Reply::LeaveGroup(Err(error)) => format!("leave: {error:?}"),
        Reply::CommitOffsets(Ok(topics)) | Reply::DeleteOffsets(Ok(topics)) => {
            let partitions = topics.iter().flat_map(|topic| &topic.partitions);
            let results = partitions.map(|partition| outcome_of(&partition.result));
            results.collect::<Vec<_>>().join(" ")
        }
        Reply::CommitOffsets(Err(error)) => format!("commit: {error:?}"),
        Reply::DeleteOffsets(Err(error)) => format!("forget: {error:?}"),
        Reply::FetchOffsets(groups) => {
            let mut words = vec!["fetched".to_owned()];
            for topic in groups.iter().flat_map(|group| &group.topics) {
                for partition in &topic.partitions {
                    let committed = partition.committed.as_ref();
                    let value = committed.map_or_else(
                        || "none".to_owned(),
                        |committed| format!("{}:{}", committed.offset, committed.metadata),
                    );
                    words.push(format!("{}:{}={value}", topic.topic, partition.partition));
                }
            }
            words.join(" ")
        }
        Reply::DescribeGroups(groups) => {
            let groups = groups.iter().map(print_described);
            groups.collect::<Vec<_>>().join("; ")
        }
        Reply::ListGroups(groups) => {
            let groups = groups.iter().map(|listed| {
                let state = listed.state.as_str();
                format!("{} {state} {:?}", listed.group, listed.protocol_type)
            });
            format!("listed {}", groups.collect::<Vec<_>>().join(", "))
        }
        Reply::DeleteGroups(groups) => {
            let results = groups.iter().map(|deleted| outcome_of(&deleted.result));
            format!("deleted {}", results.collect::<Vec<_>>().join(" "))
        }
        Reply::TopicDeleted => "topic dropped".to_owned(),
    }
}

fn print_joined(joined: &Joined) -> String {
    let mut line = format!(
        "joined {} {} leader={} as {}",
        joined.generation, joined.protocol, joined.leader, joined.member
    );
    if joined.skip_assignment {
        line.push_str(" skip");
    }
    for member in &joined.members {
        write!(line, " [{} {:?}]", member.member, member.metadata).unwrap();
    }
    line
}

fn print_described(described: &DescribedGroup) -> String {
    match &described.result {
        Err(error) => format!("{} {error:?}", described.group),
        Ok(group) => {
            let state = group.state.as_str();
            let mut line = format!(
                "{} {state} {:?} {:?}",
                described.group, group.protocol_type, group.protocol
            );
            for member in &group.members {
                write!(
                    line,
                    " [{} {} {} {:?} {:?}]",
                    member.member,
                    member.client_id,
                    member.client_host,
                    member.metadata,
                    member.assignment
                )
                .unwrap();
            }
            line
        }
    }
}

fn outcome_of(result: &Result<(), GroupError>) -> String {
    match result {
        Ok(()) => "ok".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

const UUID_PREFIX: &str = "00000000-0000-0000-0000-";

/// Prints `a-00000000-0000-0000-0000-00000000000c` as `a-12`.
pub(super) fn short(text: &str) -> String {
    let mut parts = text.split(UUID_PREFIX);
    let mut shortened = parts.next().unwrap().to_owned();
    for part in parts {
        let (number, rest) = part.split_at(12);
        let number = u64::from_str_radix(number, 16).unwrap();
        write!(shortened, "{number}{rest}").unwrap();
    }
    shortened
}

pub(super) fn long(id: &str) -> String {
    let (prefix, number) = id.rsplit_once('-').unwrap();
    let number: u64 = number.parse().unwrap();
    format!("{prefix}-{UUID_PREFIX}{number:012x}")
}

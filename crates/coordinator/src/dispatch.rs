//! One command: whether its sender may send it, what is done, and which groups that may change.

use model::GroupId;

use crate::{
    Command, GroupError, Reach, Reply, Sender, Ticket, admin,
    join::{self, Groups},
    offsets, session, subscription, sync,
    turn::Turn,
};

/// Refuses who may not listen to all that the command's group reads. Descriptions, lists and
/// deletions answer for each of their groups; offsets that are read belong to their topics, which
/// the shell has judged.
#[inline]
pub(crate) fn refusal(groups: &Groups, command: &Command, sender: &Sender) -> Option<Reply> {
    let reach = &sender.reach;
    if *reach == Reach::Everything {
        return None;
    }
    let is_foreign = |id| groups.get(id).is_some_and(|group| !group.is_within(reach));
    let error = GroupError::NotAuthorized;
    match command {
        Command::JoinGroup(request) => {
            let own = subscription::interest(&request.protocol_type, &request.protocols);
            let is_refused = is_foreign(&request.group) || !own.is_within(reach);
            is_refused.then_some(Reply::JoinGroup(Err(error)))
        }
        Command::SyncGroup(request) => {
            is_foreign(&request.group).then_some(Reply::SyncGroup(Err(error)))
        }
        Command::Heartbeat(request) => {
            is_foreign(&request.group).then_some(Reply::Heartbeat(Err(error)))
        }
        Command::LeaveGroup(request) => {
            let leaves_itself = groups
                .get(&request.group)
                .is_some_and(|group| group.came_over(sender.connection, &request.members));
            let is_refused = is_foreign(&request.group) && !leaves_itself;
            is_refused.then_some(Reply::LeaveGroup(Err(error)))
        }
        Command::CommitOffsets(request) => {
            is_foreign(&request.group).then_some(Reply::CommitOffsets(Err(error)))
        }
        Command::DeleteOffsets(request) => {
            is_foreign(&request.group).then_some(Reply::DeleteOffsets(Err(error)))
        }
        Command::FetchOffsets(_)
        | Command::DescribeGroups(_)
        | Command::ListGroups(_)
        | Command::DeleteGroups(_)
        | Command::TopicDeleted(_) => None,
    }
}

/// Decides a command whose sender may send it; `None` if the reply is given elsewhere.
#[inline]
pub(crate) fn decide(
    groups: &mut Groups,
    turn: &mut Turn<'_>,
    command: Command,
    sender: &Sender,
    ticket: Ticket,
) -> Option<Reply> {
    let reach = &sender.reach;
    Some(match command {
        Command::JoinGroup(request) => {
            return join::join_group(groups, turn, request, sender, ticket);
        }
        Command::SyncGroup(request) => return sync::sync_group(groups, turn, &request, ticket),
        Command::Heartbeat(request) => Reply::Heartbeat(session::heartbeat(groups, turn, &request)),
        Command::LeaveGroup(request) => Reply::LeaveGroup(session::leave(groups, turn, request)),
        Command::CommitOffsets(request) => {
            Reply::CommitOffsets(offsets::commit(groups, turn, request))
        }
        Command::FetchOffsets(request) => {
            let fetched = request.groups.into_iter();
            let fetched = fetched.map(|group| offsets::fetch(groups, group));
            Reply::FetchOffsets(fetched.collect())
        }
        Command::DeleteOffsets(request) => {
            Reply::DeleteOffsets(offsets::delete(groups, turn, request))
        }
        Command::DescribeGroups(ids) => {
            let described = ids.into_iter().map(|id| admin::describe(groups, id, reach));
            Reply::DescribeGroups(described.collect())
        }
        Command::ListGroups(request) => Reply::ListGroups(admin::list(groups, &request, reach)),
        Command::DeleteGroups(ids) => {
            let deleted = ids.into_iter();
            let deleted = deleted.map(|id| admin::delete(groups, turn, id, reach));
            Reply::DeleteGroups(deleted.collect())
        }
        Command::TopicDeleted(topic) => {
            offsets::topic_deleted(groups, turn, &topic);
            Reply::TopicDeleted
        }
    })
}

/// The groups whose soft state a command may change, and so what they hold; a refused one may leave
/// a group without content.
#[inline]
pub(crate) fn touched_groups(command: &Command) -> Vec<GroupId> {
    match command {
        Command::JoinGroup(request) => vec![request.group.clone()],
        Command::SyncGroup(request) => vec![request.group.clone()],
        Command::LeaveGroup(request) => vec![request.group.clone()],
        Command::DeleteGroups(ids) => ids.clone(),
        Command::Heartbeat(_)
        | Command::CommitOffsets(_)
        | Command::FetchOffsets(_)
        | Command::DeleteOffsets(_)
        | Command::DescribeGroups(_)
        | Command::ListGroups(_)
        | Command::TopicDeleted(_) => Vec::new(),
    }
}

//! Consumer groups from outside: listing, describing, offsets, deleting.

use kafka_protocol::{
    messages::{
        DeleteGroupsRequest, DescribeGroupsRequest, GroupId, ListGroupsRequest,
        OffsetCommitRequest, OffsetFetchRequest,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch_request::OffsetFetchRequestGroup,
    },
    protocol::StrBytes,
};

use crate::{
    CallError, Client,
    client::{text, topic_name},
};

/// The newest versions that name topics; later ones want their ids.
const NEWEST_BY_NAME: i16 = 9;

/// A group in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    pub group: String,
    pub protocol_type: String,
    /// Empty where the broker does not say.
    pub state: String,
}

/// What a group is doing.
#[derive(Clone, Debug)]
pub struct GroupDescription {
    pub group: String,
    pub state: String,
    pub protocol_type: String,
    /// The assignor that was chosen.
    pub protocol: String,
    pub members: Vec<GroupMember>,
}

#[derive(Clone, Debug)]
pub struct GroupMember {
    pub member_id: String,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
}

/// Where a group stands in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub metadata: String,
}

impl Client {
    /// All groups that the caller may see.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn list_groups(&mut self) -> Result<Vec<GroupListing>, CallError> {
        let answer = self.call(&ListGroupsRequest::default()).await?;
        CallError::check(|| "groups".to_owned(), answer.error_code, None)?;
        let listing = answer.groups.iter().map(|group| GroupListing {
            group: group.group_id.to_string(),
            protocol_type: group.protocol_type.to_string(),
            state: group.group_state.to_string(),
        });
        Ok(listing.collect())
    }

    /// One group's state and members.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn describe_group(&mut self, group: &str) -> Result<GroupDescription, CallError> {
        let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(text(group))]);
        let answer = self.call(&request).await?;
        let found = answer.groups.first();
        let found = found.ok_or_else(|| CallError::Missing {
            subject: group.to_owned(),
        })?;
        let message = found.error_message.as_deref();
        CallError::check(|| group.to_owned(), found.error_code, message)?;
        Ok(GroupDescription {
            group: group.to_owned(),
            state: found.group_state.to_string(),
            protocol_type: found.protocol_type.to_string(),
            protocol: found.protocol_data.to_string(),
            members: found
                .members
                .iter()
                .map(|member| GroupMember {
                    member_id: member.member_id.to_string(),
                    instance_id: member.group_instance_id.as_ref().map(StrBytes::to_string),
                    client_id: member.client_id.to_string(),
                    client_host: member.client_host.to_string(),
                })
                .collect(),
        })
    }

    /// Every offset that a group has committed.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn committed_offsets(
        &mut self,
        group: &str,
    ) -> Result<Vec<CommittedOffset>, CallError> {
        // The form for several groups, which every version since Kafka 3.0 has.
        let request = OffsetFetchRequest::default().with_groups(vec![
            OffsetFetchRequestGroup::default()
                .with_group_id(GroupId(text(group)))
                .with_member_epoch(-1)
                .with_topics(None),
        ]);
        let answer = self.call_up_to(&request, NEWEST_BY_NAME).await?;
        CallError::check(|| group.to_owned(), answer.error_code, None)?;
        let mut offsets = Vec::new();
        for found in &answer.groups {
            CallError::check(|| group.to_owned(), found.error_code, None)?;
            for topic in &found.topics {
                for partition in &topic.partitions {
                    offsets.push(CommittedOffset {
                        topic: topic.name.to_string(),
                        partition: partition.partition_index,
                        offset: partition.committed_offset,
                        metadata: metadata(partition.metadata.as_ref()),
                    });
                }
            }
        }
        offsets.retain(|committed| committed.offset >= 0);
        offsets.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        Ok(offsets)
    }

    /// Commits offsets of one topic as a simple consumer: outside any generation of the group.
    ///
    /// # Errors
    /// No answer, or a refusal of a partition; the group must have no members.
    pub async fn commit_offsets(
        &mut self,
        group: &str,
        topic: &str,
        offsets: &[(i32, i64)],
    ) -> Result<(), CallError> {
        let partition = |(index, offset): &(i32, i64)| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(*index)
                .with_committed_offset(*offset)
                .with_committed_leader_epoch(-1)
                .with_committed_metadata(Some(StrBytes::default()))
        };
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![
                OffsetCommitRequestTopic::default()
                    .with_name(topic_name(topic))
                    .with_partitions(offsets.iter().map(partition).collect()),
            ]);
        let answer = self.call_up_to(&request, NEWEST_BY_NAME).await?;
        for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
            let subject = || format!("{group}: {topic}[{}]", partition.partition_index);
            CallError::check(subject, partition.error_code, None)?;
        }
        Ok(())
    }

    /// Deletes a group with its offsets.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn delete_group(&mut self, group: &str) -> Result<(), CallError> {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text(group))]);
        let answer = self.call(&request).await?;
        let result = answer.results.first();
        let result = result.ok_or_else(|| CallError::Missing {
            subject: group.to_owned(),
        })?;
        CallError::check(|| group.to_owned(), result.error_code, None)
    }
}

fn metadata(text: Option<&StrBytes>) -> String {
    text.map(StrBytes::to_string).unwrap_or_default()
}

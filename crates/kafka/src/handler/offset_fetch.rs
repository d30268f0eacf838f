//! OffsetFetch (9): what groups have committed.
//!
//! | Card | |
//! |---|---|
//! | Versions | 1 to 10 |
//! | Behaviour | Groups, topics and partitions named more than once are answered once. One group up to version 7, several from 8 (KIP-709); all topics where none are named (from 2); topics by id from 10. Waits until what it saw is durable |
//! | Differs | Kafka answers each mention. After damage to the log of groups each group is told once, with OFFSET_OUT_OF_RANGE, that offsets it committed may be gone |
//! | Skipped | `require_stable` (7) has nothing to wait for: there are no transactions. Member epochs (9) bind only groups of the newer protocol |

use std::collections::{HashMap, HashSet};

use hub::{
    Access,
    access::TopicRef,
    groups::{
        Command, FetchOffsets, FetchOffsetsGroup, FetchedGroup, FetchedOffset, PerTopic, Reply,
    },
};
use kafka_protocol::{
    messages::{
        GroupId as WireGroupId, OffsetFetchRequest, OffsetFetchResponse,
        TopicName as WireTopicName,
        offset_fetch_request::{
            OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
        },
        offset_fetch_response::{
            OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
            OffsetFetchResponseTopic, OffsetFetchResponseTopics,
        },
    },
    protocol::StrBytes,
};
use model::{PartitionIndex, TopicId, TopicName};
use uuid::Uuid;
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler, TooLarge, codes, groups, size, words};

/// From this version several groups may be asked for.
const GROUPS_FROM: i16 = 8;
/// From this version topics are named by id.
const IDS_FROM: i16 = 10;
/// From this version the reply has an error of its own, beside each partition's.
const GROUP_ERROR_FROM: i16 = 2;

/// What a group's or a topic's entry takes.
const GROUP_BYTES: usize = 800;
/// What a partition takes beside its entry: what the coordinator says of it, and the old form.
const PARTITION_BYTES: usize = 2 * size_of::<OffsetFetchResponsePartition>() + 200;

pub(crate) struct OffsetFetch;

impl Handler for OffsetFetch {
    type Request = OffsetFetchRequest;

    fn reply_bytes(call: &Call<'_>, request: &OffsetFetchRequest, enough: usize) -> usize {
        let mut sum = size::Sum::new(enough);
        let topics = request.topics.iter().flatten();
        let topics = topics.map(|topic| (topic.name.len(), topic.partition_indexes.len()));
        let _enough = sum.add_all(topics.map(named_bytes));
        for group in &request.groups {
            let topics = group.topics.iter().flatten();
            let topics = topics.map(|topic| (topic.name.len(), topic.partition_indexes.len()));
            let own = GROUP_BYTES + size::text(group.group_id.len());
            if sum.add_all(topics.map(named_bytes)).is_break() || sum.add(own).is_break() {
                return sum.bytes();
            }
        }
        let text_max = call.access.limits().offset_metadata_bytes_max;
        for (group, count) in asked_counts(request, call.version) {
            let mut texts = size::Sum::new(enough);
            let mut last = None;
            call.access
                .look_at_offsets(&groups::group_id(group), &mut |topic, bytes| {
                    let same = last
                        .replace(topic.clone())
                        .is_some_and(|last| last == *topic);
                    let name = if same { 0 } else { topic.as_str().len() };
                    let entry = count.map_or_else(|| named_bytes((name, 1)), |_| 0);
                    texts.add(entry + 2 * size::text(bytes))
                });
            let named = count.map_or(usize::MAX, |count| count * 2 * size::text(text_max));
            if sum.add(texts.bytes().min(named)).is_break() {
                break;
            }
        }
        sum.bytes()
    }

    fn too_large(
        request: OffsetFetchRequest,
        version: i16,
        refusal: &TooLarge,
    ) -> Option<OffsetFetchResponse> {
        if version < GROUP_ERROR_FROM || !refusal.has_room(request.groups.len()) {
            return None;
        }
        let refused = |wanted: Wanted| {
            OffsetFetchResponseGroup::default()
                .with_group_id(wanted.group)
                .with_error_code(TooLarge::CODE.code())
        };
        let groups = each_once(wanted(request, version)).into_iter();
        Some(respond(groups.map(refused).collect(), version))
    }

    fn handle(call: &Call<'_>, request: OffsetFetchRequest) -> Answer<OffsetFetchResponse> {
        let version = call.version;
        let asked: Vec<AskedGroup> = each_once(wanted(request, version))
            .into_iter()
            .map(|wanted| ask_for(call, wanted))
            .collect();
        let command = Command::FetchOffsets(FetchOffsets {
            groups: asked.iter().map(AskedGroup::command).collect(),
        });
        let reply = groups::ask(call, command);
        let access = call.access.clone();
        Answer::later(async move {
            let (found, code) = match reply.await {
                Ok(Reply::FetchOffsets(found)) => (found, ErrorCode::None),
                Ok(_) => (Vec::new(), ErrorCode::UnknownServerError),
                Err(error) => (Vec::new(), groups::call_code(&error)),
            };
            let mut found = found.into_iter();
            let answers = asked
                .into_iter()
                .map(|group| answer(&access, group, found.next(), code));
            respond(answers.collect(), version)
        })
    }
}

/// What a topic of the request with so many partitions takes: the bytes of its name, and their number.
fn named_bytes((name, partitions): (usize, usize)) -> usize {
    let each = size::entry::<OffsetFetchResponsePartitions>(PARTITION_BYTES);
    GROUP_BYTES + 2 * size::text(name) + partitions * each
}

/// Each group of the request, and of how many partitions it asks; none for all.
fn asked_counts(
    request: &OffsetFetchRequest,
    version: i16,
) -> HashMap<&WireGroupId, Option<usize>> {
    let mut counts = HashMap::new();
    let mut add = |group, count: Option<usize>| {
        let sum = counts.entry(group).or_insert(Some(0_usize));
        *sum = sum.zip(count).map(|(sum, count)| sum + count);
    };
    for group in &request.groups {
        let topics = group.topics.as_ref();
        let count = |topics: &Vec<OffsetFetchRequestTopics>| {
            topics
                .iter()
                .map(|topic| topic.partition_indexes.len())
                .sum()
        };
        add(&group.group_id, topics.map(count));
    }
    if version < GROUPS_FROM {
        let topics = request.topics.as_ref();
        let count = |topics: &Vec<OffsetFetchRequestTopic>| {
            topics
                .iter()
                .map(|topic| topic.partition_indexes.len())
                .sum()
        };
        add(&request.group_id, topics.map(count));
    }
    counts
}

/// One group of the request, in the form of version 8 and later.
struct Wanted {
    group: WireGroupId,
    topics: Option<Vec<WantedTopic>>,
}

struct WantedTopic {
    name: WireTopicName,
    id: Uuid,
    partitions: Vec<i32>,
}

fn wanted(request: OffsetFetchRequest, version: i16) -> Vec<Wanted> {
    if version >= GROUPS_FROM {
        let topic = |topic: OffsetFetchRequestTopics| WantedTopic {
            name: topic.name,
            id: topic.topic_id,
            partitions: topic.partition_indexes,
        };
        let group = |group: OffsetFetchRequestGroup| Wanted {
            group: group.group_id,
            topics: group
                .topics
                .map(|topics| topics.into_iter().map(topic).collect()),
        };
        return request.groups.into_iter().map(group).collect();
    }
    let topic = |topic: OffsetFetchRequestTopic| WantedTopic {
        name: topic.name,
        id: Uuid::nil(),
        partitions: topic.partition_indexes,
    };
    let topics = request.topics;
    vec![Wanted {
        group: request.group_id,
        topics: topics.map(|topics| topics.into_iter().map(topic).collect()),
    }]
}

/// Each group, topic and partition at its first mention.
fn each_once(named: Vec<Wanted>) -> Vec<Wanted> {
    let mut places = HashMap::new();
    let mut once: Vec<Wanted> = Vec::with_capacity(named.len());
    for wanted in named {
        let place = *places.entry(wanted.group.clone()).or_insert(once.len());
        let Some(first) = once.get_mut(place) else {
            once.push(wanted);
            continue;
        };
        match (&mut first.topics, wanted.topics) {
            (Some(topics), Some(more)) => topics.extend(more),
            // All topics hold whatever is named.
            (topics, _) => *topics = None,
        }
    }
    for wanted in &mut once {
        wanted.topics = wanted.topics.take().map(topics_once);
    }
    once
}

fn topics_once(named: Vec<WantedTopic>) -> Vec<WantedTopic> {
    let mut places = HashMap::new();
    let mut once: Vec<WantedTopic> = Vec::with_capacity(named.len());
    for topic in named {
        let key = (topic.name.clone(), topic.id);
        let place = *places.entry(key).or_insert(once.len());
        match once.get_mut(place) {
            Some(first) => first.partitions.extend(topic.partitions),
            None => once.push(topic),
        }
    }
    for topic in &mut once {
        let mut seen = HashSet::new();
        topic.partitions.retain(|index| seen.insert(*index));
    }
    once
}

/// A group with its topics judged by the caller's rights.
struct AskedGroup {
    group: WireGroupId,
    topics: Option<Vec<(WantedTopic, Result<TopicName, ErrorCode>)>>,
}

impl AskedGroup {
    fn command(&self) -> FetchOffsetsGroup {
        let topics = self.topics.as_ref().map(|topics| {
            let allowed = topics.iter().filter_map(|(wanted, judged)| {
                let partitions = wanted
                    .partitions
                    .iter()
                    .copied()
                    .map(PartitionIndex)
                    .collect();
                judged.as_ref().ok().map(|topic| PerTopic {
                    topic: topic.clone(),
                    partitions,
                })
            });
            allowed.collect()
        });
        FetchOffsetsGroup {
            group: groups::group_id(&self.group),
            topics,
        }
    }
}

fn ask_for(call: &Call<'_>, wanted: Wanted) -> AskedGroup {
    let judge = |topic: WantedTopic| {
        let judged = judge(call, &topic);
        (topic, judged)
    };
    let topics = wanted
        .topics
        .map(|topics| topics.into_iter().map(judge).collect());
    AskedGroup {
        group: wanted.group,
        topics,
    }
}

/// A topic that does not exist (any more) may still have offsets under its name, but not its id.
fn judge(call: &Call<'_>, topic: &WantedTopic) -> Result<TopicName, ErrorCode> {
    if call.version >= IDS_FROM {
        let id = TopicRef::Id(TopicId(topic.id.as_u128()));
        return match call.access.topic_to_listen(id) {
            Ok(topic) => Ok(topic.name().clone()),
            Err(error) => Err(codes::access(error, id)),
        };
    }
    let name = TopicName::try_from(topic.name.0.as_str());
    match (
        call.access
            .topic_to_listen(TopicRef::Name(topic.name.0.as_str())),
        name,
    ) {
        (Err(hub::AccessError::Denied), _) => Err(ErrorCode::TopicAuthorizationFailed),
        (_, Ok(name)) => Ok(name),
        // Nobody can have committed anything under a name that is none.
        (_, Err(_)) => Err(ErrorCode::None),
    }
}

fn answer(
    access: &Access,
    asked: AskedGroup,
    found: Option<FetchedGroup>,
    code: ErrorCode,
) -> OffsetFetchResponseGroup {
    let group = OffsetFetchResponseGroup::default().with_group_id(asked.group);
    let refusal = found.as_ref().and_then(|found| found.result.as_ref().err());
    let code = refusal.map_or(code, groups::group_code);
    if code != ErrorCode::None {
        let refuse = |(wanted, _)| refused_topic(wanted, code);
        let topics = asked.topics.into_iter().flatten().map(refuse).collect();
        return group.with_error_code(code.code()).with_topics(topics);
    }
    let found_topics = found.map_or_else(Vec::new, |group| group.topics);
    let topics = match asked.topics {
        None => found_topics
            .iter()
            .filter_map(|topic| readable(access, topic))
            .collect(),
        Some(topics) => {
            let mut found_topics = found_topics.into_iter();
            let topic = |(wanted, judged): (WantedTopic, _)| match judged {
                Ok(_) => {
                    let offsets = found_topics.next().map_or_else(Vec::new, |t| t.partitions);
                    topic_answer(wanted.name, wanted.id, offsets.iter().map(offset).collect())
                }
                Err(code) => refused_topic(wanted, code),
            };
            topics.into_iter().map(topic).collect()
        }
    };
    group.with_topics(topics)
}

/// A topic out of all that a group committed to, if the caller may read it.
fn readable(access: &Access, topic: &PerTopic<FetchedOffset>) -> Option<OffsetFetchResponseTopics> {
    let id = match access.topic_to_listen(TopicRef::Name(topic.topic.as_str())) {
        Ok(known) => Uuid::from_u128(known.id().0),
        Err(hub::AccessError::Unknown) => Uuid::nil(),
        Err(hub::AccessError::Denied) => return None,
    };
    let partitions = topic.partitions.iter().map(offset).collect();
    Some(topic_answer(
        groups::wire_topic(&topic.topic),
        id,
        partitions,
    ))
}

fn topic_answer(
    name: WireTopicName,
    id: Uuid,
    partitions: Vec<OffsetFetchResponsePartitions>,
) -> OffsetFetchResponseTopics {
    OffsetFetchResponseTopics::default()
        .with_name(name)
        .with_topic_id(id)
        .with_partitions(partitions)
}

fn offset(found: &FetchedOffset) -> OffsetFetchResponsePartitions {
    let partition = nothing(found.partition.0, ErrorCode::None);
    let Some(committed) = &found.committed else {
        return partition;
    };
    partition
        .with_committed_offset(committed.offset.0)
        .with_committed_leader_epoch(committed.leader_epoch.0)
        .with_metadata(Some(words::text(&committed.metadata)))
}

fn nothing(partition: i32, code: ErrorCode) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions::default()
        .with_partition_index(partition)
        .with_committed_offset(-1)
        .with_committed_leader_epoch(-1)
        .with_metadata(Some(StrBytes::default()))
        .with_error_code(code.code())
}

fn refused_topic(wanted: WantedTopic, code: ErrorCode) -> OffsetFetchResponseTopics {
    let partitions = wanted
        .partitions
        .iter()
        .map(|&index| nothing(index, code))
        .collect();
    topic_answer(wanted.name, wanted.id, partitions)
}

/// Up to version 7 the one group's answer is the reply's. Version 1 has no error of its own, so
/// its partitions say what is wrong with the group; from then on no topic is named beside that.
fn respond(mut answers: Vec<OffsetFetchResponseGroup>, version: i16) -> OffsetFetchResponse {
    if version >= GROUP_ERROR_FROM {
        let refused = answers.iter_mut().filter(|group| group.error_code != 0);
        refused.for_each(|group| group.topics.clear());
    }
    if version >= GROUPS_FROM {
        return OffsetFetchResponse::default().with_groups(answers);
    }
    let only = answers.pop().unwrap_or_default();
    let topic = |topic: OffsetFetchResponseTopics| {
        let partition = |partition: OffsetFetchResponsePartitions| {
            OffsetFetchResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_committed_offset(partition.committed_offset)
                .with_committed_leader_epoch(partition.committed_leader_epoch)
                .with_metadata(partition.metadata)
                .with_error_code(partition.error_code)
        };
        OffsetFetchResponseTopic::default()
            .with_name(topic.name)
            .with_partitions(topic.partitions.into_iter().map(partition).collect())
    };
    let response =
        OffsetFetchResponse::default().with_topics(only.topics.into_iter().map(topic).collect());
    if version >= GROUP_ERROR_FROM {
        return response.with_error_code(only.error_code);
    }
    response
}

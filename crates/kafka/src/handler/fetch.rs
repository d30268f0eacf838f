//! Fetch (1): records from partitions, verbatim, waiting for them if there are too few.
//!
//! | Card | |
//! |---|---|
//! | Versions | 4 to 18; from 13 on topics are named by id alone |
//! | Behaviour | Incremental sessions (KIP-227). At least one batch, however large, then within the limits of request and partition. A partition with an error ends the wait at once. The client's leader epoch is checked, and from version 12 its last epoch: where the logs part, the reply says so. Above the throughput units the reply says how long to wait and the connection is not read for that long; before version 8 it leaves late |
//! | Differs | A fetch over more than 1,600 partitions waits for a second at most. Records of both isolation levels end at the high watermark, which is the synced end of the log; a committed read lists no aborted transactions |
//! | Skipped | Followers: a replica id makes no difference. Racks and preferred replicas |

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hub::{
    ListenPartition, ListenTopic,
    access::TopicRef,
    fetch::{FetchFailure, FetchPartition, FetchRequest as Read, Fetched, Lending},
};
use kafka_protocol::messages::{
    FetchRequest, FetchResponse as LibraryResponse, fetch_request::FetchTopic,
    fetch_request::ForgottenTopic,
};
use model::{LeaderEpoch, Offset, PartitionIndex};
use wire::{
    error_code::ErrorCode,
    fetch_response::{
        EpochEnd, FetchResponse, FetchedPartition, FetchedTopic, LeaderEpoch as Leader,
        NodeEndpoint,
    },
};

use super::{
    Answer, Answered, Call, Content, Handler, Throttle, codes, outcome,
    words::{size, text, topic_id},
};
use crate::{
    address::{Endpoint, NODE_ID},
    fetch_session::{
        News, Opening, PartitionKey, Plan, ReplyScope, SessionError, TopicKey, Wanted,
    },
};

/// From this version on clients keep away by themselves when told to (KIP-219).
const MUTED_FROM: i16 = 8;
/// From this version on topics are named by id alone.
const TOPIC_IDS_FROM: i16 = 13;

const READ_COMMITTED: i8 = 1;

/// What reading and answering one partition take, its records apart.
const PARTITION_BYTES: usize = 640;
/// A fetch of so many partitions that it is a large request waits no longer than this: it waits in
/// memory that others wait for.
const LARGE_WAIT_MAX: Duration = Duration::from_secs(1);

pub(crate) struct Fetch;

impl Handler for Fetch {
    type Request = FetchRequest;

    fn reply_bytes(call: &Call<'_>, request: &FetchRequest, _enough: usize) -> usize {
        let topics = request.topics.iter();
        let named: usize = topics.map(|topic| topic.partitions.len()).sum();
        let sessions = &call.session.kafka.fetch_sessions;
        let remembered = sessions.partition_count(request.session_id);
        (named + remembered) * PARTITION_BYTES
    }

    fn handle(call: &Call<'_>, request: FetchRequest) -> Answer<LibraryResponse> {
        let version = call.version;
        let isolation = request.isolation_level;
        let wait = u64::try_from(request.max_wait_ms).unwrap_or(0);
        let mut max_wait = Duration::from_millis(wait);
        if call.is_large {
            max_wait = max_wait.min(LARGE_WAIT_MAX);
        }
        let mut read = Read {
            partitions: Vec::new(),
            min_bytes: size(request.min_bytes),
            max_bytes: size(request.max_bytes),
            max_wait,
            lending: Lending::Allowed,
        };
        let Plan { wanted, reply } = match open(call, request) {
            Ok(plan) => plan,
            Err(error) => return Answer::Ready(failed(version, error)),
        };
        let slots = resolve(call, wanted, &mut read.partitions);
        if slots.iter().any(|slot| slot.partition.is_err()) {
            read.max_wait = Duration::ZERO;
        }
        let (access, endpoint) = (call.access.clone(), call.session.endpoint());
        let bytes_max = Arc::clone(&call.session.reply_bytes_max);
        Answer::InTurn(Box::pin(async move {
            // Known when the replies before it have been taken. One batch is read in any case.
            read.max_bytes = read.max_bytes.min(bytes_max.load(Ordering::Relaxed));
            // Nothing to read is nothing to wait for.
            let fetched = if read.partitions.is_empty() {
                Fetched {
                    partitions: Vec::new(),
                    throttle: Duration::ZERO,
                }
            } else {
                access.fetch(read).await
            };
            let throttle = Throttle::new(fetched.throttle, version >= MUTED_FROM);
            let response = Assembly {
                reply,
                isolation,
                endpoint,
                throttle,
            };
            response.assemble(version, slots, fetched)
        }))
    }
}

/// A request refused as a whole: no session, no partitions.
fn failed(version: i16, error: ErrorCode) -> Answered<LibraryResponse> {
    let response = FetchResponse {
        error,
        ..FetchResponse::default()
    };
    Answered::new(Content::Chunks(response.into_body(version)))
        .counted(outcome::of_codes(std::iter::once(error.code())))
}

/// Takes the request through its session.
fn open(call: &Call<'_>, request: FetchRequest) -> Result<Plan, ErrorCode> {
    let by_id = call.version >= TOPIC_IDS_FROM;
    let opening = Opening {
        namespace: call.access.namespace(),
        session_id: request.session_id,
        epoch: request.session_epoch,
        by_id,
        wanted: request
            .topics
            .iter()
            .flat_map(|topic| wanted(topic, by_id))
            .collect(),
        forgotten: forgotten(&request.forgotten_topics_data, by_id),
        now: call.now.monotonic,
    };
    let sessions = &call.session.kafka.fetch_sessions;
    sessions.open(opening).map_err(|error| match error {
        SessionError::NotFound => ErrorCode::FetchSessionIdNotFound,
        SessionError::Epoch => ErrorCode::InvalidFetchSessionEpoch,
        SessionError::TopicIds => ErrorCode::FetchSessionTopicIdError,
    })
}

fn wanted(topic: &FetchTopic, by_id: bool) -> impl Iterator<Item = Wanted> {
    let key = if by_id {
        TopicKey::Id(topic_id(topic.topic_id))
    } else {
        TopicKey::named(topic.topic.as_str())
    };
    topic.partitions.iter().map(move |partition| Wanted {
        key: PartitionKey {
            topic: key.clone(),
            index: partition.partition,
        },
        offset: partition.fetch_offset,
        bytes_max: partition.partition_max_bytes,
        current_leader_epoch: partition.current_leader_epoch,
        last_fetched_epoch: partition.last_fetched_epoch,
    })
}

fn forgotten(topics: &[ForgottenTopic], by_id: bool) -> Vec<PartitionKey> {
    let keys = topics.iter().flat_map(|topic| {
        let key = if by_id {
            TopicKey::Id(topic_id(topic.topic_id))
        } else {
            TopicKey::named(topic.topic.as_str())
        };
        let indexes = topic.partitions.iter();
        indexes.map(move |index| PartitionKey {
            topic: key.clone(),
            index: *index,
        })
    });
    keys.collect()
}

/// One partition of the reply, in the request's order.
struct Slot {
    key: PartitionKey,
    /// What is read for it, or why nothing is.
    partition: Result<ListenPartition, ErrorCode>,
}

fn reference(key: &TopicKey) -> TopicRef<'_> {
    match key {
        TopicKey::Name(name) => TopicRef::Name(&name.text),
        TopicKey::Id(id) => TopicRef::Id(*id),
    }
}

/// Finds the partitions and checks the caller's right on each topic.
fn resolve(call: &Call<'_>, wanted: Vec<Wanted>, read: &mut Vec<FetchPartition>) -> Vec<Slot> {
    let mut last: Option<(TopicKey, Result<ListenTopic, ErrorCode>)> = None;
    let slots = wanted.into_iter().map(|wanted| {
        let known = last.take().filter(|(key, _)| *key == wanted.key.topic);
        let (key, topic) = known.unwrap_or_else(|| {
            let named = reference(&wanted.key.topic);
            let topic = call.access.topic_to_listen(named);
            let topic = topic.map_err(|error| codes::access(error, named));
            (wanted.key.topic.clone(), topic)
        });
        let partition = match &topic {
            Ok(topic) => topic
                .partition(PartitionIndex(wanted.key.index))
                .ok_or(ErrorCode::UnknownTopicOrPartition),
            Err(error) => Err(*error),
        };
        last = Some((key, topic));
        if let Ok(partition) = &partition {
            read.push(FetchPartition {
                partition: partition.clone(),
                offset: Offset(wanted.offset),
                max_bytes: size(wanted.bytes_max),
                current_leader_epoch: LeaderEpoch(wanted.current_leader_epoch),
                last_fetched_epoch: LeaderEpoch(wanted.last_fetched_epoch),
            });
        }
        Slot {
            key: wanted.key,
            partition,
        }
    });
    slots.collect()
}

/// What a reply is put together from, beside the partitions.
struct Assembly {
    reply: ReplyScope,
    isolation: i8,
    endpoint: Endpoint,
    throttle: Throttle,
}

impl Assembly {
    fn assemble(
        self,
        version: i16,
        slots: Vec<Slot>,
        fetched: Fetched,
    ) -> Answered<LibraryResponse> {
        let mut results = fetched.partitions.into_iter();
        let mut topics: Vec<(TopicKey, FetchedTopic)> = Vec::new();
        let mut errors = Vec::new();
        let mut names_leader = false;
        for slot in slots {
            let partition = self.partition(&slot, &mut results);
            names_leader |= partition.current_leader.is_some();
            errors.push(partition.error.code());
            if self.reply.names(&slot.key, news(&partition)) {
                add(&mut topics, slot.key.topic, partition);
            }
        }
        let node_endpoints = if names_leader {
            vec![self.node()]
        } else {
            Vec::new()
        };
        let response = FetchResponse {
            throttle_time_ms: self.throttle.reported_ms(),
            error: ErrorCode::None,
            session_id: self.reply.session_id(),
            topics: topics.into_iter().map(|(_, topic)| topic).collect(),
            node_endpoints,
        };
        Answered::new(Content::Chunks(response.into_body(version)))
            .throttled(self.throttle)
            .counted(outcome::of_codes(errors.into_iter()))
    }

    fn partition(
        &self,
        slot: &Slot,
        results: &mut impl Iterator<Item = Result<hub::fetch::FetchedPartition, FetchFailure>>,
    ) -> FetchedPartition {
        let mut entry = FetchedPartition::new(slot.key.index);
        let read = match &slot.partition {
            Ok(read) => read,
            Err(error) => {
                entry.error = *error;
                return entry;
            }
        };
        match results.next() {
            Some(Ok(found)) => {
                entry.high_watermark = found.high_watermark.0;
                entry.last_stable_offset = found.last_stable_offset.0;
                entry.log_start_offset = found.log_start_offset.0;
                entry.diverging_epoch = found.diverging.map(|end| EpochEnd {
                    epoch: end.epoch.0,
                    end_offset: end.end_offset.0,
                });
                entry.aborted_transactions = (self.isolation == READ_COMMITTED).then(Vec::new);
                entry.records = found.records;
            }
            Some(Err(failure)) => {
                entry.error = codes::fetch(failure.error, reference(&slot.key.topic));
                entry.high_watermark = failure.high_watermark.0;
                entry.log_start_offset = failure.log_start_offset.0;
                let tells_leader = matches!(
                    entry.error,
                    ErrorCode::FencedLeaderEpoch | ErrorCode::NotLeaderOrFollower
                );
                entry.current_leader = tells_leader.then(|| Leader {
                    leader_id: NODE_ID,
                    leader_epoch: read.positions().leader_epoch.0,
                });
            }
            // The hub answers every partition it was asked for.
            None => entry.error = ErrorCode::UnknownServerError,
        }
        entry
    }

    fn node(&self) -> NodeEndpoint {
        NodeEndpoint {
            node_id: NODE_ID,
            host: text(&self.endpoint.host),
            port: self.endpoint.port.into(),
            rack: None,
        }
    }
}

fn news(partition: &FetchedPartition) -> News {
    News {
        has_records: !partition.records.is_empty(),
        high_watermark: partition.high_watermark,
        log_start_offset: partition.log_start_offset,
        must_be_said: partition.error != ErrorCode::None || partition.diverging_epoch.is_some(),
    }
}

/// Partitions of one topic that follow each other share an entry, as Kafka writes them.
fn add(topics: &mut Vec<(TopicKey, FetchedTopic)>, key: TopicKey, partition: FetchedPartition) {
    if let Some((last, topic)) = topics.last_mut()
        && *last == key
    {
        topic.partitions.push(partition);
        return;
    }
    let mut topic = FetchedTopic::default();
    match &key {
        TopicKey::Name(name) => topic.name = text(&name.text),
        TopicKey::Id(id) => topic.id = *id,
    }
    topic.partitions.push(partition);
    topics.push((key, topic));
}

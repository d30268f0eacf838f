//! Produce (0): batches to partitions, verbatim.
//!
//! | Card | |
//! |---|---|
//! | Versions | 3 to 13; 0 to 2 are advertised too, because librdkafka compresses only where they are (KAFKA-18659), and refused |
//! | Behaviour | Exactly one batch a partition, every record of it walked, in a compressed block too. Batches take their place before the next request is looked at; acks 1 and -1 are answered once written or durable, 0 never, but an error closes the connection, and at most `requests_in_flight_max` of them wait for the disk. Topics by id from version 13. Above the throughput units the reply says how long to wait and the connection is not read for that long; before version 6 the reply leaves late instead. A request above `produce_request_bytes_max` is read away, and each of its partitions answered with MESSAGE_TOO_LARGE |
//! | Differs | Disk errors are KAFKA_STORAGE_ERROR; a namespace may answer POLICY_VIOLATION far above its units, as Azure does. The leader's address is not repeated with errors |
//! | Skipped | Transactions: a transactional id is TRANSACTIONAL_ID_AUTHORIZATION_FAILED. Message formats 0 and 1 |

mod opening;

mod too_large;

use std::time::Duration;

use hub::{
    access::TopicRef,
    append::{Acks, AppendError, Appended, Appending},
    observe::RequestResult,
};
use kafka_protocol::messages::{
    ProduceRequest, ProduceResponse,
    produce_request::TopicProduceData,
    produce_response::{BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse},
};
use model::{
    PartitionIndex,
    batch::{Batch, BatchError, RecordError},
};
use uuid::Uuid;
use wire::error_code::ErrorCode;

use self::opening::OpenedTopic;
pub(crate) use self::too_large::refuse as refuse_too_large;

use super::{
    Answer, Answered, Call, Content, Handler, Throttle, codes, size,
    words::{text, topic_id},
};

/// From this version on clients keep away by themselves when told to (KIP-219).
const MUTED_FROM: i16 = 6;
/// From this version on errors have words.
const MESSAGES_FROM: i16 = 8;
/// From this version on topics are named by id alone.
const TOPIC_IDS_FROM: i16 = 13;
/// What staging and answering one partition take beside its entry, the words of a refusal included.
const PARTITION_BYTES: usize = 640;
/// The same of a topic.
const TOPIC_BYTES: usize = 512;
/// Event Hubs takes no client's timeout for shorter than this.
const TIMEOUT_MIN: Duration = Duration::from_secs(20);

pub(crate) struct Produce;

impl Handler for Produce {
    type Request = ProduceRequest;

    fn reply_bytes(_call: &Call<'_>, request: &ProduceRequest, _enough: usize) -> usize {
        let each = size::entry::<PartitionProduceResponse>(PARTITION_BYTES);
        let topics = request.topic_data.iter();
        let partitions: usize = topics.map(|topic| topic.partition_data.len()).sum();
        let texts = request.topic_data.iter();
        let texts: usize = texts
            .map(|topic| TOPIC_BYTES + size::text(topic.name.len()))
            .sum();
        partitions * each + texts
    }

    fn handle(call: &Call<'_>, request: ProduceRequest) -> Answer<ProduceResponse> {
        let version = call.version;
        let mode = Mode::of(call, &request);
        let is_silent = request.acks == 0;
        let Some(opened) = opening::open_all(call, request.topic_data, &mode) else {
            return Answer::Elsewhere;
        };
        let place = |topic: OpenedTopic| topic.place(mode.acks());
        let topics: Vec<StagedTopic> = opened.into_iter().map(place).collect();
        let wait = topics.iter().map(StagedTopic::throttle).max();
        let wait = wait.unwrap_or_default();
        // Requests already on their way must not run ahead of a throttle that is known now.
        call.pause.set(wait);
        let throttle = Throttle::new(wait, version >= MUTED_FROM);
        if is_silent {
            return silent(call, topics, throttle);
        }
        Answer::Queued(Box::pin(async move {
            let mut responses = Vec::with_capacity(topics.len());
            for topic in topics {
                responses.push(topic.finish(version).await);
            }
            let response = ProduceResponse::default()
                .with_responses(responses)
                .with_throttle_time_ms(throttle.reported_ms());
            Answered::from(response).throttled(throttle)
        }))
    }
}

/// Nobody reads a reply of acks 0, so the only way to tell of an error is to hang up. The client may
/// have hung up itself long before the disk has its events: it is counted now, and a failure once
/// more.
fn silent(
    call: &Call<'_>,
    topics: Vec<StagedTopic>,
    throttle: Throttle,
) -> Answer<ProduceResponse> {
    let silence = || Answered::new(Content::Silent);
    let early = topics.iter().find_map(StagedTopic::early_failure);
    if let Some(reason) = early {
        return Answer::Ready(silence().closing(reason).counted(RequestResult::UserError));
    }
    call.access.count_request(match throttle {
        Throttle::None => RequestResult::Success,
        Throttle::Mute(_) | Throttle::Delay(_) => RequestResult::Throttled,
    });
    Answer::Queued(Box::pin(async move {
        for topic in topics {
            if let Some(reason) = topic.failure().await {
                return silence()
                    .closing(reason)
                    .counted(RequestResult::ServerError);
            }
        }
        silence().throttled(throttle).counted_before()
    }))
}

/// What is done with the whole request.
enum Mode {
    Append(Acks),
    Refuse(ErrorCode, &'static str),
}

impl Mode {
    const fn acks(&self) -> Acks {
        match self {
            Self::Append(acks) => *acks,
            Self::Refuse(..) => Acks::None,
        }
    }

    fn of(call: &Call<'_>, request: &ProduceRequest) -> Self {
        let acks = match request.acks {
            1 => Acks::Written,
            // Nobody is told, but the connection is not read far ahead of the disk.
            0 | -1 => Acks::Durable,
            _ => return Self::Refuse(ErrorCode::InvalidRequiredAcks, "acks must be -1, 0 or 1"),
        };
        if request.transactional_id.is_some() {
            return Self::Refuse(
                ErrorCode::TransactionalIdAuthorizationFailed,
                "this broker has no transactions",
            );
        }
        let (bytes, events) = size(&request.topic_data);
        let timeout = u64::try_from(request.timeout_ms).unwrap_or(0);
        let timeout = Duration::from_millis(timeout).max(TIMEOUT_MIN);
        if call.access.overruns(bytes, events, timeout) {
            return Self::Refuse(
                ErrorCode::PolicyViolation,
                "the namespace is too far above its throughput units",
            );
        }
        Self::Append(acks)
    }
}

/// Bytes and events that the request claims to hold.
fn size(topics: &[TopicProduceData]) -> (u64, u64) {
    let batches = topics
        .iter()
        .flat_map(|topic| &topic.partition_data)
        .filter_map(|partition| partition.records.as_ref());
    batches.fold((0, 0), |(bytes, events), batch| {
        let header = model::batch::BatchHeader::parse(batch);
        let count = header.map_or(0, |header| header.records_count);
        let count = u64::try_from(count).unwrap_or(0);
        // A slice's length always fits; the sum is bounded by the frame's.
        let length = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        (bytes + length, events + count)
    })
}

/// Why a partition's batch was not appended.
struct Refusal {
    error: ErrorCode,
    message: String,
    /// The records at fault, as far as they are known.
    records: Vec<(i32, String)>,
}

impl Refusal {
    fn new(error: ErrorCode, message: impl ToString) -> Self {
        Self {
            error,
            message: message.to_string(),
            records: Vec::new(),
        }
    }

    /// Names the records that are at fault (KIP-467).
    fn of_append(error: &AppendError, named: TopicRef<'_>) -> Self {
        let records = match error {
            AppendError::Records(breaches) => {
                let named = breaches.named.iter();
                named
                    .map(|(index, breach)| (*index, breach.to_string()))
                    .collect()
            }
            AppendError::Unsound(error) => record_at_fault(error),
            _ => Vec::new(),
        };
        Self {
            records,
            ..Self::new(codes::append(error, named), error)
        }
    }
}

impl OpenedTopic {
    /// Gives the batches their places.
    fn place(self, acks: Acks) -> StagedTopic {
        let named = reference(&self.topic, self.by_id);
        let place = |index, batch: Batch| {
            let topic = self.destination.as_ref();
            let partition = topic.and_then(|topic| topic.partition(PartitionIndex(index)));
            let partition = partition.ok_or_else(|| {
                let name = topic.map_or("", |topic| topic.name().as_str());
                let message = format!("{name} has no partition {index}");
                Refusal::new(ErrorCode::UnknownTopicOrPartition, message)
            })?;
            let appending = partition.append(vec![batch], acks);
            appending.map_err(|error| Refusal::of_append(&error, named))
        };
        let opened = self.partitions.into_iter();
        let placed =
            opened.map(|(index, batch)| (index, batch.and_then(|batch| place(index, batch))));
        let partitions = placed.collect();
        StagedTopic {
            topic: self.topic,
            partitions,
            by_id: self.by_id,
        }
    }
}

/// A topic's partitions after the first stage.
struct StagedTopic {
    /// The request's topic, without its partitions.
    topic: TopicProduceData,
    partitions: Vec<(i32, Result<Appending, Refusal>)>,
    by_id: bool,
}

impl StagedTopic {
    fn throttle(&self) -> Duration {
        let appending = self
            .partitions
            .iter()
            .filter_map(|(_, staged)| staged.as_ref().ok());
        appending.map(Appending::throttle).max().unwrap_or_default()
    }

    fn early_failure(&self) -> Option<String> {
        let mut partitions = self.partitions.iter();
        partitions.find_map(|(index, staged)| {
            let refusal = staged.as_ref().err()?;
            Some(hang_up(*index, refusal.error, &refusal.message))
        })
    }

    async fn failure(self) -> Option<String> {
        for (index, staged) in self.partitions {
            if let Ok(appending) = staged
                && let Err(error) = appending.await
            {
                let code = codes::append(&error, reference(&self.topic, self.by_id));
                return Some(hang_up(index, code, &error.to_string()));
            }
        }
        None
    }

    async fn finish(self, version: i16) -> TopicProduceResponse {
        let mut responses = Vec::with_capacity(self.partitions.len());
        for (index, staged) in self.partitions {
            let outcome = match staged {
                Ok(appending) => appending.await.map_err(|error| {
                    Refusal::of_append(&error, reference(&self.topic, self.by_id))
                }),
                Err(refusal) => Err(refusal),
            };
            responses.push(answer(version, index, outcome));
        }
        TopicProduceResponse::default()
            .with_name(self.topic.name)
            .with_topic_id(self.topic.topic_id)
            .with_partition_responses(responses)
    }
}

fn reference(data: &TopicProduceData, by_id: bool) -> TopicRef<'_> {
    named(&data.name, data.topic_id, by_id)
}

fn named(name: &str, id: Uuid, by_id: bool) -> TopicRef<'_> {
    if by_id {
        TopicRef::Id(topic_id(id))
    } else {
        TopicRef::Name(name)
    }
}

fn hang_up(index: i32, error: ErrorCode, message: &str) -> String {
    format!("acks=0 produce to partition {index} failed with {error}: {message}")
}

fn record_at_fault(error: &BatchError) -> Vec<(i32, String)> {
    match error {
        BatchError::Record(RecordError::Cut { index } | RecordError::OffsetDelta { index, .. }) => {
            vec![(*index, error.to_string())]
        }
        BatchError::Record(RecordError::Trailing { .. })
        | BatchError::Short { .. }
        | BatchError::Length { .. }
        | BatchError::BadLength(_)
        | BatchError::Magic(_)
        | BatchError::Crc { .. }
        | BatchError::Count { .. }
        | BatchError::Codec(_)
        | BatchError::Block(_) => Vec::new(),
    }
}

fn answer(
    version: i16,
    index: i32,
    outcome: Result<Appended, Refusal>,
) -> PartitionProduceResponse {
    let entry = PartitionProduceResponse::default().with_index(index);
    match outcome {
        Ok(appended) => entry
            .with_base_offset(appended.base_offset.0)
            .with_log_append_time_ms(appended.log_append_time.0)
            .with_log_start_offset(appended.log_start_offset.0),
        Err(refusal) => {
            let entry = entry
                .with_error_code(refusal.error.code())
                .with_base_offset(-1)
                .with_log_append_time_ms(-1)
                .with_log_start_offset(-1);
            if version < MESSAGES_FROM {
                return entry;
            }
            let records = refusal.records.into_iter().map(|(index, message)| {
                BatchIndexAndErrorMessage::default()
                    .with_batch_index(index)
                    .with_batch_index_error_message(Some(text(message)))
            });
            entry
                .with_record_errors(records.collect())
                .with_error_message(Some(text(refusal.message)))
        }
    }
}

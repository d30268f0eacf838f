//! What is asked of the broker before and after the load: login, topics, producer ids, offsets.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, InitProducerIdRequest, ListOffsetsRequest,
    MetadataRequest, SaslAuthenticateRequest, SaslHandshakeRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use wire::codec::{Request, decode_response, encode_request};
use wire::frame::LENGTH_BYTES;

use crate::template::{CLIENT_ID, Producer};
use crate::transport::{Address, Transport};

/// How long a broker may take to make a topic with all its leaders.
const TOPIC_LIMIT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);

const TOPIC_EXISTS: i16 = 36;
/// Kafka makes fewer than 10,000 partitions by one request.
const POLICY_VIOLATION: i16 = 44;
const PARTITIONS_AT_ONCE: i32 = 5000;
/// Coordinator loading, or not there.
const LOADING: [i16; 2] = [14, 15];
/// Unknown topic or partition, no leader, not the leader, offset not available.
const NOT_YET: [i16; 4] = [3, 5, 6, 78];

/// Who logs in, with SASL PLAIN.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// What the load is sent to.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) partitions: i32,
    pub(crate) configs: Vec<(String, String)>,
}

/// A connection that waits for each answer.
pub(crate) struct Control {
    transport: Transport,
}

impl Control {
    pub(crate) fn connect(address: &Address, login: Option<&Login>) -> Result<Self> {
        let transport = address
            .connect()
            .with_context(|| format!("connect to {}", address.server))?;
        let mut control = Self { transport };
        if let Some(login) = login {
            control.log_in(login)?;
        }
        Ok(control)
    }

    /// The connection, for the load to use.
    pub(crate) fn into_transport(self) -> Transport {
        self.transport
    }

    pub(crate) fn ask<R: Request>(&mut self, version: i16, request: &R) -> Result<R::Response> {
        let bytes = encode_request(version, 1, CLIENT_ID, request)?;
        let answer = self
            .transport
            .exchange(&bytes)
            .with_context(|| format!("ask {}", R::API))?;
        Ok(decode_response::<R>(version, Bytes::from(answer))?.1)
    }

    /// Sends a frame made elsewhere; the answer comes without its length.
    pub(crate) fn exchange(&mut self, frame: &[u8]) -> Result<Vec<u8>> {
        ensure!(frame.len() > LENGTH_BYTES, "a frame has a body");
        Ok(self.transport.exchange(frame)?)
    }

    fn log_in(&mut self, login: &Login) -> Result<()> {
        let mechanism = StrBytes::from_static_str("PLAIN");
        let handshake = SaslHandshakeRequest::default().with_mechanism(mechanism);
        let answer = self.ask(1, &handshake)?;
        ensure!(answer.error_code == 0, "handshake: {}", answer.error_code);
        let token = format!("\0{}\0{}", login.user, login.password);
        let authenticate = SaslAuthenticateRequest::default().with_auth_bytes(token.into());
        let answer = self.ask(2, &authenticate)?;
        ensure!(
            answer.error_code == 0,
            "login: {} {:?}",
            answer.error_code,
            answer.error_message
        );
        Ok(())
    }

    /// Makes the topic unless it is there, and waits until every partition has its leader.
    pub(crate) fn create_topic(&mut self, topic: &Topic) -> Result<()> {
        if self.is_led(topic)? {
            return Ok(());
        }
        let mut code = self.create(topic, topic.partitions)?;
        if code == POLICY_VIOLATION && topic.partitions > PARTITIONS_AT_ONCE {
            code = self.create(topic, PARTITIONS_AT_ONCE)?;
            self.grow(topic)?;
        }
        let name = &topic.name;
        ensure!([0, TOPIC_EXISTS].contains(&code), "create {name}: {code}");
        let started = Instant::now();
        while !self.is_led(topic)? {
            if started.elapsed() > TOPIC_LIMIT {
                bail!("{} has no leaders after {TOPIC_LIMIT:?}", topic.name);
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Asks for the topic with so many partitions; returns the error code.
    fn create(&mut self, topic: &Topic, partitions: i32) -> Result<i16> {
        let config = |(name, value): &(String, String)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string(name.clone()))
                .with_value(Some(StrBytes::from_string(value.clone())))
        };
        let creatable = CreatableTopic::default()
            .with_name(topic_name(&topic.name))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(topic.configs.iter().map(config).collect());
        let request = CreateTopicsRequest::default()
            .with_topics(vec![creatable])
            .with_timeout_ms(60_000);
        let answer = self.ask(5, &request)?;
        let result = answer.topics.first().context("the topic asked for")?;
        Ok(result.error_code)
    }

    /// Brings a topic of [`PARTITIONS_AT_ONCE`] to its size step by step.
    fn grow(&mut self, topic: &Topic) -> Result<()> {
        let mut count = PARTITIONS_AT_ONCE;
        while count < topic.partitions {
            count = topic.partitions.min(count + PARTITIONS_AT_ONCE);
            let larger = CreatePartitionsTopic::default()
                .with_name(topic_name(&topic.name))
                .with_count(count)
                .with_assignments(None);
            let request = CreatePartitionsRequest::default()
                .with_topics(vec![larger])
                .with_timeout_ms(60_000);
            let answer = self.ask(2, &request)?;
            for result in &answer.results {
                let (code, what) = (result.error_code, &result.error_message);
                ensure!(code == 0, "{count} partitions: {code} {what:?}");
            }
        }
        Ok(())
    }

    fn is_led(&mut self, topic: &Topic) -> Result<bool> {
        let wanted = MetadataRequestTopic::default().with_name(Some(topic_name(&topic.name)));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![wanted]))
            .with_allow_auto_topic_creation(false);
        let answer = self.ask(9, &request)?;
        let found = answer.topics.first().context("the topic asked for")?;
        let led = |error_code: i16, leader: i32| error_code == 0 && leader >= 0;
        let partitions = &found.partitions;
        Ok(found.error_code == 0
            && partitions.len() == usize::try_from(topic.partitions)?
            && partitions.iter().all(|p| led(p.error_code, *p.leader_id)))
    }

    pub(crate) fn producer(&mut self) -> Result<Producer> {
        let started = Instant::now();
        loop {
            let request = InitProducerIdRequest::default().with_transactional_id(None);
            let answer = self.ask(4, &request)?;
            if answer.error_code == 0 {
                return Ok(Producer {
                    id: *answer.producer_id,
                    epoch: answer.producer_epoch,
                });
            }
            // The coordinator of a broker just started may still be loading.
            let code = answer.error_code;
            let may_come = LOADING.contains(&code) && started.elapsed() < TOPIC_LIMIT;
            ensure!(may_come, "producer id: error {code}");
            thread::sleep(POLL);
        }
    }

    /// The end of every partition (or its beginning), by index. A leader named in the metadata
    /// may not have its log yet: it is asked again.
    pub(crate) fn offsets(&mut self, topic: &Topic, timestamp: i64) -> Result<Vec<i64>> {
        let partition = |index| {
            ListOffsetsPartition::default()
                .with_partition_index(index)
                .with_timestamp(timestamp)
        };
        let wanted = ListOffsetsTopic::default()
            .with_name(topic_name(&topic.name))
            .with_partitions((0..topic.partitions).map(partition).collect());
        let request = ListOffsetsRequest::default()
            .with_replica_id((-1).into())
            .with_topics(vec![wanted]);
        let started = Instant::now();
        'ask: loop {
            let answer = self.ask(6, &request)?;
            let mut offsets = vec![0; usize::try_from(topic.partitions)?];
            for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
                let (index, code) = (partition.partition_index, partition.error_code);
                if NOT_YET.contains(&code) && started.elapsed() < TOPIC_LIMIT {
                    thread::sleep(POLL);
                    continue 'ask;
                }
                ensure!(code == 0, "offset of {index}: {code}");
                let place = offsets.get_mut(usize::try_from(index)?);
                *place.context("a partition asked for")? = partition.offset;
            }
            return Ok(offsets);
        }
    }
}

pub(crate) const LATEST: i64 = -1;
pub(crate) const EARLIEST: i64 = -2;

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

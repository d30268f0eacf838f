//! Whole requests through a connection's session, over a hub of its own: frame in, reply out, no
//! socket.

use std::{hint::black_box, net::SocketAddr, sync::Arc};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use hub::{Clock, Hub, HubSettings, settings::NamespaceSettings};
use kafka::{Kafka, KafkaLimits, Peer, Reply, Session, Staged};
use kafka_protocol::messages::{
    CreateTopicsRequest, FetchRequest, MetadataRequest, ProduceRequest,
    create_topics_request::CreatableTopic,
    fetch_request::{FetchPartition, FetchTopic},
    produce_request::{PartitionProduceData, TopicProduceData},
};
use model::{NamespaceName, Piece};
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};
use wire::codec::{self, Request};

use super::structure::name;
use crate::{Bench, Case, clock::StillClock, data};

pub(super) const CASES: &[Case] = &[
    Case::new("session_produce_dispatch_64_kib", 20, || {
        produce(Until::Dispatched)
    }),
    Case::new("session_produce_durable_64_kib", 20, || {
        produce(Until::Answered)
    })
    .on_all_threads(),
    Case::new("session_fetch_tail_1_mib", 20, fetch),
    Case::new("session_metadata_10000_topics", 2, metadata),
];

const TOPICS: usize = 10_000;
/// Topics made by one request.
const TOPICS_AT_ONCE: usize = 1_000;

/// How much of a request's way is a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Its place is taken; the reply is waited for outside the run.
    Dispatched,
    Answered,
}

/// A hub, one connection, and the request that it sends again and again.
struct Connection {
    frame: Bytes,
    until: Until,
    staged: Option<Staged>,
    session: Session,
    clock: Arc<StillClock>,
    runtime: Runtime,
    _folder: TempDir,
}

impl Connection {
    fn open() -> Result<Self> {
        let runtime = runtime::Builder::new_current_thread().build()?;
        let folder = data::folder()?;
        let clock = Arc::new(StillClock::new());
        let namespace = NamespaceName::from("dev");
        let settings = HubSettings {
            namespaces: vec![NamespaceSettings::new(namespace.clone())],
            ..HubSettings::default()
        };
        let entered = runtime.enter();
        let hub = Hub::open(folder.path(), settings, clock.clone()).context("open a hub")?;
        drop(entered);
        let kafka = Kafka::new(hub, clock.clone(), KafkaLimits::default());
        let peer = Peer {
            remote: SocketAddr::from(([127, 0, 0, 1], 50_000)),
            local: SocketAddr::from(([127, 0, 0, 1], 9092)),
            listener: "plain".to_owned(),
            namespace: Some(namespace),
            advertised: None,
            tls_server_name: None,
            sasl_required: false,
        };
        Ok(Self {
            frame: Bytes::new(),
            until: Until::Answered,
            staged: None,
            session: Session::new(&kafka, peer),
            clock,
            runtime,
            _folder: folder,
        })
    }

    /// Chooses what is sent from here on.
    fn prepare<R: Request>(&mut self, version: i16, request: &R) -> Result<()> {
        let frame = codec::encode_request(version, 1, "client", request)?;
        self.frame = frame.slice(4..);
        Ok(())
    }

    fn create(&mut self, topics: Vec<String>, partitions: i32) -> Result<()> {
        let topics = topics.iter().map(|topic| {
            CreatableTopic::default()
                .with_name(name(topic))
                .with_num_partitions(partitions)
                .with_replication_factor(1)
        });
        let request = CreateTopicsRequest::default()
            .with_timeout_ms(60_000)
            .with_topics(topics.collect());
        self.prepare(6, &request)?;
        let response = self.answer::<CreateTopicsRequest>(6)?;
        let refused = response.topics.iter().find(|topic| topic.error_code != 0);
        ensure!(refused.is_none(), "not created: {refused:?}");
        Ok(())
    }

    fn dispatch(&mut self) -> Staged {
        self.session.dispatch(self.frame.clone(), self.clock.now())
    }

    fn settle(&self, staged: Staged) -> Reply {
        match staged {
            Staged::Ready(reply) => reply,
            Staged::Later(reply) | Staged::InTurn(reply) | Staged::Queued(reply) => {
                self.runtime.block_on(reply)
            }
            Staged::Large(request) => {
                let reply = request.carry_out(Arc::new(()));
                self.runtime.block_on(reply)
            }
            Staged::Silent => panic!("no reply"),
            Staged::Close(reason) => panic!("closed: {reason}"),
        }
    }

    /// Sends the frame and reads the reply.
    fn answer<R: Request>(&mut self, version: i16) -> Result<R::Response> {
        let staged = self.dispatch();
        let reply = self.settle(staged);
        let frame = Piece::join(&reply.chunks).expect("nothing is lent");
        let (_, response) = codec::decode_response::<R>(version, frame.slice(4..))?;
        Ok(response)
    }
}

impl Bench for Connection {
    fn before(&mut self) {
        if let Some(staged) = self.staged.take() {
            black_box(self.settle(staged));
        }
    }

    fn run(&mut self) {
        let staged = self.dispatch();
        match self.until {
            Until::Dispatched => self.staged = Some(staged),
            Until::Answered => {
                black_box(self.settle(staged));
            }
        }
    }
}

fn producing() -> ProduceRequest {
    let partition = PartitionProduceData::default()
        .with_index(0)
        .with_records(Some(data::large_batch()));
    let topic = TopicProduceData::default()
        .with_name(name("orders"))
        .with_partition_data(vec![partition]);
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic])
}

/// A connection that produces, after a first answer without an error.
fn producer() -> Result<Connection> {
    let mut connection = Connection::open()?;
    connection.create(vec!["orders".to_owned()], 6)?;
    connection.prepare(9, &producing())?;
    let response = connection.answer::<ProduceRequest>(9)?;
    let mut partitions = response.responses.iter();
    let partitions = partitions.next().context("no topic in the reply")?;
    let code = partitions.partition_responses[0].error_code;
    ensure!(code == 0, "produce was refused with {code}");
    Ok(connection)
}

fn produce(until: Until) -> Result<Box<dyn Bench>> {
    let mut connection = producer()?;
    connection.until = until;
    Ok(Box::new(connection))
}

fn fetch() -> Result<Box<dyn Bench>> {
    let mut connection = producer()?;
    for _ in 0..32 {
        connection.run();
    }
    let partition = FetchPartition::default()
        .with_partition(0)
        .with_fetch_offset(63)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(name("orders"))
        .with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_min_bytes(1)
        .with_max_bytes(50 << 20)
        .with_session_id(0)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    connection.prepare(12, &request)?;
    let response = connection.answer::<FetchRequest>(12)?;
    let topic = response
        .responses
        .first()
        .context("no topic in the reply")?;
    let records = topic.partitions[0].records.as_ref();
    let bytes = records.map_or(0, Bytes::len);
    ensure!(bytes > 900 << 10, "{bytes} bytes fetched");
    Ok(Box::new(connection))
}

fn metadata() -> Result<Box<dyn Bench>> {
    let mut connection = Connection::open()?;
    for first in (0..TOPICS).step_by(TOPICS_AT_ONCE) {
        let names = (first..first + TOPICS_AT_ONCE).map(|topic| format!("topic-{topic:05}"));
        connection.create(names.collect(), 1)?;
    }
    let request = MetadataRequest::default().with_topics(None);
    connection.prepare(12, &request)?;
    let response = connection.answer::<MetadataRequest>(12)?;
    let count = response.topics.len();
    ensure!(count == TOPICS, "{count} topics described");
    Ok(Box::new(connection))
}

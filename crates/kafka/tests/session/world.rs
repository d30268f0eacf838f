//! A hub on a temporary directory, and clients that speak to it in memory: no sockets, and a clock
//! that stands still until a test moves it.

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use bytes::{BufMut, Bytes, BytesMut};
use hub::{
    Clock, Hub, HubSettings,
    clock::Sleep,
    settings::{NamespaceSettings, PolicySettings},
};
use kafka::{Advertised, Kafka, KafkaLimits, Peer, Reply, Session, Staged};
use model::{
    NamespaceName, Now, Piece, Timestamp,
    batch::{BatchBuilder, NewRecord},
};
use tokio::sync::watch;
use wire::codec::{self, Request};

pub(crate) const ROOT: &str =
    "Endpoint=sb://dev.example/;SharedAccessKeyName=root;SharedAccessKey=ROOTKEY";
pub(crate) const SENDER: &str =
    "Endpoint=sb://dev.example/;SharedAccessKeyName=sender;SharedAccessKey=SENDKEY";
pub(crate) const LISTENER: &str =
    "Endpoint=sb://dev.example/;SharedAccessKeyName=listener;SharedAccessKey=LISTENKEY";

/// A clock that a test moves.
pub(crate) struct ManualClock {
    now: watch::Sender<Now>,
}

impl ManualClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "an instant to count from; it never moves on"
    )]
    fn new() -> Self {
        let now = Now {
            monotonic: Instant::now(),
            wall: Timestamp(1_700_000_000_000),
        };
        Self {
            now: watch::Sender::new(now),
        }
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.now.send_modify(|now| *now = now.plus(span));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        *self.now.borrow()
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        let mut now = self.now.subscribe();
        Box::pin(async move {
            now.wait_for(|now| now.monotonic >= deadline).await.ok();
        })
    }
}

/// A broker with the namespaces `dev` (three policies) and `other`.
pub(crate) struct World {
    pub(crate) hub: Arc<Hub>,
    pub(crate) kafka: Arc<Kafka>,
    pub(crate) clock: Arc<ManualClock>,
    _data_dir: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(KafkaLimits::default(), |_| {})
    }

    pub(crate) fn with(limits: KafkaLimits, change: impl FnOnce(&mut NamespaceSettings)) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new());
        let mut dev = NamespaceSettings::new(NamespaceName::from("dev"));
        dev.policies = vec![
            policy("root", "ROOTKEY", [true, true, true]),
            policy("sender", "SENDKEY", [true, false, false]),
            policy("listener", "LISTENKEY", [false, true, false]),
        ];
        change(&mut dev);
        let other = NamespaceSettings::new(NamespaceName::from("other"));
        let settings = HubSettings {
            namespaces: vec![dev, other],
            ..HubSettings::default()
        };
        let hub = Hub::open(data_dir.path(), settings, clock.clone()).unwrap();
        let kafka = Kafka::new(Arc::clone(&hub), clock.clone(), limits);
        Self {
            hub,
            kafka,
            clock,
            _data_dir: data_dir,
        }
    }

    /// A connection to a listener without login.
    pub(crate) fn connect(&self) -> Client<'_> {
        self.connect_as(peer())
    }

    pub(crate) fn connect_as(&self, peer: Peer) -> Client<'_> {
        Client {
            world: self,
            session: Session::new(&self.kafka, peer),
            correlation_id: 0,
        }
    }

    /// A connection that has logged in.
    pub(crate) async fn login(&self, connection_string: &str) -> Client<'_> {
        let mut client = self.connect_as(sasl_peer());
        let handshake = kafka_protocol::messages::SaslHandshakeRequest::default()
            .with_mechanism("PLAIN".into());
        assert_eq!(client.call(1, &handshake).await.error_code, 0);
        let token = kafka_protocol::messages::SaslAuthenticateRequest::default()
            .with_auth_bytes(plain(connection_string));
        let reply = client.call(2, &token).await;
        assert_eq!((reply.error_code, reply.error_message), (0, None));
        client
    }
}

fn policy(name: &str, key: &str, [send, listen, manage]: [bool; 3]) -> PolicySettings {
    PolicySettings {
        name: name.to_owned(),
        send,
        listen,
        manage,
        primary_key: key.to_owned(),
        secondary_key: None,
    }
}

pub(crate) fn plain(connection_string: &str) -> Bytes {
    format!("\0$ConnectionString\0{connection_string}").into()
}

pub(crate) fn peer() -> Peer {
    Peer {
        remote: SocketAddr::from(([127, 0, 0, 1], 50_000)),
        local: SocketAddr::from(([127, 0, 0, 1], 9092)),
        listener: "test".to_owned(),
        namespace: Some(NamespaceName::from("dev")),
        advertised: None,
        tls_server_name: None,
        sasl_required: false,
    }
}

pub(crate) fn sasl_peer() -> Peer {
    Peer {
        sasl_required: true,
        ..peer()
    }
}

pub(crate) fn advertised(host: &str, port: u16) -> Option<Advertised> {
    Some(Advertised {
        host: host.to_owned(),
        port,
    })
}

/// One connection.
pub(crate) struct Client<'a> {
    pub(crate) world: &'a World,
    pub(crate) session: Session,
    correlation_id: i32,
}

impl Client<'_> {
    pub(crate) fn dispatch(&mut self, frame: Bytes) -> Staged {
        self.session.dispatch(frame, self.world.clock.now())
    }

    pub(crate) fn now(&self) -> Now {
        self.world.clock.now()
    }

    /// Sends a request; gives what the first stage made of it.
    pub(crate) fn send<R: Request>(&mut self, version: i16, request: &R) -> Staged {
        self.correlation_id += 1;
        let frame = codec::encode_request(version, self.correlation_id, "tester", request).unwrap();
        self.dispatch(frame.slice(4..))
    }

    /// Sends a request and waits for its decoded reply.
    pub(crate) async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.exchange(version, request).await.0
    }

    /// As [`Self::call`], with what else the reply brings along.
    pub(crate) async fn exchange<R: Request>(
        &mut self,
        version: i16,
        request: &R,
    ) -> (R::Response, Reply) {
        let staged = self.send(version, request);
        let reply = settle(staged).await;
        let response = self.decode::<R>(version, &reply);
        (response, reply)
    }

    /// Decodes the reply to the last request.
    pub(crate) fn decode<R: Request>(&self, version: i16, reply: &Reply) -> R::Response {
        let (correlation_id, response) = codec::decode_response::<R>(version, body(reply)).unwrap();
        assert_eq!(correlation_id, self.correlation_id);
        response
    }
}

/// A frame's bytes behind the length, which is true.
pub(crate) fn body(reply: &Reply) -> Bytes {
    let whole = Piece::join(&reply.chunks).unwrap();
    let length = i32::from_be_bytes(whole[..4].try_into().unwrap());
    assert_eq!(usize::try_from(length).unwrap(), whole.len() - 4);
    whole.slice(4..)
}

/// The reply that a request ends with.
pub(crate) async fn settle(staged: Staged) -> Reply {
    match staged {
        Staged::Ready(reply) => reply,
        Staged::Later(later) | Staged::InTurn(later) | Staged::Queued(later) => later.await,
        Staged::Large(request) => request.carry_out(Arc::new(())).await,
        Staged::Silent => Reply::default(),
        Staged::Close(reason) => panic!("closed: {reason}"),
    }
}

/// Whether a reply is still not there when it is looked at once more.
pub(crate) async fn is_waiting(later: &mut (impl Future<Output = Reply> + Unpin)) -> bool {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *later).poll(context).is_pending())).await
}

/// Why a request closed its connection.
pub(crate) fn closed(staged: Staged) -> String {
    match staged {
        Staged::Close(reason) => reason,
        Staged::Ready(reply) => panic!("answered: {reply:?}"),
        Staged::Later(_) | Staged::InTurn(_) | Staged::Queued(_) | Staged::Large(_) => {
            panic!("answered later")
        }
        Staged::Silent => panic!("not answered"),
    }
}

/// A request frame written by hand, its length left out.
pub(crate) fn raw(key: i16, version: i16, correlation_id: i32, rest: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_i16(key);
    frame.put_i16(version);
    frame.put_i32(correlation_id);
    frame.put_i16(2);
    frame.put_slice(b"me");
    frame.put_slice(rest);
    frame.freeze()
}

/// A batch of records that have a value each.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::default();
    for value in values {
        builder.push(NewRecord {
            timestamp: Timestamp(1_700_000_000_000),
            value: Some(value.as_bytes()),
            ..NewRecord::default()
        });
    }
    builder.build()
}

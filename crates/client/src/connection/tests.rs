//! Connecting to what is there, what is not, and what is no broker.

use kafka_protocol::messages::{
    ApiVersionsResponse, MetadataRequest, MetadataResponse, SaslAuthenticateRequest,
    SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
    api_versions_response::ApiVersion,
};
use tokio::{
    net::{TcpListener, tcp::OwnedReadHalf},
    task::JoinHandle,
};
use wire::{
    codec::{decode_request, encode_response},
    error_code::ErrorCode,
    frame::RequestFrame,
};

use super::*;
use crate::Trust;

/// A server that does `work` with its first connection.
async fn server<F, W>(work: W) -> (Target, JoinHandle<()>)
where
    F: Future<Output = ()> + Send,
    W: FnOnce(TcpStream) -> F + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        work(stream).await;
    });
    (Target::plaintext("127.0.0.1", port), task)
}

async fn request(stream: &mut OwnedReadHalf) -> RequestFrame {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await.unwrap();
    let mut frame = vec![0; usize::try_from(i32::from_be_bytes(prefix)).unwrap()];
    stream.read_exact(&mut frame).await.unwrap();
    RequestFrame::parse(frame.into()).unwrap()
}

/// Answers ApiVersions, a login with the password `right`, and Metadata.
async fn broker(stream: TcpStream) {
    let (mut read, mut write) = stream.into_split();
    let mut answer = async |bytes: Bytes| write.write_all(&bytes).await.unwrap();
    let asked = request(&mut read).await;
    let apis = [
        ApiKey::Metadata,
        ApiKey::SaslHandshake,
        ApiKey::SaslAuthenticate,
    ];
    let api = |key: ApiKey| {
        ApiVersion::default()
            .with_api_key(key.code())
            .with_max_version(1)
    };
    let versions = ApiVersionsResponse::default().with_api_keys(apis.map(api).to_vec());
    let (version, id) = (asked.api_version, asked.correlation_id);
    let frame = encode_response::<ApiVersionsRequest>(version, id, &versions).unwrap();
    answer(frame.into_bytes().unwrap()).await;

    let asked = request(&mut read).await;
    let frame = encode_response::<SaslHandshakeRequest>(
        asked.api_version,
        asked.correlation_id,
        &SaslHandshakeResponse::default(),
    );
    answer(frame.unwrap().into_bytes().unwrap()).await;

    let asked = request(&mut read).await;
    let login: SaslAuthenticateRequest = decode_request(asked.api_version, &asked.body).unwrap();
    let mut outcome = SaslAuthenticateResponse::default();
    if login.auth_bytes != Bytes::from_static(b"\0user\0right") {
        outcome = outcome
            .with_error_code(ErrorCode::SaslAuthenticationFailed.code())
            .with_error_message(Some(StrBytes::from_static_str("no")));
    }
    let (version, id) = (asked.api_version, asked.correlation_id);
    let frame = encode_response::<SaslAuthenticateRequest>(version, id, &outcome).unwrap();
    answer(frame.into_bytes().unwrap()).await;
    if outcome.error_code != 0 {
        return;
    }

    let asked = request(&mut read).await;
    assert_eq!(asked.api_version, 1, "the newest that both know");
    let frame = encode_response::<MetadataRequest>(
        asked.api_version,
        asked.correlation_id,
        &MetadataResponse::default(),
    );
    answer(frame.unwrap().into_bytes().unwrap()).await;
}

fn with_login(target: Target, password: &str) -> Target {
    Target {
        login: Some(Login {
            user: "user".to_owned(),
            password: password.to_owned(),
        }),
        ..target
    }
}

#[tokio::test]
async fn a_login_is_followed_by_calls_in_a_version_that_both_know() {
    let (target, task) = server(broker).await;
    let mut connection = Connection::open(&with_login(target, "right"))
        .await
        .unwrap();
    let request = MetadataRequest::default();
    let answer = connection.call(&request, i16::MAX, Duration::ZERO).await;
    assert!(answer.unwrap().topics.is_empty());
    let unknown = kafka_protocol::messages::ListGroupsRequest::default();
    let refused = connection.call(&unknown, i16::MAX, Duration::ZERO).await;
    assert!(matches!(refused, Err(RequestError::Unsupported { .. })));
    task.await.unwrap();
}

#[tokio::test]
async fn a_refused_login_gives_the_brokers_words() {
    let (target, task) = server(broker).await;
    let refused = Connection::open(&with_login(target, "wrong")).await;
    let Err(ConnectError::LoginRefused { source, .. }) = refused else {
        panic!("not a refused login: {refused:?}");
    };
    assert!(source.is(ErrorCode::SaslAuthenticationFailed));
    assert_eq!(source.message.as_deref(), Some("no"));
    task.await.unwrap();
}

#[tokio::test]
async fn nobody_there_is_a_connect_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let refused = Connection::open(&Target::plaintext("127.0.0.1", port)).await;
    assert!(
        matches!(refused, Err(ConnectError::Connect { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_server_that_hangs_up_and_one_that_talks_nonsense_are_told_apart() {
    let (target, task) = server(async |stream| drop(stream)).await;
    let refused = Connection::open(&target).await;
    let Err(ConnectError::Versions { source, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(
        matches!(source, RequestError::Closed | RequestError::Io(_)),
        "{source:?}"
    );
    task.await.unwrap();

    let (target, task) = server(async |mut stream: TcpStream| {
        let mut ignored = [0; 8];
        stream.read_exact(&mut ignored).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        // Keeps the socket until the client has judged the answer.
        drop(stream.read_to_end(&mut Vec::new()).await);
    })
    .await;
    let refused = Connection::open(&target).await;
    let Err(ConnectError::Versions { source, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(matches!(source, RequestError::Frame(_)), "{source:?}");
    task.await.unwrap();
}

#[tokio::test]
async fn a_silent_server_is_given_up_on() {
    let (target, _task) = server(async |mut stream: TcpStream| {
        drop(stream.read_to_end(&mut Vec::new()).await);
    })
    .await;
    let target = Target {
        timeout: Duration::from_millis(50),
        ..target
    };
    let refused = Connection::open(&target).await;
    let Err(ConnectError::Versions { source, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(matches!(source, RequestError::Timeout { .. }), "{source:?}");
}

#[tokio::test]
async fn a_ca_file_that_is_none_is_named() {
    let path = std::path::PathBuf::from("/nowhere/ca.pem");
    let target = Target {
        tls: Some(Trust {
            ca: path,
            server_name: None,
        }),
        ..Target::plaintext("127.0.0.1", 1)
    };
    let refused = Connection::open(&target).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Trust(_)));
    assert!(refused.to_string().contains("/nowhere/ca.pem"), "{refused}");
}

//! Login: the states, the two framings, and what a refusal looks like.

use std::time::Duration;

use bytes::Bytes;
use hub::access::Lapse;
use kafka::Staged;
use kafka_protocol::messages::{MetadataRequest, SaslAuthenticateRequest, SaslHandshakeRequest};
use model::Piece;
use wire::api_versions::ApiVersionsRequest;

use crate::world::{ROOT, SENDER, World, closed, is_waiting, plain, sasl_peer, settle};

fn handshake(mechanism: &'static str) -> SaslHandshakeRequest {
    SaslHandshakeRequest::default().with_mechanism(mechanism.into())
}

fn token(bytes: Bytes) -> SaslAuthenticateRequest {
    SaslAuthenticateRequest::default().with_auth_bytes(bytes)
}

#[tokio::test]
async fn before_login_only_versions_and_login_are_served() {
    let world = World::new();
    let mut client = world.connect_as(sasl_peer());
    assert_eq!(
        client
            .call(0, &ApiVersionsRequest::default())
            .await
            .error_code,
        0
    );
    let reason = closed(client.send(12, &MetadataRequest::default()));
    assert!(
        reason.contains("Metadata version 12 before login"),
        "{reason}"
    );
    client.call(1, &handshake("PLAIN")).await;
    closed(client.send(12, &MetadataRequest::default()));
}

#[tokio::test]
async fn a_wrapped_login_opens_the_rest() {
    let world = World::new();
    let mut client = world.login(ROOT).await;
    let metadata = client.call(12, &MetadataRequest::default()).await;
    assert_eq!(metadata.brokers.len(), 1);
}

#[tokio::test]
async fn after_handshake_0_comes_a_raw_token_answered_raw() {
    let world = World::new();
    let mut client = world.connect_as(sasl_peer());
    assert_eq!(client.call(0, &handshake("PLAIN")).await.error_code, 0);
    let reply = settle(client.dispatch(plain(ROOT))).await;
    assert_eq!(
        Piece::join(&reply.chunks).unwrap().as_ref(),
        [0, 0, 0, 0],
        "an empty token and no header"
    );
    assert_eq!(reply.close, None);
    client.call(12, &MetadataRequest::default()).await;
}

#[tokio::test]
async fn a_refused_raw_token_closes_late_without_a_reply() {
    let world = World::new();
    let mut client = world.connect_as(sasl_peer());
    client.call(0, &handshake("PLAIN")).await;
    let staged = client.dispatch(plain(&ROOT.replace("ROOTKEY", "WRONG")));
    world.clock.advance(Duration::from_secs(60));
    let reply = settle(staged).await;
    assert!(reply.chunks.is_empty());
    assert!(reply.close.unwrap().contains("login failed"));
}

#[tokio::test]
async fn a_refused_login_is_answered_late_and_closed() {
    let world = World::new();
    let mut client = world.connect_as(sasl_peer());
    client.call(1, &handshake("PLAIN")).await;
    let staged = client.send(1, &token(plain(&ROOT.replace("ROOTKEY", "WRONG"))));
    let Staged::Later(mut later) = staged else {
        panic!("a guess is answered at once");
    };
    assert!(is_waiting(&mut later).await);
    world.clock.advance(Duration::from_secs(60));
    let reply = later.await;
    let response = client.decode::<SaslAuthenticateRequest>(1, &reply);
    assert_eq!(response.error_code, 58);
    assert_eq!(response.auth_bytes, Bytes::new(), "empty, not null");
    let reason = reply.close.unwrap();
    assert!(reason.contains("\"root\" in namespace dev"), "{reason}");
    assert!(!reason.contains("WRONG"), "{reason}");
}

/// What a caller at the address is told of a refused login, and what the log says.
async fn refusal(world: &World, remote: &str, password: &str) -> (String, String) {
    let mut client = world.connect_as(kafka::Peer {
        remote: remote.parse().unwrap(),
        ..sasl_peer()
    });
    client.call(1, &handshake("PLAIN")).await;
    let staged = client.send(1, &token(plain(password)));
    world.clock.advance(Duration::from_secs(60));
    let reply = settle(staged).await;
    let response = client.decode::<SaslAuthenticateRequest>(1, &reply);
    let message = response.error_message.unwrap();
    (message.to_string(), reply.close.unwrap())
}

#[tokio::test]
async fn strangers_are_told_one_thing_of_every_refused_credential() {
    let told = kafka::KafkaLimits {
        login_reasons: kafka::LoginReasons::ToldOnLoopback,
        ..kafka::KafkaLimits::default()
    };
    let wrong = [
        ROOT.replace("ROOTKEY", "WRONG"),
        ROOT.replace("=root", "=nobody"),
        format!("{};EntityPath=orders", ROOT.replace("=root", "=nobody")),
        ROOT_60.replace("VyRi", "AAAA"),
        ROOT_60.replace("skn=root", "skn=nobody"),
    ];
    let (logged, told) = (World::new(), World::with(told, |_| {}));
    let mut messages = std::collections::BTreeSet::new();
    let mut here = std::collections::BTreeSet::new();
    for password in &wrong {
        let (message, _) = refusal(&logged, "127.0.0.1:5000", password).await;
        messages.insert(message);
        let (message, reason) = refusal(&told, "192.0.2.1:5000", password).await;
        assert!(!reason.contains(&message), "{reason}");
        messages.insert(message);
        let (message, reason) = refusal(&told, "[::ffff:127.0.0.1]:5000", password).await;
        assert!(reason.contains(&message), "{reason}");
        here.insert(message);
    }
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(here.len() >= 3, "{here:?}");
}

#[tokio::test]
async fn a_late_answer_is_not_waited_for_when_the_broker_stops() {
    let world = World::new();
    let mut client = world.connect_as(sasl_peer());
    client.call(1, &handshake("PLAIN")).await;
    let staged = client.send(1, &token(plain(&ROOT.replace("ROOTKEY", "WRONG"))));
    world.hub.end_waits();
    let reply = settle(staged).await;
    assert!(reply.close.is_some());
}

#[tokio::test]
async fn an_unknown_mechanism_is_told_what_there_is() {
    let world = World::new();
    let mut client = world.connect_as(sasl_peer());
    let (response, reply) = client.exchange(1, &handshake("GSSAPI")).await;
    assert_eq!(response.error_code, 33);
    assert!(response.mechanisms.iter().any(|name| &**name == "PLAIN"));
    assert!(reply.close.unwrap().contains("GSSAPI"));
}

#[tokio::test]
async fn login_out_of_turn_is_an_illegal_state() {
    let world = World::new();
    let mut open = world.connect();
    assert_eq!(open.call(1, &handshake("PLAIN")).await.error_code, 34);
    assert_eq!(open.call(2, &token(plain(ROOT))).await.error_code, 34);
    let mut early = world.connect_as(sasl_peer());
    assert_eq!(early.call(2, &token(plain(ROOT))).await.error_code, 34);
}

/// Tokens signed for this world's policies, of 60 and 120 seconds from the moment its clock shows.
const ROOT_60: &str = "SharedAccessSignature sr=sb%3A%2F%2Fdev.example%2F\
    &sig=VyRiTy2Dts3xFjchrBVUZ1laiXFrZe1Coj6NCbTeAv0%3D&se=1700000060&skn=root";
const ROOT_120: &str = "SharedAccessSignature sr=sb%3A%2F%2Fdev.example%2F\
    &sig=b2flSICxvRmOtcbNzPkfgvJicwR1fz8OzzQF3%2BGbpCc%3D&se=1700000120&skn=root";
const SENDER_120: &str = "SharedAccessSignature sr=sb%3A%2F%2Fdev.example%2F\
    &sig=A3BZda%2BFcYfRVpCUQIf091eM9jEzf1tfke3xD6BbL6Y%3D&se=1700000120&skn=sender";

#[tokio::test]
async fn a_key_logs_in_again_and_never_ends() {
    let world = World::new();
    let mut client = world.login(ROOT).await;
    assert_eq!(client.call(1, &handshake("PLAIN")).await.error_code, 0);
    let reply = client.call(2, &token(plain(ROOT))).await;
    assert_eq!((reply.error_code, reply.session_lifetime_ms), (0, 0));
    world.clock.advance(Duration::from_hours(10_000));
    client.call(12, &MetadataRequest::default()).await;
}

#[tokio::test]
async fn a_login_by_token_lasts_as_long_as_the_token() {
    let world = World::new();
    world.clock.advance(Duration::from_secs(10));
    let mut client = world.connect_as(sasl_peer());
    client.call(1, &handshake("PLAIN")).await;
    let reply = client.call(2, &token(plain(ROOT_60))).await;
    assert_eq!((reply.error_code, reply.session_lifetime_ms), (0, 50_000));
    world.clock.advance(Duration::from_millis(49_999));
    client.call(12, &MetadataRequest::default()).await;
    let end = client.session.expires().unwrap();
    let before = end - Duration::from_millis(1);
    assert_eq!(client.session.lapse(before), None);
    // What waits until then is ended by whoever owns the connection.
    assert_eq!(client.session.lapse(end), Some(Lapse::Expired));
    world.clock.advance(Duration::from_millis(1));
    let reason = closed(client.send(12, &MetadataRequest::default()));
    assert!(
        reason.contains("Metadata version 12 after its token has expired, from client tester"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_lifetime_is_told_to_whom_can_read_it_and_counts_for_all() {
    let world = World::new();
    let mut wrapped = world.connect_as(sasl_peer());
    wrapped.call(1, &handshake("PLAIN")).await;
    let reply = wrapped.call(0, &token(plain(ROOT_60))).await;
    assert_eq!((reply.error_code, reply.session_lifetime_ms), (0, 0));
    let mut raw = world.connect_as(sasl_peer());
    raw.call(0, &handshake("PLAIN")).await;
    settle(raw.dispatch(plain(ROOT_60))).await;
    for client in [&mut wrapped, &mut raw] {
        client.call(12, &MetadataRequest::default()).await;
    }
    world.clock.advance(Duration::from_secs(60));
    for mut client in [wrapped, raw] {
        closed(client.send(12, &MetadataRequest::default()));
    }
}

#[tokio::test]
async fn a_new_token_prolongs_the_login_even_after_the_end() {
    let world = World::new();
    let mut client = world.connect_as(sasl_peer());
    client.call(1, &handshake("PLAIN")).await;
    client.call(2, &token(plain(ROOT_60))).await;
    world.clock.advance(Duration::from_secs(80));
    client.call(1, &handshake("PLAIN")).await;
    let reply = client.call(2, &token(plain(ROOT_120))).await;
    assert_eq!((reply.error_code, reply.session_lifetime_ms), (0, 40_000));
    client.call(12, &MetadataRequest::default()).await;
    world.clock.advance(Duration::from_secs(40));
    closed(client.send(12, &MetadataRequest::default()));
}

#[tokio::test]
async fn logging_in_again_must_not_change_the_caller() {
    let narrowed = format!("{ROOT};EntityPath=orders");
    for other in [SENDER, SENDER_120, narrowed.as_str()] {
        let world = World::new();
        let mut client = world.login(ROOT).await;
        client.call(1, &handshake("PLAIN")).await;
        let staged = client.send(2, &token(plain(other)));
        world.clock.advance(Duration::from_secs(60));
        let reply = settle(staged).await;
        let response = client.decode::<SaslAuthenticateRequest>(2, &reply);
        assert_eq!(response.error_code, 58, "{other}");
        let message = response.error_message.unwrap();
        assert!(
            message.contains("stays with its policy (\"root\""),
            "{}",
            &*message
        );
        assert!(reply.close.is_some());
        closed(client.send(12, &MetadataRequest::default()));
    }
}

#[tokio::test]
async fn an_open_listener_without_a_namespace_serves_nothing() {
    let world = World::new();
    let lost = kafka::Peer {
        namespace: None,
        ..crate::world::peer()
    };
    let mut client = world.connect_as(lost);
    assert_eq!(
        client
            .call(0, &ApiVersionsRequest::default())
            .await
            .error_code,
        0
    );
    let reason = closed(client.send(12, &MetadataRequest::default()));
    assert!(reason.contains("leads to no namespace"), "{reason}");
}

#[tokio::test]
async fn a_clients_words_cannot_fake_a_line_of_the_log() {
    let world = World::new();
    let mut client = world.connect_as(sasl_peer());
    let evil = format!("x\nERROR {}", "y".repeat(1_000));
    let request = SaslHandshakeRequest::default().with_mechanism(evil.into());
    let reason = client.exchange(1, &request).await.1.close.unwrap();
    assert!(
        reason.contains(r"x\nERROR") && !reason.contains('\n'),
        "{reason}"
    );
    assert!(reason.len() < 200, "{reason}");
}

#[tokio::test]
async fn who_fails_to_log_in_again_is_served_no_more() {
    let world = World::new();
    let mut client = world.login(ROOT).await;
    client.call(1, &handshake("PLAIN")).await;
    let staged = client.send(2, &token(plain(&ROOT.replace("ROOTKEY", "WRONG"))));
    assert!(matches!(staged, Staged::Later(_)));
    closed(client.send(12, &MetadataRequest::default()));
}

#[tokio::test]
async fn what_is_owed_to_who_fails_to_log_in_again_ends_with_the_old_token() {
    let world = World::new();
    let mut client = world.login(ROOT_60).await;
    let end = client.session.expires().unwrap();
    client.call(1, &handshake("PLAIN")).await;
    let wrong = plain(&ROOT.replace("ROOTKEY", "WRONG"));
    drop(client.send(2, &token(wrong)));
    assert_eq!(client.session.expires(), Some(end));
    assert_eq!(client.session.lapse(end), Some(Lapse::Expired));
}

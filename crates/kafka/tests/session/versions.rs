//! ApiVersions and the traps around versions.

use bytes::Buf;
use kafka::Intake;
use kafka_protocol::messages::{ApiVersionsResponse, MetadataRequest};
use wire::{api::ApiKey, api_versions::ApiVersionsRequest};

use crate::world::{World, body, closed, raw, settle};

fn named(name: &str, version: &str) -> ApiVersionsRequest {
    ApiVersionsRequest {
        client_software_name: name.to_owned().into(),
        client_software_version: version.to_owned().into(),
        ..ApiVersionsRequest::default()
    }
}

fn range(response: &ApiVersionsResponse, key: i16) -> Option<(i16, i16)> {
    let entry = response
        .api_keys
        .iter()
        .find(|entry| entry.api_key == key)?;
    Some((entry.min_version, entry.max_version))
}

#[tokio::test]
async fn every_version_is_answered_with_what_is_served() {
    let world = World::new();
    let mut client = world.connect();
    for version in 0..=5 {
        let response = client.call(version, &named("tester", "1.0")).await;
        assert_eq!(response.error_code, 0, "{version}");
        assert_eq!(response.api_keys.len(), kafka::served().count());
    }
}

#[tokio::test]
async fn produce_is_advertised_from_zero() {
    let world = World::new();
    let response = world
        .connect()
        .call(0, &ApiVersionsRequest::default())
        .await;
    assert_eq!(range(&response, 0), Some((0, 13)));
    assert_eq!(range(&response, 1), Some((4, 18)));
    assert_eq!(range(&response, 22), Some((0, 5)));
}

#[tokio::test]
async fn the_reply_has_the_oldest_header_even_in_flexible_versions() {
    let world = World::new();
    let mut client = world.connect();
    let reply = settle(client.send(3, &named("tester", "1.0"))).await;
    let mut frame = body(&reply);
    assert_eq!(frame.get_i32(), 1, "correlation id");
    assert_eq!(
        frame.get_i16(),
        0,
        "error code, with no tagged fields before it"
    );
    assert_eq!(usize::from(frame.get_u8()), kafka::served().count() + 1);
}

#[tokio::test]
async fn an_unknown_version_gets_version_0_with_error_35_and_the_ranges() {
    let world = World::new();
    let mut client = world.connect();
    // A flexible header with no tags, and a body that nobody can read.
    let reply = settle(client.dispatch(raw(18, 99, 7, &[0, 0xff, 0xff]))).await;
    let mut frame = body(&reply);
    assert_eq!(frame.get_i32(), 7);
    assert_eq!(frame.get_i16(), 35);
    let count = frame.get_i32();
    assert_eq!(usize::try_from(count).unwrap(), kafka::served().count());
    assert_eq!(
        frame.len(),
        usize::try_from(count).unwrap() * 6,
        "version 0 ends here"
    );
    assert_eq!(
        reply.close, None,
        "the client tries again on this connection"
    );
    let again = client.call(0, &ApiVersionsRequest::default()).await;
    assert_eq!(again.error_code, 0);
}

#[tokio::test]
async fn a_client_that_names_itself_badly_is_told() {
    let world = World::new();
    let mut client = world.connect();
    for name in ["", "-x", "a b", "x."] {
        assert_eq!(
            client.call(3, &named(name, "1.0")).await.error_code,
            42,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_client_that_means_another_broker_is_sent_to_bootstrap() {
    let world = World::new();
    let mut client = world.connect();
    let mut request = named("tester", "1.0");
    request.node_id = Some(1);
    assert_eq!(
        client.call(5, &request).await.error_code,
        0,
        "no cluster meant"
    );
    let ours = client
        .call(12, &MetadataRequest::default())
        .await
        .cluster_id;
    for (cluster_id, node_id, code) in [
        (Some("another".into()), 0, 129),
        (ours.clone(), 1, 129),
        (ours, 0, 0),
    ] {
        request.cluster_id = cluster_id;
        request.node_id = Some(node_id);
        assert_eq!(client.call(5, &request).await.error_code, code);
    }
}

#[tokio::test]
async fn other_unsupported_versions_close_with_the_clients_name() {
    let world = World::new();
    let mut client = world.connect();
    client.call(3, &named("librdkafka", "2.15.0")).await;
    for (key, version) in [(0, 2), (0, 14), (1, 3), (3, 14), (3, -1), (22, 6)] {
        let reason = closed(client.dispatch(raw(key, version, 1, &[0; 32])));
        assert!(
            reason.contains("client tester (librdkafka 2.15.0)"),
            "{reason}"
        );
        assert!(
            reason.contains(&format!("version {version} is not supported")),
            "{reason}"
        );
    }
    let reason = closed(client.dispatch(raw(999, 0, 1, &[])));
    assert!(
        reason.contains("API key 999 version 0 is unknown"),
        "{reason}"
    );
}

#[tokio::test]
async fn one_version_beyond_either_end_closes_for_every_api() {
    let world = World::new();
    let mut ends = 0;
    for served in kafka::served().filter(|served| served.api != ApiKey::ApiVersions) {
        let range = served.accepted;
        for version in [range.min - 1, range.max + 1] {
            let frame = raw(served.api.code(), version, 1, &[0; 32]);
            let reason = closed(world.connect().dispatch(frame));
            let words = format!("version {version} is not supported");
            assert!(reason.contains(&words), "{:?}: {reason}", served.api);
            ends += 1;
        }
    }
    assert!(ends > 60, "{ends}");
}

#[tokio::test]
async fn frames_that_are_no_requests_close() {
    let world = World::new();
    let mut client = world.connect();
    for frame in [
        &b""[..],
        b"\0",
        b"\0\x03\0\x0c",
        b"\0\x03\0\x0c\0\0\0\x01\x7f\xff",
    ] {
        closed(client.dispatch(bytes::Bytes::copy_from_slice(frame)));
    }
    // A count of 4 billion topics in a body of five bytes.
    closed(client.dispatch(raw(3, 9, 1, &[0, 0xff, 0xff, 0xff, 0xff, 0x0f])));
}

#[tokio::test]
async fn a_frames_limit_depends_on_what_it_is_and_on_login() {
    let world = World::new();
    let produce = 0i16.to_be_bytes();
    let metadata = 3i16.to_be_bytes();
    let nine_mib = (9i32 << 20).to_be_bytes();
    let client = world.connect();
    assert_eq!(
        client.session.frame_length(nine_mib, &produce),
        Ok(Intake::Whole(9 << 20))
    );
    assert_eq!(
        client.session.frame_length(nine_mib, &[]),
        Ok(Intake::Whole(9 << 20))
    );
    assert!(client.session.frame_length(nine_mib, &metadata).is_err());
    assert!(
        client
            .session
            .frame_length((-1i32).to_be_bytes(), &[])
            .is_err()
    );
    let stranger = world.connect_as(crate::world::sasl_peer());
    assert!(
        stranger
            .session
            .frame_length(65_537i32.to_be_bytes(), &[])
            .is_err()
    );
    assert_eq!(
        stranger
            .session
            .frame_length(65_536i32.to_be_bytes(), &produce),
        Ok(Intake::Whole(65_536))
    );
}

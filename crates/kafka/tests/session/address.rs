//! The advertised address: one rule for every reply of a connection.

use kafka::Peer;
use kafka_protocol::messages::{
    DescribeClusterRequest, FindCoordinatorRequest, MetadataRequest, SaslAuthenticateRequest,
    SaslHandshakeRequest,
};

use crate::world::{Client, ROOT, World, advertised, peer, plain, sasl_peer};

async fn told(client: &mut Client<'_>) -> (String, i32) {
    let metadata = client.call(9, &MetadataRequest::default()).await;
    let told = (
        metadata.brokers[0].host.to_string(),
        metadata.brokers[0].port,
    );
    assert_eq!(metadata.brokers[0].node_id, 0);
    assert_eq!(metadata.controller_id, 0);
    let cluster = client
        .call(0, &DescribeClusterRequest::default().with_endpoint_type(1))
        .await;
    assert_eq!(
        (cluster.brokers[0].host.to_string(), cluster.brokers[0].port),
        told
    );
    let wanted = FindCoordinatorRequest::default().with_key("group".into());
    let found = client.call(2, &wanted).await;
    assert_eq!((found.host.to_string(), found.port), told);
    told
}

async fn logged_in<'a>(world: &'a World, peer: Peer, string: &str) -> Client<'a> {
    let mut client = world.connect_as(peer);
    let handshake = SaslHandshakeRequest::default().with_mechanism("PLAIN".into());
    client.call(1, &handshake).await;
    let token = SaslAuthenticateRequest::default().with_auth_bytes(plain(string));
    assert_eq!(client.call(2, &token).await.error_code, 0);
    client
}

#[tokio::test]
async fn the_first_known_name_is_told() {
    let world = World::new();
    let mut client = world.connect();
    assert_eq!(told(&mut client).await, ("127.0.0.1".to_owned(), 9092));

    let mut client = logged_in(&world, sasl_peer(), ROOT).await;
    assert_eq!(told(&mut client).await, ("dev.example".to_owned(), 9092));

    let unowned = ROOT.replace("dev.example", "dev2.servicebus.windows.net");
    let mut client = logged_in(&world, sasl_peer(), &unowned).await;
    assert_eq!(told(&mut client).await, ("127.0.0.1".to_owned(), 9092));

    let tls_server_name = Some("localhost".to_owned());
    let by_tls = Peer {
        tls_server_name,
        ..sasl_peer()
    };
    let mut client = logged_in(&world, by_tls.clone(), ROOT).await;
    assert_eq!(told(&mut client).await, ("localhost".to_owned(), 9092));

    let set = Peer {
        advertised: advertised("hub.example", 443),
        ..by_tls
    };
    let mut client = logged_in(&world, set, ROOT).await;
    assert_eq!(told(&mut client).await, ("hub.example".to_owned(), 443));
}

#[tokio::test]
async fn an_ipv4_client_of_a_dual_socket_is_told_an_ipv4_address() {
    let world = World::new();
    let local = "[::ffff:10.1.2.3]:9093".parse().unwrap();
    let mut client = world.connect_as(Peer { local, ..peer() });
    assert_eq!(told(&mut client).await, ("10.1.2.3".to_owned(), 9093));
}

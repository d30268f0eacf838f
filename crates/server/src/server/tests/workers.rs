//! Connections on threads of their own, and from one to another.

use super::{
    tls::{BOTH, TlsWorld},
    *,
};

fn two() -> Workers {
    Workers::start(2).unwrap()
}

fn plain(limits: Limits) -> World {
    World::on(two(), limits, Security::Plaintext, None)
}

/// The thread that serves a connection now.
async fn thread(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    send(stream, b"t").await;
    String::from_utf8(receive(stream).await).unwrap()
}

#[tokio::test]
async fn connections_are_spread_over_the_threads() {
    let world = plain(Limits::default());
    let mut first = world.connect().await;
    let mut names = vec![thread(&mut first).await];
    let mut second = world.connect().await;
    names.push(thread(&mut second).await);
    names.sort_unstable();
    assert_eq!(names, ["connections-0", "connections-1"]);
    drop((first, second));
    let seats = world.running.workers.seats();
    within(async {
        while seats.counts() != [0, 0] {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Half a request, a reply that is still to come and one in order behind it all move along.
async fn moves(world: &World, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let seats = world.running.workers.seats();
    for round in 1..=10 {
        let before = thread(stream).await;
        let dispatched = world.echo.dispatched.borrow().len();
        send(stream, b"l held").await;
        world.echo.dispatched(dispatched + 1).await;
        seats.swap_all();
        // It moves when it has next had something to do.
        send(stream, b"n nothing").await;
        send(stream, b"e in order").await;
        let (half, rest) = b"\0\0\0\x06e half".split_at(round % 9 + 1);
        within(stream.write_all(half)).await.unwrap();
        world.echo.dispatched(dispatched + 3).await;
        sleep(Duration::from_millis(5)).await;
        within(stream.write_all(rest)).await.unwrap();
        world.echo.gate.add_permits(1);
        for expected in [&b"l held"[..], b"e in order", b"e half"] {
            assert_eq!(receive(stream).await, expected, "round {round}");
        }
        assert_ne!(thread(stream).await, before, "round {round}");
        flow::gets_files_in_their_places(stream).await;
    }
    let counts = seats.counts();
    assert_eq!(counts.iter().sum::<usize>(), 1, "{counts:?}");
}

#[tokio::test]
async fn a_connection_moves_with_all_that_is_under_way() {
    let world = plain(Limits::default());
    moves(&world, &mut world.connect().await).await;
}

#[tokio::test]
async fn a_tls_connection_moves_too() {
    let tls = TlsWorld::on(two(), Limits::default());
    let mut stream = tls.connect("localhost", BOTH).await.unwrap();
    moves(&tls.world, &mut stream).await;
}

/// A connection that is not on the thread where it began.
async fn moved(world: &World) -> TcpStream {
    let mut stream = world.connect().await;
    let before = thread(&mut stream).await;
    world.running.workers.seats().swap_all();
    thread(&mut stream).await;
    assert_ne!(thread(&mut stream).await, before);
    stream
}

#[tokio::test]
async fn a_moved_connection_gets_what_it_is_owed_before_the_server_ends() {
    let world = plain(Limits::default());
    let mut stream = moved(&world).await;
    send(&mut stream, b"l held").await;
    world.echo.dispatched(4).await;
    let World { running, echo, .. } = world;
    let ending = tokio::spawn(running.shutdown(PATIENCE));
    echo.gate.add_permits(1);
    assert_eq!(receive(&mut stream).await, b"l held");
    closed(&mut stream).await;
    assert_eq!(ending.await.unwrap().cut_count, 0);
}

#[tokio::test]
async fn a_moved_connection_is_cut_when_time_is_up() {
    let world = plain(Limits::default());
    let mut stream = moved(&world).await;
    send(&mut stream, b"l held").await;
    world.echo.dispatched(4).await;
    let drained = within(world.running.shutdown(Duration::from_millis(100))).await;
    assert_eq!(drained.cut_count, 1);
    closed(&mut stream).await;
}

#[tokio::test]
async fn a_moved_connection_has_its_panic_alone_and_keeps_its_time_limits() {
    let world = plain(short());
    let mut stream = moved(&world).await;
    send(&mut stream, b"p").await;
    closed(&mut stream).await;
    world.assert_serves().await;
    let mut idle = moved(&world).await;
    closed(&mut idle).await;
}

#[tokio::test]
async fn a_large_request_has_a_thread_of_its_own_and_its_connection_waits_for_it() {
    let world = plain(Limits::default());
    let mut stream = world.connect().await;
    send(&mut stream, b"g").await;
    send(&mut stream, b"e behind it").await;
    world.echo.dispatched(1).await;
    world.assert_serves().await;
    assert_eq!(
        world.echo.dispatched.borrow().len(),
        2,
        "what is behind it waits"
    );
    world.echo.gate.add_permits(1);
    assert_eq!(receive(&mut stream).await, b"large-requests");
    assert_eq!(receive(&mut stream).await, b"e behind it");
}

#[tokio::test]
async fn a_held_thread_is_noticed_and_the_end_does_not_wait_for_it() {
    let world = plain(Limits::default());
    let (let_go, held) = std::sync::mpsc::sync_channel::<()>(0);
    *world.echo.held.lock().unwrap() = Some(held);
    let mut stream = world.connect().await;
    let name = thread(&mut stream).await;
    send(&mut stream, b"h").await;
    let pulses = world.running.workers.pulses().clone();
    let limit = Duration::from_secs(1);
    let stalled = within(async {
        loop {
            if let Some((thread, _)) = pulses.stalled_for(limit, clock::now().monotonic) {
                return thread;
            }
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(name, format!("connections-{stalled}"));
    let began = clock::now().monotonic;
    within(world.running.shutdown(Duration::from_millis(100))).await;
    assert!(clock::now().monotonic - began < 5 * CUT_TIME);
    drop(let_go);
}

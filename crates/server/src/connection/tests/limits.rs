//! Each limit in time, set to another value than its default and met.

use super::*;

/// How long a frame lives of which a byte comes every twenty seconds.
async fn trickled(limits: Limits) -> (String, u64) {
    let World {
        mut client,
        serving,
        ..
    } = World::limited(Script::default(), limits);
    client.write_all(b"\0\x0f\xff\xff").await.unwrap();
    let trickle = async {
        while client.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(20)).await;
        }
    };
    let ((), ended) = tokio::join!(trickle, serving);
    let (end, after) = ended.unwrap();
    (end.to_string(), after.as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_frame_takes_as_long_as_the_settings_let_it() {
    let unhurried = Limits {
        transfer_rate_min: 0,
        ..Limits::default()
    };
    let (reason, after) = trickled(unhurried.clone()).await;
    assert_eq!(after, 600, "{reason}");
    let (reason, after) = trickled(Limits {
        frame_timeout: Duration::from_secs(100),
        ..unhurried.clone()
    })
    .await;
    assert_eq!(after, 100, "{reason}");
    let (reason, after) = trickled(Limits {
        frame_stall_timeout: Duration::from_secs(10),
        ..unhurried
    })
    .await;
    assert_eq!(after, 10, "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_frame_keeps_the_pace_of_the_setting() {
    let hurried = Limits {
        transfer_rate_min: 7_000,
        ..Limits::default()
    };
    let (reason, after) = trickled(hurried).await;
    assert_eq!(after, 30);
    assert!(reason.contains("less than 7000 bytes a second"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_login_is_waited_for_as_long_as_the_setting_says() {
    let limits = Limits {
        login_timeout: Duration::from_secs(7),
        ..Limits::default()
    };
    let (reason, after) = World::limited(awaiting_login(), limits).end().await;
    assert_eq!(after, 7, "{reason}");
}

#[tokio::test(start_paused = true)]
async fn silence_is_borne_as_long_as_the_settings_say() {
    let limits = Limits {
        idle_timeout: Duration::from_secs(70),
        write_stall_timeout: Duration::from_secs(11),
        ..Limits::default()
    };
    let (reason, after) = World::limited(Script::default(), limits.clone())
        .end()
        .await;
    assert_eq!(after, 70, "{reason}");
    let mut world = World::limited(Script::default(), limits);
    world.send(b"\0\0\0\x01b").await;
    let (reason, after) = world.end().await;
    assert_eq!(after, 11, "{reason}");
}

#[tokio::test(start_paused = true)]
async fn memory_is_waited_for_as_long_as_the_setting_says() {
    let limits = Limits {
        memory_timeout: Duration::from_secs(5),
        ..Limits::default()
    };
    let mut world = World::limited(Script::default(), limits);
    let shared = Arc::clone(&world.shared);
    let mut held = Vec::new();
    for bytes in [1 << 20, 1 << 10] {
        while let Reserved::Now(share) = {
            let other = shared.tenants.account(0);
            shared.incoming.reserve(&other, bytes, 1 << 20)
        } {
            held.push(share);
        }
    }
    world
        .send(&[&(1_u32 << 20).to_be_bytes()[..], b"more than a head"].concat())
        .await;
    let (reason, after) = world.end().await;
    assert!(reason.contains("memory was short for 5s"), "{reason}");
    assert_eq!(after, 5);
}

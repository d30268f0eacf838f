//! Flipped bits in a small data directory: nothing is missing, or the start says so, or it is
//! refused with everything still there.

use std::{fs, path::Path, sync::Arc, time::Duration};

use hub::{
    Access, Clock, Hub, OpenError,
    findings::Findings,
    groups::{Command, FetchOffsets, FetchOffsetsGroup, GroupError, PerTopic, Reply},
    login::Origin,
    observe::{NamespaceView, Observer, PartitionObservation, ProcessView, TopicObservation},
    salvage::{SalvagePlan, salvage},
};
use model::{GroupId, NamespaceName, Offset, PartitionIndex, TopicName};

use crate::{
    groups::{commit, join},
    support::{World, at_once, batch, copied, create, send, values_of, wanted},
};

const TOPICS: [&str; 2] = ["first", "second"];
const RECORDS: usize = 4;

/// Two topics of some records, a group's offset, all in one small file.
async fn small_world() -> World {
    let world = World::with(|settings| settings.storage.extent_bytes = 64 << 10);
    let access = world.access("dev");
    for topic in TOPICS {
        create(&access, topic).await;
        for _ in 0..RECORDS {
            send(&access, topic, batch(&["some value"])).await;
        }
        assert!(access.group(commit("g", topic, 3)).unwrap().await.is_ok());
    }
    world
}

#[derive(Default)]
struct Seen(Findings);

impl Observer for Seen {
    fn process(&mut self, view: &ProcessView) {
        self.0 = view.findings;
    }
    fn namespace(&mut self, _: &NamespaceView<'_>) {}
    fn topic(&mut self, _: &TopicObservation<'_>) {}
}

fn findings(hub: &Hub) -> Findings {
    let mut seen = Seen::default();
    hub.observe(&mut seen);
    seen.0
}

/// Whether anything beyond an interrupted write was told.
fn tells(findings: Findings) -> bool {
    let by_kind = findings.by_kind();
    by_kind
        .iter()
        .any(|(kind, count)| *kind != "torn_tail" && *count > 0)
}

/// Whether every record and the group's offsets are there.
async fn is_whole(access: &Access) -> bool {
    for topic in TOPICS {
        if access
            .topic_to_listen(hub::access::TopicRef::Name(topic))
            .is_err()
        {
            return false;
        }
        let fetched = access.fetch(at_once(vec![wanted(access, topic, 0)])).await;
        if fetched.partitions[0].is_err() || values_of(&fetched, 0).len() != RECORDS {
            return false;
        }
    }
    let Ok(committed) = offsets(access).await else {
        return false;
    };
    committed == [Some(Offset(3)); 2]
}

async fn offsets(access: &Access) -> Result<Vec<Option<Offset>>, GroupError> {
    let topic = |name: &str| PerTopic {
        topic: TopicName::try_from(name).unwrap(),
        partitions: vec![PartitionIndex(0)],
    };
    let command = Command::FetchOffsets(FetchOffsets {
        groups: vec![FetchOffsetsGroup {
            group: GroupId::from("g"),
            topics: Some(TOPICS.map(topic).to_vec()),
        }],
    });
    let Ok(Reply::FetchOffsets(groups)) = access.group(command).unwrap().await else {
        panic!("offsets are answered with offsets");
    };
    groups[0].result.clone()?;
    let topics = groups[0].topics.iter();
    let committed = |topic: &PerTopic<hub::groups::FetchedOffset>| {
        let found = topic.partitions[0].committed.as_ref();
        found.map(|committed| committed.offset)
    };
    Ok(topics.map(committed).collect())
}

/// What came of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Whole,
    Told,
    Refused,
}

async fn members(access: &Access) -> usize {
    let describe = Command::DescribeGroups(vec![GroupId::from("g")]);
    let Ok(Reply::DescribeGroups(groups)) = access.group(describe).unwrap().await else {
        panic!("a description is asked for");
    };
    groups[0].result.as_ref().unwrap().members.len()
}

/// Every record is there afterwards, under its own name or under a new one.
async fn salvage_and_start(world: &World, dir: &Path, place: &str) {
    let new = copied(dir);
    let clock: Arc<dyn Clock> = Arc::new(world.clock.clone());
    let plan = SalvagePlan::of(dir, &NamespaceName::from("dev")).unwrap();
    salvage(new.path(), plan, Arc::clone(&clock)).unwrap_or_else(|error| {
        panic!("{place}: {error:?}");
    });
    let hub = Hub::open(new.path(), world.settings.clone(), clock);
    let hub = hub.unwrap_or_else(|error| panic!("{place}: salvaged, {error:?}"));
    let mut records = Records::default();
    hub.observe(&mut records);
    let expected = i64::try_from(TOPICS.len() * RECORDS).unwrap();
    assert_eq!(records.0, expected, "{place}");
    // What it says goes on: numbers are not given twice, and events can be sent.
    let origin = Origin {
        listener_namespace: Some(NamespaceName::from("dev")),
        ..Origin::default()
    };
    let access = hub.anonymous(&origin).unwrap();
    create(&access, "new").await;
    assert_eq!(send(&access, "new", batch(&["value"])).await, 0, "{place}");
    drop(access);
    assert!(hub.shutdown(Duration::from_secs(10)).await);
}

/// The records of all partitions together.
#[derive(Default)]
struct Records(i64);

impl Observer for Records {
    fn process(&mut self, _: &ProcessView) {}
    fn namespace(&mut self, _: &NamespaceView<'_>) {}
    fn topic(&mut self, _: &TopicObservation<'_>) {}
    fn wants_partitions(&self) -> bool {
        true
    }
    fn partition(&mut self, view: &PartitionObservation<'_>) {
        self.0 += view.high_watermark - view.log_start_offset;
    }
}

/// Opens a copy with one bit changed. What is missing must be told.
async fn with_flip(world: &World, dir: &Path, file: &str, byte: usize, bit: u8) -> Start {
    let copy = copied(dir);
    let path = copy.path().join(file);
    let mut bytes = fs::read(&path).unwrap();
    bytes[byte] ^= 1 << bit;
    fs::write(&path, bytes).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(world.clock.clone());
    let place = format!("{file} byte {byte} bit {bit}");
    match Hub::open(copy.path(), world.settings.clone(), clock) {
        Ok(hub) => {
            let origin = Origin {
                listener_namespace: Some(NamespaceName::from("dev")),
                ..Origin::default()
            };
            let access = hub.anonymous(&origin).unwrap();
            let told = findings(&hub);
            let is_whole = is_whole(&access).await;
            assert!(is_whole || tells(told), "{place}: {told:?}");
            drop(access);
            hub.shutdown(Duration::from_secs(10)).await;
            if is_whole { Start::Whole } else { Start::Told }
        }
        Err(
            OpenError::MetadataDamaged(_)
            | OpenError::MetadataLost
            | OpenError::Storage(storage::OpenError::Unproved),
        ) => {
            assert!(file.starts_with("log/"), "{place} refuses the start");
            salvage_and_start(world, copy.path(), &place).await;
            Start::Refused
        }
        Err(error) => panic!("{place}: {error:?}"),
    }
}

/// The files of a directory with the bytes of each that are looked at: all that hold anything, or
/// every so many.
fn places(dir: &Path, step: usize) -> Vec<(String, usize)> {
    let mut places = Vec::new();
    for name in ["manifest", "synced", "unclean"] {
        places.push(name.to_owned());
    }
    for entry in fs::read_dir(dir.join("log")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        places.push(format!("log/{name}"));
    }
    let mut bytes = Vec::new();
    for name in places {
        let Ok(contents) = fs::read(dir.join(&name)) else {
            continue;
        };
        let held = |at: &usize| {
            contents[at / 64 * 64..]
                .iter()
                .take(64)
                .any(|&byte| byte != 0)
        };
        let held = (0..contents.len()).filter(held).step_by(step);
        bytes.extend(held.map(|byte| (name.clone(), byte)));
    }
    bytes
}

/// Changes a bit of every so many bytes, one at a time; gives how the starts went.
async fn flip_everywhere(world: &World, dir: &Path) -> Vec<Start> {
    let mut starts = Vec::new();
    for (index, (file, byte)) in places(dir, 19).into_iter().enumerate() {
        let bit = u8::try_from(index % 8).unwrap();
        starts.push(with_flip(world, dir, &file, byte, bit).await);
    }
    for came in [Start::Whole, Start::Told] {
        assert!(starts.contains(&came), "{came:?} never came of it");
    }
    starts
}

#[tokio::test]
async fn a_flipped_bit_anywhere_after_a_crash_is_harmless_or_told_or_refused() {
    let world = small_world().await;
    let dir = copied(world.dir.path());
    let starts = flip_everywhere(&world, dir.path()).await;
    assert!(
        starts.contains(&Start::Refused),
        "no record of what exists was met"
    );
}

/// With the checkpoint gone too, its copy is.
#[tokio::test]
async fn with_the_checkpoint_gone_what_is_saved_of_damaged_metadata_holds_every_record() {
    let world = small_world().await;
    let dir = copied(world.dir.path());
    fs::write(dir.path().join("manifest"), b"rubbish").unwrap();
    let mut refused = 0;
    for (index, (file, byte)) in places(dir.path(), 19).into_iter().enumerate() {
        if file.starts_with("log/") {
            let bit = u8::try_from(index % 8).unwrap();
            let start = with_flip(&world, dir.path(), &file, byte, bit).await;
            refused += usize::from(start == Start::Refused);
        }
    }
    assert!(refused > 3, "{refused} refused");
}

#[tokio::test]
async fn a_flipped_bit_anywhere_after_a_proper_end_never_refuses_the_start() {
    let world = small_world().await;
    assert!(world.hub.shutdown(Duration::from_secs(10)).await);
    let dir = copied(world.dir.path());
    let starts = flip_everywhere(&world, dir.path()).await;
    assert!(!starts.contains(&Start::Refused));
}

#[tokio::test]
async fn a_group_is_told_once_that_its_offsets_were_lost() {
    let world = small_world().await;
    let access = world.access("dev");
    assert!(
        access
            .group(commit("g", TOPICS[0], 4))
            .unwrap()
            .await
            .is_ok()
    );
    let dir = copied(world.dir.path());
    // The newest entry is the commit: its record is hurt.
    let path = fs::read_dir(dir.path().join("log")).unwrap();
    let mut logs: Vec<_> = path.map(|entry| entry.unwrap().path()).collect();
    logs.sort();
    let mut bytes = fs::read(&logs[0]).unwrap();
    let last = bytes.iter().rposition(|&byte| byte != 0).unwrap();
    bytes[last - 8] ^= 1;
    fs::write(&logs[0], bytes).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(world.clock.clone());
    let hub = Hub::open(dir.path(), world.settings.clone(), clock).unwrap();
    assert_eq!(findings(&hub).groups, 1, "{:?}", findings(&hub));
    let origin = Origin {
        listener_namespace: Some(NamespaceName::from("dev")),
        ..Origin::default()
    };
    let access = hub.anonymous(&origin).unwrap();
    assert!(access.group(join("")).unwrap().await.is_ok());
    assert_eq!(members(&access).await, 1);
    assert_eq!(offsets(&access).await, Err(GroupError::OffsetsLost));
    // Clients that only report the error ask again with their next assignment.
    assert_eq!(members(&access).await, 0);
    // Told, it goes on with what is left.
    assert_eq!(offsets(&access).await, Ok(vec![Some(Offset(3)); 2]));
}

//! The end of a log's threads.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use model::{LogId, Offset};

use super::{super::threads::OVERLAP_BYTES_MIN, support::*};
use crate::{
    AppendError, Completion, Log, Options, SyncObserver, Synced, disk::SimulatedDisk, locked::lock,
};

const ID: LogId = LogId(1);
/// Passes only where the log's threads wait for each other.
const STUCK: Duration = Duration::from_secs(20);

/// Owns the log until one of its stages, and lets go of it there once nobody else has it.
struct Owner {
    log: Option<Arc<Log>>,
    is_last: Receiver<()>,
    lets_go_when_written: bool,
}

impl Owner {
    fn let_go(&mut self) {
        self.is_last.recv().unwrap();
        drop(self.log.take());
    }
}

impl Completion for Owner {
    fn written(&mut self) {
        if self.lets_go_when_written {
            self.let_go();
        }
    }

    fn durable(mut self: Box<Self>, _result: Result<(), AppendError>) {
        if !self.lets_go_when_written {
            self.let_go();
        }
    }
}

struct Tell(SyncSender<Result<(), AppendError>>);

impl Completion for Tell {
    fn durable(self: Box<Self>, result: Result<(), AppendError>) {
        self.0.send(result).unwrap();
    }
}

/// A completion runs under a lock that the end of the log once took again.
#[test]
fn a_log_whose_last_owner_lets_go_in_a_completion_still_writes_what_was_appended() {
    for lets_go_when_written in [true, false] {
        let disk = Arc::new(SimulatedDisk::new(1 << 20, 1));
        let (log, _) = Log::open_on(disk, small_options()).unwrap();
        log.create(ID);
        let (last, is_last) = sync_channel(1);
        let (told, answer) = sync_channel(1);
        let owner = Owner {
            log: Some(Arc::clone(&log)),
            is_last,
            lets_go_when_written,
        };
        let first = batch(Offset(0), 1, 0, 10);
        log.append(ID, vec![first], Box::new(owner)).unwrap();
        let second = batch(Offset(1), 1, 0, 10);
        log.append(ID, vec![second], Box::new(Tell(told))).unwrap();
        drop(log);
        last.send(()).unwrap();
        let answer = answer.recv_timeout(STUCK);
        assert_eq!(answer, Ok(Ok(())), "written: {lets_go_when_written}");
    }
}

/// Holds every sync until it is let go.
struct Held {
    begun: SyncSender<()>,
    let_go: Mutex<Receiver<()>>,
}

impl SyncObserver for Held {
    fn sync_started(&self) {
        self.begun.send(()).unwrap();
        lock(&self.let_go).recv().unwrap();
    }

    fn sync_ended(&self, _synced: Synced) {}
}

/// Hears of both stages.
struct Stages {
    awaits_writing: bool,
    written: SyncSender<()>,
    durable: SyncSender<Result<(), AppendError>>,
}

impl Completion for Stages {
    fn awaits_writing(&self) -> bool {
        self.awaits_writing
    }

    fn written(&mut self) {
        self.written.send(()).unwrap();
    }

    fn durable(self: Box<Self>, result: Result<(), AppendError>) {
        self.durable.send(result).unwrap();
    }
}

#[test]
fn what_comes_during_a_sync_is_written_then_if_somebody_waits_for_it_or_it_is_much() {
    let much = usize::try_from(OVERLAP_BYTES_MIN).unwrap();
    for (awaits_writing, padding) in [(true, 10), (false, much), (false, 10)] {
        let (begun, has_begun) = sync_channel(9);
        let (let_go, is_let_go) = sync_channel(9);
        let held = Held {
            begun,
            let_go: Mutex::new(is_let_go),
        };
        let options = Options {
            observer: Some(Arc::new(held)),
            ..wide_options()
        };
        let disk = Arc::new(SimulatedDisk::new(8 << 20, 1));
        let (log, _) = Log::open_on(disk, options).unwrap();
        log.create(ID);
        let (told, answers) = sync_channel(2);
        let first = batch(Offset(0), 1, 0, 10);
        let tell = Box::new(Tell(told.clone()));
        log.append(ID, vec![first], tell).unwrap();
        has_begun.recv_timeout(STUCK).unwrap();
        let (written, is_written) = sync_channel(1);
        let stages = Stages {
            awaits_writing,
            written,
            durable: told,
        };
        let second = batch(Offset(1), 1, 0, padding);
        log.append(ID, vec![second], Box::new(stages)).unwrap();
        if awaits_writing || padding == much {
            is_written.recv_timeout(STUCK).unwrap();
        }
        // Whatever was left is written and synced once the first sync is over.
        let_go.send(()).unwrap();
        assert_eq!(answers.recv_timeout(STUCK), Ok(Ok(())));
        has_begun.recv_timeout(STUCK).unwrap();
        let_go.send(()).unwrap();
        assert_eq!(answers.recv_timeout(STUCK), Ok(Ok(())));
        let_go.send(()).unwrap();
        drop(log);
    }
}

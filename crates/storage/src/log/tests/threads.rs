//! The end of a log's threads.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use model::{LogId, Offset};

use super::support::*;
use crate::{AppendError, Completion, Log, disk::SimulatedDisk};

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

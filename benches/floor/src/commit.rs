//! Group commit: while one sync is under way all that is written joins the next; when idle, a
//! write is synced at once.

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::file::LogFile;

/// How often the count of syncs is printed, at most.
const TELL: Duration = Duration::from_millis(100);

/// A reply that waits for the sync of what it acknowledges.
pub(crate) struct Waiting {
    pub(crate) socket: Arc<TcpStream>,
    pub(crate) reply: Vec<u8>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Vec<Waiting>>,
    arrived: Condvar,
}

/// The sync thread's door.
pub(crate) struct Commits {
    queue: Arc<Queue>,
}

impl Commits {
    pub(crate) fn start(file: Arc<LogFile>) -> Result<Self> {
        let queue = Arc::new(Queue::default());
        let theirs = Arc::clone(&queue);
        thread::Builder::new()
            .name("sync".to_owned())
            .spawn(move || sync_for_ever(&theirs, &file))?;
        Ok(Self { queue })
    }

    /// The reply leaves after the next sync that begins.
    pub(crate) fn wait(&self, waiting: Waiting) {
        let queue = self.queue.waiting.lock();
        let mut queue = queue.unwrap_or_else(PoisonError::into_inner);
        queue.push(waiting);
        if queue.len() == 1 {
            self.queue.arrived.notify_one();
        }
    }
}

fn sync_for_ever(queue: &Queue, file: &LogFile) {
    let mut commit: Vec<Waiting> = Vec::new();
    let mut syncs = 0_u64;
    let mut told = Instant::now();
    loop {
        {
            let waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let waiting = queue
                .arrived
                .wait_while(waiting, |waiting| waiting.is_empty());
            let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut *waiting, &mut commit);
        }
        file.sync().expect("the disk takes what was written");
        reply(&mut commit);
        syncs += 1;
        if told.elapsed() > TELL {
            println!("syncs {syncs}");
            told = Instant::now();
        }
        file.allocate_ahead().expect("there is room on the disk");
    }
}

/// Sends the replies, those to one socket in one write.
fn reply(commit: &mut Vec<Waiting>) {
    commit.sort_by_key(|waiting| Arc::as_ptr(&waiting.socket).addr());
    let mut rest = commit.as_slice();
    while let Some((first, _)) = rest.split_first() {
        let same = |waiting: &&Waiting| Arc::ptr_eq(&waiting.socket, &first.socket);
        let count = rest.iter().take_while(same).count();
        let (own, others) = rest.split_at(count);
        let replies: Vec<u8> = own
            .iter()
            .flat_map(|waiting| &waiting.reply)
            .copied()
            .collect();
        // A client that has gone needs no reply.
        (&*first.socket).write_all(&replies).ok();
        rest = others;
    }
    commit.clear();
}

//! Which thread each connection is on, or shall be on.

use std::{
    collections::HashMap,
    future::Future,
    panic::resume_unwind,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::task::JoinSet;

use super::{Workers, balance::Uneven};

/// Where all connections are.
#[derive(Debug, Default)]
pub(crate) struct Seats(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    taken: HashMap<u64, Arc<State>>,
    next: u64,
    /// Connections of each thread.
    counts: Vec<usize>,
}

impl Inside {
    fn enter(&mut self, worker: usize) {
        if let Some(count) = self.counts.get_mut(worker) {
            *count += 1;
        }
    }

    fn leave(&mut self, worker: usize) {
        if let Some(count) = self.counts.get_mut(worker) {
            *count -= 1;
        }
    }

    fn send(&mut self, state: &State, to: usize) {
        self.leave(state.worker.swap(to, Ordering::Relaxed));
        self.enter(to);
    }
}

#[derive(Debug)]
struct State {
    /// The thread on which the connection shall be.
    worker: AtomicUsize,
    /// What it has received and sent so far.
    bytes: AtomicU64,
    /// That number at the last look.
    seen: AtomicU64,
}

impl Seats {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn new(workers: usize) -> Self {
        let counts = vec![0; workers];
        Self(Mutex::new(Inside {
            counts,
            ..Inside::default()
        }))
    }

    /// The thread that has the fewest connections.
    pub(super) fn least_taken(&self) -> Option<usize> {
        let inside = self.lock();
        let counts = inside.counts.iter().enumerate();
        counts
            .min_by_key(|(_, count)| **count)
            .map(|(index, _)| index)
    }

    /// Notes how much each connection of the busy thread has moved since the last such note and, if
    /// wanted, sends one of them to the idle thread; says whether one goes.
    pub(super) fn look(&self, uneven: &Uneven, sends_one: bool) -> bool {
        let mut inside = self.lock();
        let is_here = |state: &&Arc<State>| state.worker.load(Ordering::Relaxed) == uneven.from;
        let here = inside.taken.values().filter(is_here).cloned();
        let here: Vec<Arc<State>> = here.collect();
        let bytes: Vec<u64> = here.iter().map(|state| state.since_last_look()).collect();
        let chosen = uneven.choose(&bytes).filter(|_| sends_one);
        let Some(state) = chosen.and_then(|index| here.get(index)) else {
            return false;
        };
        inside.send(state, uneven.to);
        true
    }
}

impl State {
    fn since_last_look(&self) -> u64 {
        let bytes = self.bytes.load(Ordering::Relaxed);
        bytes.wrapping_sub(self.seen.swap(bytes, Ordering::Relaxed))
    }
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    workers: Arc<Workers>,
    key: u64,
    state: Arc<State>,
    /// The thread on which it is.
    here: usize,
}

impl Seat {
    pub(super) fn take(workers: &Arc<Workers>, index: usize) -> Self {
        let state = Arc::new(State {
            worker: AtomicUsize::new(index),
            bytes: AtomicU64::new(0),
            seen: AtomicU64::new(0),
        });
        let mut inside = workers.seats.lock();
        let key = inside.next;
        inside.next += 1;
        inside.enter(index);
        inside.taken.insert(key, Arc::clone(&state));
        drop(inside);
        Self {
            workers: Arc::clone(workers),
            key,
            state,
            here: index,
        }
    }

    /// Says how much the connection has received and sent; whether it may stay on this thread.
    pub(crate) fn stays(&self, bytes: u64) -> bool {
        self.state.bytes.store(bytes, Ordering::Relaxed);
        self.state.worker.load(Ordering::Relaxed) == self.here
    }

    /// Goes on with `work` on the thread where it shall be, and waits for its result here. Dropped,
    /// it ends the work.
    pub(crate) async fn elsewhere<F>(mut self, work: impl FnOnce(Self) -> F) -> Option<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.here = self.state.worker.load(Ordering::Relaxed);
        let handle = self.workers.handle(self.here)?.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn_on(work(self), &handle);
        match tasks.join_next().await? {
            Ok(output) => Some(output),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The threads have gone.
                Err(_) => None,
            },
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inside = self.workers.seats.lock();
        inside.taken.remove(&self.key);
        inside.leave(self.state.worker.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
impl Seats {
    /// Sends every connection to the other one of two threads.
    pub(crate) fn swap_all(&self) {
        let mut inside = self.lock();
        for state in inside.taken.values().cloned().collect::<Vec<_>>() {
            let to = 1 - state.worker.load(Ordering::Relaxed);
            inside.send(&state, to);
        }
    }

    pub(crate) fn counts(&self) -> Vec<usize> {
        self.lock().counts.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_moved_much_is_sent_when_asked_for() {
        let workers = Arc::new(Workers::start(2).unwrap());
        let here: Vec<Seat> = (0..3).map(|_| Seat::take(&workers, 0)).collect();
        let there = Seat::take(&workers, 1);
        let uneven = Uneven {
            from: 0,
            to: 1,
            from_busy: 1.0,
            to_busy: 0.2,
        };
        let seats = &workers.seats;
        assert!(here[0].stays(5_000_000) && here[1].stays(100) && here[2].stays(200));
        assert!(!seats.look(&uneven, false));
        // What was moved before the last look is past.
        assert!(here[0].stays(5_000_000) && here[1].stays(1100) && here[2].stays(1200));
        assert!(seats.look(&uneven, true));
        assert_eq!(seats.counts(), [2, 2]);
        assert!(here[0].stays(5_000_000) && there.stays(0));
        assert!(here[1].stays(1100) != here[2].stays(1200));
        assert_eq!(seats.least_taken(), Some(0));
        drop(here);
        assert_eq!(seats.counts(), [0, 1]);
    }
}

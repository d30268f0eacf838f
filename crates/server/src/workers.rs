//! Threads that own connections: what a socket brings is worked off on the thread that heard of it,
//! and nobody hands it on, but for large requests. A connection stays where it began until its thread has much more to do
//! than another one.

mod balance;
mod large;
mod pulse;
mod seat;

use std::{
    future::Future,
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{
    net::TcpStream,
    runtime::{Builder, Handle},
    sync::oneshot,
    task::JoinSet,
    time::sleep,
};
use tracing::{debug, warn};

use self::{balance::Moves, large::LargeThreads};
use crate::{
    clock,
    phase::{Phase, Phases},
};

pub use self::pulse::Pulses;
pub(crate) use self::{
    large::LargeWork,
    seat::{Seat, Seats},
};

/// How often somebody looks whether the threads have as much to do as each other.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Threads with a runtime each. Without any, connections live on the runtime around.
#[derive(Debug)]
pub struct Workers {
    all: Vec<Worker>,
    seats: Seats,
    large: LargeThreads,
    pulses: Pulses,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            seats: Seats::default(),
            large: LargeThreads::default(),
            pulses: Pulses::new(0),
        }
    }
}

#[derive(Debug)]
struct Worker {
    handle: Handle,
    /// Dropped, it ends the thread.
    _stop: oneshot::Sender<()>,
}

impl Worker {
    fn start(index: usize, pulses: Pulses) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        runtime.spawn(pulses.beat(index));
        let (stop, stopped) = oneshot::channel();
        let name = format!("connections-{index}");
        thread::Builder::new().name(name).spawn(move || {
            // It is never sent: its sender goes.
            drop(runtime.block_on(stopped));
            runtime.shutdown_background();
        })?;
        Ok(Self {
            handle,
            _stop: stop,
        })
    }
}

impl Workers {
    /// Starts so many threads.
    ///
    /// # Errors
    /// The system refuses a thread or what its runtime needs.
    pub fn start(count: usize) -> io::Result<Self> {
        let pulses = Pulses::new(count);
        let worker = |index| Worker::start(index, pulses.clone());
        Ok(Self {
            all: (0..count).map(worker).collect::<io::Result<_>>()?,
            seats: Seats::new(count),
            large: LargeThreads::start()?,
            pulses,
        })
    }

    /// Gives a connection to the thread that has the fewest, or to the runtime around.
    ///
    /// # Errors
    /// The socket cannot be taken from the runtime that accepted it.
    pub(crate) fn spawn<F>(
        self: &Arc<Self>,
        connections: &mut JoinSet<()>,
        stream: TcpStream,
        serve: impl FnOnce(TcpStream, Option<Seat>) -> F + Send + 'static,
    ) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(index) = self.seats.least_taken() else {
            connections.spawn(serve(stream, None));
            return Ok(());
        };
        let seat = Seat::take(self, index);
        let stream = stream.into_std()?;
        let serving = async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => serve(stream, Some(seat)).await,
                Err(error) => warn!(%error, "cannot serve a connection"),
            }
        };
        if let Some(worker) = self.all.get(index) {
            connections.spawn_on(serving, &worker.handle);
        }
        Ok(())
    }

    /// What tells whether the threads still turn.
    #[must_use]
    pub fn pulses(&self) -> &Pulses {
        &self.pulses
    }

    /// Where large requests are carried out.
    pub(crate) fn large(&self) -> LargeWork {
        self.large.work()
    }

    #[cfg(test)]
    pub(crate) fn seats(&self) -> &Seats {
        &self.seats
    }

    fn handle(&self, index: usize) -> Option<&Handle> {
        self.all.get(index).map(|worker| &worker.handle)
    }

    /// How long each thread has been busy since it began.
    fn busy(&self) -> impl Iterator<Item = Duration> {
        let busy = |worker: &Worker| worker.handle.metrics().worker_total_busy_duration(0);
        self.all.iter().map(busy)
    }

    /// Moves connections from threads that have much more to do than others, until the server stops;
    /// none is cut.
    pub(crate) async fn balance(self: Arc<Self>, mut phases: Phases) -> usize {
        if self.all.len() < 2 {
            return 0;
        }
        let mut moves = Moves::new(self.busy(), clock::now().monotonic);
        loop {
            // Both can be dropped half-way without loss.
            tokio::select! {
                () = sleep(LOOK_INTERVAL) => {}
                () = phases.reach(Phase::Drain) => return 0,
            }
            self.look(&mut moves, clock::now().monotonic);
        }
    }

    fn look(&self, moves: &mut Moves, now: Instant) {
        let Some((uneven, lasts)) = moves.look(self.busy(), now) else {
            return;
        };
        if self.seats.look(&uneven, lasts) {
            debug!(?uneven, "a connection moves to another thread");
        }
    }
}

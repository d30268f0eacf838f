//! What the server is doing, told to every task that has to follow.

use tokio::sync::watch;

/// A phase leads only to a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serve,
    /// Requests in flight end; nothing new begins.
    Drain,
    /// What is left is cut off.
    Cut,
}

/// One task's view of the phase.
#[derive(Clone, Debug)]
pub(crate) struct Phases(watch::Receiver<Phase>);

impl Phases {
    pub(crate) fn new() -> (watch::Sender<Phase>, Self) {
        let (sender, receiver) = watch::channel(Phase::Serve);
        (sender, Self(receiver))
    }

    /// Waits for the phase, or for its teller's end; may be dropped half-way.
    pub(crate) async fn reach(&mut self, phase: Phase) {
        // Without a teller there is nobody left to serve for.
        drop(self.0.wait_for(|now| *now >= phase).await);
    }
}

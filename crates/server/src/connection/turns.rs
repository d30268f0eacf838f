//! Replies that are made only when their turn has come: a client that asks for much and takes nothing
//! keeps nobody's memory, disk or processor busy with more than one of them.

use std::collections::VecDeque;

use tokio::sync::oneshot;

/// What a connection's first reply may hold in memory. Each that is taken as a whole doubles it.
const FIRST_WINDOW_BYTES: usize = 1 << 20;
const WINDOW_BYTES_MAX: usize = 64 << 20;
/// However short memory is.
const WINDOW_BYTES_MIN: usize = 16 << 10;

/// The turns of one connection's replies.
pub(super) struct Turns {
    /// Replies that got a place in the order so far, and those of them that were taken out of it.
    entered: u64,
    taken: u64,
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
    window: usize,
    /// The size of the last reply.
    last_bytes: usize,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            entered: 0,
            taken: 0,
            waiting: VecDeque::new(),
            window: FIRST_WINDOW_BYTES,
            last_bytes: 0,
        }
    }
}

impl Turns {
    /// A reply gets the next place.
    pub(super) const fn enter(&mut self) {
        self.entered += 1;
    }

    /// The next reply leaves its place.
    pub(super) const fn take(&mut self) {
        self.taken += 1;
    }

    /// A reply of so many bytes goes out.
    pub(super) const fn sent(&mut self, bytes: usize) {
        self.last_bytes = bytes;
    }

    /// What tells the reply with the next place that its turn has come.
    pub(super) fn wait(&mut self) -> oneshot::Receiver<()> {
        let (turn, comes) = oneshot::channel();
        self.waiting.push_back((self.entered, turn));
        comes
    }

    /// Whether all that has entered was taken, or the next in the order waits for its turn.
    pub(super) fn is_next(&self) -> bool {
        let mut waiting = self.waiting.iter();
        waiting
            .next()
            .is_some_and(|(place, _)| *place == self.taken)
    }

    /// Gives the next in the order its turn.
    pub(super) fn begin(&mut self) {
        if let Some((_, turn)) = self.waiting.pop_front() {
            // Its reply went with the connection, or it waits.
            turn.send(()).ok();
        }
    }

    /// What the next one may hold: the window, as far as `room` goes. It grows with a client that has
    /// taken all that was sent to it.
    pub(super) fn allowance(&mut self, has_taken_all: bool, room: usize) -> usize {
        if has_taken_all && self.last_bytes >= self.window / 2 {
            self.window = (self.window * 2).min(WINDOW_BYTES_MAX);
            self.last_bytes = 0;
        }
        self.window.min(room).max(WINDOW_BYTES_MIN)
    }
}

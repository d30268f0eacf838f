//! One thread's loop over its connections: waits for sockets and for the next time to send.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;

use anyhow::Result;
use load::frames::Frames;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::consuming::Consuming;
use crate::outgoing::Outgoing;
use crate::producing::Producing;
use crate::tally::Tally;
use crate::transport::Transport;

const EVENTS_MAX: usize = 256;
/// How long the loop sleeps at most, so that it sees the end of the run.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};
const NS_PER_S: u64 = 1_000_000_000;
const TIMER: u64 = u64::MAX;

/// What a connection is for.
#[derive(Debug)]
pub(crate) enum Role {
    Producing(Box<Producing>),
    Consuming(Box<Consuming>),
    Idle,
}

struct Connection {
    transport: Transport,
    frames: Frames,
    out: Outgoing,
    role: Role,
    /// Waits for the socket to take more.
    is_blocked: bool,
    is_closed: bool,
    /// When the loop will turn to it by itself.
    wake_ns: Option<u64>,
}

impl Connection {
    fn receive(&mut self, tally: &mut Tally) -> io::Result<()> {
        loop {
            let transport = &mut self.transport;
            let filled = self.frames.fill(|room| transport.receive(room))?;
            let now_ns = tally.run.clock.now_ns();
            while let Some(frame) = self.frames.next_frame()? {
                match &mut self.role {
                    Role::Producing(producing) => producing.on_frame(frame, now_ns, tally),
                    Role::Consuming(consuming) => consuming.on_frame(frame, now_ns, tally),
                    Role::Idle => tally.fault("an answer to an idle connection".to_owned()),
                }
            }
            if !filled.full {
                return Ok(());
            }
        }
    }

    fn refill(&mut self, now_ns: u64, is_draining: bool, tally: &mut Tally) -> io::Result<()> {
        match &mut self.role {
            Role::Producing(producing) => {
                if producing.is_unacknowledged() && !self.out.is_empty() {
                    // Its requests go as the socket takes them.
                } else if is_draining {
                    producing.fill_up(now_ns, &mut self.out, tally);
                } else {
                    producing.fill(now_ns, &mut self.out, tally);
                }
            }
            Role::Consuming(consuming) => {
                consuming.fill(now_ns, is_draining, &mut self.out, tally);
            }
            Role::Idle => {}
        }
        let all_sent = self.transport.send(&mut self.out)?;
        let wants_more = match &self.role {
            Role::Producing(producing) => !is_draining && producing.is_bound_by_socket(),
            Role::Consuming(_) | Role::Idle => false,
        };
        self.is_blocked = !all_sent || wants_more;
        Ok(())
    }

    /// Whether the loop must be told of this time: it does not turn to the connection earlier.
    fn note_wake(&mut self, wake_ns: u64) -> bool {
        let is_news = self.wake_ns.is_none_or(|noted_ns| noted_ns > wake_ns);
        if is_news {
            self.wake_ns = Some(wake_ns);
        }
        is_news
    }
}

/// A thread's connections.
pub(crate) struct Worker {
    epoll: OwnedFd,
    timer: OwnedFd,
    connections: Vec<Connection>,
    /// When which connection has something to send.
    wakes: BinaryHeap<Reverse<(u64, usize)>>,
    timer_ns: Option<u64>,
    tally: Tally,
}

impl Worker {
    pub(crate) fn new(tally: Tally) -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
        let data = EventData::new_u64(TIMER);
        // Edge-triggered: the timer is set anew, never read.
        epoll::add(&epoll, &timer, data, EventFlags::IN | EventFlags::ET)?;
        Ok(Self {
            epoll,
            timer,
            connections: Vec::new(),
            wakes: BinaryHeap::new(),
            timer_ns: None,
            tally,
        })
    }

    pub(crate) fn add(&mut self, transport: Transport, role: Role) -> Result<()> {
        transport.enter_loop()?;
        let data = EventData::new_u64(self.connections.len() as u64);
        epoll::add(&self.epoll, &transport, data, EventFlags::IN)?;
        self.connections.push(Connection {
            transport,
            frames: Frames::default(),
            out: Outgoing::default(),
            role,
            is_blocked: false,
            is_closed: false,
            wake_ns: None,
        });
        Ok(())
    }

    /// Runs until the run is stopped, or drained and nothing is under way any more.
    pub(crate) fn run(mut self) -> Result<Tally> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS_MAX);
        for index in 0..self.connections.len() {
            self.refill(index);
        }
        while !self.tally.run.is_stopped() {
            if self.tally.run.is_draining() && self.is_drained() {
                break;
            }
            self.send_due();
            let wait = self.set_timer()?;
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait)) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                let index = event.data.u64();
                if index != TIMER {
                    self.on_event(usize::try_from(index)?, event.flags);
                }
            }
        }
        self.note_overdue();
        Ok(self.tally)
    }

    /// A fetch that is never answered must not pass for one that waits.
    fn note_overdue(&mut self) {
        let now_ns = self.tally.run.clock.now_ns();
        let overdue = |connection: &&Connection| match &connection.role {
            Role::Consuming(consuming) => consuming.is_overdue(now_ns),
            Role::Producing(_) | Role::Idle => false,
        };
        let overdue = self.connections.iter().filter(overdue).count();
        if overdue > 0 {
            let what = "fetches never answered".to_owned();
            self.tally.faults(what, overdue as u64);
        }
    }

    fn is_drained(&self) -> bool {
        self.connections.iter().all(|connection| {
            connection.is_closed
                || match &connection.role {
                    Role::Producing(producing) => {
                        producing.is_drained() && connection.out.is_empty()
                    }
                    // Who fetches is told when all has come.
                    Role::Consuming(_) => false,
                    Role::Idle => true,
                }
        })
    }

    fn send_due(&mut self) {
        let now_ns = self.tally.run.clock.now_ns();
        while let Some(Reverse((wake_ns, index))) = self.wakes.peek().copied() {
            if wake_ns > now_ns {
                return;
            }
            self.wakes.pop();
            let connection = self.connections.get_mut(index);
            if connection.is_some_and(|c| c.wake_ns.take_if(|noted| *noted == wake_ns).is_some()) {
                self.refill(index);
            }
        }
    }

    /// Sets the timer to the next time to send, and says how long to wait for sockets.
    fn set_timer(&mut self) -> Result<Timespec> {
        let Some(Reverse((wake_ns, _))) = self.wakes.peek() else {
            return Ok(TICK);
        };
        let wait_ns = wake_ns.saturating_sub(self.tally.run.clock.now_ns());
        if wait_ns == 0 {
            return Ok(Timespec::default());
        }
        if self.timer_ns != Some(*wake_ns) {
            self.timer_ns = Some(*wake_ns);
            let once = Itimerspec {
                it_interval: Timespec::default(),
                it_value: Timespec {
                    tv_sec: i64::try_from(wait_ns / NS_PER_S)?,
                    tv_nsec: i64::try_from(wait_ns % NS_PER_S)?,
                },
            };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        }
        Ok(TICK)
    }

    fn on_event(&mut self, index: usize, flags: EventFlags) {
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            self.receive(index);
        }
        self.refill(index);
    }

    /// Reads all that has come and hands the frames to the connection's role.
    fn receive(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if connection.is_closed {
            return;
        }
        if let Err(error) = connection.receive(&mut self.tally)
            && error.kind() != ErrorKind::WouldBlock
        {
            self.close(index, &error);
        }
    }

    /// Lets the connection send what it may, and notes when it wants to be woken.
    fn refill(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        if connection.is_closed {
            return;
        }
        let is_draining = self.tally.run.is_draining();
        let now_ns = self.tally.run.clock.now_ns();
        let was_blocked = connection.is_blocked;
        if let Err(error) = connection.refill(now_ns, is_draining, &mut self.tally) {
            return self.close(index, &error);
        }
        if let Role::Producing(producing) = &connection.role
            && !connection.is_blocked
            && !is_draining
            && let Some(wake_ns) = producing.next_wake_ns()
            && connection.note_wake(wake_ns)
        {
            self.wakes.push(Reverse((wake_ns, index)));
        }
        if connection.is_blocked != was_blocked {
            let flags = if connection.is_blocked {
                EventFlags::IN | EventFlags::OUT
            } else {
                EventFlags::IN
            };
            let data = EventData::new_u64(index as u64);
            let changed = epoll::modify(&self.epoll, &connection.transport, data, flags);
            if let Err(error) = changed {
                self.close(index, &error.into());
            }
        }
    }

    fn close(&mut self, index: usize, error: &io::Error) {
        if let Some(connection) = self.connections.get_mut(index) {
            connection.is_closed = true;
            self.tally.fault(format!("connection: {error}"));
            let gone = epoll::delete(&self.epoll, &connection.transport);
            gone.unwrap_or_else(|error| self.tally.fault(format!("epoll: {error}")));
        }
    }
}

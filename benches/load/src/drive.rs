//! One run from the topic to the report: sets up, warms up, measures, drains.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use gauge::{Disk, Sample};
use model::Timestamp;

use crate::consuming::{AtEnd, ConsumerPlan, Consuming, FetchLimits};
use crate::control::{Control, EARLIEST, LATEST, Login, Topic};
use crate::losses::losses;
use crate::options::{From, Mode, Options};
use crate::payload::{self, Codec, MARKED_BYTES};
use crate::producing::{ProducerPlan, Producing, Schedule};
use crate::report::{Report, SyncWatch, Totals, Watch};
use crate::run::{Clock, Counters, Counts, Run};
use crate::tally::Tally;
use crate::template::Template;
use crate::transport::{Address, Transport};
use crate::worker::{Role, Worker};

/// How long what is under way at the end may take.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
/// How long the broker may take to store what nobody waited for.
const STORE_LIMIT: Duration = Duration::from_secs(5);
/// How often the watcher looks.
const LOOK: Duration = Duration::from_millis(50);
/// How often at the end of a run.
const DRAIN_LOOK: Duration = Duration::from_millis(2);
/// Threads that open connections.
const CONNECTORS: usize = 8;

/// A broker, who logs in there, and the topic.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: Address,
    pub(crate) login: Option<Login>,
    pub(crate) topic: Topic,
}

impl Target {
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let login = options.login.as_ref().map(|text| {
            let (user, password) = text.split_once(':').context("expected USER:PASSWORD")?;
            anyhow::Ok(Login {
                user: user.to_owned(),
                password: password.to_owned(),
            })
        });
        Ok(Self {
            address: Address::new(&options.server, options.ca.as_deref())?,
            login: login.transpose()?,
            topic: Topic {
                name: options.topic.clone(),
                partitions: options.partitions,
                configs: options.configs.clone(),
            },
        })
    }

    pub(crate) fn connect(&self) -> Result<Control> {
        Control::connect(&self.address, self.login.as_ref())
    }

    /// Opens connections, several at a time; `prepare` asks on each what is to be asked first.
    fn connect_all<T: Send>(
        &self,
        count: usize,
        prepare: impl Fn(&mut Control) -> Result<T> + Sync,
    ) -> Result<Vec<(Transport, T)>> {
        let open = || {
            let mut control = self.connect()?;
            let prepared = prepare(&mut control)?;
            Ok((control.into_transport(), prepared))
        };
        let share = |index: usize| (count + CONNECTORS - 1 - index) / CONNECTORS;
        thread::scope(|scope| {
            let open = &open;
            let part = |index| scope.spawn(move || (0..share(index)).map(|_| open()).collect());
            let parts: Vec<_> = (0..CONNECTORS).map(part).collect();
            let mut all = Vec::with_capacity(count);
            for part in parts {
                let part: Result<Vec<_>> = part.join().map_err(|_| anyhow::anyhow!("panic"))?;
                all.extend(part?);
            }
            Ok(all)
        })
    }
}

/// Runs modes produce, fetch, end-to-end and idle.
pub(crate) fn drive(options: &Options) -> Result<Report> {
    let target = Target::new(options)?;
    let mut control = target.connect()?;
    if options.mode != Mode::Idle {
        control.create_topic(&target.topic)?;
    }
    if options.mode == Mode::Create {
        return Ok(Report::default());
    }
    let run = Arc::new(Run::new(Clock::start()));
    let mut watch = Watch::new(options);
    let mut crew = Crew::new(options, &target, &run);
    let ends_before = crew.hire(&mut control)?;
    watch.connected = options.server_pid.map(Sample::thorough);
    crew.start()?;
    watch.pass(Duration::from_secs_f64(options.warm_up_seconds));
    watch.syncs = options.sync_source().map(SyncWatch::begin).transpose()?;
    run.measure_from_now();
    let started = Instant::now();
    watch.most_stolen_s = 0.0;
    let before = Moment::now(&target, &mut control, options, &crew.counters)?;
    let limit = Duration::from_secs_f64(options.seconds);
    while started.elapsed() < limit && !crew.is_enough(options) {
        watch.pass(LOOK.min(limit.saturating_sub(started.elapsed())));
    }
    let after = Moment::now(&target, &mut control, options, &crew.counters)?;
    let seconds = started.elapsed().as_secs_f64();
    run.drain();
    let crew_counters = crew.counters.clone();
    let mut tally = crew.finish(options)?;
    // A scrape costs the server something: it comes when nothing is measured any more.
    watch.syncs.as_mut().map_or(Ok(()), SyncWatch::end)?;
    let total = sum(&crew_counters);
    let stored = match options.mode {
        Mode::Produce | Mode::EndToEnd => {
            // Sent with acks 0, they count as produced as soon as they are sent.
            let expected = total.produced_records;
            Some(stored(&mut control, &target.topic, &ends_before, expected)?)
        }
        _ => None,
    };
    for (what, count) in losses(options, &total, stored) {
        tally.faults(what.to_owned(), count);
    }
    watch.at_end = options.server_pid.map(Sample::thorough);
    Ok(Report::new(
        options,
        seconds,
        (&before, &after),
        &tally,
        Totals {
            counts: total,
            stored_records: stored,
        },
        &watch,
    ))
}

/// How many records the partitions have gained; waits a while for the expected ones: those sent
/// with acks 0 come after nobody waits for them any more.
fn stored(control: &mut Control, topic: &Topic, before: &[i64], expected: u64) -> Result<u64> {
    let started = Instant::now();
    loop {
        let ends = control.offsets(topic, LATEST)?;
        let gained = ends.iter().sum::<i64>() - before.iter().sum::<i64>();
        let gained = u64::try_from(gained).context("partitions do not shrink at their ends")?;
        if gained >= expected || started.elapsed() > STORE_LIMIT {
            return Ok(gained);
        }
        thread::sleep(LOOK);
    }
}

/// Counts and readings at one moment.
pub(crate) struct Moment {
    pub(crate) counts: Counts,
    /// The sum of the partitions' ends, where only they tell what has arrived: with acks 0.
    pub(crate) stored_records: Option<u64>,
    pub(crate) server: Option<Sample>,
    pub(crate) client: Sample,
    pub(crate) disk: Option<Disk>,
    pub(crate) stolen_s: Option<f64>,
}

impl Moment {
    fn now(
        target: &Target,
        control: &mut Control,
        options: &Options,
        counters: &[Arc<Counters>],
    ) -> Result<Self> {
        let is_untold = options.mode == Mode::Produce && options.acks == 0;
        let stored_records = if is_untold {
            let ends = control.offsets(&target.topic, LATEST)?;
            Some(u64::try_from(ends.iter().sum::<i64>())?)
        } else {
            None
        };
        Ok(Self {
            counts: sum(counters),
            stored_records,
            server: options.server_pid.map(Sample::thorough),
            client: Sample::of(std::process::id()),
            disk: options.disk.as_deref().and_then(Disk::below),
            stolen_s: gauge::stolen_s(),
        })
    }
}

fn sum(counters: &[Arc<Counters>]) -> Counts {
    let mut counts = Counts::default();
    for counters in counters {
        counters.add_to(&mut counts);
    }
    counts
}

/// The threads of a run and their work.
struct Crew<'a> {
    options: &'a Options,
    target: &'a Target,
    run: &'a Arc<Run>,
    workers: Vec<Worker>,
    counters: Vec<Arc<Counters>>,
    threads: Vec<JoinHandle<Result<Tally>>>,
}

impl<'a> Crew<'a> {
    fn new(options: &'a Options, target: &'a Target, run: &'a Arc<Run>) -> Self {
        Self {
            options,
            target,
            run,
            workers: Vec::new(),
            counters: Vec::new(),
            threads: Vec::new(),
        }
    }

    /// Opens all connections; returns the ends of the partitions from before the load.
    fn hire(&mut self, control: &mut Control) -> Result<Vec<i64>> {
        let options = self.options;
        let topic = &self.target.topic;
        if options.mode == Mode::Idle {
            let idle = self.target.connect_all(options.connections, |_| Ok(()))?;
            self.share_out(
                idle.into_iter()
                    .map(|(transport, ())| (transport, Role::Idle)),
            )?;
            return Ok(Vec::new());
        }
        let ends = control.offsets(topic, LATEST)?;
        match options.mode {
            Mode::Fetch => {
                let begins = match options.from {
                    From::End => ends.clone(),
                    From::AllOverAgain | From::Beginning => control.offsets(topic, EARLIEST)?,
                };
                self.hire_consumers(options.connections, &begins)?;
            }
            Mode::EndToEnd => {
                self.hire_consumers(options.consumers, &ends)?;
                self.hire_producers()?;
            }
            _ => self.hire_producers()?,
        }
        Ok(ends)
    }

    fn hire_producers(&mut self) -> Result<()> {
        let options = self.options;
        let templates = templates(options)?;
        let connections = options.connections;
        let opened = self.target.connect_all(connections, |control| {
            options.idempotent.then(|| control.producer()).transpose()
        })?;
        let partitions = usize::try_from(options.partitions)?;
        let schedules = schedules(options, self.run.clock)?;
        self.run.expect_schedules(schedules.len());
        let role = |(index, (transport, producer))| {
            // With more connections than partitions several share one.
            let own = (index % partitions..partitions).step_by(connections);
            let plan = ProducerPlan {
                templates: Arc::clone(&templates),
                acks: options.acks,
                in_flight_max: options.in_flight,
                producer,
                partitions: own.filter_map(|p| i32::try_from(p).ok()).collect(),
                schedule: schedules.get(index).copied(),
            };
            (transport, Role::Producing(Box::new(Producing::new(plan))))
        };
        let roles: Vec<_> = opened.into_iter().enumerate().map(role).collect();
        self.share_out(roles.into_iter())
    }

    fn hire_consumers(&mut self, count: usize, begins: &[i64]) -> Result<()> {
        let options = self.options;
        let opened = self.target.connect_all(count, |_| Ok(()))?;
        let role = |(index, (transport, ()))| {
            let plan = ConsumerPlan {
                topic: &options.topic,
                first: index % begins.len(),
                step: count,
                begins,
                at_end: match options.from {
                    From::AllOverAgain if options.mode == Mode::Fetch => AtEnd::BeginAgain,
                    _ => AtEnd::Wait,
                },
                check: options.check,
                timed: options.mode == Mode::EndToEnd,
                limits: FetchLimits {
                    wait_ms: options.fetch_wait_ms,
                    bytes_min: options.fetch_bytes_min,
                    bytes_max: options.fetch_bytes_max,
                    partition_bytes_max: options.partition_bytes_max,
                },
            };
            Ok((transport, Role::Consuming(Box::new(Consuming::new(&plan)?))))
        };
        let roles: Result<Vec<_>> = opened.into_iter().enumerate().map(role).collect();
        self.share_out(roles?.into_iter())
    }

    /// Deals connections out to new threads.
    fn share_out(&mut self, roles: impl Iterator<Item = (Transport, Role)>) -> Result<()> {
        let mut workers = Vec::new();
        for _ in 0..self.options.threads.max(1) {
            let tally = Tally::new(Arc::clone(self.run));
            self.counters.push(Arc::clone(&tally.counters));
            workers.push(Worker::new(tally)?);
        }
        let count = workers.len();
        for (index, (transport, role)) in roles.enumerate() {
            let worker = workers.get_mut(index % count).context("a worker")?;
            worker.add(transport, role)?;
        }
        self.workers.extend(workers);
        Ok(())
    }

    fn start(&mut self) -> Result<()> {
        for worker in self.workers.drain(..) {
            let thread = thread::Builder::new().spawn(move || worker.run())?;
            self.threads.push(thread);
        }
        Ok(())
    }

    /// Whether enough was sent, or everything has gone wrong.
    fn is_enough(&self, options: &Options) -> bool {
        let counts = sum(&self.counters);
        let records = match options.mode {
            Mode::Fetch => counts.fetched_records,
            _ => counts.sent_records,
        };
        let bytes = records * options.record_bytes as u64;
        options.bytes_max.is_some_and(|most| bytes >= most)
            || self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Whether nothing is under way any more.
    fn is_done(&self, options: &Options) -> bool {
        let counts = sum(&self.counters);
        let answered = counts.produced_records + counts.refused_records;
        match options.mode {
            // What waits for longer than anybody will is only looked at.
            Mode::Fetch => {
                let wait_ms = u64::try_from(options.fetch_wait_ms).unwrap_or(0);
                counts.fetches == counts.asked_fetches
                    || Duration::from_millis(wait_ms) >= DRAIN_LIMIT
            }
            Mode::Idle => true,
            _ if self.run.is_behind() => false,
            // Nobody answers: a thread ends when all that it has is with the system.
            Mode::Produce if options.acks == 0 => self.threads.iter().all(JoinHandle::is_finished),
            Mode::EndToEnd => {
                answered == counts.sent_records && counts.fetched_records >= counts.produced_records
            }
            _ => answered == counts.sent_records,
        }
    }

    /// Lets what is under way end, stops the threads and gathers what they measured.
    fn finish(self, options: &Options) -> Result<Tally> {
        let started = Instant::now();
        while !self.is_done(options) && started.elapsed() < DRAIN_LIMIT {
            if self.threads.iter().all(JoinHandle::is_finished) {
                break;
            }
            thread::sleep(DRAIN_LOOK);
        }
        self.run.stop();
        let mut all = Tally::new(Arc::clone(self.run));
        if self.run.is_behind() {
            all.fault("records were due and never sent".to_owned());
        }
        for thread in self.threads {
            match thread.join() {
                Ok(tally) => all.merge(&tally?),
                Err(_) => bail!("a thread of the load panicked"),
            }
        }
        Ok(all)
    }
}

/// The requests made in advance: one size, or every power of two up to the largest batch.
fn templates(options: &Options) -> Result<Arc<[Template]>> {
    let stamped = options.mode == Mode::EndToEnd;
    ensure!(
        !stamped || (options.codec == Codec::None && options.record_bytes >= MARKED_BYTES),
        "end-to-end needs plain records of at least {MARKED_BYTES} bytes, to carry the time"
    );
    ensure!(
        options.rate.is_none() || options.batches_per_request == 1,
        "with --rate a request holds one batch"
    );
    let most = (options.batch_bytes / options.record_bytes).max(1);
    let counts: Vec<usize> = if options.natural {
        (0..=most.ilog2()).map(|power| 1 << power).collect()
    } else {
        vec![most]
    };
    let per_connection = usize::try_from(options.partitions)?.div_ceil(options.connections);
    let batches = options.batches_per_request.min(per_connection).max(1);
    let now = Timestamp(i64::try_from(
        std::time::SystemTime::UNIX_EPOCH.elapsed()?.as_millis(),
    )?);
    let template = |records| {
        let idempotent = options.idempotent;
        let batch = payload::batch(
            options.codec,
            records,
            options.record_bytes,
            idempotent,
            now,
        )?;
        Template::new(&options.topic, options.acks, &batch, batches, stamped)
    };
    counts.into_iter().map(template).collect()
}

/// For each connection when it sends: together they send evenly.
fn schedules(options: &Options, clock: Clock) -> Result<Vec<Schedule>> {
    let Some(rate) = options.rate else {
        return Ok(Vec::new());
    };
    let interval = Duration::from_secs_f64(1.0 / rate);
    let connections = u32::try_from(options.connections)?;
    let stride_ns = u64::try_from((interval * connections).as_nanos())?;
    ensure!(
        u32::try_from(stride_ns).is_ok(),
        "the rate is below one record in 4 s and connection"
    );
    // Threads have a moment to start before the first record is due.
    let begin_ns = clock.now_ns() + 20_000_000;
    let schedule = |index: u32| Schedule {
        next_ns: begin_ns + stride_ns * u64::from(index) / u64::from(connections),
        stride_ns,
    };
    Ok((0..connections).map(schedule).collect())
}

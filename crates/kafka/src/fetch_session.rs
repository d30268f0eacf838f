//! Incremental fetch sessions (KIP-227): what a consumer wants, remembered between its requests, so
//! that requests and replies name only what changed. Bounded in number and in partitions, of which
//! one under a name longer than any topic's counts as many as its name is long.
//!
//! | Request | Answer |
//! |---|---|
//! | epoch -1 | no session; an old one of that id ends |
//! | epoch 0 | a new session if there is room, else none (id 0); an old one of that id ends |
//! | the session's next epoch | changes are applied; the reply names what has news |
//! | any other epoch | INVALID_FETCH_SESSION_EPOCH |
//! | an id nobody knows, or of another namespace | FETCH_SESSION_ID_NOT_FOUND |
//! | names where the session has ids, or the reverse | FETCH_SESSION_TOPIC_ID_ERROR |

use std::{
    collections::{BTreeMap, HashMap, hash_map},
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use model::{NamespaceName, TopicId};
use uuid::Uuid;

/// A session that rested this long may make room for a new one (Kafka:
/// `min.incremental.fetch.session.eviction.ms`).
const EVICTION_AGE: Duration = Duration::from_secs(120);

/// The epoch of a request outside any session.
const FINAL_EPOCH: i32 = -1;
/// The epoch of a request that begins a session.
const INITIAL_EPOCH: i32 = 0;

/// A session of so many partitions costs each of its requests more than a request may by itself.
const MANY_PARTITIONS: usize = 1_000;

/// How fetches name a topic: by name up to version 12, then by id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TopicKey {
    Name(Named),
    Id(TopicId),
}

/// A topic's name with its hash: as long as the caller likes, and looked at for each of its partitions.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) text: Arc<str>,
    hash: u64,
}

/// No caller can know which names share a hash.
static NAMES: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// What the longest name of a topic takes, about.
const NAME_BYTES: usize = 256;

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.text == other.text
    }
}

impl Eq for Named {}

impl Hash for Named {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

impl TopicKey {
    pub(crate) fn named(name: &str) -> Self {
        Self::Name(Named {
            text: name.into(),
            hash: NAMES.hash_one(name),
        })
    }

    /// How many partitions one under this name counts as.
    fn weight(&self) -> usize {
        match self {
            Self::Name(name) => 1 + name.text.len() / NAME_BYTES,
            Self::Id(_) => 1,
        }
    }
}

/// What the partitions count as, all together.
fn weight(wanted: &[Wanted]) -> usize {
    wanted.iter().map(|one| one.key.topic.weight()).sum()
}

/// How fetches name a partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PartitionKey {
    pub(crate) topic: TopicKey,
    pub(crate) index: i32,
}

/// What a client wants of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) key: PartitionKey,
    pub(crate) offset: i64,
    pub(crate) bytes_max: i32,
    pub(crate) current_leader_epoch: i32,
    pub(crate) last_fetched_epoch: i32,
}

/// A request as far as sessions care.
pub(crate) struct Opening<'a> {
    pub(crate) namespace: &'a NamespaceName,
    pub(crate) session_id: i32,
    pub(crate) epoch: i32,
    /// Whether the request names topics by id.
    pub(crate) by_id: bool,
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) forgotten: Vec<PartitionKey>,
    pub(crate) now: Instant,
}

/// Why a session did not take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionError {
    NotFound,
    Epoch,
    TopicIds,
}

/// What to read, and how to answer.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) reply: ReplyScope,
}

/// What a reply names.
#[derive(Debug)]
pub(crate) enum ReplyScope {
    /// Everything that was asked for; no session.
    Sessionless,
    /// Everything; the session begins.
    Full(SessionHandle),
    /// What has news.
    Incremental(SessionHandle),
}

/// A session that a request has joined.
#[derive(Clone, Debug)]
pub(crate) struct SessionHandle {
    pub(crate) id: i32,
    session: Arc<Mutex<FetchSession>>,
}

/// What was read of a partition, as far as it decides whether the reply names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct News {
    pub(crate) has_records: bool,
    pub(crate) high_watermark: i64,
    pub(crate) log_start_offset: i64,
    /// An error, or a diverging epoch.
    pub(crate) must_be_said: bool,
}

/// All sessions of a front end. Its lock is held to find and to count, never while a session of
/// many partitions is worked on.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    table: Mutex<Table>,
    /// The most partitions that a session of many has had.
    largest: AtomicUsize,
}

#[derive(Debug)]
struct Table {
    entries: HashMap<i32, Entry>,
    partition_count: usize,
    session_count_max: usize,
    partition_count_max: usize,
}

#[derive(Debug)]
struct Entry {
    namespace: NamespaceName,
    session: Arc<Mutex<FetchSession>>,
    used: Instant,
    /// As last counted into the sum.
    partition_count: usize,
}

/// One client's partitions, in the order in which they may use up the limit of bytes.
#[derive(Debug)]
struct FetchSession {
    /// The epoch that the next request must have.
    next_epoch: i32,
    by_id: bool,
    places: HashMap<PartitionKey, u64>,
    partitions: BTreeMap<u64, Remembered>,
    next_place: u64,
}

#[derive(Debug)]
struct Remembered {
    wanted: Wanted,
    said_high_watermark: i64,
    said_log_start_offset: i64,
}

impl FetchSessions {
    pub(crate) fn new(session_count_max: usize, partition_count_max: usize) -> Self {
        Self {
            table: Mutex::new(Table {
                entries: HashMap::new(),
                partition_count: 0,
                session_count_max,
                partition_count_max,
            }),
            largest: AtomicUsize::new(0),
        }
    }

    /// Finds or makes the request's session, applies its changes and says what to read.
    pub(crate) fn open(&self, opening: Opening<'_>) -> Result<Plan, SessionError> {
        if !matches!(opening.epoch, FINAL_EPOCH | INITIAL_EPOCH) {
            return self.resume(opening);
        }
        let mut table = lock(&self.table);
        if table.of(opening.session_id, opening.namespace).is_some() {
            table.remove(opening.session_id);
        }
        let wants_session = opening.epoch == INITIAL_EPOCH && !opening.wanted.is_empty();
        if wants_session && table.make_room(weight(&opening.wanted), opening.now) {
            let plan = table.begin(opening);
            self.note_size(plan.wanted.len());
            return Ok(plan);
        }
        Ok(Plan {
            wanted: each_once(opening.wanted),
            reply: ReplyScope::Sessionless,
        })
    }

    /// The partitions that a session of many has; of the others nobody asks, and none has to look.
    pub(crate) fn partition_count(&self, session_id: i32) -> usize {
        if self.largest.load(Ordering::Relaxed) < MANY_PARTITIONS {
            return 0;
        }
        let table = lock(&self.table);
        let session = table.entries.get(&session_id);
        session.map_or(0, |entry| entry.partition_count)
    }

    fn note_size(&self, partition_count: usize) {
        if partition_count >= MANY_PARTITIONS {
            self.largest.fetch_max(partition_count, Ordering::Relaxed);
        }
    }

    fn resume(&self, opening: Opening<'_>) -> Result<Plan, SessionError> {
        let id = opening.session_id;
        let handle = lock(&self.table)
            .of(id, opening.namespace)
            .map(|entry| {
                entry.used = opening.now;
                SessionHandle {
                    id,
                    session: Arc::clone(&entry.session),
                }
            })
            .ok_or(SessionError::NotFound)?;
        let wanted = handle.lock().resume(opening)?;
        self.note_size(wanted.len());
        if !lock(&self.table).recount(&handle, weight(&wanted)) {
            // The client begins again, and may do without a session.
            return Err(SessionError::NotFound);
        }
        let reply = if wanted.is_empty() {
            ReplyScope::Sessionless
        } else {
            ReplyScope::Incremental(handle)
        };
        Ok(Plan { wanted, reply })
    }
}

/// So many partitions are compared with each other: quicker than a table of them.
const COMPARED_MAX: usize = 8;

/// Each partition at its first mention, as its last one wants it: how Kafka reads them.
fn each_once(wanted: Vec<Wanted>) -> Vec<Wanted> {
    if wanted.len() <= COMPARED_MAX {
        let mut earlier = wanted.iter().enumerate();
        if earlier.all(|(place, one)| wanted.iter().take(place).all(|other| one.key != other.key)) {
            return wanted;
        }
    }
    let mut places: HashMap<PartitionKey, usize> = HashMap::with_capacity(wanted.len());
    let mut once: Vec<Wanted> = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        let place = *places.entry(wanted.key.clone()).or_insert(once.len());
        match once.get_mut(place) {
            Some(first) => *first = wanted,
            None => once.push(wanted),
        }
    }
    once
}

impl Table {
    fn of(&mut self, id: i32, namespace: &NamespaceName) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(&id);
        entry.filter(|entry| entry.namespace == *namespace)
    }

    fn remove(&mut self, id: i32) {
        if let Some(entry) = self.entries.remove(&id) {
            self.partition_count -= entry.partition_count;
        }
    }

    /// Notes how many partitions a session has; it ends when it has none, or too many. Gives
    /// whether they are not too many.
    fn recount(&mut self, handle: &SessionHandle, partition_count: usize) -> bool {
        let entry = self.entries.get_mut(&handle.id);
        // A session that made room for another in the meantime is finished with this reply.
        if let Some(entry) = entry.filter(|entry| Arc::ptr_eq(&entry.session, &handle.session)) {
            self.partition_count = self.partition_count - entry.partition_count + partition_count;
            entry.partition_count = partition_count;
        }
        let fits = self.partition_count <= self.partition_count_max;
        if !fits || partition_count == 0 {
            self.remove(handle.id);
        }
        fits
    }

    /// Whether a session of that many partitions fits, if need be in place of one at rest.
    fn make_room(&mut self, partition_count: usize, now: Instant) -> bool {
        let fits = |table: &Self| {
            table.entries.len() < table.session_count_max
                && table.partition_count + partition_count <= table.partition_count_max
        };
        if fits(self) {
            return true;
        }
        let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
        let at_rest = oldest.filter(|(_, entry)| now.duration_since(entry.used) >= EVICTION_AGE);
        if let Some(id) = at_rest.map(|(id, _)| *id) {
            self.remove(id);
        }
        fits(self)
    }

    fn begin(&mut self, opening: Opening<'_>) -> Plan {
        let mut session = FetchSession {
            next_epoch: 1,
            by_id: opening.by_id,
            places: HashMap::new(),
            partitions: BTreeMap::new(),
            next_place: 0,
        };
        session.apply(opening.wanted, &[]);
        let wanted = session.wanted();
        let partition_count = weight(&wanted);
        let session = Arc::new(Mutex::new(session));
        let mut id = new_id();
        while self.entries.contains_key(&id) {
            id = new_id();
        }
        self.partition_count += partition_count;
        self.entries.insert(
            id,
            Entry {
                namespace: opening.namespace.clone(),
                session: Arc::clone(&session),
                used: opening.now,
                partition_count,
            },
        );
        Plan {
            wanted,
            reply: ReplyScope::Full(SessionHandle { id, session }),
        }
    }
}

/// Nothing panics while these locks are held; what a poisoned one guards would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Not to be guessed, nor to be met again after a restart.
fn new_id() -> i32 {
    let (_, low) = Uuid::new_v4().as_u64_pair();
    i32::try_from(low & 0x7fff_ffff).map_or(1, |id| id.max(1))
}

impl FetchSession {
    /// Takes the session's next request; gives all that is wanted now.
    fn resume(&mut self, opening: Opening<'_>) -> Result<Vec<Wanted>, SessionError> {
        if self.next_epoch != opening.epoch {
            return Err(SessionError::Epoch);
        }
        if self.by_id != opening.by_id {
            return Err(SessionError::TopicIds);
        }
        self.next_epoch = opening.epoch.checked_add(1).unwrap_or(1);
        self.apply(opening.wanted, &opening.forgotten);
        Ok(self.wanted())
    }

    fn apply(&mut self, wanted: Vec<Wanted>, forgotten: &[PartitionKey]) {
        for wanted in wanted {
            match self.places.entry(wanted.key.clone()) {
                hash_map::Entry::Occupied(place) => {
                    if let Some(remembered) = self.partitions.get_mut(place.get()) {
                        remembered.wanted = wanted;
                    }
                }
                hash_map::Entry::Vacant(free) => {
                    free.insert(self.next_place);
                    let remembered = Remembered {
                        wanted,
                        said_high_watermark: -1,
                        said_log_start_offset: -1,
                    };
                    self.partitions.insert(self.next_place, remembered);
                    self.next_place += 1;
                }
            }
        }
        for key in forgotten {
            if let Some(place) = self.places.remove(key) {
                self.partitions.remove(&place);
            }
        }
    }

    fn wanted(&self) -> Vec<Wanted> {
        let remembered = self.partitions.values();
        remembered
            .map(|partition| partition.wanted.clone())
            .collect()
    }

    /// Notes what the reply will say of a partition; gives whether that is news.
    fn note(&mut self, key: &PartitionKey, news: News) -> bool {
        let Some(place) = self.places.get(key).copied() else {
            // Forgotten by a later request while this one was waiting.
            return news.has_records || news.must_be_said;
        };
        let Some(mut remembered) = self.partitions.remove(&place) else {
            return true;
        };
        let changed = remembered.said_high_watermark != news.high_watermark
            || remembered.said_log_start_offset != news.log_start_offset;
        remembered.said_high_watermark = news.high_watermark;
        remembered.said_log_start_offset = news.log_start_offset;
        // Who was served goes behind the others, so that all get their turn.
        let place = if news.has_records {
            self.next_place += 1;
            self.next_place - 1
        } else {
            place
        };
        self.places.insert(key.clone(), place);
        self.partitions.insert(place, remembered);
        changed || news.has_records || news.must_be_said
    }
}

impl SessionHandle {
    fn lock(&self) -> MutexGuard<'_, FetchSession> {
        lock(&self.session)
    }
}

impl ReplyScope {
    /// The session id that the reply carries.
    pub(crate) const fn session_id(&self) -> i32 {
        match self {
            Self::Sessionless => 0,
            Self::Full(handle) | Self::Incremental(handle) => handle.id,
        }
    }

    /// Notes what was read; gives whether the reply names the partition.
    pub(crate) fn names(&self, key: &PartitionKey, news: News) -> bool {
        match self {
            Self::Sessionless => true,
            Self::Full(handle) => {
                handle.lock().note(key, news);
                true
            }
            Self::Incremental(handle) => handle.lock().note(key, news),
        }
    }
}

#[cfg(test)]
mod tests;

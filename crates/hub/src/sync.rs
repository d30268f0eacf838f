//! Locks that outlive a panic.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::oneshot;
use tracing::trace;

/// Takes the lock. Every critical section of this crate asserts before it changes anything, so a
/// panic inside one leaves nothing half changed and the others go on.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], to read.
pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], to write.
pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Answers whoever asked, if they still wait: a client that is gone no longer wants to know.
pub(crate) fn tell<T>(asked: oneshot::Sender<T>, answer: T) {
    if asked.send(answer).is_err() {
        trace!("nobody waits for the answer");
    }
}

//! A client's connection, whose end its namespace's groups must hear of.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use coordinator::ConnectionId;

use crate::namespace::Namespace;

/// A connection as its namespace's groups know it: members that came over it and never synced go
/// when its last holder goes.
pub(crate) struct Connection {
    namespace: Arc<Namespace>,
    id: ConnectionId,
    has_joined: AtomicBool,
}

impl Connection {
    pub(crate) fn new(namespace: &Arc<Namespace>) -> Arc<Self> {
        Arc::new(Self {
            namespace: Arc::clone(namespace),
            id: namespace.groups.connection_id(),
            has_joined: AtomicBool::new(false),
        })
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    /// A member may come over it.
    pub(crate) fn note_join(&self) {
        self.has_joined.store(true, Ordering::Relaxed);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if *self.has_joined.get_mut() {
            self.namespace.groups.disconnected(self.id);
        }
    }
}

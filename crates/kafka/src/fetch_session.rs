//! Incremental fetch sessions (KIP-227), bounded in number.
pub(crate) struct FetchSessions;
impl FetchSessions {
    pub(crate) fn new(_: usize, _: usize) -> Self {
        Self
    }
}

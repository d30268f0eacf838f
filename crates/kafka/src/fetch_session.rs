//! x
pub(crate) struct FetchSessions;
impl FetchSessions {
    pub(crate) fn new(_: usize, _: usize) -> Self {
        Self
    }
}

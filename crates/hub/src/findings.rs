//! What a start found to be not as it was written, counted by kind for the metrics.

use storage::Damage;

/// Places of each kind, as the start of this process found them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Interrupted writes, never known to be synced: the only kind that costs nothing.
    pub torn_tails: u64,
    pub quarantined: u64,
    pub lost_ranges: u64,
    pub missing_files: u64,
    /// The log ended before what was synced.
    pub lost_ends: u64,
    pub manifest: u64,
    /// What exists was taken from its copy in the checkpoint.
    pub metadata_copy: u64,
    /// Stretches of groups and their offsets that are gone.
    pub groups: u64,
}

impl Findings {
    pub(crate) fn of(damages: &[Damage]) -> Self {
        let mut found = Self::default();
        for damage in damages {
            *match damage {
                Damage::TornTail { .. } => &mut found.torn_tails,
                Damage::Quarantined { .. } => &mut found.quarantined,
                Damage::LostOffsets { .. } => &mut found.lost_ranges,
                Damage::MissingExtent { .. } => &mut found.missing_files,
                Damage::LostEnd { .. } => &mut found.lost_ends,
                Damage::Manifest => &mut found.manifest,
            } += 1;
        }
        found
    }

    /// Whether anything that was synced is not there.
    pub(crate) fn has_lost(&self) -> bool {
        self.quarantined + self.lost_ranges + self.missing_files + self.lost_ends + self.manifest
            > 0
    }

    /// Every kind with its word and its number.
    #[must_use]
    pub const fn by_kind(&self) -> [(&'static str, u64); 8] {
        [
            ("torn_tail", self.torn_tails),
            ("quarantined", self.quarantined),
            ("lost_offsets", self.lost_ranges),
            ("missing_file", self.missing_files),
            ("lost_end", self.lost_ends),
            ("manifest", self.manifest),
            ("metadata_copy", self.metadata_copy),
            ("groups", self.groups),
        ]
    }
}

//! What a person can do about a data directory that does not open.

use rustix::io::Errno;

/// The error with its causes, and the remedy where there is one.
pub(super) fn explained(error: hub::OpenError) -> anyhow::Error {
    let remedy = remedy(&error);
    let error = anyhow::Error::from(error);
    match remedy {
        Some(remedy) => anyhow::anyhow!("{error:#}; {remedy}"),
        None => error,
    }
}

fn remedy(error: &hub::OpenError) -> Option<&'static str> {
    let source = match error {
        hub::OpenError::Storage(storage::OpenError::Io { source, .. }) => source,
        hub::OpenError::Storage(storage::OpenError::Unproved)
        | hub::OpenError::MetadataLost
        | hub::OpenError::MetadataDamaged(_) => {
            return Some(
                "nothing was removed. Restore a backup, or let `tidegate storage salvage` say what \
                 it can save, and write that into a new directory",
            );
        }
        hub::OpenError::NoRoomToBegin { .. } => {
            return Some(
                "make room, give the broker another --data-dir, or lower storage.free_space_min \
                 and storage.extent_size, whose sum is what is needed",
            );
        }
        _ => return None,
    };
    match Errno::from_io_error(source)? {
        Errno::IO => Some(
            "the disk fails to read or write this file (see the kernel's log); nothing was cut or \
             removed. Copy the data directory to a sound disk, this file as far as it can be read \
             or not at all, and start on the copy: what is missing is reported, the rest is served",
        ),
        Errno::ACCESS | Errno::PERM => {
            Some("the user that runs the broker must own the data directory and its files")
        }
        Errno::NOSPC | Errno::DQUOT => {
            Some("a start needs a little room on the disk: make some, then start again")
        }
        Errno::ROFS => Some("the file system is read-only: mount it for writing"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_disk_is_named_with_its_file_and_what_to_do() {
        let error = hub::OpenError::Storage(storage::OpenError::Io {
            action: "read",
            file: "log/0000000007.log".to_owned(),
            source: Errno::IO.into(),
        });
        let words = format!("{:#}", explained(error));
        for part in [
            "read log/0000000007.log",
            "Input/output error",
            "nothing was cut",
            "Copy the data directory to a sound disk",
        ] {
            assert!(words.contains(part), "{part} in {words}");
        }
    }
}

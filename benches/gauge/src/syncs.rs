//! What a server says of its own syncs: Tidegate in its metrics, the floor in its output.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SCRAPE_LIMIT: Duration = Duration::from_secs(60);
const SYNC: &str = "tidegate_sync_duration_seconds";
/// What begins the line in which the floor tells how often it has synced.
const FLOOR_MARK: &str = "syncs ";
const MS_PER_S: f64 = 1e3;

/// Where a server tells of its syncs.
#[derive(Clone, Debug)]
pub enum SyncSource {
    /// Tidegate's admin address.
    Admin(String),
    /// What the floor prints.
    Log(PathBuf),
}

impl SyncSource {
    /// The syncs so far.
    ///
    /// # Errors
    /// The server can't be asked, or its file not be read.
    pub fn read(&self) -> io::Result<Syncs> {
        match self {
            Self::Admin(address) => Ok(Syncs::in_metrics(&scrape(address)?)),
            Self::Log(path) => Syncs::in_log(path),
        }
    }
}

/// The metrics behind an admin address, headers included.
///
/// # Errors
/// The address can't be reached, or answers with an error.
pub fn scrape(address: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SCRAPE_LIMIT))?;
    let request = "GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes())?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    if !reply.starts_with("HTTP/1.1 200") {
        return Err(io::Error::new(ErrorKind::InvalidData, reply));
    }
    Ok(reply)
}

/// Syncs of a server's life until some moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Syncs {
    pub count: u64,
    /// Upper bounds in seconds, each with the count of syncs at or below it; the floor has none.
    buckets: Vec<(f64, u64)>,
}

impl Syncs {
    fn in_metrics(text: &str) -> Self {
        let mut syncs = Self::default();
        for line in text.lines().filter_map(|line| line.strip_prefix(SYNC)) {
            let Some((name, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let count = value.parse().unwrap_or(0);
            if name == "_count" {
                syncs.count = count;
            }
            let bound = name.strip_prefix("_bucket{le=\"");
            let bound = bound.and_then(|rest| rest.strip_suffix("\"}"));
            if let Some(Ok(bound)) = bound.map(str::parse) {
                syncs.buckets.push((bound, count));
            }
        }
        syncs
    }

    /// The floor says nothing before its first.
    fn in_log(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        let counts = text.lines().rev();
        let mut counts = counts.filter_map(|line| line.strip_prefix(FLOOR_MARK)?.parse().ok());
        Ok(Self {
            count: counts.next().unwrap_or(0),
            buckets: Vec::new(),
        })
    }

    /// How long the slowest sync since `before` took, in milliseconds: the bounds of its bucket.
    /// Nothing where there was none, or nobody told its time.
    #[must_use]
    pub fn slowest_ms_since(&self, before: &Self) -> Option<Between> {
        let mut slowest = None;
        let (mut lower, mut below) = (0.0, 0);
        for (index, (bound, count)) in self.buckets.iter().enumerate() {
            let earlier = before.buckets.get(index).map_or(0, |(_, count)| *count);
            let here = count.saturating_sub(earlier);
            if here > below {
                // Whoever is above all bounds is at least as slow as the last of them.
                let upper = if bound.is_finite() { *bound } else { lower };
                slowest = Some(Between {
                    least: lower * MS_PER_S,
                    most: upper * MS_PER_S,
                });
            }
            (lower, below) = (*bound, here);
        }
        slowest
    }
}

/// A number that is known by its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Between {
    pub least: f64,
    pub most: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(counts: [u64; 4]) -> Syncs {
        let [milli, two, rest, count] = counts;
        Syncs::in_metrics(&format!(
            "HTTP/1.1 200 OK\r\n\r\n# TYPE {SYNC} histogram\n\
             {SYNC}_bucket{{le=\"0.001\"}} {milli}\n{SYNC}_bucket{{le=\"0.002\"}} {two}\n\
             {SYNC}_bucket{{le=\"+Inf\"}} {rest}\n{SYNC}_sum 2.5\n{SYNC}_count {count}\n\
             tidegate_sync_bytes_count 99\n"
        ))
    }

    #[test]
    fn the_slowest_sync_is_that_of_the_window() {
        let before = metrics([4, 6, 6, 6]);
        let after = metrics([9, 11, 11, 11]);
        assert_eq!(after.count, 11);
        let between = |least, most| Some(Between { least, most });
        assert_eq!(after.slowest_ms_since(&before), between(0.0, 1.0));
        let slower = metrics([9, 12, 12, 12]);
        assert_eq!(slower.slowest_ms_since(&before), between(1.0, 2.0));
        let slowest = metrics([9, 12, 13, 13]);
        assert_eq!(slowest.slowest_ms_since(&before), between(2.0, 2.0));
        assert_eq!(before.slowest_ms_since(&before), None);
    }

    #[test]
    fn the_floor_tells_its_last_count() {
        let file = std::env::temp_dir().join(format!("syncs-{}", std::process::id()));
        fs::write(
            &file,
            "listening on 127.0.0.1:1\nsyncs 5\nsyncs 17\nother\n",
        )
        .unwrap();
        assert_eq!(SyncSource::Log(file.clone()).read().unwrap().count, 17);
        fs::write(&file, "listening on 127.0.0.1:1\n").unwrap();
        assert_eq!(SyncSource::Log(file.clone()).read().unwrap().count, 0);
        fs::remove_file(file).unwrap();
    }
}

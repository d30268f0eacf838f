//! What `cargo xtask bench` is told.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::server::Kind;

pub(super) const USAGE: &str =
    "usage: cargo xtask bench [--list] [--smoke] [--only NAME]... [--pairs N] [--seconds S]
           [--against kafka,kafka-synced,floor] [--out DIR] [--data DIR] [--recovery-gb N]
           [--cold-gb N] [--warm-up S] [--warm-gb N] [--profile release|fast|dev] [--no-build]

NAME is a figure's, or ends with - and begins several.";

#[derive(Debug)]
pub(super) struct Options {
    pub(super) list: bool,
    /// A second for each bench, ours and the floor only but for one figure, nothing kept.
    pub(super) smoke: bool,
    pub(super) only: Vec<String>,
    pub(super) pairs: usize,
    /// The measured part of each run.
    pub(super) seconds: f64,
    /// Before it, so that a virtual machine's compiler has seen the hot path.
    pub(super) warm_up_seconds: f64,
    /// Memory touched before each run.
    pub(super) warm_gb: u64,
    /// How our programs are built: as shipped, where the numbers count.
    pub(super) profile: String,
    /// Which rivals may be run at all.
    pub(super) against: Vec<Kind>,
    pub(super) out: Option<PathBuf>,
    pub(super) data: Option<PathBuf>,
    /// What a broker killed has on its disk, in GB; by the disk's room if nothing is said.
    pub(super) recovery_gb: Option<u64>,
    /// What the reader of cold data has before it.
    pub(super) cold_gb: u64,
    /// Take the programs as they lie there.
    pub(super) no_build: bool,
}

impl Options {
    pub(super) fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self {
            list: false,
            smoke: false,
            only: Vec::new(),
            pairs: 5,
            seconds: 5.0,
            warm_up_seconds: 3.0,
            warm_gb: 5,
            profile: "release".to_owned(),
            against: vec![Kind::Kafka, Kind::KafkaSynced, Kind::Floor],
            out: None,
            data: None,
            recovery_gb: None,
            cold_gb: 8,
            no_build: false,
        };
        let mut profile = None;
        let mut arguments = arguments.iter();
        while let Some(&argument) = arguments.next() {
            let mut value = || arguments.next().copied().context(USAGE);
            match argument {
                "--list" => options.list = true,
                "--smoke" => options.smoke = true,
                "--no-build" => options.no_build = true,
                "--only" => options.only.extend(value()?.split(',').map(str::to_owned)),
                "--pairs" => options.pairs = value()?.parse().context("--pairs")?,
                "--seconds" => options.seconds = value()?.parse().context("--seconds")?,
                "--warm-up" => options.warm_up_seconds = value()?.parse().context("--warm-up")?,
                "--warm-gb" => options.warm_gb = value()?.parse().context("--warm-gb")?,
                "--profile" => profile = Some(value()?.to_owned()),
                "--against" => options.against = kinds(value()?)?,
                "--out" => options.out = Some(std::path::absolute(value()?)?),
                "--data" => options.data = Some(std::path::absolute(value()?)?),
                "--recovery-gb" => options.recovery_gb = Some(value()?.parse()?),
                "--cold-gb" => options.cold_gb = value()?.parse()?,
                _ => bail!(USAGE),
            }
        }
        if options.smoke {
            options.pairs = 1;
            options.seconds = 1.0;
            options.warm_up_seconds = 0.2;
            options.warm_gb = 0;
            // What the client tests have built already.
            options.profile = "fast".to_owned();
            options.against.retain(|kind| *kind == Kind::Floor);
        }
        if let Some(profile) = profile {
            options.profile = profile;
        }
        Ok(options)
    }

    pub(super) fn wants(&self, name: &str) -> bool {
        let is_meant =
            |only: &String| name == only || (only.ends_with('-') && name.starts_with(only));
        self.only.is_empty() || self.only.iter().any(is_meant)
    }
}

fn kinds(text: &str) -> Result<Vec<Kind>> {
    let kind = |name| Kind::named(name).with_context(|| format!("no server {name}"));
    let names = text.split(',').filter(|name| !name.is_empty());
    names.map(kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoke_leaves_only_the_floor_and_one_round() {
        let options = Options::parse(&["--pairs", "7", "--smoke"]).unwrap();
        assert_eq!((options.pairs, options.against), (1, vec![Kind::Floor]));
    }

    #[test]
    fn only_takes_names_and_their_beginnings() {
        let options = Options::parse(&["--only", "produce-,start-empty"]).unwrap();
        assert!(options.wants("produce-raw") && options.wants("start-empty"));
        assert!(!options.wants("start-killed"));
        let options = Options::parse(&["--only", "produce-raw"]).unwrap();
        assert!(!options.wants("produce-raw-16k"));
        assert!(Options::parse(&["--against", "rabbit"]).is_err());
        assert!(Options::parse(&["--pairs"]).is_err());
    }
}

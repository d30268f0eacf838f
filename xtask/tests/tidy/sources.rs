//! The workspace's own Rust files.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One file, its path relative to the workspace with forward slashes.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// The part before the unit tests.
    pub(crate) fn production(&self) -> &str {
        let tests = self.text.find("#[cfg(test)]\nmod tests");
        tests.map_or(self.text.as_str(), |at| &self.text[..at])
    }

    /// Whether the file holds nothing but tests.
    pub(crate) fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        matches!(name, "tests.rs" | "scenarios.rs") || self.path.contains("/tests/")
    }

    /// The lines of code that contain one of the marks, as `path:line: mark`.
    pub(crate) fn find(&self, marks: &[&str]) -> Vec<String> {
        let lines = self.production().lines().enumerate();
        let code = lines.filter(|(_, line)| !line.trim_start().starts_with("//"));
        code.flat_map(|(number, line)| {
            let found = marks.iter().filter(|mark| line.contains(**mark));
            let offence = move |mark: &&str| format!("{}:{}: {mark}", self.path, number + 1);
            found.map(offence).collect::<Vec<_>>()
        })
        .collect()
    }
}

pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .expect("xtask stands in the workspace")
        .to_owned()
}

/// Every Rust file of the workspace.
pub(crate) fn rust() -> Vec<Source> {
    let root = root();
    let mut found = Vec::new();
    for top in ["crates", "tests", "benches", "xtask"] {
        collect(&root, &root.join(top), &mut found);
    }
    assert!(
        found.len() > 50,
        "the walk over the workspace finds its files"
    );
    found
}

/// The Rust files of one crate's `src`.
pub(crate) fn of_crate(name: &str) -> Vec<Source> {
    let prefix = format!("crates/{name}/src/");
    rust()
        .into_iter()
        .filter(|source| source.path.starts_with(&prefix))
        .collect()
}

/// The names of the files in a folder.
pub(crate) fn names_in(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).expect("the folder is there");
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect()
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() && name != "target" && name != "node_modules" {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(root).expect("it stands below the root");
            found.push(Source {
                path: relative.to_string_lossy().replace('\\', "/"),
                text: fs::read_to_string(&path).expect("a source is text"),
            });
        }
    }
}

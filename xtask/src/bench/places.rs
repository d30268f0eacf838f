//! Where the servers' programs, the clients, and the data of a run lie.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};

use crate::folders::Folders;

#[derive(Clone, Debug)]
pub(super) struct Places {
    pub(super) workspace: PathBuf,
    pub(super) tidegate: PathBuf,
    pub(super) floor: PathBuf,
    pub(super) load: PathBuf,
    /// Built only where it is needed: it brings a C library with it.
    pub(super) librdkafka: PathBuf,
    /// Likewise.
    pub(super) franz: PathBuf,
    /// Go's folder, shared with the client tests.
    go: PathBuf,
    /// Maven's folder, shared with the client tests.
    maven: PathBuf,
    /// The servers' folders, deleted after each run.
    pub(super) data: PathBuf,
}

impl Places {
    pub(super) fn new(folders: &Folders, profile: &str, data: Option<PathBuf>) -> Result<Self> {
        let program = |name| folders.built_static(profile, name);
        Ok(Self {
            workspace: folders.workspace.clone(),
            tidegate: program("tidegate")?,
            floor: program("floor")?,
            load: program("load")?,
            librdkafka: folders.target.join("librdkafka"),
            franz: folders.target.join("franz"),
            go: folders.clients.join("go"),
            maven: folders.clients.join("maven"),
            data: data.unwrap_or_else(|| folders.target.join("bench-data")),
        })
    }

    /// The class path of a Maven project in `tests/clients/java`: fetched once, into the folder
    /// where the client tests have it too.
    pub(super) fn class_path(&self, project: &str) -> Result<String> {
        let pom = self.workspace.join("tests/clients/java").join(project);
        let pom = pom.join("pom.xml");
        let stamp = fs::read_to_string(&pom).context("read a Maven project")?;
        let folder = self.maven.join(project);
        let installed = folder.join("installed");
        let libraries = folder.join("lib");
        if !fs::read_to_string(&installed).is_ok_and(|text| text == stamp) {
            fs::create_dir_all(&folder)?;
            let setting = |name: &str, path: &Path| format!("-D{name}={}", path.display());
            let mut mvn = Command::new("mvn");
            mvn.args(["--batch-mode", "--quiet", "--file"])
                .arg(&pom)
                .arg(setting("maven.repo.local", &self.maven.join("repository")))
                .arg(setting("build.folder", &folder))
                .arg(setting("outputDirectory", &libraries))
                .args(["-DincludeScope=runtime", "dependency:copy-dependencies"])
                .stdout(Stdio::null())
                .current_dir(&folder);
            let status = mvn.status().context("run mvn")?;
            ensure!(status.success(), "mvn could not fetch {project}");
            fs::write(installed, stamp)?;
        }
        Ok(format!("{}/*", libraries.display()))
    }

    /// Builds the program that drives by franz-go.
    pub(super) fn build_franz(&self) -> Result<()> {
        let mut go = Command::new("go");
        go.args(["build", "-C"])
            .arg(self.workspace.join("benches/franz"));
        go.args(["-trimpath", "-o"]).arg(&self.franz).arg(".");
        go.env("GOMODCACHE", self.go.join("modules"));
        go.env("GOCACHE", self.go.join("cache"));
        go.env("GOFLAGS", "-modcacherw -mod=readonly");
        let status = go.status().context("start go")?;
        ensure!(status.success(), "benches/franz doesn't build");
        Ok(())
    }

    /// Builds librdkafka's own program, outside the workspace.
    pub(super) fn build_librdkafka(&self, folders: &Folders) -> Result<()> {
        let mut cargo = folders.cargo(&["build", "--release", "--locked", "--manifest-path"]);
        cargo.arg("benches/librdkafka/Cargo.toml");
        cargo.arg("--target-dir").arg(&self.librdkafka);
        let status = cargo.status().context("start cargo")?;
        ensure!(
            status.success(),
            "benches/librdkafka doesn't build: it needs a C compiler and make"
        );
        Ok(())
    }
}

/// Whether there is a Java to run Kafka with, and a Maven to fetch it.
pub(super) fn has_java() -> bool {
    static FOUND: LazyLock<bool> =
        LazyLock::new(|| run("java", "-version") && run("mvn", "-version"));
    *FOUND
}

/// Whether there is a Go.
pub(super) fn has_go() -> bool {
    static FOUND: LazyLock<bool> = LazyLock::new(|| run("go", "version"));
    *FOUND
}

/// Whether there is what builds librdkafka.
pub(super) fn has_c_compiler() -> bool {
    static FOUND: LazyLock<bool> =
        LazyLock::new(|| run("cc", "--version") && run("make", "--version"));
    *FOUND
}

/// Whether a program is there and works.
fn run(program: &str, argument: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(argument).stdout(Stdio::null());
    let status = command.stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

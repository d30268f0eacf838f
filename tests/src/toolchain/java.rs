//! Java: Maven projects whose libraries and classes go to folders of our own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{at_least, once, program, step};

/// The Maven projects in `tests/clients/java`.
pub(super) const PROJECTS: [&str; 4] = [
    "kafka-tools",
    "spring-boot-2.5.2",
    "spring-boot-4.1.2",
    "kafka-broker",
];

/// What the applications of both Spring Boot versions are made of.
const SPRING_SOURCES: &str = "spring-boot";

pub(crate) struct Java {
    java: PathBuf,
}

impl Java {
    /// Java with the libraries and classes of a project; what to run is for the caller to add.
    pub(crate) fn with(&self, project: &Path) -> Command {
        let mut command = Command::new(&self.java);
        let path = format!(
            "{}:{}/*",
            project.join("classes").display(),
            project.join("lib").display()
        );
        // Small machines run several of these at once.
        command.args([
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            &path,
        ]);
        command
    }
}

pub(super) fn find() -> Result<Java> {
    program("mvn")?;
    program("javac")?;
    let java = program("java")?;
    at_least(&java, "-version", 17)?;
    Ok(Java { java })
}

/// Copies a project's libraries, and compiles its classes, into `folder`.
pub(super) fn install(folder: &Path, sources: &Path, name: &str) -> Result<PathBuf> {
    let sources = sources.join("java");
    let project = folder.join(name);
    fs::create_dir_all(&project)?;
    let pom = sources.join(name).join("pom.xml");
    let mut stamp = fs::read_to_string(&pom).context("read a project")?;
    let spring = name.starts_with(SPRING_SOURCES);
    if spring {
        let application = "src/main/java/tidegate/Application.java";
        stamp += &fs::read_to_string(sources.join(SPRING_SOURCES).join(application))?;
    }
    once(&project, &stamp, || {
        let mut command = Command::new("mvn");
        command
            .args(["--batch-mode", "--quiet", "--file"])
            .arg(&pom);
        command.arg(format!(
            "-Dmaven.repo.local={}",
            folder.join("repository").display()
        ));
        command.arg(format!("-Dbuild.folder={}", project.display()));
        command.arg(format!(
            "-DoutputDirectory={}",
            project.join("lib").display()
        ));
        command.arg("-DincludeScope=runtime");
        if spring {
            command.arg("compile");
        }
        command.arg("dependency:copy-dependencies");
        step(command, "mvn", &project)
    })?;
    Ok(project)
}

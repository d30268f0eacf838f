//! Compiles librdkafka's own performance program against the library that the dependency has built.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let folder = |name| PathBuf::from(env::var_os(name).expect("cargo names the folder"));
    let library = folder("DEP_RDKAFKA_ROOT");
    let program = folder("OUT_DIR").join("rdkafka_performance");
    let status = Command::new("cc")
        .args(["-O2", "-w", "-o"])
        .arg(&program)
        .arg(library.join("examples/rdkafka_performance.c"))
        .arg(format!("-I{}", library.join("src").display()))
        .arg(library.join("src/librdkafka.a"))
        .args(["-lz", "-lm", "-ldl", "-lpthread", "-lrt"])
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "rdkafka_performance.c doesn't compile"
    );
    println!("cargo:rustc-env=RDKAFKA_PERFORMANCE={}", program.display());
}

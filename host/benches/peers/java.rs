//! Peers in Java, built by Maven in the cache folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Peer, run};

/// A project of this folder, built where it is not.
pub(crate) fn build(name: &str) -> PathBuf {
    let folder = PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/pelton/peers").join(name);
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(name);
    fs::create_dir_all(folder.join("src/main/java")).unwrap();
    for file in ["pom.xml", "src/main/java/Job.java"] {
        fs::copy(sources.join(file), folder.join(file)).unwrap();
    }
    run(Command::new("mvn")
        .args(["--quiet", "--batch-mode", "package", "dependency:copy-dependencies", "-DoutputDirectory=target/lib"])
        .current_dir(&folder));
    folder.join("target")
}

/// Starts it.
pub(crate) fn start(target: &Path, arguments: &[&str]) -> Peer {
    let mut command = Command::new("java");
    // What Flink 1.20 needs of this Java, as its own configuration says, and a heap as its job and task managers' together.
    command.args([
        "-Xmx1g",
        "--add-opens=java.base/java.util=ALL-UNNAMED",
        "--add-opens=java.base/java.lang=ALL-UNNAMED",
    ]);
    command.arg("-cp").arg(format!("{0}/*:{0}/lib/*", target.display())).arg("Job").args(arguments);
    command.env_remove("JAVA_TOOL_OPTIONS").stdin(Stdio::null()).stdout(Stdio::null());
    Peer::spawn(&mut command)
}

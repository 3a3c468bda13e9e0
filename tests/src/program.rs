//! The project's programs as processes.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::eventually;

/// Builds a program if it is not up to date and returns its path, so that a test never runs an old one.
pub async fn program(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let build = Command::new(root.join("tools/build-local")).arg(name).status().await.unwrap();
    assert!(build.success(), "{name} failed to build");
    target.join("debug").join(name)
}

/// A `video-local` process on free ports. It is killed when this value is dropped.
pub struct LocalSystem {
    process: Child,
    ready: PathBuf,
}

impl LocalSystem {
    /// Starts the program on `dir/data`, with whatever `change` adds to the command.
    pub fn start(program: &Path, dir: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let ready = dir.join("ready.json");
        std::fs::remove_file(&ready).ok();
        let mut command = Command::new(program);
        command.args(["--port", "0", "--data-dir"]).arg(dir.join("data")).arg("--ready-file").arg(&ready);
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        change(&mut command);
        Self { process: command.spawn().unwrap(), ready }
    }

    /// Waits for the ready file and returns what it holds.
    pub async fn ready(&mut self) -> Value {
        eventually("the system starts", async || {
            assert!(self.process.try_wait().unwrap().is_none(), "it failed to start");
            std::fs::read(&self.ready).ok().map(|text| serde_json::from_slice(&text).unwrap())
        })
        .await
    }

    /// Kills it with SIGKILL.
    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }
}

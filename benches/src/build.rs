//! Building what is measured.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use crate::contestants::{root, target};

/// How the contestants in Rust are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// As for a deployment, each package by itself.
    Release,
    /// As `cargo test --workspace` builds them: then hardly anything is left to build.
    Dev,
}

impl Profile {
    /// Returns where the programs are.
    pub fn directory(self) -> PathBuf {
        target().join(if self == Self::Release { "release" } else { "debug" })
    }

    /// Builds the programs.
    pub fn build(self) -> io::Result<()> {
        match self {
            Self::Release => ["video-bench-contestants", "video-api", "video-events"]
                .iter()
                .try_for_each(|package| cargo(&["build", "--release", "--package", package])),
            Self::Dev => cargo(&["build", "--workspace", "--bins", "--tests"]),
        }
    }
}

fn cargo(arguments: &[&str]) -> io::Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(arguments).current_dir(root());
    // What cargo tells a test about its package: build scripts that look at it would run again.
    let of_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_package)) {
        cargo.env_remove(name);
    }
    if cargo.status()?.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("cargo {} failed", arguments.join(" "))))
    }
}

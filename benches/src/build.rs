//! Building what is measured.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use crate::contestants::{compiled, root, target};

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
                .try_for_each(|package| done(Command::new(env!("CARGO")).args(["build", "--release", "-p", package]))),
            Self::Dev => {
                let contestants = compiled(&self.directory());
                let programs: BTreeSet<_> = contestants.iter().filter_map(|one| one.program.file_name()).collect();
                done(Command::new(root().join("tools/build-local")).args(programs))
            }
        }
    }
}

fn done(build: &mut Command) -> io::Result<()> {
    if build.current_dir(root()).status()?.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("{build:?} failed")))
    }
}

//! The machine: the core of the contestants, CPU quotas, the disk cache, and a description for the report.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::Advice;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The core of the contestants and the cores of the bench itself, which differ if there is more than one.
#[derive(Debug, Clone)]
pub struct Cores {
    contestant: CpuSet,
    bench: CpuSet,
}

impl Cores {
    /// Reserves the last core that this process may use for the contestants and moves this process to the others.
    pub fn split() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let last = (0..CpuSet::MAX_CPU).rev().find(|core| allowed.is_set(*core));
        let last = last.ok_or_else(|| io::Error::other("there is no core to run on"))?;
        let mut contestant = CpuSet::new();
        contestant.set(last);
        let mut bench = allowed;
        if allowed.count() > 1 {
            bench.unset(last);
        }
        sched_setaffinity(None, &bench)?;
        Ok(Self { contestant, bench })
    }

    /// Runs `start` on the contestants' core, which the process that it starts inherits.
    pub fn on_contestants<T>(&self, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        sched_setaffinity(None, &self.contestant)?;
        let started = start();
        sched_setaffinity(None, &self.bench)?;
        started
    }
}

/// Lambda gives a function a full core at 1,769 MB and a proportional share below.
/// See <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>.
const MEGABYTES_PER_CORE: u64 = 1769;
/// The scheduling period of Lambda's hosts, in microseconds.
const PERIOD: u64 = 20_000;

/// A share of a core as a control group, which is removed when this value is dropped.
pub struct Quota(PathBuf);

impl Quota {
    /// Creates the quota of a function of `megabytes`; `None` if this process may not create control groups.
    pub fn of_memory(megabytes: u64) -> Option<Self> {
        let share = PERIOD * megabytes / MEGABYTES_PER_CORE;
        let name = format!("video-benches-{}", std::process::id());
        let (first, second) = (Path::new("/sys/fs/cgroup/cpu"), Path::new("/sys/fs/cgroup"));
        let (group, settings) = if first.join("cpu.cfs_quota_us").exists() {
            let settings = vec![("cpu.cfs_period_us", PERIOD.to_string()), ("cpu.cfs_quota_us", share.to_string())];
            (first.join(name), settings)
        } else {
            fs::write(second.join("cgroup.subtree_control"), "+cpu").ok()?;
            (second.join(name), vec![("cpu.max", format!("{share} {PERIOD}"))])
        };
        fs::create_dir(&group).ok()?;
        let quota = Self(group);
        settings.iter().all(|(file, value)| fs::write(quota.0.join(file), value).is_ok()).then_some(quota)
    }

    /// Applies the quota to a process with all its threads.
    pub fn apply_to(&self, process: u32) -> io::Result<()> {
        fs::write(self.0.join("cgroup.procs"), process.to_string())
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        // If its process has not ended yet, an empty group is left, which does no harm.
        let _ = fs::remove_dir(&self.0);
    }
}

/// Writes everything to disk, so that [`evict`] can evict it.
pub fn sync() {
    rustix::fs::sync();
}

/// Evicts a file, or all files in a directory, from the disk cache; pages that other processes have mapped stay.
pub fn evict(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return fs::read_dir(path)?.try_for_each(|entry| evict(&entry?.path()));
    }
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    Ok(rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?)
}

/// Runs a program and returns what it prints; the error has its stderr.
pub fn run(program: &str, arguments: &[&str]) -> io::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| io::Error::other(format!("{program} failed to start: {error}")))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(io::Error::other(format!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim())))
    }
}

/// Returns how busy the machine is: the load average of the last minute.
pub fn load() -> String {
    let averages = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    averages.split(' ').next().unwrap_or("unknown").to_owned()
}

/// Returns processor, cores, memory and kernel.
pub fn description() -> String {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or("unknown", |(_, value)| value.trim()).to_owned()
    };
    let kernel = run("uname", &["-sr"]).unwrap_or_default();
    let cores = fs::read_to_string("/proc/cpuinfo").unwrap_or_default().matches("processor\t").count();
    let memory: u64 = field("/proc/meminfo", "MemTotal").split(' ').next().and_then(|kb| kb.parse().ok()).unwrap_or(0);
    format!("{}, {cores} cores, {} GB, {kernel}", field("/proc/cpuinfo", "model name"), memory / 1_000_000)
}

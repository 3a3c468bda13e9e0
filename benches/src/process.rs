//! A contestant as Lambda runs it: a process that polls the Runtime API, with its CPU time and memory.

use std::fs;
use std::io::{self, BufRead};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::machine::Cores;
use crate::runtime_api::{Answer, RuntimeApi};

/// How long a process may take after its last response until it is idle.
const SETTLE: Duration = Duration::from_millis(3);

/// A running process that has requested its first event.
pub struct Process {
    child: Child,
    api: RuntimeApi,
    /// From its start to that first request.
    pub init: Duration,
}

impl Process {
    /// Starts it on the contestants' core and waits until it requests an event.
    pub fn start(command: &mut Command, cores: &Cores) -> io::Result<Self> {
        let api = RuntimeApi::start()?;
        command.env("AWS_LAMBDA_RUNTIME_API", api.address()).stdin(Stdio::null()).stdout(Stdio::piped());
        let (mut child, started) = cores.on_contestants(|| {
            let started = Instant::now();
            Ok((command.spawn()?, started))
        })?;
        // Drained as on Lambda: a full pipe would block the process.
        if let Some(mut printed) = child.stdout.take() {
            thread::spawn(move || io::copy(&mut printed, &mut io::sink()));
        }
        let mut process = Self { child, api, init: Duration::ZERO };
        process.init = process.api.next()?.duration_since(started);
        Ok(process)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it an event and waits for the response.
    pub fn invoke(&self, event: &Arc<[u8]>) -> io::Result<Answer> {
        self.api.invoke(event)
    }

    /// Waits until it requests its next event.
    pub fn next(&self) -> io::Result<()> {
        self.api.next().map(|_| ())
    }

    /// Returns the CPU time of all its threads since its start. It must be waiting for an event.
    pub fn cpu(&self) -> io::Result<Duration> {
        thread::sleep(SETTLE);
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.id()))? {
            // A thread may end between the two reads.
            let times = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            nanoseconds += times.split(' ').next().and_then(|ran| ran.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Returns its peak resident memory in bytes.
    pub fn peak_memory(&self) -> io::Result<u64> {
        for line in fs::read(format!("/proc/{}/status", self.id()))?.lines() {
            let line = line?;
            let kilobytes = line.strip_prefix("VmHWM:").and_then(|size| size.trim().strip_suffix(" kB"));
            if let Some(kilobytes) = kilobytes.and_then(|text| text.parse::<u64>().ok()) {
                return Ok(kilobytes * 1024);
            }
        }
        Err(io::Error::other("/proc has no peak memory of the process"))
    }

    /// Ends it with SIGTERM, so that callgrind writes its report.
    pub fn end(mut self) -> io::Result<()> {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        kill_process(id.ok_or_else(|| io::Error::other("a process without an id"))?, Signal::TERM)?;
        self.child.wait().map(|_| ())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail when it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

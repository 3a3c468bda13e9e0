//! A contestant as Lambda would run it: a process that asks the Runtime API for work, with what it costs.

use std::fs;
use std::io::{self, BufRead};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::machine::Cores;
use crate::runtime_api::{Answer, RuntimeApi};

/// How long a process may go on after its last answer before it waits for the next event.
const SETTLE: Duration = Duration::from_millis(3);

/// A running process that has asked for its first event.
pub struct Process {
    child: Child,
    api: RuntimeApi,
    /// From its start to that first question.
    pub init: Duration,
}

impl Process {
    /// Starts it on the contestants' core and waits until it asks for work.
    pub fn start(command: &mut Command, cores: &Cores) -> io::Result<Self> {
        let api = RuntimeApi::start()?;
        command.env("AWS_LAMBDA_RUNTIME_API", api.address()).stdin(Stdio::null()).stdout(Stdio::piped());
        let (mut child, started) = cores.on_contestants(|| {
            let started = Instant::now();
            Ok((command.spawn()?, started))
        })?;
        // Lambda reads what a function prints; a pipe that nobody reads would stop it.
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

    /// Hands it an event and waits for its answer.
    pub fn invoke(&self, event: &Arc<[u8]>) -> io::Result<Answer> {
        self.api.invoke(event)
    }

    /// Waits until it asks for its next event.
    pub fn next(&self) -> io::Result<()> {
        self.api.next().map(|_| ())
    }

    /// The processor time of all its threads since its start, read while it waits for an event.
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

    /// The most memory that it ever held, in bytes.
    pub fn peak_memory(&self) -> io::Result<u64> {
        for line in fs::read(format!("/proc/{}/status", self.id()))?.lines() {
            let line = line?;
            let kilobytes = line.strip_prefix("VmHWM:").and_then(|size| size.trim().strip_suffix(" kB"));
            if let Some(kilobytes) = kilobytes.and_then(|text| text.parse::<u64>().ok()) {
                return Ok(kilobytes * 1024);
            }
        }
        Err(io::Error::other("the kernel tells no peak memory"))
    }

    /// Ends it with a signal that lets a tool around it finish its report.
    pub fn end(mut self) -> io::Result<()> {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        kill_process(id.ok_or_else(|| io::Error::other("a process without an id"))?, Signal::TERM)?;
        self.child.wait().map(|_| ())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

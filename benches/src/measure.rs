//! The measurements, interleaved so that a disturbance of the machine affects every contestant.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::aws::Aws;
use crate::contestants::{API, API_BEFORE, API_VARIANT, Contestant, EVENTS, Endpoints, is_page};
use crate::events::{form_event_of, padded, videos_event};
use crate::figures::{Figure, Figures, quantile};
use crate::lists;
use crate::machine::{self, Cores, Quota};
use crate::process::Process;
use crate::records;

/// How much to measure.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How often everything is measured.
    pub rounds: usize,
    /// Starts for each figure of a start, in each round; a fifth for an interpreter.
    pub starts: usize,
    /// Warm invocations in each round; the first fifth is dropped.
    pub warm: usize,
    /// How many of the programs are compressed: unstripped ones take their time.
    pub compressed: usize,
    /// Invocations of the shorter and of the longer run under callgrind; none without valgrind.
    pub counted: Option<(usize, usize)>,
    /// Records of the tables that pages are read from.
    pub tables: Vec<usize>,
    /// Pages read from each table, in each round.
    pub pages: usize,
}

/// The memory of the smallest function, in MB.
const SMALLEST_FUNCTION: u64 = 128;
/// Records of the tables with which growth is measured.
pub const TABLE_SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];
/// Bytes of the events with which growth is measured.
pub const EVENT_SIZES: [usize; 2] = [1_000, 1_000_000];

/// Returns the report's name of a page of 100 out of `count` records.
pub fn page_of(contestant: &str, count: usize) -> String {
    format!("{contestant}, /videos, {count} records")
}

/// Returns its name of a form beside `count` records.
pub fn form_among(contestant: &str, count: usize) -> String {
    format!("{contestant}, /presignedurl, {count} records")
}

/// Returns its name of an event of `bytes`.
pub fn event_of(contestant: &str, bytes: usize) -> String {
    format!("{contestant}, event of {bytes} bytes")
}

/// Everything that the measurements need.
pub struct Bench<'a> {
    pub plan: Plan,
    pub cores: Cores,
    pub aws: Aws,
    pub contestants: Vec<Contestant>,
    pub figures: Figures,
    pub scratch: &'a Path,
}

impl Bench<'_> {
    fn tls(&self) -> Endpoints<'_> {
        Endpoints { dynamodb: &self.aws.https, transcoder: &self.aws.https, authorities: &self.aws.authorities }
    }

    fn http(&self) -> Endpoints<'_> {
        Endpoints { dynamodb: &self.aws.http, transcoder: &self.aws.http, authorities: &self.aws.authorities }
    }

    /// Measures every figure.
    pub fn run(&mut self, runtime: &tokio::runtime::Runtime) -> io::Result<()> {
        let contestants = std::mem::take(&mut self.contestants);
        machine::sync();
        for round in 1..=self.plan.rounds {
            eprintln!("round {round} of {}: starts", self.plan.rounds);
            self.starts(&contestants)?;
            eprintln!("round {round} of {}: warm invocations", self.plan.rounds);
            for contestant in &contestants {
                self.warm(contestant)?;
            }
        }
        let compiled = || contestants.iter().filter(|contestant| !contestant.interpreted);
        for contestant in compiled().take(self.plan.compressed) {
            let (size, zip) = contestant.size()?;
            self.figures.add(contestant.name, Figure::Size, megabytes(size));
            self.figures.add(contestant.name, Figure::Zip, megabytes(zip));
        }
        for contestant in compiled() {
            self.instructions(contestant)?;
        }
        let apis: Vec<_> =
            contestants.iter().filter(|one| [API, API_BEFORE, API_VARIANT].contains(&one.name)).collect();
        self.tables(&apis, runtime)?;
        for contestant in contestants.iter().filter(|contestant| [API, EVENTS].contains(&contestant.name)) {
            self.large_events(contestant)?;
        }
        self.contestants = contestants;
        Ok(())
    }

    /// Measures starts, to the first request for an event and to the first response.
    fn starts(&mut self, contestants: &[Contestant]) -> io::Result<()> {
        for start in 0..self.plan.starts {
            for contestant in contestants.iter().filter(|contestant| !contestant.interpreted || start % 5 == 0) {
                contestant.files.iter().try_for_each(|file| machine::evict(file))?;
                let evicted = self.start(contestant, self.tls())?;
                self.figures.add(contestant.name, Figure::InitEvicted, milliseconds(evicted.init));
                drop(evicted);

                let process = self.start(contestant, self.http())?;
                self.figures.add(contestant.name, Figure::InitHttp, milliseconds(process.init));
                drop(process);

                let process = self.start(contestant, self.tls())?;
                self.figures.add(contestant.name, Figure::InitWarm, milliseconds(process.init));
                let first = self.first(contestant, &process, Figure::First)?;
                self.figures.add(contestant.name, Figure::ColdStart, milliseconds(process.init + first));
                drop(process);

                if let Some(quota) = Quota::of_memory(SMALLEST_FUNCTION) {
                    let process = self.start(contestant, self.tls())?;
                    quota.apply_to(process.id())?;
                    self.first(contestant, &process, Figure::FirstThrottled)?;
                    drop(process);
                }
            }
        }
        Ok(())
    }

    fn start(&self, contestant: &Contestant, endpoints: Endpoints) -> io::Result<Process> {
        Process::start(&mut contestant.command(endpoints), &self.cores)
    }

    fn first(&mut self, contestant: &Contestant, process: &Process, figure: Figure) -> io::Result<Duration> {
        let answer = process.invoke(&contestant.event)?;
        contestant.check(answer.body)?;
        self.figures.add(contestant.name, figure, milliseconds(answer.took));
        Ok(answer.took)
    }

    /// Measures warm invocations over TLS and over HTTP.
    fn warm(&mut self, contestant: &Contestant) -> io::Result<()> {
        let process = self.start(contestant, self.tls())?;
        let written = self.aws.writes();
        let warm = invoke(&process, &contestant.event, self.plan.warm, &mut |answer| contestant.check(answer))?;
        if self.aws.writes() - written != self.plan.warm * contestant.writes {
            return Err(io::Error::other(format!("{} wrote an unexpected number of items", contestant.name)));
        }
        self.figures.add(contestant.name, Figure::P50, warm.p50);
        self.figures.add(contestant.name, Figure::P99, warm.p99);
        self.figures.add(contestant.name, Figure::Cpu, warm.cpu);
        self.figures.add(contestant.name, Figure::Memory, megabytes(process.peak_memory()?));
        drop(process);
        let process = self.start(contestant, self.http())?;
        let warm = invoke(&process, &contestant.event, self.plan.warm, &mut |answer| contestant.check(answer))?;
        self.figures.add(contestant.name, Figure::CpuHttp, warm.cpu);
        Ok(())
    }

    /// Counts the instructions of a warm invocation, from the difference of two runs so that the start does not count.
    fn instructions(&mut self, contestant: &Contestant) -> io::Result<()> {
        let Some((few, many)) = self.plan.counted else { return Ok(()) };
        eprintln!("instructions of {}", contestant.name);
        let both = [(Figure::Instructions, self.tls()), (Figure::InstructionsHttp, self.http())];
        let mut counted = Vec::new();
        for (figure, endpoints) in both {
            let long = self.count(contestant, endpoints, many)?;
            counted.push((figure, (long - self.count(contestant, endpoints, few)?) / number(many - few) / 1000.0));
        }
        for (figure, thousands) in counted {
            self.figures.add(contestant.name, figure, thousands);
        }
        Ok(())
    }

    fn count(&self, contestant: &Contestant, endpoints: Endpoints, invocations: usize) -> io::Result<f64> {
        let report = self.scratch.join("callgrind.out");
        let mut command = contestant.command_under_callgrind(endpoints, &report);
        if let Some(library) = std::env::var_os("VALGRIND_LIB") {
            command.env("VALGRIND_LIB", library);
        }
        let process = Process::start(&mut command, &self.cores)?;
        for _ in 0..invocations {
            contestant.check(process.invoke(&contestant.event)?.body)?;
            process.next()?;
        }
        process.end()?;
        let report = fs::read_to_string(report)?;
        let total = report.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
        total
            .and_then(|count| count.trim().parse().ok())
            .ok_or_else(|| io::Error::other("the report of callgrind has no total"))
    }

    /// Measures the admin's first page of 100, and a form, with tables of several sizes.
    fn tables(&mut self, apis: &[&Contestant], runtime: &tokio::runtime::Runtime) -> io::Result<()> {
        let mut tables = Vec::new();
        for &count in &self.plan.tables {
            eprintln!("a table of {count} records");
            tables.push((count, records::serve(runtime, count)?));
        }
        for _ in 0..self.plan.rounds {
            for (count, endpoint) in &tables {
                for api in apis {
                    self.table(api, *count, endpoint)?;
                }
                lists::measure(runtime, endpoint, *count, self.plan.pages, &mut self.figures)?;
            }
        }
        Ok(())
    }

    fn table(&mut self, api: &Contestant, count: usize, endpoint: &str) -> io::Result<()> {
        let mut page = |answer| {
            is_page(&answer).then_some(()).ok_or_else(|| io::Error::other("the response is not a page of 100"))
        };
        let process = self.start(api, Endpoints { dynamodb: endpoint, ..self.http() })?;
        self.grow(&page_of(api.name, count), &process, &videos_event(), &mut page)?;
        let process = self.start(api, Endpoints { dynamodb: endpoint, ..self.http() })?;
        self.grow(&form_among(api.name, count), &process, &api.event, &mut |answer| api.check(answer))
    }

    /// Measures small and large events: a function should copy an event only once.
    fn large_events(&mut self, contestant: &Contestant) -> io::Result<()> {
        for _ in 0..self.plan.rounds {
            for bytes in EVENT_SIZES {
                let event =
                    if contestant.name == API { form_event_of(bytes) } else { padded(&contestant.event, bytes)? };
                let name = event_of(contestant.name, bytes);
                let process = self.start(contestant, self.http())?;
                self.grow(&name, &process, &event, &mut |answer| contestant.check(answer))?;
            }
        }
        Ok(())
    }

    fn grow(
        &mut self,
        name: &str,
        process: &Process,
        event: &Arc<[u8]>,
        check: &mut dyn FnMut(Result<Vec<u8>, String>) -> io::Result<()>,
    ) -> io::Result<()> {
        let warm = invoke(process, event, self.plan.pages, check)?;
        self.figures.add(name, Figure::Latency, warm.p50);
        self.figures.add(name, Figure::CpuHttp, warm.cpu);
        self.figures.add(name, Figure::Memory, megabytes(process.peak_memory()?));
        Ok(())
    }
}

/// The cost of warm invocations.
struct Warm {
    /// Milliseconds.
    p50: f64,
    /// Milliseconds.
    p99: f64,
    /// CPU time of one, in microseconds.
    cpu: f64,
}

fn invoke(
    process: &Process,
    event: &Arc<[u8]>,
    count: usize,
    check: &mut dyn FnMut(Result<Vec<u8>, String>) -> io::Result<()>,
) -> io::Result<Warm> {
    let dropped = count / 5;
    let (mut latencies, mut before) = (Vec::new(), Duration::ZERO);
    for invocation in 0..count {
        if invocation == dropped {
            before = process.cpu()?;
        }
        let answer = process.invoke(event)?;
        check(answer.body)?;
        process.next()?;
        if invocation >= dropped {
            latencies.push(milliseconds(answer.took));
        }
    }
    let cpu = process.cpu()?.saturating_sub(before);
    let of = |q| quantile(&latencies, q).unwrap_or(f64::NAN);
    Ok(Warm { p50: of(0.5), p99: of(0.99), cpu: milliseconds(cpu) * 1000.0 / number(count - dropped) })
}

/// Returns whether a tool is installed.
pub fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "a figure has three digits")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}

#[expect(clippy::cast_precision_loss, reason = "a count of invocations")]
fn number(count: usize) -> f64 {
    count as f64
}

//! The bench: compares the functions, as processes, with minimal functions and with the same API in Python.
//!
//! `cargo run --profile local --package video-benches` takes a few minutes and writes `target/bench.json` and
//! `docs/BENCHMARKS.md`. `-- --smoke` runs everything once and writes nothing; `-- --built` skips the build.

#[cfg(target_os = "linux")]
mod aws;
#[cfg(target_os = "linux")]
mod contestants;
#[cfg(target_os = "linux")]
mod figures;
#[cfg(target_os = "linux")]
mod http;
#[cfg(target_os = "linux")]
mod lists;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod process;
mod records;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod runtime_api;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let given = |option: &str| std::env::args().any(|argument| argument == option);
    let done = if given("--lists") { linux::lists() } else { linux::bench(given("--smoke"), given("--built")) };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the bench failed: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("the bench needs Linux: it pins processes to cores, sets CPU quotas and reads /proc");
    std::process::ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;

    use crate::aws::Aws;
    use crate::contestants::{Contestant, root, target};
    use crate::figures::Figures;
    use crate::machine::{self, Cores, run};
    use crate::measure::{Bench, Plan, TABLE_SIZES, has};
    use crate::report::{self, Report};
    use crate::{lists, records};

    pub fn bench(smoke: bool, built: bool) -> io::Result<()> {
        if !built {
            Contestant::build()?;
        }
        let mut contestants = Contestant::compiled();
        if !smoke {
            contestants.push(Contestant::chalice()?);
        }
        let scratch = tempfile::tempdir()?;
        let cores = Cores::split()?;
        // Created after the split, so that its threads do not run on the contestants' core.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let aws = Aws::start(scratch.path())?;
        let plan = if smoke { smallest_plan() } else { plan() };
        let mut bench = Bench { plan, cores, aws, contestants, figures: Figures::default(), scratch: scratch.path() };
        bench.run(&runtime)?;

        let report = Report::new(&bench.figures, machine::description(), versions());
        let document = report.document(&bench.figures);
        println!("{document}");
        if smoke {
            Ok(())
        } else {
            report.write(&document, &target().join("bench.json"), &root().join("docs/BENCHMARKS.md"))
        }
    }

    /// Measures the lists alone, in this process and without the contestants.
    pub fn lists() -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let mut figures = Figures::default();
        let mut tables = Vec::new();
        for count in TABLE_SIZES {
            eprintln!("a table of {count} records");
            tables.push((count, records::serve(&runtime, count)?));
        }
        for _ in 0..3 {
            for (count, endpoint) in &tables {
                lists::measure(&runtime, endpoint, *count, 50, &mut figures)?;
            }
        }
        println!("{}", report::lists(&figures));
        Ok(())
    }

    fn plan() -> Plan {
        let counted = has("valgrind").then_some((100, 600));
        Plan { rounds: 3, starts: 10, warm: 1000, counted, tables: TABLE_SIZES.into(), pages: 250 }
    }

    /// Everything once, and nothing that needs a tool.
    fn smallest_plan() -> Plan {
        Plan { rounds: 1, starts: 1, warm: 20, counted: None, tables: vec![1_000], pages: 10 }
    }

    fn versions() -> Vec<String> {
        let python = include_str!("../chalice/requirements.txt").lines();
        let pinned =
            python.filter(|line| ["awslambdaric", "boto3", "chalice"].iter().any(|name| line.starts_with(name)));
        let programs = [("rustc", "--version"), ("python3", "--version"), ("valgrind", "--version")];
        let programs = programs.iter().filter_map(|(program, argument)| run(program, &[argument]).ok());
        programs.chain(pinned.map(|line| line.replace("==", " "))).collect()
    }
}

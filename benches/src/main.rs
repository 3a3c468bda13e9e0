//! The bench: compares the functions, as processes, with minimal ones and with the same form in Node.js and Python.
//!
//! `cargo run --profile local --package video-benches` takes a few minutes and writes `target/bench.json`,
//! `docs/BENCHMARKS.md`, `docs/benchmarks.svg` and the README's table. `-- --smoke` runs everything once and writes
//! nothing; `-- --built` skips the build; `-- --before PROGRAM` and `-- --variant PROGRAM` measure other builds of the
//! API beside this one.

#[cfg(target_os = "linux")]
mod aws;
#[cfg(target_os = "linux")]
mod build;
#[cfg(target_os = "linux")]
mod contestants;
#[cfg(target_os = "linux")]
mod events;
#[cfg(target_os = "linux")]
mod figures;
#[cfg(target_os = "linux")]
mod goals;
#[cfg(target_os = "linux")]
mod http;
#[cfg(target_os = "linux")]
mod lists;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod peers;
#[cfg(target_os = "linux")]
mod plot;
#[cfg(target_os = "linux")]
mod process;
mod records;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod runtime_api;
#[cfg(target_os = "linux")]
mod summary;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let place = |option: &str| arguments.iter().position(|argument| argument == option);
    let program = |option| place(option).and_then(|place| arguments.get(place + 1)).map(std::path::PathBuf::from);
    let others = [(contestants::API_BEFORE, program("--before")), (contestants::API_VARIANT, program("--variant"))];
    let others = others.into_iter().filter_map(|(name, program)| Some((name, program?))).collect();
    let done = match place("--lists") {
        Some(_) => linux::lists(),
        None => linux::bench(place("--smoke").is_some(), place("--built").is_some(), others),
    };
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
    use std::fs;
    use std::io;
    use std::path::PathBuf;

    use crate::aws::Aws;
    use crate::build::Profile;
    use crate::contestants::{self, root, target};
    use crate::figures::Figures;
    use crate::machine::{self, Cores, run};
    use crate::measure::{Bench, Plan, TABLE_SIZES, has};
    use crate::peers::peers;
    use crate::report::{self, Report};
    use crate::{lists, plot, records, summary};

    pub fn bench(smoke: bool, built: bool, others: Vec<(&'static str, PathBuf)>) -> io::Result<()> {
        let (plan, profile) = if smoke { (smallest_plan(), Profile::Dev) } else { (plan(), Profile::Release) };
        if !built {
            profile.build()?;
        }
        let mut contestants = contestants::compiled(&profile.directory());
        contestants.extend(others.into_iter().map(|(name, program)| contestants::other_build(name, program)));
        contestants.extend(peers()?);
        let scratch = tempfile::tempdir()?;
        let cores = Cores::split()?;
        // Created after the split, so that its threads do not run on the contestants' core.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let aws = Aws::start(scratch.path())?;
        let mut bench = Bench { plan, cores, aws, contestants, figures: Figures::default(), scratch: scratch.path() };
        let before = machine::load();
        bench.run(&runtime)?;
        publish(&bench.figures, &[before, machine::load()], !smoke)
    }

    /// Prints the report, and writes it with what the README shows of it.
    fn publish(figures: &Figures, loads: &[String; 2], write: bool) -> io::Result<()> {
        let (machine, docs) = (machine::description(), root().join("docs"));
        let (table, picture) = (summary::table(figures), plot::svg(figures, &machine));
        let report = Report::new(figures, machine, loads, versions());
        let document = report.document(figures);
        println!("{document}{table}");
        if write {
            report.write(&document, &target().join("bench.json"), &docs.join("BENCHMARKS.md"))?;
            fs::write(docs.join("benchmarks.svg"), picture)?;
            summary::write(figures, &root().join("README.md"))?;
        }
        Ok(())
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
        Plan {
            rounds: 3,
            starts: 10,
            warm: 1000,
            compressed: usize::MAX,
            counted,
            tables: TABLE_SIZES.into(),
            pages: 250,
        }
    }

    /// Everything once, and nothing that needs a tool.
    fn smallest_plan() -> Plan {
        Plan { rounds: 1, starts: 1, warm: 20, compressed: 1, counted: None, tables: vec![1_000], pages: 10 }
    }

    fn versions() -> Vec<String> {
        let programs = ["rustc", "node", "python3", "valgrind"].map(|program| {
            let version = run(program, &["--version"]).ok()?;
            Some(if program == "node" { format!("Node.js {version}") } else { version })
        });
        programs.into_iter().flatten().chain(pinned()).collect()
    }

    /// Returns the packages that the peers are compared by, with their versions.
    fn pinned() -> Vec<String> {
        let python = include_str!("../chalice/requirements.txt").lines();
        let python = python.filter(|line| ["awslambdaric", "boto3", "chalice"].iter().any(|it| line.starts_with(it)));
        let node: serde_json::Value = serde_json::from_str(include_str!("../node/package.json")).unwrap_or_default();
        let client = "@aws-sdk/client-dynamodb";
        let node = node["dependencies"][client].as_str().map(|version| format!("{client} {version}"));
        python.map(|line| line.replace("==", " ")).chain(node).collect()
    }
}

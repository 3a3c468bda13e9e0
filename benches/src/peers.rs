//! The same form in other languages. Each is installed below `target/bench`, again only when what it is made of has
//! changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::contestants::{Contestant, is_form, root, target};
use crate::events::{form_event, rest_form_event};
use crate::machine::run;

pub const NODE: &str = "Node.js";
pub const PYTHON: &str = "Python + boto3";
pub const CHALICE: &str = "Chalice";

/// Returns every peer, installed.
pub fn peers() -> io::Result<Vec<Contestant>> {
    let python = Python::installed()?;
    Ok(vec![node()?, python.contestant(PYTHON, "benches/python", "app.handler"), python.chalice()])
}

/// Returns the Node.js app as one file, bundled by esbuild.
fn node() -> io::Result<Contestant> {
    let (source, installed) = (root().join("benches/node"), target().join("bench/node"));
    let lock = fs::read_to_string(source.join("package-lock.json"))?;
    fs::create_dir_all(&installed)?;
    for file in ["package.json", "package-lock.json", "app.mjs"] {
        fs::copy(source.join(file), installed.join(file))?;
    }
    once(&installed.join("installed.txt"), &lock, || {
        run("npm", &["ci", "--no-audit", "--no-fund", "--prefix", &shown(&installed)]).map(|_| ())
    })?;
    let (esbuild, bundle) = (installed.join("node_modules/.bin/esbuild"), installed.join("app.cjs"));
    let outfile = format!("--outfile={}", bundle.display());
    let options = ["--bundle", "--minify", "--platform=node", "--target=node20", "--log-level=warning", &outfile];
    run(&shown(&esbuild), &[&[shown(&installed.join("app.mjs")).as_str()], options.as_slice()].concat())?;
    let program = PathBuf::from(run("node", &["--print", "process.execPath"])?);
    Ok(Contestant {
        name: NODE,
        files: vec![program.clone(), bundle.clone()],
        program,
        arguments: vec![shown(&bundle)],
        // The SDK warns at each start that it will need a newer Node.js some day.
        variables: vec![("NODE_NO_WARNINGS", "1".to_owned())],
        event: form_event(),
        is_expected: is_form,
        writes: 1,
        interpreted: true,
    })
}

/// A Python environment with what both apps need.
struct Python {
    python: PathBuf,
    /// The interpreter, its library and the environment.
    files: Vec<PathBuf>,
}

impl Python {
    fn installed() -> io::Result<Self> {
        let environment = target().join("bench/python");
        let (python, pip) = (environment.join("bin/python"), environment.join("bin/pip"));
        let file = root().join("benches/chalice/requirements.txt");
        once(&environment.join("installed.txt"), &fs::read_to_string(&file)?, || {
            run("python3", &["-m", "venv", &shown(&environment)])?;
            run(&shown(&pip), &["install", "--quiet", "-r", &shown(&file)]).map(|_| ())
        })?;
        let interpreter = run(
            &shown(&python),
            &["-c", "import os, sys, sysconfig; print(os.path.realpath(sys.executable), sysconfig.get_path('stdlib'))"],
        )?;
        let files = interpreter.split(' ').map(PathBuf::from).chain([environment]).collect();
        Ok(Self { python, files })
    }

    /// Returns an app under Lambda's own runtime for Python.
    fn contestant(&self, name: &'static str, app: &str, handler: &str) -> Contestant {
        let app = root().join(app);
        Contestant {
            name,
            program: self.python.clone(),
            arguments: ["-m", "awslambdaric", handler].map(str::to_owned).into(),
            variables: vec![("PYTHONPATH", shown(&app)), ("PYTHONDONTWRITEBYTECODE", "1".to_owned())],
            files: self.files.iter().cloned().chain([app]).collect(),
            event: form_event(),
            is_expected: is_form,
            writes: 1,
            interpreted: true,
        }
    }

    fn chalice(&self) -> Contestant {
        Contestant { event: rest_form_event(), ..self.contestant(CHALICE, "benches/chalice", "app.app") }
    }
}

/// Installs unless this very `content` was installed before, which `stamp` knows.
fn once(stamp: &Path, content: &str, install: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    if fs::read_to_string(stamp).is_ok_and(|installed| installed == content) {
        return Ok(());
    }
    install()?;
    fs::write(stamp, content)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

//! The contestants: how each is started, its event, and the expected response.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::machine::run;

/// A function that is measured.
pub struct Contestant {
    /// The name in the report.
    pub name: &'static str,
    program: PathBuf,
    arguments: Vec<&'static str>,
    /// Environment variables of this contestant alone.
    variables: Vec<(&'static str, &'static str)>,
    /// Every file that a start reads.
    pub files: Vec<PathBuf>,
    /// The event that it is invoked with.
    pub event: Arc<[u8]>,
    is_expected: fn(&Value) -> bool,
    /// How many items each event writes to DynamoDB.
    pub writes: usize,
    /// Whether an interpreter runs it: it is started less often, and its instructions are not counted.
    pub interpreted: bool,
}

/// The AWS endpoints of a contestant.
#[derive(Clone, Copy)]
pub struct Endpoints<'a> {
    /// DynamoDB.
    pub dynamodb: &'a str,
    /// MediaConvert and Elastic Transcoder.
    pub transcoder: &'a str,
    /// The certificate authorities that it trusts.
    pub authorities: &'a Path,
}

pub const FLOOR: &str = "std-only loop";
pub const HELLO: &str = "trimmed hello";
pub const PUT_ITEM: &str = "raw PutItem";
pub const API: &str = "video-api";
pub const EVENTS: &str = "video-events";
pub const EVENTS_OF_ELASTIC_TRANSCODER: &str = "video-events, Elastic Transcoder";
pub const CHALICE: &str = "Chalice";

/// Returns the root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Returns the target directory.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

impl Contestant {
    /// Builds the Rust contestants, each package by itself as for a deployment.
    pub fn build() -> io::Result<()> {
        for package in ["video-bench-contestants", "video-api", "video-events"] {
            let mut build = Command::new(env!("CARGO"));
            build.args(["build", "--release", "--package", package]).current_dir(root());
            if !build.status()?.success() {
                return Err(io::Error::other(format!("{package} failed to build")));
            }
        }
        Ok(())
    }

    /// Returns the Rust contestants.
    pub fn compiled() -> Vec<Self> {
        let form: Arc<[u8]> = form_event().to_string().into_bytes().into();
        let upload = include_bytes!("../../crates/events/fixtures/s3_object_created.json").as_slice().into();
        let compiled = |name, binary: &str, event: &Arc<[u8]>, is_expected, writes| {
            let program = target().join("release").join(binary);
            let files = vec![program.clone()];
            Self {
                name,
                program,
                arguments: vec![],
                variables: vec![],
                files,
                event: Arc::clone(event),
                is_expected,
                writes,
                interpreted: false,
            }
        };
        vec![
            compiled(FLOOR, "bench-floor", &form, is_hello, 0),
            compiled(HELLO, "bench-hello", &form, is_hello, 0),
            compiled(PUT_ITEM, "bench-put-item", &form, |answer| answer["statusCode"] == 200, 1),
            compiled(API, "video-api", &form, is_form, 1),
            compiled(EVENTS, "video-events", &upload, Value::is_null, 2),
            Self {
                variables: vec![("TRANSCODER", "elastictranscoder"), ("PIPELINE_NAME", "1111111111111-abcde1")],
                ..compiled(EVENTS_OF_ELASTIC_TRANSCODER, "video-events", &upload, Value::is_null, 2)
            },
        ]
    }

    /// Returns the Chalice app, installed in a Python environment of its own.
    pub fn chalice() -> io::Result<Self> {
        let environment = target().join("bench").join("python");
        let (python, app) = (environment.join("bin/python"), root().join("benches/chalice"));
        let path = environment.display().to_string();
        if !python.exists() {
            run("python3", &["-m", "venv", &path])?;
        }
        let (pip, requirements) = (environment.join("bin/pip"), app.join("requirements.txt"));
        run(&pip.display().to_string(), &["install", "--quiet", "-r", &requirements.display().to_string()])?;
        let interpreter = run(
            &python.display().to_string(),
            &["-c", "import os, sys, sysconfig; print(os.path.realpath(sys.executable), sysconfig.get_path('stdlib'))"],
        )?;
        let files = interpreter.split(' ').map(PathBuf::from).chain([environment, app.join("app.py")]).collect();
        let event = rest_form_event().to_string().into_bytes().into();
        Ok(Self {
            name: CHALICE,
            program: python,
            arguments: vec!["-m", "awslambdaric", "app.app"],
            variables: vec![],
            files,
            event,
            is_expected: is_form,
            writes: 1,
            interpreted: true,
        })
    }

    /// Returns the command that starts it as on Lambda.
    pub fn command(&self, endpoints: Endpoints) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        self.set_environment(&mut command, endpoints);
        command
    }

    /// Returns the command that starts it under callgrind, which writes its counts to `report`.
    pub fn command_under_callgrind(&self, endpoints: Endpoints, report: &Path) -> Command {
        let mut command = Command::new("valgrind");
        command.args(["--quiet", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}", report.display()));
        command.arg(&self.program).args(&self.arguments);
        self.set_environment(&mut command, endpoints);
        command
    }

    /// Sets what Lambda and the template set, with a session token of about the usual length.
    fn set_environment(&self, command: &mut Command, endpoints: Endpoints) {
        let authorities = endpoints.authorities.display().to_string();
        let (token, app) = ("t".repeat(800), root().join("benches/chalice").display().to_string());
        command.env_clear().current_dir(root()).envs([
            ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLEEXAMPLE00"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("AWS_SESSION_TOKEN", &token),
            ("AWS_ENDPOINT_URL_DYNAMODB", endpoints.dynamodb),
            ("AWS_ENDPOINT_URL_MEDIACONVERT", endpoints.transcoder),
            ("AWS_ENDPOINT_URL_ELASTIC_TRANSCODER", endpoints.transcoder),
            ("RESPONSES_TABLE_NAME", "responses"),
            ("MEDIA_BUCKET_NAME", "media"),
            ("OUTPUT_BUCKET_NAME", "output"),
            ("MEDIACONVERT_ROLE_ARN", "arn:aws:iam::111122223333:role/mediaconvert"),
            ("ADMIN_USERNAME", "admin"),
            ("ADMIN_PASSWORD", "local"),
            ("PYTHONPATH", &app),
            ("PYTHONDONTWRITEBYTECODE", "1"),
        ]);
        if endpoints.dynamodb.starts_with("https:") {
            command.envs(["SSL_CERT_FILE", "AWS_CA_BUNDLE"].map(|name| (name, &authorities)));
        }
        command.envs(self.variables.iter().copied());
    }

    /// Checks the response to the event.
    pub fn check(&self, answer: Result<Vec<u8>, String>) -> io::Result<()> {
        let answer = answer.map_err(|error| io::Error::other(format!("{} reported {error}", self.name)))?;
        let value: Value = serde_json::from_slice(&answer).map_err(io::Error::other)?;
        if (self.is_expected)(&value) {
            Ok(())
        } else {
            Err(io::Error::other(format!("{} returned {}", self.name, String::from_utf8_lossy(&answer))))
        }
    }

    /// Returns the size of the program in bytes, plain and compressed as in a zip file.
    pub fn size(&self) -> io::Result<(u64, u64)> {
        let program = self.program.display().to_string();
        let compressed = Command::new("gzip").args(["-9", "--stdout", &program]).output()?;
        Ok((fs::metadata(&self.program)?.len(), u64::try_from(compressed.stdout.len()).unwrap_or(u64::MAX)))
    }
}

fn is_hello(answer: &Value) -> bool {
    answer["statusCode"] == 200 && answer["body"] == r#"{"hello":"world"}"#
}

fn is_form(answer: &Value) -> bool {
    let form: Value = answer["body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
    let fields = &form["fields"];
    answer["statusCode"] == 200
        && fields["key"] == "testProject/0/e78b913d3d3d5eb5162a.webm"
        && fields["x-amz-signature"].as_str().is_some_and(|signature| signature.len() == 64)
}

/// Returns whether this is a page of 100 records.
pub fn is_page(answer: &Result<Vec<u8>, String>) -> bool {
    let answer: Value = answer.as_ref().ok().and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default();
    let page: Value = answer["body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
    page.as_array().is_some_and(|records| records.len() == 100)
}

/// Returns the request of an upload form as the event of an HTTP API (payload version 2.0).
fn form_event() -> Value {
    serde_json::from_str(include_str!("../../tests/fixtures/http_api_v2.json")).unwrap_or_default()
}

/// Returns the same event with a body of `bytes`.
pub fn form_event_of(bytes: usize) -> Arc<[u8]> {
    let mut event = form_event();
    event["body"] = json!("x".repeat(bytes));
    event.to_string().into_bytes().into()
}

/// Returns the request of the admin's list.
pub fn videos_event() -> Arc<[u8]> {
    let mut event = form_event();
    event["rawPath"] = json!("/videos");
    event["requestContext"]["http"]["path"] = json!("/videos");
    event["rawQueryString"] = json!("");
    event["headers"]["authorization"] = json!("Basic YWRtaW46bG9jYWw=");
    event.to_string().into_bytes().into()
}

/// Returns the request of an upload form as the event of a Chalice app's REST API.
fn rest_form_event() -> Value {
    let event = serde_json::from_str(include_str!("../../tests/fixtures/rest_api_v1.json"));
    let mut event: Value = event.unwrap_or_default();
    event["resource"] = json!("/presignedurl/{project}/{step}");
    event["requestContext"]["resourcePath"] = json!("/presignedurl/{project}/{step}");
    event["pathParameters"] = json!({ "project": "testProject", "step": "0" });
    event
}

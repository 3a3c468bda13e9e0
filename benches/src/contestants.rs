//! The contestants: how each is started, its event, and the expected response.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;

use crate::events::{form_event, upload_event};

/// A function that is measured.
pub struct Contestant {
    /// The name in the report.
    pub name: &'static str,
    /// What is started.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Environment variables of this contestant alone.
    pub variables: Vec<(&'static str, String)>,
    /// Every file that a start reads.
    pub files: Vec<PathBuf>,
    /// The event that it is invoked with.
    pub event: Arc<[u8]>,
    /// Whether a response is right.
    pub is_expected: fn(&Value) -> bool,
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
pub const SDK_FLOOR: &str = "sdk-floor";
pub const API: &str = "video-api";
pub const API_BEFORE: &str = "video-api, before";
pub const API_VARIANT: &str = "video-api, variant";
pub const SDK_FLOOR_OF_EVENTS: &str = "sdk-floor, events";
pub const EVENTS: &str = "video-events";
pub const EVENTS_OF_ELASTIC_TRANSCODER: &str = "video-events, Elastic Transcoder";

/// Returns the root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Returns the target directory.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Returns the contestants in Rust, whose programs are in this directory.
pub fn compiled(programs: &Path) -> Vec<Contestant> {
    let of_form =
        |name, program, is_expected, writes| in_rust(name, programs.join(program), form_event(), is_expected, writes);
    let of_upload = |name, program| in_rust(name, programs.join(program), upload_event(), Value::is_null, 2);
    vec![
        of_form(FLOOR, "bench-floor", is_hello, 0),
        of_form(HELLO, "bench-hello", is_hello, 0),
        of_form(PUT_ITEM, "bench-put-item", |answer| answer["statusCode"] == 200, 1),
        of_form(SDK_FLOOR, "bench-sdk-floor", is_form, 1),
        of_form(API, "video-api", is_form, 1),
        on_elastic_transcoder(of_upload(SDK_FLOOR_OF_EVENTS, "bench-sdk-floor-events")),
        on_elastic_transcoder(of_upload(EVENTS_OF_ELASTIC_TRANSCODER, "video-events")),
        of_upload(EVENTS, "video-events"),
    ]
}

/// Returns another build of the API, [`API_BEFORE`] or [`API_VARIANT`], to compare the two in one run.
pub fn other_build(name: &'static str, program: PathBuf) -> Contestant {
    in_rust(name, program, form_event(), is_form, 1)
}

fn in_rust(
    name: &'static str,
    program: PathBuf,
    event: Arc<[u8]>,
    is_expected: fn(&Value) -> bool,
    writes: usize,
) -> Contestant {
    let files = vec![program.clone()];
    Contestant {
        name,
        program,
        arguments: vec![],
        variables: vec![],
        files,
        event,
        is_expected,
        writes,
        interpreted: false,
    }
}

fn on_elastic_transcoder(contestant: Contestant) -> Contestant {
    let variables = [("TRANSCODER", "elastictranscoder"), ("PIPELINE_NAME", "1111111111111-abcde1")];
    Contestant { variables: variables.map(|(name, value)| (name, value.to_owned())).into(), ..contestant }
}

impl Contestant {
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
        let token = "t".repeat(800);
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
        ]);
        if endpoints.dynamodb.starts_with("https:") {
            let variables = ["SSL_CERT_FILE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"];
            command.envs(variables.map(|name| (name, &authorities)));
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
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

/// Returns whether this is a signed form; the SDKs spell the names of its fields in two ways.
pub fn is_form(answer: &Value) -> bool {
    let form = body_of(answer);
    let fields = &form["fields"];
    let signature = fields["x-amz-signature"].as_str().or(fields["X-Amz-Signature"].as_str());
    answer["statusCode"] == 200
        && fields["key"] == "testProject/0/e78b913d3d3d5eb5162a.webm"
        && signature.is_some_and(|signature| signature.len() == 64)
}

/// Returns whether this is a page of 100 records.
pub fn is_page(answer: &Result<Vec<u8>, String>) -> bool {
    let answer: Value = answer.as_ref().ok().and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default();
    body_of(&answer).as_array().is_some_and(|records| records.len() == 100)
}

fn body_of(answer: &Value) -> Value {
    answer["body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default()
}

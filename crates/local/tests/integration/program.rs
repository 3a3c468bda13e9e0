//! The program `video-local`: the ready file, and the errors that a start ends with.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn video_local(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_video-local"));
    command
        .arg("--data-dir")
        .arg(data_dir)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a start that fails and returns its one line of error.
fn start_error(command: &mut Command) -> String {
    let Output { status, stderr, stdout } = command.output().unwrap();
    assert!(!status.success());
    assert!(stdout.is_empty());
    let text = String::from_utf8(stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

/// A running program that ends with the test.
pub struct Running(Child);

impl Running {
    pub fn start(data_dir: &Path) -> (Self, Value) {
        let ready = data_dir.join("ready.json");
        let arguments = ["--port", "0", "--ready-file", ready.to_str().unwrap()];
        let mut running = Self(video_local(data_dir, &arguments).spawn().unwrap());
        let deadline = Instant::now() + Duration::from_secs(30);
        while !ready.exists() {
            assert!(running.0.try_wait().unwrap().is_none() && Instant::now() < deadline, "it did not start in time");
            std::thread::sleep(Duration::from_millis(20));
        }
        (running, serde_json::from_slice(&std::fs::read(ready).unwrap()).unwrap())
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    fn interrupt(mut self) -> Output {
        let interrupted = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status().unwrap();
        assert!(interrupted.success());
        let status = self.0.wait().unwrap();
        let read = |pipe: &mut dyn std::io::Read| {
            let mut bytes = Vec::new();
            pipe.read_to_end(&mut bytes).unwrap();
            bytes
        };
        let stdout = read(self.0.stdout.as_mut().unwrap());
        let stderr = read(self.0.stderr.as_mut().unwrap());
        Output { status, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn the_ready_file_lists_the_urls_and_logins() {
    let dir = tempfile::tempdir().unwrap();
    let (running, ready) = Running::start(dir.path());
    for name in ["api", "s3", "dynamodb", "transcoder", "eventbridge"] {
        let address = ready[name].as_str().unwrap().strip_prefix("http://").unwrap();
        assert!(address.starts_with("127.0.0.1:"), "{name} is not on loopback: {address}");
        std::net::TcpStream::connect(address).unwrap();
    }
    for name in ["region", "access_key_id", "secret_access_key", "media_bucket", "output_bucket", "table"] {
        assert!(ready[name].is_string(), "{name}");
    }
    let output = running.interrupt();
    assert!(output.status.success());
    let welcome = String::from_utf8(output.stdout).unwrap();
    for expected in [&ready["api"], &ready["s3"], &ready["admin"]["username"], &ready["admin"]["password"]] {
        assert!(welcome.contains(expected.as_str().unwrap()), "{welcome}");
    }
}

#[test]
fn a_data_directory_is_used_by_one_system_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let (running, _) = Running::start(dir.path());
    let line = start_error(&mut video_local(dir.path(), &["--port", "0"]));
    assert!(line.contains("another video-local uses the data directory") && line.contains("--data-dir"), "{line}");
    drop(running);
    drop(Running::start(dir.path()));
}

#[test]
fn a_busy_port_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let line = start_error(&mut video_local(dir.path(), &["--port", &port]));
    assert!(line.contains(&format!("127.0.0.1:{port} for the API")) && line.contains("--port"), "{line}");
    let line = start_error(&mut video_local(dir.path(), &["--port", "65535"]));
    assert!(line.contains("at most 65532"), "{line}");
}

#[test]
fn a_data_directory_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let line = start_error(&mut video_local(&file.join("data"), &["--port", "0"]));
    assert!(line.contains("cannot write to the data directory"), "{line}");
}

#[test]
fn an_invalid_variable_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for (name, value) in [
        ("MAX_UPLOAD_BYTES", "lots"),
        ("UPLOAD_ACL", "everyone"),
        ("ALLOWED_ORIGIN", "example.com"),
        ("ADMIN_PASSWORD", ""),
    ] {
        let line = start_error(video_local(dir.path(), &["--port", "0"]).env(name, value));
        assert!(line.contains(name), "{line}");
    }
}

#[test]
fn an_invalid_webhook_or_origin_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        (
            "--webhook",
            "must be an http:// URL",
            ["https://example.com/hook", "example.com", "http://", "ftp://example.com"],
        ),
        ("--allow-origin", "an origin is like", ["example.com", "https://example.com/", "*", "ftp://example.com"]),
    ];
    for (option, rule, values) in cases {
        for value in values {
            let output = video_local(dir.path(), &["--port", "0", option, value]).output().unwrap();
            assert!(!output.status.success(), "{value}");
            let text = String::from_utf8(output.stderr).unwrap();
            assert!(text.contains(option) && text.contains(rule), "{text}");
        }
    }
}

#[test]
fn without_ffmpeg_it_starts_and_explains_how_to_install_it() {
    let dir = tempfile::tempdir().unwrap();
    let ready = dir.path().join("ready.json");
    let mut command = video_local(dir.path(), &["--port", "0", "--ready-file", ready.to_str().unwrap()]);
    let mut running = Running(command.env("PATH", "/nowhere").spawn().unwrap());
    let deadline = Instant::now() + Duration::from_secs(30);
    while !ready.exists() {
        assert!(running.0.try_wait().unwrap().is_none() && Instant::now() < deadline, "it did not start in time");
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = running.interrupt();
    let notice = String::from_utf8(output.stderr).unwrap();
    assert!(notice.contains("ffmpeg is not installed; install it with"), "{notice}");
}

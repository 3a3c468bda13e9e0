//! The memory of the program while large bodies arrive and leave.
#![cfg(target_os = "linux")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use tempfile::TempDir;

use super::form::{END, Form};
use super::multipart::complete_with;
use super::sdk_client;
use crate::program::Running;

const MIB: u64 = 1024 * 1024;

/// The size of each body.
const SIZE: u64 = 256 * MIB;

/// How much memory may be used beyond that of small bodies.
const LIMIT: u64 = 64 * MIB;

/// Sends a request whose body is `before`, this many zeros and `after`, and returns the response.
fn send_large(address: SocketAddr, head: &str, before: &[u8], size: u64, after: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(before).unwrap();
    let zeros = vec![0; 256 * 1024];
    for _ in 0..size / zeros.len() as u64 {
        stream.write_all(&zeros).unwrap();
    }
    stream.write_all(after).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

/// Returns the highest memory of the process so far, in bytes.
fn peak_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_bounded_while_large_forms_objects_and_parts_are_stored() {
    let dir = TempDir::new().unwrap();
    let (running, ready) = Running::start(dir.path());
    let text = |name: &str| ready[name].as_str().unwrap();
    let address: SocketAddr = text("s3").strip_prefix("http://").unwrap().parse().unwrap();
    let client = sdk_client(address, text("access_key_id"), text("secret_access_key"));
    let bucket = text("media_bucket");
    let expires = PresigningConfig::expires_in(Duration::from_hours(1)).unwrap();
    let put = |url: &str, size: u64| {
        let path = url.strip_prefix(&format!("http://{address}")).unwrap();
        let head =
            format!("PUT {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n");
        let response = send_large(address, &head, b"", size, b"");
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    };

    let mut peaks = Vec::new();
    for size in [MIB, SIZE] {
        let (access_key, secret_key) = (text("access_key_id"), text("secret_access_key"));
        let form = Form { bucket, sizes: (size, size), access_key, secret_key, ..Form::new("form") };
        let before = form.before_file();
        let head = form.head(address, before.len() as u64 + size + END.len() as u64);
        let response = send_large(address, &head, before.as_bytes(), size, END);
        assert!(response.starts_with("HTTP/1.1 201"), "{response}");

        let url = client.put_object().bucket(bucket).key("object").presigned(expires.clone()).await.unwrap();
        put(url.uri(), size);

        let upload = client.create_multipart_upload().bucket(bucket).key("parts").send().await.unwrap();
        let upload = upload.upload_id().unwrap();
        for number in 1..=2 {
            let part = client.upload_part().bucket(bucket).key("parts").upload_id(upload).part_number(number);
            put(part.presigned(expires.clone()).await.unwrap().uri(), (size / 2).max(5 * MIB));
        }
        let parts = client.list_parts().bucket(bucket).key("parts").upload_id(upload).send().await.unwrap();
        let parts = parts.parts().iter().map(|part| (part.part_number().unwrap(), part.e_tag().unwrap()));
        complete_with(&client, bucket, "parts", upload, &parts.collect::<Vec<_>>()).await.unwrap();

        let mut body = client.get_object().bucket(bucket).key("parts").send().await.unwrap().body;
        let mut read = 0;
        while let Some(chunk) = body.try_next().await.unwrap() {
            read += chunk.len() as u64;
        }
        assert_eq!(read, size.max(10 * MIB));
        peaks.push(peak_memory(running.id()));
    }
    let growth = peaks[1] - peaks[0];
    assert!(growth < LIMIT, "{} MiB more memory for {} MiB", growth / MIB, SIZE / MIB);
}

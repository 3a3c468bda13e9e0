//! The floor: a Lambda function of the standard library alone that returns the same response to every event.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

const RESPONSE: &str =
    r#"{"statusCode":200,"headers":{"content-type":"application/json"},"body":"{\"hello\":\"world\"}"}"#;

fn main() -> io::Result<()> {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
    let stream = TcpStream::connect(&api)?;
    stream.set_nodelay(true)?;
    let mut connection = BufReader::new(stream);
    let next = format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: {api}\r\n\r\n");
    loop {
        connection.get_mut().write_all(next.as_bytes())?;
        let Some(id) = read_response(&mut connection)? else {
            return Err(io::Error::other("an invocation without a request ID"));
        };
        let response = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nhost: {api}\r\n\
             content-length: {}\r\n\r\n{RESPONSE}",
            RESPONSE.len()
        );
        connection.get_mut().write_all(response.as_bytes())?;
        read_response(&mut connection)?;
    }
}

/// Reads a response to its end and returns its request ID.
fn read_response(connection: &mut impl BufRead) -> io::Result<Option<String>> {
    let (mut id, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(": ") else { continue };
        if name.eq_ignore_ascii_case("lambda-runtime-aws-request-id") {
            id = Some(value.to_owned());
        } else if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().map_err(io::Error::other)?;
        }
    }
    io::copy(&mut connection.take(length), &mut io::sink())?;
    Ok(id)
}

//! A minimal HTTP/1.1 server side, so fast that it does not affect what is measured.

use std::io::{self, BufRead, Read};

/// A request with the headers that the bench needs.
#[derive(Debug, Default)]
pub struct Request {
    /// The path with its query.
    pub path: String,
    /// The operation of an AWS JSON protocol.
    pub target: Option<String>,
    /// Whether it carries a SigV4 signature.
    pub signed: bool,
    /// The body.
    pub body: Vec<u8>,
}

/// Reads the next request of a connection; `None` at its end.
pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).ok_or(io::ErrorKind::InvalidData)?;
    let mut request = Request { path: path.to_owned(), ..Request::default() };
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let header = line.trim_end();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
        let value = value.trim_start();
        match name {
            name if name.eq_ignore_ascii_case("content-length") => length = value.parse().map_err(io::Error::other)?,
            name if name.eq_ignore_ascii_case("x-amz-target") => request.target = Some(value.to_owned()),
            name if name.eq_ignore_ascii_case("authorization") => {
                request.signed = value.starts_with("AWS4-HMAC-SHA256 ");
            }
            name if name.eq_ignore_ascii_case("transfer-encoding") => return chunked(reader, request).map(Some),
            _ => {}
        }
    }
    reader.take(length).read_to_end(&mut request.body)?;
    Ok(Some(request))
}

/// Reads the rest of the headers and a chunked body.
fn chunked(reader: &mut impl BufRead, mut request: Request) -> io::Result<Request> {
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
        reader.take(size).read_to_end(&mut request.body)?;
        line.clear();
        reader.read_line(&mut line)?;
        if size == 0 {
            return Ok(request);
        }
    }
}

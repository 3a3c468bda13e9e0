//! The AWS services that a function calls, over HTTP and over TLS: they respond at once and count the writes.

use std::fs;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::http::{self, Request};
use crate::machine::run;

/// DynamoDB and the transcoders.
pub struct Aws {
    /// The endpoint over HTTP.
    pub http: String,
    /// The endpoint over TLS, with a chain of three RSA-2048 certificates as AWS has it.
    pub https: String,
    /// The certificate authority of `https`, alone.
    pub authorities: PathBuf,
    writes: Arc<AtomicUsize>,
}

impl Aws {
    /// Starts both listeners and creates the certificates in `dir`.
    pub fn start(dir: &Path) -> io::Result<Self> {
        let writes = Arc::default();
        let chain = Chain::make(dir)?;
        let http = listen(&writes, serve)?;
        let config = chain.config;
        let https = listen(&writes, move |stream: TcpStream, writes: &AtomicUsize| {
            let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
            serve(StreamOwned::new(connection, stream), writes)
        })?;
        Ok(Self {
            http: format!("http://localhost:{http}"),
            https: format!("https://localhost:{https}"),
            authorities: chain.authorities,
            writes,
        })
    }

    /// Returns how many items signed requests have written.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }
}

fn listen<F>(writes: &Arc<AtomicUsize>, serve: F) -> io::Result<u16>
where
    F: Fn(TcpStream, &AtomicUsize) -> io::Result<()> + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let (writes, serve) = (Arc::clone(writes), Arc::new(serve));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (writes, serve) = (Arc::clone(&writes), Arc::clone(&serve));
            // A connection usually ends when its client does.
            thread::spawn(move || stream.set_nodelay(true).and_then(|()| serve(stream, &writes)));
        }
    });
    Ok(port)
}

fn serve(stream: impl Read + Write, writes: &AtomicUsize) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = http::read(&mut reader)? {
        let body = respond(&request, writes);
        let status = if body.is_some() { "200 OK" } else { "400 Bad Request" };
        let body = body.unwrap_or(r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#);
        let response = format!(
            "HTTP/1.1 {status}\r\n\
             content-type: application/x-amz-json-1.0\r\n\
             x-amzn-requestid: BENCH\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        reader.get_mut().write_all(response.as_bytes())?;
        reader.get_mut().flush()?;
    }
    Ok(())
}

const QUERY_RESPONSE: &str = concat!(
    r#"{"Count":1,"ScannedCount":1,"Items":[{"ProjectStep":{"S":"Alba-0"},"Mail":{"S":"a@b"},"#,
    r#""video":{"S":"Alba/0/c5e866594d810c0c3e1f.webm"}}]}"#
);

fn respond(request: &Request, writes: &AtomicUsize) -> Option<&'static str> {
    match request.target.as_deref().and_then(|target| target.strip_prefix("DynamoDB_20120810.")) {
        Some("UpdateItem" | "PutItem") => {
            writes.fetch_add(usize::from(request.signed), Ordering::SeqCst);
            Some("{}")
        }
        Some("Query") => Some(QUERY_RESPONSE),
        Some(_) => Some("{}"),
        None if request.path == "/2017-08-29/jobs" => Some(r#"{"job":{"id":"1-a"}}"#),
        None if request.path == "/2012-09-25/jobs" => Some(r#"{"Job":{"Id":"1-a"}}"#),
        None => None,
    }
}

/// A server's certificates, the server's first.
struct Chain {
    config: Arc<ServerConfig>,
    authorities: PathBuf,
}

impl Chain {
    /// Creates a root, an intermediate and a server certificate with the `openssl` program.
    fn make(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let file = |name: &str| dir.join(name).display().to_string();
        for (name, signer, extensions) in [
            ("root", None, "basicConstraints = critical, CA:TRUE"),
            ("intermediate", Some("root"), "basicConstraints = critical, CA:TRUE"),
            ("server", Some("intermediate"), "basicConstraints = CA:FALSE\nsubjectAltName = DNS:localhost"),
        ] {
            let (key, certificate, config) =
                (file(&format!("{name}.key")), file(&format!("{name}.pem")), file(&format!("{name}.cnf")));
            // By default `openssl` makes every certificate an authority.
            let sections = "[req]\ndistinguished_name = name\nx509_extensions = extensions\n[name]\n[extensions]\n";
            fs::write(&config, format!("{sections}{extensions}\n"))?;
            let subject = format!("/CN=video-benches {name}");
            let mut arguments = vec!["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"];
            arguments.extend(["-config", &config, "-keyout", &key, "-out", &certificate, "-subj", &subject]);
            let signer = signer.map(|signer| (file(&format!("{signer}.pem")), file(&format!("{signer}.key"))));
            if let Some((certificate, key)) = &signer {
                arguments.extend(["-CA", certificate, "-CAkey", key]);
            }
            run("openssl", &arguments)?;
        }
        let chain = ["server.pem", "intermediate.pem"].map(|name| CertificateDer::from_pem_file(dir.join(name)));
        let chain = chain.into_iter().collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
        let key = PrivateKeyDer::from_pem_file(dir.join("server.key")).map_err(io::Error::other)?;
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
        Ok(Self { config: Arc::new(config.map_err(io::Error::other)?), authorities: dir.join("root.pem") })
    }
}

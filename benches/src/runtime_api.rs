//! The Lambda Runtime API on blocking threads, so that it adds little to what is measured.
//!
//! See <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::http::{self, Request};

/// Longer than a Python process takes to start with a cold disk cache.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The Runtime API of one process.
pub struct RuntimeApi {
    address: SocketAddr,
    asked: Receiver<Instant>,
    events: Sender<Arc<[u8]>>,
    answers: Receiver<Answer>,
}

/// The outcome of an invocation.
#[derive(Debug)]
pub struct Answer {
    /// From the event's last byte to the response's last byte.
    pub took: Duration,
    /// The response, or the error that the function reported.
    pub body: Result<Vec<u8>, String>,
}

/// What the connections of a process share.
#[derive(Clone)]
struct Shared {
    asked: Sender<Instant>,
    events: Arc<Mutex<Receiver<Arc<[u8]>>>>,
    sent: Arc<Mutex<Instant>>,
    answers: Sender<Answer>,
}

impl RuntimeApi {
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (asked_sender, asked) = mpsc::channel();
        let (events, waiting) = mpsc::channel();
        let (answer_sender, answers) = mpsc::channel();
        let shared = Shared {
            asked: asked_sender,
            events: Arc::new(Mutex::new(waiting)),
            sent: Arc::new(Mutex::new(Instant::now())),
            answers: answer_sender,
        };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                // An error is the end of the connection, which ends with the process.
                thread::spawn(move || serve(&stream, &shared));
            }
        });
        Ok(Self { address, asked, events, answers })
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Waits until the process requests its next event and returns when it did.
    pub fn next(&self) -> io::Result<Instant> {
        self.asked.recv_timeout(TIMEOUT).map_err(|_| io::Error::other("the process requested no event in time"))
    }

    /// Sends the process an event and waits for the outcome.
    pub fn invoke(&self, event: &Arc<[u8]>) -> io::Result<Answer> {
        self.events.send(Arc::clone(event)).map_err(io::Error::other)?;
        self.answers.recv_timeout(TIMEOUT).map_err(|_| io::Error::other("the process sent no response in time"))
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(request) = http::read(&mut reader)? {
        let now = Instant::now();
        if request.path.ends_with("/invocation/next") {
            shared.asked.send(now).map_err(io::Error::other)?;
            // The sender is gone: the measurement is over.
            let Ok(event) = lock(&shared.events)?.recv() else { return Ok(()) };
            let answer = next(&event)?;
            *lock(&shared.sent)? = Instant::now();
            writer.write_all(&answer)?;
        } else {
            let took = now.duration_since(*lock(&shared.sent)?);
            writer.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")?;
            shared.answers.send(Answer { took, body: body(request) }).map_err(io::Error::other)?;
        }
    }
    Ok(())
}

fn body(request: Request) -> Result<Vec<u8>, String> {
    if request.path.ends_with("/response") {
        Ok(request.body)
    } else {
        Err(String::from_utf8_lossy(&request.body).into_owned())
    }
}

fn next(event: &[u8]) -> io::Result<Vec<u8>> {
    let deadline = SystemTime::now() + Duration::from_secs(30);
    let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH).map_err(io::Error::other)?.as_millis();
    let head = format!(
        "HTTP/1.1 200 OK\r\n\
         content-type: application/json\r\n\
         lambda-runtime-aws-request-id: 00000000-0000-0000-0000-000000000001\r\n\
         lambda-runtime-deadline-ms: {deadline}\r\n\
         lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:000000000000:function:bench\r\n\
         lambda-runtime-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0\r\n\
         content-length: {}\r\n\r\n",
        event.len()
    );
    Ok([head.as_bytes(), event].concat())
}

fn lock<T>(mutex: &Mutex<T>) -> io::Result<std::sync::MutexGuard<'_, T>> {
    mutex.lock().map_err(|_| io::Error::other("a thread of the bench panicked"))
}

// SPDX-License-Identifier: Apache-2.0
//! A registry on loopback that does what a test tells it, however wrong, and remembers what it was asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lade::digest::Digest;

use super::image::{Image, MANIFEST};

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HashMap<String, String>,
}

#[derive(Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Hang up after so many bytes of the body.
    pub(crate) cut: Option<usize>,
    /// So many zeros follow the body.
    pub(crate) zeros: u64,
    /// So many bytes of the body every tenth of a second.
    pub(crate) drip: Option<usize>,
}

impl Response {
    pub(crate) fn new(status: u16, body: &[u8]) -> Self {
        Response { status, headers: Vec::new(), body: body.to_vec(), cut: None, zeros: 0, drip: None }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn zeros(mut self, zeros: u64) -> Self {
        self.zeros = zeros;
        self
    }

    pub(crate) fn drip(mut self, bytes: usize) -> Self {
        self.drip = Some(bytes);
        self
    }

    pub(crate) fn cut(mut self, at: usize) -> Self {
        self.cut = Some(at);
        self
    }
}

pub(crate) struct Server {
    ip: &'static str,
    pub(crate) port: u16,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        Server::start_on("127.0.0.1", handler)
    }

    pub(crate) fn start_on(
        ip: &'static str,
        handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (handler, shared) = (Arc::new(handler), log.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (handler, log) = (handler.clone(), shared.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &*handler, &log));
            }
        });
        Server { ip, port, log }
    }

    /// A registry that has `image` as `t`, after `change` had its way with each answer.
    pub(crate) fn with_image(
        image: &Image,
        change: impl Fn(&Request, Response) -> Response + Send + Sync + 'static,
    ) -> Self {
        let answer = registry_of(image);
        Server::start(move |request| change(request, answer(request)))
    }

    pub(crate) fn host(&self) -> String {
        format!("{}:{}", self.ip, self.port)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, part: &str) -> usize {
        self.requests().iter().filter(|r| r.target.contains(part)).count()
    }
}

/// What an honest registry answers that has `image` as `t`.
pub(crate) fn registry_of(image: &Image) -> impl Fn(&Request) -> Response + Send + Sync + 'static {
    let mut blobs = HashMap::new();
    let manifest = image.manifest().to_string().into_bytes();
    for bytes in image.layers.iter().map(|l| l.bytes.clone()).chain([image.config_bytes()]) {
        blobs.insert(Digest::of(&bytes).to_string(), bytes);
    }
    let digest = Digest::of(&manifest).to_string();
    move |request| {
        let name = request.target.split('?').next().unwrap().rsplit('/').next().unwrap();
        if request.target == "/v2/" {
            Response::new(200, b"{}")
        } else if request.target.contains("/manifests/") && (name == "t" || name == digest) {
            Response::new(200, &manifest).header("content-type", MANIFEST)
        } else if let Some(bytes) = blobs.get(name) {
            ranged(request, bytes)
        } else {
            Response::new(404, br#"{"errors":[{"code":"NAME_UNKNOWN","message":"no such thing"}]}"#)
        }
    }
}

fn ranged(request: &Request, bytes: &[u8]) -> Response {
    let range = request.headers.get("range").and_then(|r| r.strip_prefix("bytes="));
    let Some((start, end)) = range.and_then(|r| r.split_once('-')) else { return Response::new(200, bytes) };
    let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
    Response::new(206, &bytes[start..=end])
        .header("content-range", &format!("bytes {start}-{end}/{}", bytes.len()))
}

fn serve(stream: TcpStream, handler: &dyn Fn(&Request) -> Response, log: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(request) = read_request(&mut reader) {
        log.lock().unwrap().push(request.clone());
        let response = handler(&request);
        let mut head = format!("HTTP/1.1 {} X\r\n", response.status);
        if !response.headers.iter().any(|(n, _)| n == "content-length") {
            head += &format!("content-length: {}\r\n", response.body.len() as u64 + response.zeros);
        }
        for (name, value) in &response.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        let body = if request.method == "HEAD" { &[][..] } else { &response.body };
        let body = &body[..response.cut.unwrap_or(body.len()).min(body.len())];
        if stream.write_all(head.as_bytes()).and_then(|()| send(&mut stream, body, response.drip)).is_err()
            || response.cut.is_some()
        {
            return;
        }
        let mut left = response.zeros;
        while left > 0 {
            let n = left.min(1 << 20);
            if stream.write_all(&vec![0; n as usize]).is_err() {
                return;
            }
            left -= n;
        }
    }
}

fn send(stream: &mut TcpStream, body: &[u8], drip: Option<usize>) -> std::io::Result<()> {
    let Some(bytes) = drip else { return stream.write_all(body) };
    for piece in body.chunks(bytes) {
        stream.write_all(piece)?;
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let len = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    let mut body = vec![0; len];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, target, headers })
}

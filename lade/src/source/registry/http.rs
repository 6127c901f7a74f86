// SPDX-License-Identifier: Apache-2.0
//! One request and its redirects. Redirects are followed here and not by the HTTP library, because it matters where
//! they lead: credentials stay with their origin (CVE-2020-15157), TLS is never given up, and a registry out there
//! cannot send us to an address in here.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use ureq::http::{self, HeaderMap};

use super::Settings;
use super::agent::{Agents, Inside};
use super::challenge::{Challenge, parse};
use super::endpoint::Endpoint;
use super::pace::Paced;
use super::url::{Url, is_local};
use crate::bail;
use crate::error::{Context, Error, Kind, Result};
use crate::store::read_bounded;
use crate::time;

const REDIRECTS_MAX: usize = 5;
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
const ERROR_MAX: u64 = 64 << 10;

pub(super) struct Request<'a> {
    pub method: &'static str,
    pub url: Url,
    headers: Vec<(String, String)>,
    body: Option<Body<'a>>,
}

#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    Bytes(&'a [u8]),
    File(&'a File),
}

impl<'a> Request<'a> {
    pub(super) fn new(method: &'static str, url: Url) -> Self {
        Request { method, url, headers: Vec::new(), body: None }
    }

    pub(super) fn get(endpoint: &Endpoint, path: &str) -> Self {
        Request::new("GET", endpoint.url(path))
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn body(mut self, body: Body<'a>) -> Self {
        self.body = Some(body);
        self
    }

    pub(super) fn has_body(&self) -> bool {
        matches!(self.body, Some(Body::File(_)))
    }
}

pub(super) struct Response {
    pub status: u16,
    pub body: Box<dyn Read + Send>,
    headers: HeaderMap,
    /// Where it came from, after redirects.
    pub url: Url,
}

impl Response {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn challenges(&self) -> Vec<Challenge> {
        self.headers
            .get_all("www-authenticate")
            .iter()
            .filter_map(|v| v.to_str().ok())
            .flat_map(parse)
            .collect()
    }

    /// How long to wait before asking again, if asking again is any use.
    pub(super) fn retry_after(&self) -> Result<Option<Duration>> {
        if !matches!(self.status, 408 | 429 | 500 | 502 | 503 | 504) {
            return Ok(None);
        }
        let wait = self.header("retry-after").map_or(Duration::ZERO, retry_after);
        if wait > RETRY_AFTER_MAX {
            bail!("the registry asks to come back in {} seconds (status {})", wait.as_secs(), self.status);
        }
        Ok(Some(wait))
    }

    /// The first byte of a partial answer.
    pub(super) fn range_start(&self) -> Result<u64> {
        let range = self.header("content-range").and_then(|r| r.strip_prefix("bytes "));
        let start = range.and_then(|r| r.split('-').next()).and_then(|s| s.trim().parse().ok());
        start.ok_or_else(|| Error::corrupt("the registry sent a part of a layer without saying which"))
    }

    /// The answer if it is one, else what the registry said.
    pub(super) fn successful(self) -> Result<Self> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let (status, host) = (self.status, self.url.authority.clone());
        let limit = self.header("ratelimit-limit").map(str::to_owned);
        let text = read_bounded(self.body, ERROR_MAX, "the error").map(|b| message(&b)).unwrap_or_default();
        let error = Error::new(format!("{host} answered {status}{text}"));
        Err(match status {
            401 => error.kind_of(Kind::Denied).hint(format!("lade login {host}")),
            403 => error.kind_of(Kind::Denied),
            404 => error.kind_of(Kind::NotFound),
            429 => error.kind_of(Kind::Transient).hint(match limit {
                Some(limit) => {
                    format!("the registry limits how much one may pull ({limit}); logging in may raise it")
                }
                None => "the registry limits how much one may pull; logging in may raise it".to_owned(),
            }),
            408 | 500..=599 => error.kind_of(Kind::Transient),
            _ => error,
        })
    }
}

/// `: CODE: message`, from the errors a registry lists.
fn message(bytes: &[u8]) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    let first = parsed.as_ref().and_then(|v| v.get("errors")?.get(0));
    let part = |key| first.and_then(|e| e.get(key)?.as_str()).filter(|t| !t.is_empty());
    let parts: Vec<&str> = [part("code"), part("message")].into_iter().flatten().collect();
    let text: String = parts.join(": ").chars().filter(|c| !c.is_control()).take(300).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}

/// Seconds or a date (RFC 9110).
fn retry_after(value: &str) -> Duration {
    let seconds = value.trim().parse().ok();
    let seconds =
        seconds.or_else(|| time::http_date(value).and_then(|at| u64::try_from(at - time::now()).ok()));
    Duration::from_secs(seconds.unwrap_or(0))
}

pub(super) struct Client {
    pub settings: Settings,
    agents: Agents,
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Self {
        Client { settings: settings.clone(), agents: Agents::default() }
    }

    /// Sends the request to where its URL says, with `authorization` for as long as the origin stays the same.
    pub(super) fn send(
        &self,
        endpoint: &Endpoint,
        request: &Request,
        authorization: Option<&str>,
    ) -> Result<Response> {
        let mut url = request.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let own = url.same_origin(&endpoint.base);
            let response = self.once(endpoint, request, &url, authorization.filter(|_| own))?;
            if !matches!(response.status, 301 | 302 | 303 | 307 | 308) || request.has_body() {
                return Ok(response);
            }
            let location = response.header("location").unwrap_or_default();
            let next = url.join(location).context(|| "unable to follow a redirect")?;
            check_redirect(&url, &next, endpoint)?;
            url = next;
        }
        bail!("{} redirects more than {REDIRECTS_MAX} times", request.url.authority)
    }

    fn once(
        &self,
        endpoint: &Endpoint,
        request: &Request,
        url: &Url,
        authorization: Option<&str>,
    ) -> Result<Response> {
        let mut builder = http::Request::builder().method(request.method).uri(url.text());
        let own = url.same_origin(&endpoint.base);
        let extra = endpoint.headers.iter().filter(|_| own);
        for (name, value) in request.headers.iter().chain(extra) {
            builder = builder.header(name, value);
        }
        if let Some(authorization) = authorization {
            builder = builder.header("authorization", authorization);
        }
        let what = || format!("unable to ask {}", url.authority);
        let bad = |e: http::Error| Error::new(format!("{}: {e}", what()));
        let agent = self.agents.of(&self.settings, url, endpoint)?;
        let result = match request.body {
            None => agent.run(builder.body(()).map_err(bad)?),
            Some(Body::Bytes(bytes)) => agent.run(builder.body(bytes).map_err(bad)?),
            Some(Body::File(file)) => agent.run(builder.body(file).map_err(bad)?),
        };
        let response = result.map_err(|e| network(&e, &what()))?;
        let (parts, body) = response.into_parts();
        Ok(Response {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: Box::new(Paced::new(body.into_reader(), self.settings.stall)),
            url: url.clone(),
        })
    }
}

/// TLS is never given up on the way, and nobody out there sends us to an address in here.
pub(super) fn check_redirect(from: &Url, to: &Url, endpoint: &Endpoint) -> Result<()> {
    if from.tls && !to.tls {
        bail!("{} redirects from https to http", from.authority);
    }
    if is_local(to.host()) && !is_local(endpoint.base.host()) {
        bail!("{} redirects to an address of this machine or link ({})", from.authority, to.authority);
    }
    Ok(())
}

/// A certificate that is not trusted will not be trusted the next time either, nor will a name that leads in here.
fn network(e: &ureq::Error, what: &str) -> Error {
    let text = match e {
        ureq::Error::Other(e) if e.is::<Inside>() => return Error::new(format!("{what}: {e}")),
        ureq::Error::Io(e) => e.to_string(),
        ureq::Error::HostNotFound => "the host is not known".to_owned(),
        other => other.to_string(),
    };
    let error = Error::new(format!("{what}: {text}"));
    // The server's alert comes as an error of the stream.
    if text.contains("CertificateRequired") || text.contains("alert: BadCertificate") {
        return error.hint(
            "the registry wants a client certificate: client.cert and client.key in certs.d/HOST give one",
        );
    }
    let certificate =
        text.contains("certificate") || matches!(e, ureq::Error::Tls(_) | ureq::Error::Rustls(_));
    if text.contains("certificate") {
        return error.hint("--ca FILE trusts another authority");
    }
    if text.contains("corrupt message") || text.contains("InvalidContentType") {
        return error.hint("the server does not speak TLS: --plain-http HOST allows that");
    }
    if certificate { error } else { error.kind_of(Kind::Transient) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn where_a_redirect_may_lead() {
        let check = |registry: &str, from: &str, to: &str| {
            let endpoint = Endpoint::bare(Url::parse(registry).unwrap());
            check_redirect(&Url::parse(from).unwrap(), &Url::parse(to).unwrap(), &endpoint)
        };
        let registry = "https://r.io/";
        assert!(check(registry, registry, "https://cdn.example.com/x").is_ok());
        assert!(check("http://127.0.0.1:5000/", "http://127.0.0.1:5000/", "http://127.0.0.1:6000/").is_ok());
        for evil in [
            "http://cdn.example.com/",
            "https://127.0.0.1/",
            "https://169.254.169.254/latest",
            "https://[::1]/",
        ] {
            assert!(check(registry, registry, evil).is_err(), "{evil}");
        }
    }

    #[test]
    fn what_a_registry_says() {
        assert_eq!(message(br#"{"errors":[{"code":"DENIED","message":"no\u001b[2J"}]}"#), ": DENIED: no[2J");
        assert_eq!(message(b"<html>"), "");
        assert_eq!(retry_after("7"), Duration::from_secs(7));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), Duration::ZERO);
    }
}

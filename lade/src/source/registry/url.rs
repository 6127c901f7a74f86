// SPDX-License-Identifier: Apache-2.0
//! As much of URLs as redirects, token servers and mirrors need: an origin, and a reference resolved against a base.

use std::net::IpAddr;

use crate::error::{Error, Result};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    pub tls: bool,
    /// Host and port as they were written.
    pub authority: String,
    /// Path and query, beginning with a slash.
    pub target: String,
}

impl Url {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let bad = || Error::corrupt(format!("{text:?} is not an http or https URL"));
        let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(bad()),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let target = target.split('#').next().unwrap_or_default();
        // A user name in a URL is never meant for us.
        if authority.is_empty()
            || authority.contains(['@', '\\', ' '])
            || text.bytes().any(|b| b <= b' ' || b > b'~')
        {
            return Err(bad());
        }
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Url { tls, authority: authority.to_ascii_lowercase(), target })
    }

    /// What a Location header means here.
    pub(super) fn join(&self, location: &str) -> Result<Self> {
        if location.contains("://") {
            return Url::parse(location);
        }
        let scheme = if self.tls { "https" } else { "http" };
        if let Some(rest) = location.strip_prefix("//") {
            return Url::parse(&format!("{scheme}://{rest}"));
        }
        let path = if location.starts_with('/') {
            location.to_owned()
        } else {
            let base = self.target.split('?').next().unwrap_or("/");
            format!("{}/{location}", base.rsplit_once('/').map_or("", |(dir, _)| dir))
        };
        Url::parse(&format!("{scheme}://{}{path}", self.authority))
    }

    pub(super) fn host(&self) -> &str {
        host_of(&self.authority)
    }

    pub(super) fn same_origin(&self, other: &Url) -> bool {
        let port = |url: &Url| {
            let after = &url.authority[url.host().len()..];
            after
                .trim_start_matches(']')
                .strip_prefix(':')
                .map_or_else(|| if url.tls { "443" } else { "80" }.to_owned(), str::to_owned)
        };
        self.tls == other.tls && self.host() == other.host() && port(self) == port(other)
    }

    pub(super) fn with_query(mut self, pairs: &[(&str, &str)]) -> Self {
        for (key, value) in pairs {
            let separator = if self.target.contains('?') { '&' } else { '?' };
            self.target.push_str(&format!("{separator}{key}={}", encode(value)));
        }
        self
    }

    pub(super) fn text(&self) -> String {
        format!("{}://{}{}", if self.tls { "https" } else { "http" }, self.authority, self.target)
    }
}

/// Without port; an IPv6 address keeps its brackets.
pub(super) fn host_of(authority: &str) -> &str {
    match authority.find(']') {
        Some(end) => &authority[..=end],
        None => authority.split(':').next().unwrap_or(authority),
    }
}

fn ip(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || ip(host).is_some_and(|ip| ip.to_canonical().is_loopback())
}

/// Addresses that mean something only on this host or this link: a redirect there from elsewhere reads the
/// metadata service of a cloud (CVE-2026-35527).
pub(super) fn is_local(host: &str) -> bool {
    is_loopback(host) || ip(host).is_some_and(is_local_ip)
}

pub(super) fn is_local_ip(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified(),
    }
}

/// Two hosts whose owner is likely the same: equal, both this machine, or under one registered domain.
pub(super) fn same_site(a: &str, b: &str) -> bool {
    if a == b || is_loopback(a) && is_loopback(b) {
        return true;
    }
    if ip(a).is_some() || ip(b).is_some() {
        return false;
    }
    let site = |host: &str| -> Option<String> {
        let labels: Vec<&str> = host.split('.').collect();
        let n = labels.len();
        // co.uk and its like are nobody's domain.
        let public = n >= 2 && labels[n - 1].len() == 2 && labels[n - 2].len() <= 3;
        let take = if public { 3 } else { 2 };
        (n >= take).then(|| labels[n - take..].join("."))
    };
    site(a).is_some() && site(a) == site(b)
}

fn encode(value: &str) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' | b',' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn locations() {
        let base = Url::parse("https://r.io/v2/a/blobs/uploads/?x=1").unwrap();
        for (location, want) in [
            ("/b?c", "https://r.io/b?c"),
            ("b", "https://r.io/v2/a/blobs/uploads/b"),
            ("//h/p", "https://h/p"),
            ("http://h:1", "http://h:1/"),
        ] {
            assert_eq!(base.join(location).unwrap().text(), want);
        }
        for bad in ["file:///etc/passwd", "https://u:p@h/", "https://", "https://h\\x/", "https://h/a b"] {
            assert!(base.join(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_and_sites() {
        let same = |a, b| Url::parse(a).unwrap().same_origin(&Url::parse(b).unwrap());
        assert!(
            same("https://a/x", "https://a:443/y")
                && !same("https://a/", "http://a/")
                && !same("https://a/", "https://a:1/")
        );
        assert!(same_site("registry-1.docker.io", "auth.docker.io") && same_site("localhost", "127.0.0.1"));
        assert!(
            !same_site("a.co.uk", "b.co.uk")
                && !same_site("r.io", "evil.io")
                && !same_site("10.0.0.1", "10.0.0.2")
        );
        assert!(
            is_local("169.254.169.254")
                && is_local("[::1]")
                && is_local("[::ffff:127.0.0.1]")
                && !is_local("10.0.0.1")
        );
    }
}

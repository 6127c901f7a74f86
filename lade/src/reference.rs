// SPDX-License-Identifier: Apache-2.0
//! Image references in Docker's grammar (distribution/reference): `[domain/]path[:tag][@digest]`, normalised.

use std::fmt;

use crate::digest::Digest;
use crate::error::{Error, Result};

pub const DOCKER_HUB: &str = "docker.io";
const NAME_MAX: usize = 255;
const TAG_MAX: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Parses and normalises: `alpine` is `docker.io/library/alpine:latest`.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why: &str| Error::new(format!("invalid image reference {text:?}: {why}"));
        let text = text.strip_prefix("docker://").unwrap_or(text);
        if text.is_empty() {
            return Err(bad("it is empty"));
        }
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(bad("64 hexadecimal digits are an image id, not a name"));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest)?)),
            None => (text, None),
        };
        // A colon after the last slash starts a tag; one before it belongs to the port.
        let slash = rest.rfind('/').map_or(0, |i| i + 1);
        let (name, tag) = match rest[slash..].find(':') {
            Some(i) => (&rest[..slash + i], Some(&rest[slash + i + 1..])),
            None => (rest, None),
        };
        if let Some(tag) = tag {
            check_tag(tag).map_err(bad)?;
        }
        let (domain, path) = split_domain(name);
        check_domain(&domain).map_err(bad)?;
        check_path(&path).map_err(bad)?;
        if domain.len() + 1 + path.len() > NAME_MAX {
            return Err(bad("the name is longer than 255 bytes"));
        }
        let tag = match (tag, &digest) {
            (Some(t), _) => Some(t.to_owned()),
            (None, Some(_)) => None,
            (None, None) => Some("latest".to_owned()),
        };
        Ok(Reference { domain, path, tag, digest })
    }

    pub fn domain(&self) -> &str {
        &self.domain
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// `docker.io/library/alpine`
    pub fn repository(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The host that is asked: Docker Hub's API does not live at `docker.io`.
    pub fn host(&self) -> &str {
        if self.domain == DOCKER_HUB { "registry-1.docker.io" } else { &self.domain }
    }

    /// What comes after `/manifests/`; a digest wins over a tag.
    pub fn selector(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(d), _) => d.to_string(),
            (None, Some(t)) => t.clone(),
            (None, None) => "latest".to_owned(),
        }
    }

    /// What an image is called in the store: by its tag; without one, by its digest.
    pub fn store_name(&self) -> String {
        match &self.tag {
            Some(tag) => format!("{}:{tag}", self.repository()),
            None => self.to_string(),
        }
    }

    /// As a person writes it: without `docker.io/library/`.
    pub fn familiar_name(&self) -> String {
        match (self.domain.as_str(), self.path.strip_prefix("library/")) {
            (DOCKER_HUB, Some(short)) if !short.contains('/') => short.to_owned(),
            (DOCKER_HUB, _) => self.path.clone(),
            _ => self.repository(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.domain, self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn split_domain(name: &str) -> (String, String) {
    let (domain, path) = match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => (DOCKER_HUB, name),
    };
    let domain = if domain == "index.docker.io" { DOCKER_HUB } else { domain };
    if domain == DOCKER_HUB && !path.contains('/') {
        return (domain.to_owned(), format!("library/{path}"));
    }
    (domain.to_owned(), path.to_owned())
}

fn check_domain(domain: &str) -> std::result::Result<(), &'static str> {
    let (host, port) = match domain.strip_prefix('[') {
        Some(v6) => {
            let (addr, rest) = v6.split_once(']').ok_or("the IPv6 address has no closing bracket")?;
            if addr.is_empty() || !addr.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
                return Err("the IPv6 address is malformed");
            }
            if rest.is_empty() {
                return Ok(());
            }
            ("v6", Some(rest.strip_prefix(':').ok_or("what follows the IPv6 address is not a port")?))
        }
        None => match domain.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (domain, None),
        },
    };
    if let Some(port) = port
        && port.parse::<u16>().is_err()
    {
        return Err("the port is not a number up to 65535");
    }
    let label = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if host.split('.').all(label) { Ok(()) } else { Err("the domain is malformed") }
}

fn check_path(path: &str) -> std::result::Result<(), &'static str> {
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("the repository name must be lower case");
    }
    if path.split('/').all(is_path_component) {
        Ok(())
    } else {
        Err("a name is lower-case letters and digits, joined by one '.', one or two '_' or any number of '-'")
    }
}

fn is_path_component(component: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    if !bytes.first().is_some_and(|b| alnum(*b)) || !bytes.last().is_some_and(|b| alnum(*b)) {
        return false;
    }
    bytes
        .split(|b| alnum(*b))
        .filter(|s| !s.is_empty())
        .all(|separator| matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|b| *b == b'-'))
}

fn check_tag(tag: &str) -> std::result::Result<(), &'static str> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let mut bytes = tag.bytes();
    if tag.len() > TAG_MAX {
        return Err("the tag is longer than 128 characters");
    }
    match bytes.next() {
        Some(first) if word(first) && bytes.all(|b| word(b) || b == b'.' || b == b'-') => Ok(()),
        _ => Err("a tag is letters, digits, '_', '.' and '-', and starts with neither '.' nor '-'"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn normalises_as_docker_does() {
        let hex = "0".repeat(64);
        for (input, want) in [
            ("alpine", "docker.io/library/alpine:latest".to_owned()),
            ("alpine:3.20", "docker.io/library/alpine:3.20".into()),
            ("user/app", "docker.io/user/app:latest".into()),
            ("docker.io/alpine", "docker.io/library/alpine:latest".into()),
            ("index.docker.io/alpine", "docker.io/library/alpine:latest".into()),
            ("docker://quay.io/a/b:c", "quay.io/a/b:c".into()),
            ("localhost/a", "localhost/a:latest".into()),
            ("localhost:5000/a", "localhost:5000/a:latest".into()),
            ("[::1]:5000/a/b:t", "[::1]:5000/a/b:t".into()),
            ("[fe80::1]/a", "[fe80::1]/a:latest".into()),
            ("FOO/bar", "FOO/bar:latest".into()),
            ("u/a__b--c.d", "docker.io/u/a__b--c.d:latest".into()),
            (&format!("x@sha256:{hex}"), format!("docker.io/library/x@sha256:{hex}")),
            (&format!("x:t@sha256:{hex}"), format!("docker.io/library/x:t@sha256:{hex}")),
        ] {
            assert_eq!(Reference::parse(input).unwrap().to_string(), want);
        }
    }

    #[test]
    fn refuses_bad_names() {
        let long = format!("{}/x", "a".repeat(300));
        let id = "f".repeat(64);
        for bad in [
            "",
            "A",
            "a/B",
            ":t",
            "a:",
            "a:lätest",
            "a:-x",
            "a//b",
            "a/",
            "/a",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "a@sha256:zz",
            "x.io:99999/a",
            "x.io:port/a",
            "[::1/a",
            "[::1]x/a",
            "-x.io/a",
            &long,
            &id,
            "a b",
        ] {
            assert!(Reference::parse(bad).is_err(), "{bad:?} passed");
        }
        assert!(Reference::parse(&format!("a:{}", "t".repeat(129))).is_err());
    }

    #[test]
    fn familiar() {
        for (input, name) in [("alpine", "alpine"), ("u/a:1", "u/a"), ("quay.io/u/a", "quay.io/u/a")] {
            assert_eq!(Reference::parse(input).unwrap().familiar_name(), name);
        }
        assert_eq!(Reference::parse("alpine").unwrap().host(), "registry-1.docker.io");
    }
}

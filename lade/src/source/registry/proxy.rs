// SPDX-License-Identifier: Apache-2.0
//! Which proxy the environment names for a URL, by the rules of Go's tools: a variable for each scheme, ALL_PROXY after
//! it, never for this machine, never for what NO_PROXY lists.

use ureq::Proxy;

use super::url::{Url, is_loopback};
use crate::error::{Error, Result};

pub(super) fn for_url(url: &Url) -> Result<Option<Proxy>> {
    let env = |name: &str| std::env::var(name).ok();
    match choose(url, env) {
        None => Ok(None),
        Some((name, value)) => {
            // Not the value: it may hold a password.
            Proxy::new(&value).map(Some).map_err(|e| Error::new(format!("unable to use {name}: {e}")))
        }
    }
}

fn choose(url: &Url, env: impl Fn(&str) -> Option<String>) -> Option<(&'static str, String)> {
    let names = match url.tls {
        true => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        false => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    let set = |name: &'static str| env(name).filter(|v| !v.is_empty()).map(|v| (name, v));
    let found = names.into_iter().find_map(set)?;
    if is_loopback(url.host()) {
        return None;
    }
    let exceptions = set("NO_PROXY").or_else(|| set("no_proxy")).map(|(_, v)| v).unwrap_or_default();
    let excepted = exceptions.split(',').map(str::trim).any(|e| covers(e, url));
    (!excepted).then_some(found)
}

/// `*`, a host, a domain (with or without a dot in front) or an address, each with a port if it is meant for one only.
fn covers(exception: &str, url: &Url) -> bool {
    let host = url.host();
    if exception == "*" || exception.eq_ignore_ascii_case(&url.authority) {
        return true;
    }
    let domain = match exception.rsplit_once(':') {
        Some((domain, port)) if url.authority.ends_with(&format!(":{port}")) && !domain.contains(':') => {
            domain
        }
        _ => exception,
    };
    let domain = domain.trim_start_matches('*').trim_start_matches('.').to_ascii_lowercase();
    let above = host.strip_suffix(&domain).filter(|_| !domain.is_empty());
    above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_url_has_its_proxy() {
        for (url, environment, want) in [
            ("https://r.io", &[("HTTPS_PROXY", "s:1"), ("HTTP_PROXY", "p:1")][..], Some("s:1")),
            ("http://r.io", &[("HTTPS_PROXY", "s:1"), ("http_proxy", "p:1")], Some("p:1")),
            ("https://r.io", &[("HTTP_PROXY", "p:1")], None),
            ("https://r.io", &[("all_proxy", "a:1")], Some("a:1")),
            ("https://r.io", &[("https_proxy", ""), ("ALL_PROXY", "a:1")], Some("a:1")),
            ("https://localhost:5000", &[("ALL_PROXY", "a:1")], None),
            ("https://127.0.0.2", &[("ALL_PROXY", "a:1")], None),
            ("https://a.r.io", &[("ALL_PROXY", "a:1"), ("NO_PROXY", "x.y, .R.io")], None),
            ("https://r.io", &[("ALL_PROXY", "a:1"), ("no_proxy", "r.io")], None),
            ("https://r.io", &[("ALL_PROXY", "a:1"), ("no_proxy", "*")], None),
            ("https://r.io:5000", &[("ALL_PROXY", "a:1"), ("no_proxy", "r.io:5000")], None),
            ("https://r.io:5000", &[("ALL_PROXY", "a:1"), ("no_proxy", "r.io:6000")], Some("a:1")),
            ("https://xr.io", &[("ALL_PROXY", "a:1"), ("NO_PROXY", "r.io,")], Some("a:1")),
            ("https://10.0.0.1", &[("ALL_PROXY", "a:1"), ("NO_PROXY", "10.0.0.1")], None),
        ] {
            let env = |name: &str| environment.iter().find(|(k, _)| *k == name).map(|(_, v)| (*v).to_owned());
            let got = choose(&Url::parse(url).unwrap(), env).map(|(_, v)| v);
            assert_eq!(got.as_deref(), want, "{url} {environment:?}");
        }
    }
}

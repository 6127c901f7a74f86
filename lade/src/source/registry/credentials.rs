// SPDX-License-Identifier: Apache-2.0
//! Credentials where other tools keep them: Docker's config.json, containers' auth.json, credential helpers.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::Settings;
use crate::bail;
use crate::error::{Context, Error, Result};
use crate::store::read_bounded;

const FILE_MAX: u64 = 4 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    Basic {
        user: String,
        password: String,
    },
    /// To be exchanged for a token (OAuth2).
    IdentityToken(String),
    /// A token as it is.
    RegistryToken(String),
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default)]
    creds_store: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

/// Where credentials are looked for, in the order of containers' tools, Docker's last.
pub(super) fn files(settings: &Settings) -> Vec<PathBuf> {
    let env = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(file) = settings.authfile.clone().or_else(|| env("REGISTRY_AUTH_FILE")) {
        return vec![file];
    }
    let config = env("XDG_CONFIG_HOME").or_else(|| env("HOME").map(|h| h.join(".config")));
    let files = [
        env("XDG_RUNTIME_DIR").map(|d| d.join("containers/auth.json")),
        config.map(|d| d.join("containers/auth.json")),
        docker_config(),
    ];
    files.into_iter().flatten().collect()
}

pub(super) fn docker_config() -> Option<PathBuf> {
    let env = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    env("DOCKER_CONFIG").or_else(|| env("HOME").map(|h| h.join(".docker"))).map(|d| d.join("config.json"))
}

/// `account` is `host[:port]/repository`.
pub(super) fn find(settings: &Settings, account: &str) -> Result<Option<Credentials>> {
    if settings.anonymous {
        return Ok(None);
    }
    if let Some((user, password)) = &settings.credentials {
        return Ok(Some(Credentials::Basic { user: user.clone(), password: password.clone() }));
    }
    for path in files(settings) {
        let what = || format!("unable to read {}", path.display());
        let bytes = match fs::File::open(&path) {
            Ok(file) => read_bounded(file, FILE_MAX, &path.display().to_string())?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e).context(what),
        };
        let file: File = serde_json::from_slice(&bytes).context(what)?;
        if let Some(found) = in_file(&file, account).context(what)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The longest name that covers the account wins: `host/a/b`, `host/a`, `host`.
fn in_file(file: &File, account: &str) -> Result<Option<Credentials>> {
    let host = account.split('/').next().unwrap_or(account);
    if let Some(helper) = file.cred_helpers.iter().find(|(k, _)| normal(k) == host).map(|(_, h)| h) {
        return ask_helper(helper, host);
    }
    let mut key = account;
    loop {
        if let Some(entry) = file.auths.iter().find(|(k, _)| normal(k) == key).map(|(_, e)| e)
            && let Some(found) = from_entry(entry)?
        {
            return Ok(Some(found));
        }
        match key.rsplit_once('/') {
            Some((shorter, _)) => key = shorter,
            None => break,
        }
    }
    if file.creds_store.is_empty() { Ok(None) } else { ask_helper(&file.creds_store, host) }
}

/// Docker Hub's credentials are filed under the address of an API of 2013.
pub(super) fn normal(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let key = key.trim_end_matches('/');
    let key = key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key);
    match key {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        other => other,
    }
}

fn from_entry(entry: &Entry) -> Result<Option<Credentials>> {
    if !entry.registrytoken.is_empty() {
        return Ok(Some(Credentials::RegistryToken(entry.registrytoken.clone())));
    }
    if !entry.identitytoken.is_empty() {
        return Ok(Some(Credentials::IdentityToken(entry.identitytoken.clone())));
    }
    if !entry.auth.is_empty() {
        let bytes = BASE64_STANDARD.decode(entry.auth.trim()).ok();
        let text = bytes.and_then(|b| String::from_utf8(b).ok());
        let Some((user, password)) = text.as_deref().and_then(|t| t.split_once(':')) else {
            bail!("an \"auth\" in it is malformed");
        };
        return Ok(Some(basic(user, password.trim_end_matches('\0'))));
    }
    Ok((!entry.username.is_empty()).then(|| basic(&entry.username, &entry.password)))
}

/// A helper says by the name `<token>` that it gives an identity token.
fn basic(user: &str, password: &str) -> Credentials {
    match user {
        "<token>" => Credentials::IdentityToken(password.to_owned()),
        _ => Credentials::Basic { user: user.to_owned(), password: password.to_owned() },
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

fn ask_helper(helper: &str, host: &str) -> Result<Option<Credentials>> {
    let host = if host == "docker.io" { "https://index.docker.io/v1/" } else { host };
    let (ok, out) = run_helper(helper, "get", host.as_bytes())?;
    if !ok {
        let text = String::from_utf8_lossy(&out);
        if text.contains("credentials not found") {
            return Ok(None);
        }
        bail!("docker-credential-{helper} failed: {}", text.trim());
    }
    let answer: Answer = serde_json::from_slice(&out)
        .context(|| format!("unable to parse what docker-credential-{helper} says"))?;
    Ok(Some(basic(&answer.username, &answer.secret)))
}

/// Runs `docker-credential-HELPER ACTION` with `input`; whether it succeeded, and what it said.
pub(super) fn run_helper(helper: &str, action: &str, input: &[u8]) -> Result<(bool, Vec<u8>)> {
    if helper.is_empty()
        || !helper.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    {
        bail!("{helper:?} is no name of a credential helper");
    }
    let what = || format!("unable to run docker-credential-{helper}");
    let mut child = Command::new(format!("docker-credential-{helper}"))
        .arg(action)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context(what)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input).context(what)?;
    }
    let stdout = child.stdout.take().ok_or_else(|| Error::new(what()))?;
    let out = read_bounded(stdout, 1 << 20, "a helper's answer");
    let status = child.wait().context(what)?;
    Ok((status.success(), out?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_longest_name_wins() {
        let file: File = serde_json::from_str(
            r#"{"auths": {"https://index.docker.io/v1/": {"auth": "aHViOnB3"},
                "r.io": {"username": "u", "password": "p"}, "r.io/a": {"auth": "YTpi"},
                "r.io/a/b": {"identitytoken": "t"}, "x.io": {}}}"#,
        )
        .unwrap();
        let basic =
            |u: &str, p: &str| Some(Credentials::Basic { user: u.to_owned(), password: p.to_owned() });
        for (account, want) in [
            ("docker.io/library/x", basic("hub", "pw")),
            ("r.io/z", basic("u", "p")),
            ("r.io/a/z", basic("a", "b")),
            ("r.io/a/b", Some(Credentials::IdentityToken("t".to_owned()))),
            ("r.io:5000/a", None),
            ("x.io/a", None),
        ] {
            assert_eq!(in_file(&file, account).unwrap(), want, "{account}");
        }
        assert!(run_helper("../evil", "get", b"").is_err());
    }
}

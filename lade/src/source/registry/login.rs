// SPDX-License-Identifier: Apache-2.0
//! Credentials tried and filed, where Docker and the containers tools find them too.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::Settings;
use super::auth::Auth;
use super::credentials::{docker_config, files, normal, run_helper};
use super::endpoint::Endpoint;
use super::http::{Client, Request};
use super::url::Url;
use crate::bail;
use crate::error::{Context, Error, Kind, Result};
use crate::reference::DOCKER_HUB;

/// Asks the registry whether it knows the user; files the credentials if so. Returns where.
pub fn login(host: &str, user: &str, password: &str, settings: &Settings) -> Result<String> {
    let host = normal(host);
    let settings = Settings { credentials: Some((user.to_owned(), password.to_owned())), ..settings.clone() };
    let asked = if host == DOCKER_HUB { "registry-1.docker.io" } else { host };
    let scheme = if settings.plain_http.iter().any(|h| h == host) { "http" } else { "https" };
    let base = Url::parse(&format!("{scheme}://{asked}"))?;
    let client = Client::new(&settings);
    let endpoint = Endpoint::bare(base.clone());
    let request = Request::new("GET", Url { target: "/v2/".to_owned(), ..base });
    let what = || format!("unable to log in to {host}");
    let mut response = client.send(&endpoint, &request, None).context(what)?;
    if response.status == 401 {
        let header =
            Auth { client: &client, endpoint: &endpoint }.answer(&response.challenges()).context(what)?;
        let Some(header) = header else { bail!("{}: it asks for no credentials that lade knows", what()) };
        response = client.send(&endpoint, &request, Some(&header)).context(what)?;
    }
    match response.successful() {
        Ok(_) => {}
        Err(e) if e.kind() == Kind::Denied => bail!("{}: the user or the password is wrong", what()),
        Err(e) => return Err(e).context(what),
    }
    file_credentials(host, user, password, &settings)
}

/// Forgets the credentials; where they were.
pub fn logout(host: &str, settings: &Settings) -> Result<String> {
    let host = normal(host);
    let mut places = Vec::new();
    for path in files(settings) {
        if !path.exists() {
            continue;
        }
        let mut found = false;
        change(&path, |config| {
            if let Some(helper) = helper_of(config, host) {
                run_helper(&helper, "erase", server_of(host).as_bytes())?;
                found = true;
            }
            if let Some(auths) = config.get_mut("auths").and_then(Value::as_object_mut) {
                let before = auths.len();
                auths.retain(|key, _| normal(key) != host);
                found |= auths.len() < before;
            }
            Ok(())
        })?;
        if found {
            places.push(path.display().to_string());
        }
    }
    if places.is_empty() {
        return Err(Error::not_found(format!("not logged in to {host}")));
    }
    Ok(places.join(", "))
}

fn server_of(host: &str) -> &str {
    if host == DOCKER_HUB { "https://index.docker.io/v1/" } else { host }
}

fn helper_of(config: &Map<String, Value>, host: &str) -> Option<String> {
    let own = config.get("credHelpers").and_then(Value::as_object);
    let own = own.and_then(|h| h.iter().find(|(k, _)| normal(k) == host)).map(|(_, v)| v);
    own.or_else(|| config.get("credsStore"))
        .and_then(Value::as_str)
        .filter(|s| !s.is_empty())
        .map(str::to_owned)
}

fn file_credentials(host: &str, user: &str, password: &str, settings: &Settings) -> Result<String> {
    let named =
        settings.authfile.clone().or_else(|| std::env::var_os("REGISTRY_AUTH_FILE").map(PathBuf::from));
    let path = named.or_else(docker_config).ok_or_else(|| {
        Error::new("there is no place for credentials: HOME is not set").hint("name a file with --authfile")
    })?;
    let mut place = path.display().to_string();
    change(&path, |config| {
        if let Some(helper) = helper_of(config, host) {
            let secret = json!({"ServerURL": server_of(host), "Username": user, "Secret": password});
            let (ok, out) = run_helper(&helper, "store", secret.to_string().as_bytes())?;
            if !ok {
                bail!("docker-credential-{helper} failed: {}", String::from_utf8_lossy(&out).trim());
            }
            place = format!("docker-credential-{helper}");
            return Ok(());
        }
        let auth = BASE64_STANDARD.encode(format!("{user}:{password}"));
        let auths = config.entry("auths").or_insert_with(|| json!({}));
        let Some(auths) = auths.as_object_mut() else { bail!("\"auths\" is not an object") };
        auths.retain(|key, _| normal(key) != host);
        auths.insert(server_of(host).to_owned(), json!({"auth": auth}));
        Ok(())
    })?;
    Ok(place)
}

/// Changes a file of credentials and keeps everything in it that is not ours.
fn change(path: &Path, with: impl FnOnce(&mut Map<String, Value>) -> Result<()>) -> Result<()> {
    let what = || format!("unable to change {}", path.display());
    let mut config: Map<String, Value> = match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).context(what)?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Map::new(),
        Err(e) => return Err(e).context(what),
    };
    with(&mut config).context(what)?;
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).context(what)?;
    let temporary = dir.join(format!(".lade-{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    let mut file =
        options.write(true).create(true).truncate(true).mode(0o600).open(&temporary).context(what)?;
    let text = serde_json::to_string_pretty(&config).context(what)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).context(what)?;
    fs::rename(&temporary, path).context(what)
}

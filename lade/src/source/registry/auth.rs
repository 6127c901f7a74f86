// SPDX-License-Identifier: Apache-2.0
//! Answering a 401: basic credentials, or a token from the server the challenge names. That name comes from the
//! registry, so what is sent there depends on whose it is (CVE-2019-10214, CVE-2026-48978).

use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::challenge::Challenge;
use super::credentials::{self, Credentials};
use super::endpoint::Endpoint;
use super::http::{Body, Client, Request};
use super::url::{Url, is_local, is_loopback, same_site};
use crate::bail;
use crate::error::{Context, Error, Kind, Result};
use crate::store::read_bounded;

const TOKEN_MAX: u64 = 1 << 20;

/// The Authorization header that last worked at an endpoint.
#[derive(Default)]
pub(super) struct Slot {
    header: Mutex<Option<String>>,
    /// Held while a token is fetched: the threads of one pull need one.
    turn: Mutex<()>,
}

impl Slot {
    pub(super) fn header(&self) -> Option<String> {
        self.header.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, header: &str) {
        *self.header.lock().unwrap_or_else(PoisonError::into_inner) = Some(header.to_owned());
    }
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

pub(super) struct Auth<'a> {
    pub client: &'a Client,
    pub endpoint: &'a Endpoint,
}

impl Auth<'_> {
    /// The header to try again with; None when there is nothing to answer with.
    pub(super) fn answer(&self, challenges: &[Challenge]) -> Result<Option<String>> {
        let credentials = credentials::find(&self.client.settings, &self.endpoint.account())?;
        let bearer = challenges.iter().find(|c| matches!(c, Challenge::Bearer { .. }));
        let header = match (bearer, credentials) {
            (_, Some(Credentials::RegistryToken(token))) => format!("Bearer {token}"),
            (Some(Challenge::Bearer { realm, service, scope }), credentials) => {
                format!("Bearer {}", self.token(realm, service, scope, credentials)?)
            }
            (_, Some(Credentials::Basic { user, password })) if challenges.contains(&Challenge::Basic) => {
                basic(&user, &password)
            }
            _ => return Ok(None),
        };
        if header.bytes().any(|b| !(b' '..=b'~').contains(&b)) {
            bail!("the credentials for {} contain control characters", self.endpoint.base.authority);
        }
        self.endpoint.auth.set(&header);
        Ok(Some(header))
    }

    fn token(
        &self,
        realm: &str,
        service: &str,
        scope: &str,
        credentials: Option<Credentials>,
    ) -> Result<String> {
        let registry = &self.endpoint.base;
        let what = || format!("unable to get a token for {}", registry.authority);
        let realm = Url::parse(realm).context(what)?;
        self.check_realm(&realm).context(what)?;
        let credentials = credentials.filter(|_| self.may_see_credentials(&realm));
        // The challenge speaks of one request; one token must do for all that is ahead.
        let mut scopes: Vec<&str> = scope.split(' ').chain(self.endpoint.scope.split(' ')).collect();
        scopes.retain(|s| !s.is_empty());
        scopes.sort_unstable();
        scopes.dedup();
        let scope = scopes.join(" ");
        let target = Endpoint::bare(realm.clone()).sent_by(registry);
        let response = if let Some(Credentials::IdentityToken(token)) = &credentials {
            let form = Url { tls: true, authority: String::new(), target: String::new() }.with_query(&[
                ("grant_type", "refresh_token"),
                ("service", service),
                ("client_id", "lade"),
                ("scope", &scope),
                ("refresh_token", token),
            ]);
            let body = form.target.trim_start_matches('?').to_owned();
            let request = Request::new("POST", realm)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Body::Bytes(body.as_bytes()));
            self.client.send(&target, &request, None)
        } else {
            let mut query = Vec::new();
            query.extend((!service.is_empty()).then_some(("service", service)));
            // Several scopes may come in one, and each is a parameter of its own.
            query.extend(scope.split(' ').filter(|s| !s.is_empty()).map(|s| ("scope", s)));
            let header = match &credentials {
                Some(Credentials::Basic { user, password }) => Some(basic(user, password)),
                _ => None,
            };
            self.client.send(&target, &Request::new("GET", realm.with_query(&query)), header.as_deref())
        };
        let body = match response.and_then(super::Response::successful) {
            Ok(response) => response.body,
            Err(e) if e.kind() == Kind::Denied => {
                let text = format!("{}: the credentials were refused", what());
                return Err(Error::new(text)
                    .kind_of(Kind::Denied)
                    .hint(format!("lade login {}", registry.authority)));
            }
            Err(e) => return Err(e).context(what),
        };
        let bytes = read_bounded(body, TOKEN_MAX, "the token").context(what)?;
        let token: Token = serde_json::from_slice(&bytes).context(what)?;
        token
            .token
            .filter(|t| !t.is_empty())
            .or(token.access_token)
            .ok_or_else(|| Error::new(format!("{}: the answer has none", what())).kind_of(Kind::Denied))
    }

    fn check_realm(&self, realm: &Url) -> Result<()> {
        let registry = &self.endpoint.base;
        let both_here = is_loopback(registry.host()) && is_loopback(realm.host());
        let allowed = self.client.settings.plain_http.contains(&realm.authority);
        if registry.tls && !realm.tls && !both_here && !allowed {
            bail!("its token server {} does not use https", realm.authority);
        }
        if is_local(realm.host()) && !is_local(registry.host()) {
            bail!("its token server {} is an address of this machine or link", realm.authority);
        }
        Ok(())
    }

    fn may_see_credentials(&self, realm: &Url) -> bool {
        let trusted =
            self.client.settings.trusted_realms.iter().any(|t| t == &realm.authority || t == realm.host());
        trusted || same_site(self.endpoint.base.host(), realm.host())
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

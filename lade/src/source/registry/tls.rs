// SPDX-License-Identifier: Apache-2.0
//! Whom to trust: the system's authorities, `--ca`, and the certs.d directories of containers' tools and Docker. The
//! authorities are the host's and not built in, so that a company's own count and a withdrawn one does not.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::Settings;
use super::endpoint::Endpoint;
use crate::bail;
use crate::error::{Context, Error, Result};

const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The system's authorities, read when first needed.
#[derive(Default)]
pub(super) struct Roots(OnceLock<Vec<Certificate<'static>>>);

impl Roots {
    pub(super) fn config(
        &self,
        settings: &Settings,
        authority: &str,
        endpoint: Option<&Endpoint>,
    ) -> Result<TlsConfig> {
        let mut roots = self.0.get_or_init(system).clone();
        for file in &settings.ca {
            roots.extend(certificates(file)?);
        }
        let mut client = None;
        for dir in directories(authority) {
            for file in listed(&dir) {
                match file.extension().and_then(|e| e.to_str()) {
                    Some("crt") => roots.extend(certificates(&file)?),
                    Some("cert") => client = Some(pair(&file, &file.with_extension("key"))?),
                    _ => {}
                }
            }
        }
        let mut builder = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
        if let Some(endpoint) = endpoint {
            for file in &endpoint.ca {
                roots.extend(certificates(file)?);
            }
            if let Some((cert, key)) = &endpoint.client {
                client = Some(pair(cert, key)?);
            }
            builder = builder.disable_verification(endpoint.insecure);
        }
        if roots.is_empty() && endpoint.is_none_or(|e| !e.insecure) {
            return Err(Error::new("this system has no certificate authorities to trust")
                .hint("install ca-certificates, set SSL_CERT_FILE, or name a file with --ca"));
        }
        Ok(builder.root_certs(RootCerts::Specific(Arc::new(roots))).client_cert(client).build())
    }
}

fn system() -> Vec<Certificate<'static>> {
    let named = std::env::var_os("SSL_CERT_FILE").filter(|v| !v.is_empty()).map(PathBuf::from);
    let files = named.map_or_else(|| SYSTEM.iter().map(PathBuf::from).collect(), |f| vec![f]);
    files
        .iter()
        .filter_map(|file| fs::read(file).ok())
        .map(|pem| parse(&pem))
        .find(|c| !c.is_empty())
        .unwrap_or_default()
}

fn parse(pem: &[u8]) -> Vec<Certificate<'static>> {
    let item = |item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    };
    parse_pem(pem).filter_map(item).collect()
}

fn certificates(file: &Path) -> Result<Vec<Certificate<'static>>> {
    let found = parse(&fs::read(file).context(|| format!("unable to read {}", file.display()))?);
    if found.is_empty() {
        bail!("{} has no certificate", file.display());
    }
    Ok(found)
}

fn pair(cert: &Path, key: &Path) -> Result<ClientCert> {
    let what = || format!("unable to read {}", key.display());
    let pem = fs::read(key).context(what)?;
    let key = PrivateKey::from_pem(&pem).map_err(|e| Error::new(format!("{}: {e}", what())))?;
    Ok(ClientCert::new_with_certs(&certificates(cert)?, key))
}

fn directories(authority: &str) -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".config/containers/certs.d"));
    let all = home.into_iter().chain(["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from));
    all.map(|d| d.join(authority)).collect()
}

fn listed(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.sort();
    files
}

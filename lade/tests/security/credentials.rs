// SPDX-License-Identifier: Apache-2.0
//! U14, U15: credentials stay where they belong, and redirects do not lead into this machine.

use std::sync::{Arc, Mutex};

use super::pulled::{fails, image, pull};
use crate::support::image::MANIFEST;
use crate::support::server::{Response, Server, registry_of};
use crate::support::{Scratch, own_network};

const SECRET: &str = "dTpwYXNzd29yZA==";

fn saw_credentials(server: &Server) -> bool {
    server
        .requests()
        .iter()
        .any(|r| format!("{:?}", r).contains(SECRET) || r.headers.contains_key("authorization"))
}

#[test]
fn u14_credentials_stay_with_their_origin() {
    let elsewhere = Arc::new(Server::with_image(&image(), |_, r| r));
    let other = elsewhere.clone();
    let server = Server::with_image(&image(), move |request, r| {
        if request.headers.get("authorization").is_none_or(|a| !a.ends_with(SECRET)) {
            return Response::new(401, b"").header("www-authenticate", "Basic realm=\"x\"");
        }
        if request.target.contains("/blobs/") {
            return Response::new(307, b"")
                .header("location", &format!("http://{}{}", other.host(), request.target));
        }
        r
    });
    assert!(pull(&Scratch::new(), &server, &["--creds", "u:password"]).ok);
    assert!(saw_credentials(&server) && elsewhere.count("/blobs/") > 0);
    assert!(!saw_credentials(&elsewhere), "credentials followed a redirect");
    fails(&pull(&Scratch::new(), &server, &["--anonymous"]), "answered 401");
    fails(&pull(&Scratch::new(), &server, &["--creds", "u:wrong"]), "answered 401");
}

#[test]
fn u14_tokens_are_fetched_once_and_by_the_challenge() {
    let realm = Arc::new(Mutex::new(String::new()));
    let shared = realm.clone();
    let server = Server::with_image(&image(), move |request, r| {
        if request.target.starts_with("/token") {
            let right = request.headers.get("authorization").is_some_and(|a| a.ends_with(SECRET));
            return if right {
                Response::new(200, br#"{"access_token":"T0"}"#)
            } else {
                Response::new(401, b"")
            };
        }
        if request.headers.get("authorization").map(String::as_str) != Some("Bearer T0") {
            let challenge = format!(
                "Negotiate, Bearer realm=\"{}\",service=\"s v\",scope=\"repository:repo:pull\"",
                shared.lock().unwrap()
            );
            return Response::new(401, b"").header("www-authenticate", &challenge);
        }
        r
    });
    *realm.lock().unwrap() = format!("http://localhost:{}/token", server.port);
    assert!(pull(&Scratch::new(), &server, &["--creds", "u:password"]).ok);
    let asked: Vec<String> =
        server.requests().into_iter().map(|r| r.target).filter(|t| t.starts_with("/token")).collect();
    assert_eq!(asked, ["/token?service=s%20v&scope=repository:repo:pull"]);
    fails(&pull(&Scratch::new(), &server, &["--creds", "u:wrong"]), "credentials were refused");
    *realm.lock().unwrap() = "file:///etc/passwd".to_owned();
    fails(&pull(&Scratch::new(), &server, &[]), "not an http or https URL");
}

#[test]
fn u14_redirects_have_bounds() {
    let server = Server::start(|r| Response::new(302, b"").header("location", &r.target));
    fails(&pull(&Scratch::new(), &server, &[]), "redirects more than 5 times");
    let server = Server::start(|_| Response::new(302, b"").header("location", "file:///etc/passwd"));
    fails(&pull(&Scratch::new(), &server, &[]), "not an http or https URL");
    let server = Server::start(|_| Response::new(302, b""));
    assert!(!pull(&Scratch::new(), &server, &[]).ok);
}

#[test]
fn u14_no_tls_means_no_pull_unless_it_is_said() {
    let server = Server::with_image(&image(), |_, r| r);
    Scratch::new().refused(&["pull", &format!("{}/repo:t", server.host())], "lade:");
    assert!(saw_nothing(&server));
}

fn saw_nothing(server: &Server) -> bool {
    server.requests().iter().all(|r| !r.target.starts_with("/v2"))
}

pub(super) const REGISTRY: &str = "192.0.2.1";
pub(super) const ELSEWHERE: &str = "192.0.2.2";

/// A registry that has nothing yet, and has blobs sent somewhere.
pub(super) fn uploads_to(place: &str, method: &str) -> Response {
    match method {
        "HEAD" => Response::new(404, b""),
        "POST" => Response::new(202, b"").header("location", place),
        _ => Response::new(201, b""),
    }
}

/// What happens at a registry that answers a blob with a redirect to `to`, and every request without credentials with
/// a challenge that names `realm`.
pub(super) fn prying(realm: Option<String>, to: Option<String>) -> Server {
    let answer = registry_of(&image());
    Server::start_on(REGISTRY, move |request| {
        let authorized = request.headers.contains_key("authorization");
        match (&realm, &to) {
            (Some(realm), _) if !authorized => {
                let challenge = format!("Bearer realm=\"{realm}\",service=\"s\"");
                Response::new(401, b"").header("www-authenticate", &challenge)
            }
            (None, _) if !authorized => {
                Response::new(401, b"").header("www-authenticate", "Basic realm=\"x\"")
            }
            (_, Some(to)) if request.target.contains("/blobs/") => {
                Response::new(307, b"").header("location", &format!("{to}{}", request.target))
            }
            _ => answer(request),
        }
    })
}

#[test]
fn u14_a_token_server_of_another_site_sees_no_credentials() {
    own_network(&[REGISTRY, ELSEWHERE], || {
        let tokens = Server::start_on(ELSEWHERE, |_| Response::new(200, br#"{"token":"T"}"#));
        let registry = prying(Some(format!("http://{}/token", tokens.host())), None);
        assert!(pull(&Scratch::new(), &registry, &["--creds", "u:password"]).ok);
        assert!(tokens.count("/token") > 0 && !saw_credentials(&tokens), "{:?}", tokens.requests());
        // Its user may say that it belongs there.
        let trust = ["--creds", "u:password", "--trust-realm", ELSEWHERE];
        assert!(pull(&Scratch::new(), &registry, &trust).ok);
        assert!(saw_credentials(&tokens));
    });
}

#[test]
fn u14_u15_redirects_from_outside() {
    own_network(&[REGISTRY, ELSEWHERE, "169.254.169.254"], || {
        let answer = registry_of(&image());
        let elsewhere = Server::start_on(ELSEWHERE, answer);
        let registry = prying(None, Some(format!("http://{}", elsewhere.host())));
        assert!(pull(&Scratch::new(), &registry, &["--creds", "u:password"]).ok);
        assert!(elsewhere.count("/blobs/") > 0 && !saw_credentials(&elsewhere));
        for inside in ["127.0.0.1", "169.254.169.254"] {
            let metadata = Server::start_on(inside, |_| Response::new(200, b"secret"));
            let registry = prying(None, Some(format!("http://{}", metadata.host())));
            let scratch = Scratch::new();
            fails(
                &pull(&scratch, &registry, &["--creds", "u:password"]),
                "an address of this machine or link",
            );
            assert!(metadata.requests().is_empty(), "{inside} was asked");
            scratch.assert_store_empty();
            let registry = prying(Some(format!("http://{}/token", metadata.host())), None);
            fails(
                &pull(&scratch, &registry, &["--creds", "u:password"]),
                "an address of this machine or link",
            );
            assert!(metadata.requests().is_empty(), "{inside} was asked for a token");
        }
    });
}

/// Where a registry wants an upload to go sees the blob, if it must, and nothing that opens the registry.
#[test]
fn u14_uploads_take_no_credentials_along() {
    own_network(&[REGISTRY, ELSEWHERE], || {
        for (place, inside) in [(ELSEWHERE, false), ("127.0.0.1", true)] {
            let uploads = Server::start_on(place, |_| Response::new(201, b""));
            let to = format!("http://{}/upload", uploads.host());
            let registry = Server::start_on(REGISTRY, move |request| {
                if !request.headers.contains_key("authorization") {
                    return Response::new(401, b"").header("www-authenticate", "Basic realm=\"x\"");
                }
                uploads_to(&to, &request.method)
            });
            let scratch = Scratch::new();
            assert!(scratch.pull(&image(), "t").ok);
            let (host, name) = (registry.host(), format!("{}/repo:t", registry.host()));
            let push = ["push", "-q", "--plain-http", &host, "--creds", "u:password", "t", &name];
            if inside {
                scratch.refused(&push, "an address of this machine or link");
                assert!(uploads.requests().is_empty());
            } else {
                scratch.ok(&push);
                assert!(uploads.count("/upload") > 0 && !saw_credentials(&uploads));
            }
        }
    });
}

/// A descriptor's `urls` are a stranger's word on where to ask: nobody is asked there.
#[test]
fn u14_urls_of_foreign_layers_are_ignored() {
    let elsewhere = Server::with_image(&image(), |_, r| r);
    let mut manifest = image().manifest();
    let digest = manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
    manifest["layers"][0]["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".into();
    let url = format!("http://{}/v2/repo/blobs/{digest}", elsewhere.host());
    manifest["layers"][0]["urls"] = serde_json::json!([url]);
    let bytes = manifest.to_string().into_bytes();
    let answer = registry_of(&image());
    let registry = Server::start(move |request| match &request.target {
        t if t.contains("/manifests/") => Response::new(200, &bytes).header("content-type", MANIFEST),
        t if t.contains(&digest) => Response::new(404, b""),
        _ => answer(request),
    });
    fails(&pull(&Scratch::new(), &registry, &["--creds", "u:password"]), "answered 404");
    assert!(elsewhere.requests().is_empty());
}

// SPDX-License-Identifier: Apache-2.0
//! U15 by name: a host whose name leads in here, whoever wrote it down; and servers that keep a pull waiting.

use std::fs;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use lade::digest::Digest;
use nix::mount::{MsFlags, mount};

use super::credentials::{ELSEWHERE, REGISTRY, prying, uploads_to};
use super::pulled::{fails, image, pull};
use crate::support::server::{Response, Server, registry_of};
use crate::support::{Scratch, own_mounts, own_network};

/// Runs `body` where names are what it takes them to be, with hosts that are not this one.
fn own_names(hosts: &'static str, body: impl FnOnce() + Send + 'static) {
    own_network(&[REGISTRY, ELSEWHERE, "169.254.169.254"], move || {
        own_mounts(move || {
            let scratch = Scratch::new();
            let file = scratch.path("hosts");
            fs::write(&file, hosts).unwrap();
            mount(Some(&file), "/etc/hosts", None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
            body();
        });
    });
}

const HOSTS: &str = "127.0.0.1 localhost inside.example\n169.254.169.254 metadata.example\n\
    192.0.2.2 elsewhere.example both.example\n127.0.0.1 both.example\n";

#[test]
fn u15_names_that_lead_in_here() {
    own_names(HOSTS, || {
        let flags = ["--creds", "u:password"];
        for (inside, name) in [
            ("127.0.0.1", "inside.example"),
            ("127.0.0.1", "both.example"),
            ("169.254.169.254", "metadata.example"),
            // What only a resolver takes for an address.
            ("127.0.0.1", "127.1"),
            ("127.0.0.1", "2130706433"),
            ("127.0.0.1", "0x7f.0.0.1"),
        ] {
            let metadata = Server::start_on(inside, registry_of(&image()));
            let url = format!("http://{name}:{}", metadata.port);
            for registry in [prying(None, Some(url.clone())), prying(Some(format!("{url}/token")), None)] {
                let scratch = Scratch::new();
                fails(&pull(&scratch, &registry, &flags), "an address of this machine or link");
                assert!(metadata.requests().is_empty(), "{name} was asked");
                scratch.assert_store_empty();
            }
        }
        let elsewhere = Server::start_on(ELSEWHERE, registry_of(&image()));
        let registry = prying(None, Some(format!("http://elsewhere.example:{}", elsewhere.port)));
        assert!(pull(&Scratch::new(), &registry, &flags).ok);
        assert!(elsewhere.count("/blobs/") > 0);
        // Whom the user names may be where the user says, and send on to its own.
        let inside = Server::start_on("127.0.0.1", registry_of(&image()));
        let host = format!("inside.example:{}", inside.port);
        let registry = prying(None, Some(format!("http://{host}")));
        assert!(pull(&Scratch::new(), &registry, &[&flags[..], &["--plain-http", &host]].concat()).ok);
        Scratch::new().ok(&["pull", "--plain-http", &host, &format!("{host}/repo:t")]);
    });
}

#[test]
fn u15_uploads_go_nowhere_in_here() {
    own_names(HOSTS, || {
        let uploads = Server::start_on("127.0.0.1", |_| Response::new(201, b""));
        let to = format!("http://inside.example:{}/upload", uploads.port);
        let registry = Server::start_on(REGISTRY, move |request| uploads_to(&to, &request.method));
        let scratch = Scratch::new();
        assert!(scratch.pull(&image(), "t").ok);
        let (host, name) = (registry.host(), format!("{}/repo:t", registry.host()));
        let push = ["push", "-q", "--plain-http", &host, "t", &name];
        scratch.refused(&push, "an address of this machine or link");
        assert!(uploads.requests().is_empty());
    });
}

/// A byte now and then is no answer: whatever it is that drips, the pull ends.
#[test]
fn u09_a_server_that_drips_is_given_up() {
    let config = Digest::of(&image().config_bytes()).to_string();
    let layer = Digest::of(&image().layers[0].bytes).to_string();
    for (what, part) in
        [("manifest", "/manifests/"), ("config", &config), ("layer", &layer), ("token", "/token")]
    {
        let (answer, part, token) = (registry_of(&image()), part.to_owned(), what == "token");
        let port = Arc::new(OnceLock::<u16>::new());
        let own = port.clone();
        let server = Server::start(move |request| {
            if token && request.target.contains("/token") {
                return Response::new(200, br#"{"token": "as long as it takes to be waited for"}"#).drip(1);
            }
            if token && !request.headers.contains_key("authorization") {
                let realm = format!("Bearer realm=\"http://127.0.0.1:{}/token\"", own.get().unwrap());
                return Response::new(401, b"").header("www-authenticate", &realm);
            }
            let response = answer(request);
            if request.target.contains(&part) { response.drip(1) } else { response }
        });
        port.set(server.port).unwrap();
        let (scratch, start) = (Scratch::new(), Instant::now());
        fails(&pull(&scratch, &server, &["--stall", "1"]), "bytes in 1 seconds");
        assert!(start.elapsed() < Duration::from_secs(60), "{what}: {:?}", start.elapsed());
    }
}

/// Slow is not stalled: some kilobytes a second are a layer in the end.
#[test]
fn a_slow_server_is_waited_for() {
    let server = Server::with_image(&image(), |_, response| response.drip(2_000));
    let start = Instant::now();
    assert!(pull(&Scratch::new(), &server, &["--stall", "1"]).ok);
    assert!(start.elapsed() > Duration::from_secs(1), "the server was not slow");
}

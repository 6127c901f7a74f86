// SPDX-License-Identifier: Apache-2.0
//! The ways to a registry that configuration and environment name: proxies, registries.conf, hosts.toml.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::support::image::{Image, Tar};
use crate::support::server::{Response, Server};
use crate::support::{Ran, Scratch, finished};

/// A name that no resolver knows: who reaches it was led there.
const NOWHERE: &str = "registry.invalid:5000";

fn image() -> Image {
    Image::new(&[Tar::new().file("f", "content")]).gzipped()
}

fn server() -> Server {
    Server::with_image(&image(), |_, r| r)
}

/// A proxy that leads every CONNECT to one place, and remembers how it was asked.
fn proxy(to: &Server) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, target, asked) =
        (listener.local_addr().unwrap().port(), to.host(), Arc::new(Mutex::new(vec![])));
    let shared = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, target, asked) = (stream.unwrap(), target.clone(), shared.clone());
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap_or(0) > 0 {}
                asked.lock().unwrap().push(head);
                let mut upstream = TcpStream::connect(target).unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                let mut back = (upstream.try_clone().unwrap(), stream);
                std::thread::spawn(move || std::io::copy(&mut back.0, &mut back.1));
                let _ = std::io::copy(&mut reader, &mut upstream);
            });
        }
    });
    (port, asked)
}

fn pull_with(scratch: &Scratch, env: &[(&str, &str)], host: &str, more: &[&str]) -> Ran {
    let mut command = scratch.command();
    command.envs(env.iter().copied());
    command.args(["pull", "-q", &format!("{host}/repo:t")]).args(more);
    finished(command.output().unwrap())
}

#[test]
fn proxies_of_the_environment_are_used() {
    let server = server();
    let (port, asked) = proxy(&server);
    let through = format!("http://me:pass@127.0.0.1:{port}");
    let plain = ["--plain-http", NOWHERE];
    let ran = pull_with(&Scratch::new(), &[("HTTP_PROXY", &through)], NOWHERE, &plain);
    assert!(ran.ok, "{}", ran.err);
    let first = asked.lock().unwrap()[0].to_lowercase();
    assert!(first.starts_with(&format!("connect {NOWHERE} ")), "{first}");
    assert!(first.contains("proxy-authorization: basic bwu6cgfzcw=="), "{first}");
    // The proxy's password is for the proxy alone.
    assert!(server.requests().iter().all(|r| !r.headers.keys().any(|k| k.contains("authorization"))));
    for (env, text) in [
        (&[("HTTPS_PROXY", through.as_str())][..], "unable to ask registry.invalid"),
        (&[("ALL_PROXY", &through), ("NO_PROXY", ".invalid")], "unable to ask registry.invalid"),
        (&[("HTTP_PROXY", "ftp://x")], "unable to use HTTP_PROXY"),
    ] {
        let ran = pull_with(&Scratch::new(), env, NOWHERE, &plain);
        assert!(!ran.ok && ran.err.contains(text), "{env:?}: {}", ran.err);
    }
    // This machine is never behind a proxy.
    let before = asked.lock().unwrap().len();
    let host = server.host();
    assert!(pull_with(&Scratch::new(), &[("ALL_PROXY", &through)], &host, &["--plain-http", &host]).ok);
    assert_eq!(asked.lock().unwrap().len(), before);
}

/// What names mean is the proxy's to know, and the proxy itself may be on this machine.
#[test]
fn redirects_lead_through_the_proxy_too() {
    let server = Server::with_image(&image(), |request, r| {
        if request.target.contains("/blobs/") && request.headers["host"].starts_with("registry.") {
            let to = format!("http://elsewhere.invalid:5000{}", request.target);
            return Response::new(307, b"").header("location", &to);
        }
        r
    });
    let (port, asked) = proxy(&server);
    let through = format!("http://127.0.0.1:{port}");
    let plain = ["--plain-http", NOWHERE];
    let ran = pull_with(&Scratch::new(), &[("HTTP_PROXY", &through)], NOWHERE, &plain);
    assert!(ran.ok, "{}", ran.err);
    assert!(asked.lock().unwrap().iter().any(|a| a.to_lowercase().starts_with("connect elsewhere.invalid")));
}

#[test]
fn registries_conf_rewrites_blocks_and_chooses() {
    let (scratch, main, mirror) = (Scratch::new(), server(), server());
    let conf = |text: &str| fs::write(scratch.path("registries.conf"), text).unwrap();
    let fresh = || drop(scratch.lade(&["rm", &format!("{NOWHERE}/repo:t")]));
    // An insecure location is what its user says may be asked without TLS.
    conf(&format!(
        "[[registry]]\nprefix = \"registry.invalid:5000\"\nlocation = \"{}\"\ninsecure = true\n",
        main.host()
    ));
    let ran = pull_with(&scratch, &[], NOWHERE, &[]);
    assert!(ran.ok, "{}", ran.err);
    assert!(main.count("/v2/repo/manifests/t") > 0);
    fresh();
    let with_mirror = |extra: &str| {
        conf(&format!(
            "[[registry]]\nprefix = \"registry.invalid:5000\"\nlocation = \"{}\"\ninsecure = true\n\
             [[registry.mirror]]\nlocation = \"{}\"\ninsecure = true\n{extra}\n",
            main.host(),
            mirror.host()
        ));
    };
    with_mirror("pull-from-mirror = \"digest-only\"");
    assert!(pull_with(&scratch, &[], NOWHERE, &[]).ok);
    assert_eq!(mirror.count("/manifests/t"), 0, "a tag was asked of a mirror for digests");
    fresh();
    let before = main.count("/v2/");
    with_mirror("pull-from-mirror = \"tag-only\"");
    assert!(pull_with(&scratch, &[], NOWHERE, &[]).ok);
    assert!(
        mirror.count("/manifests/t") == 1 && main.count("/manifests/t") == before.min(2),
        "the mirror was passed by"
    );
    conf(
        "[[registry]]\nprefix = \"*.invalid\"\nblocked = true\n[[registry]]\nlocation = \"registry.invalid:5000\"\nblocked = true\n",
    );
    let ran = pull_with(&scratch, &[], NOWHERE, &[]);
    assert!(!ran.ok && ran.err.contains("registries.conf blocks"), "{}", ran.err);
    conf("[[registry]\n");
    let ran = pull_with(&scratch, &[], NOWHERE, &[]);
    assert!(!ran.ok && ran.err.contains("unable to read"), "{}", ran.err);
}

/// hosts.toml has its place in /etc: the program runs with an /etc of its own.
fn pull_with_hosts_toml(scratch: &Scratch, toml: &str) -> Ran {
    let dir = scratch.path("etc/containerd/certs.d").join(NOWHERE.replace(':', "_") + "_");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("hosts.toml"), toml).unwrap();
    let plain = scratch.command();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc && exec \"$@\""]).arg(scratch.path("etc"));
    command.arg(plain.get_program()).args(plain.get_args());
    command.args(["pull", "-q", &format!("{NOWHERE}/repo:t")]);
    command.env_clear().envs(plain.get_envs().filter_map(|(k, v)| Some((k, v?))));
    finished(command.output().unwrap())
}

#[test]
fn hosts_toml_leads_to_mirrors() {
    let registry = server();
    let mirror = Server::with_image(&image(), |request, r| {
        if request.target.starts_with("/prefix/repo/") { r } else { Response::new(404, b"") }
    });
    let toml = format!(
        "server = \"http://{}\"\n[host.\"http://{}/prefix\"]\ncapabilities = [\"pull\"]\noverride_path = true\n\
         [host.\"http://{}/prefix\".header]\nx-test = [\"yes\"]\n",
        registry.host(),
        mirror.host(),
        mirror.host()
    );
    let ran = pull_with_hosts_toml(&Scratch::new(), &toml);
    assert!(ran.ok, "{}", ran.err);
    // Without "resolve" a tag is not asked of it, and what is asked says on whose behalf.
    assert_eq!((registry.count("/manifests/t"), mirror.count("/manifests/")), (1, 0));
    assert_eq!(registry.count("/blobs/"), 0);
    let asked = mirror.requests();
    assert!(!asked.is_empty());
    for request in asked {
        assert!(request.target.contains("ns=registry.invalid"), "{}", request.target);
        assert_eq!(request.headers.get("x-test").map(String::as_str), Some("yes"));
    }
    let ran = pull_with_hosts_toml(&Scratch::new(), "server = 5");
    assert!(!ran.ok && ran.err.contains("hosts.toml"), "{}", ran.err);
}

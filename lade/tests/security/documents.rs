// SPDX-License-Identifier: Apache-2.0
//! U11-U13: documents that are two things, digests that are paths, servers that lie.

use std::fs;
use std::sync::{Arc, Mutex};

use lade::digest::Digest;

use super::pulled::{fails, image, pull};
use crate::support::Scratch;
use crate::support::image::{INDEX, Image, MANIFEST, Tar};
use crate::support::server::{Request, Response, Server, registry_of};

#[test]
fn u11_unknown_layer_types_and_artifacts_are_named() {
    let mut odd = image();
    odd.layers[0].media_type = "application/x-odd";
    let server = Server::with_image(&odd, |_, r| r);
    fails(&pull(&Scratch::new(), &server, &[]), "unknown type \"application/x-odd\"");
    let mut manifest = image().manifest();
    manifest["config"]["mediaType"] = "application/vnd.oci.empty.v1+json".into();
    manifest["artifactType"] = "application/x-chart".into();
    let bytes = manifest.to_string().into_bytes();
    let server = Server::start(move |_| Response::new(200, &bytes).header("content-type", MANIFEST));
    fails(&pull(&Scratch::new(), &server, &[]), "artifact of type \"application/x-chart\"");
}

#[test]
fn u13_a_digest_is_a_promise() {
    let server = Server::with_image(&image(), |_, r| r);
    let other = Digest::of(b"other");
    let manifest = image().manifest().to_string();
    let lying =
        Server::start(move |_| Response::new(200, manifest.as_bytes()).header("content-type", MANIFEST));
    let scratch = Scratch::new();
    let name = format!("{}/repo@{other}", lying.host());
    scratch.refused(&["pull", "--plain-http", &lying.host(), &name], "does not match its digest");
    let digest = Digest::of(image().manifest().to_string().as_bytes());
    let name = format!("{}/repo@{digest}", server.host());
    scratch.ok(&["pull", "--plain-http", &server.host(), &name]);
    scratch.ok(&["inspect", &name]);
}

#[test]
fn u13_lies_leave_the_store_as_it_was() {
    type Change = Box<dyn Fn(&Request, Response) -> Response + Send + Sync>;
    let on = |part: &'static str, change: fn(&mut Response)| -> Change {
        Box::new(move |request, mut r| {
            if request.target.contains(part) {
                change(&mut r);
            }
            r
        })
    };
    let cases: Vec<(Change, &str)> = vec![
        (on("/blobs/", |r| r.body[20] ^= 1), "does not match its digest"),
        (on("/blobs/", |r| r.body.push(0)), "larger than"),
        (on("/manifests/", |r| r.headers[0].1 = INDEX.into()), "announced as"),
        (on("/manifests/", |r| r.body = b"not json".to_vec()), "unable to parse the manifest"),
        (on("/manifests/", |r| r.body = vec![b' '; 5 << 20]), "larger than 4194304 bytes"),
        (on("/manifests/", |r| r.body = br#"{"schemaVersion":1,"fsLayers":[]}"#.to_vec()), "schema 1"),
        (on("/manifests/", |r| *r = Response::new(404, b"{}")), "answered 404"),
        (
            on("/manifests/", |r| {
                *r = Response::new(403, br#"{"errors":[{"code":"DENIED","message":"no"}]}"#)
            }),
            "DENIED: no",
        ),
    ];
    for (change, text) in cases {
        let (scratch, server) = (Scratch::new(), Server::with_image(&image(), change));
        fails(&pull(&scratch, &server, &[]), text);
        scratch.assert_store_empty();
    }
}

#[test]
fn u13_lies_about_digests_are_found() {
    let scratch = Scratch::new();
    let image = Image::new(&[Tar::new().file("f", "x")]);
    let mut wrong = image.clone();
    wrong.layers[0].diff_id = Digest::of(b"something else");
    let ran = scratch.pull(&wrong, "t");
    assert!(!ran.ok && ran.err.contains("does not match its digest"), "{}", ran.err);
    scratch.assert_store_empty();
    let layout = scratch.path("layout");
    for (change, text) in [
        (Box::new(|b: &mut Vec<u8>| b[600] ^= 1) as Box<dyn Fn(&mut Vec<u8>)>, "does not match its digest"),
        (Box::new(|b: &mut Vec<u8>| b.truncate(700)), "ended after 700 of"),
        (Box::new(|b: &mut Vec<u8>| b.push(0)), "longer than"),
    ] {
        let _ = fs::remove_dir_all(&layout);
        image.write_layout(&layout);
        let blob = layout.join("blobs/sha256").join(Digest::of(&image.layers[0].bytes).hex());
        let mut bytes = fs::read(&blob).unwrap();
        change(&mut bytes);
        fs::write(&blob, bytes).unwrap();
        scratch.refused(&["pull", &format!("oci:{}", layout.display())], text);
        scratch.assert_store_empty();
    }
}

#[test]
fn u21_indexes_end() {
    let own = Arc::new(Mutex::new(String::new()));
    // Each index names one that is not there before it is asked for: the digests cannot form a loop, the depth can grow.
    let make = |inner: &str, size: usize| {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{{"mediaType":"{INDEX}","digest":"{inner}","size":{size}}}]}}"#
        )
    };
    let mut documents = vec![make(&format!("sha256:{}", "0".repeat(64)), 1)];
    for _ in 0..6 {
        let last = documents.last().unwrap().clone();
        documents.push(make(Digest::of(last.as_bytes()).as_str(), last.len()));
    }
    *own.lock().unwrap() = documents.last().unwrap().clone();
    let server = Server::start(move |request| {
        let name = request.target.rsplit('/').next().unwrap();
        let found = documents.iter().find(|d| Digest::of(d.as_bytes()).as_str() == name);
        Response::new(200, found.unwrap_or(documents.last().unwrap()).as_bytes())
            .header("content-type", INDEX)
    });
    fails(&pull(&Scratch::new(), &server, &[]), "indexes more than 3 deep");
}

/// One document, served as a manifest: `change` makes of the good one what is tried.
fn serves(change: impl Fn(String) -> String) -> Server {
    let bytes = change(image().manifest().to_string()).into_bytes();
    let answer = registry_of(&image());
    Server::start(move |request| match request.target.contains("/manifests/") {
        true => Response::new(200, &bytes).header("content-type", MANIFEST),
        false => answer(request),
    })
}

#[test]
fn u11_a_document_is_one_thing() {
    let own_type = format!("\"mediaType\":\"{MANIFEST}\",");
    type Change<'a> = (&'a dyn Fn(String) -> String, &'a str);
    let cases: [Change; 6] = [
        (&|m| m.replacen('{', "{\"manifests\":[],", 1), "has both or neither"),
        (&|m| m.replacen(&own_type, &format!("\"mediaType\":\"{INDEX}\","), 1), "not of that shape"),
        (&|m| m.replacen(&own_type, "\"mediaType\":\"application/x-odd\",", 1), "not of that shape"),
        (&|m| m.replacen("\"layers\":", "\"layers\":[],\"layers\":", 1), "duplicate field"),
        (&|m| m.replacen("\"config\":", "\"config\":{},\"config\":", 1), "duplicate field"),
        (&|m| m.replacen("\"schemaVersion\":2", "\"schemaVersion\":3", 1), "schemaVersion is not 2"),
    ];
    for (change, text) in cases {
        let (scratch, server) = (Scratch::new(), serves(change));
        fails(&pull(&scratch, &server, &[]), text);
        scratch.assert_store_empty();
    }
    // A media type that is left out is the one its shape has (image-spec, manifest.md).
    assert!(pull(&Scratch::new(), &serves(|m| m.replacen(&own_type, "", 1)), &[]).ok);
}

#[test]
fn u12_a_digest_is_no_path() {
    let good = image().manifest()["layers"][0]["digest"].as_str().unwrap().to_owned();
    let hex = good.strip_prefix("sha256:").unwrap();
    for bad in [
        "sha256:../../../../etc/passwd".to_owned(),
        format!("SHA256:{hex}"),
        format!("sha256:{}", &hex[..40]),
        format!("sha256:{}", hex.to_uppercase()),
        format!("sha512:{hex}"),
        format!("md5:{}", &hex[..32]),
        format!("sha256+b64u:{hex}"),
        format!("sha256:{hex}/../x"),
        String::new(),
    ] {
        let (scratch, server) = (Scratch::new(), serves(|m| m.replace(&good, &bad)));
        fails(&pull(&scratch, &server, &[]), "invalid digest");
        assert_eq!(server.count("/blobs/"), 0, "{bad} was asked for");
        scratch.assert_store_empty();
    }
}

#[test]
fn u13_what_a_server_says_of_its_digest_must_be_true() {
    let said = |digest: String| {
        Server::with_image(&image(), move |request, r| match request.target.contains("/manifests/") {
            true => r.header("docker-content-digest", &digest),
            false => r,
        })
    };
    let right = Digest::of(image().manifest().to_string().as_bytes()).to_string();
    assert!(pull(&Scratch::new(), &said(right), &[]).ok);
    let scratch = Scratch::new();
    fails(&pull(&scratch, &said(Digest::of(b"other").to_string()), &[]), "does not match its digest");
    fails(&pull(&scratch, &said("sha256:../../x".to_owned()), &[]), "invalid digest");
    scratch.assert_store_empty();
}

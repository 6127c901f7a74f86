// SPDX-License-Identifier: Apache-2.0
//! A document is refused or of one kind, whatever it was announced as (CVE-2021-41190).
#![no_main]

use lade::image::{Document, ImageConfig, OCI_INDEX, OCI_MANIFEST, parse_document};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(config) = ImageConfig::parse(bytes, 1) {
        assert_eq!(config.chain_ids().len(), 1);
    }
    let announced = |kind| parse_document(bytes, kind).is_ok();
    assert!(!(announced(OCI_INDEX) && announced(OCI_MANIFEST)));
    match parse_document(bytes, "") {
        Ok(Document::Manifest(manifest)) => {
            let _ = manifest.require_image();
            for layer in &manifest.layers {
                assert_eq!(layer.digest.as_str(), format!("{}:{}", layer.digest.algorithm(), layer.digest.hex()));
            }
        }
        Ok(Document::Index(index)) => assert!(!announced(OCI_MANIFEST), "{index:?}"),
        Err(_) => assert!(!announced(OCI_INDEX) && !announced(OCI_MANIFEST)),
    }
});

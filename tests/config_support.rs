// SPDX-License-Identifier: Apache-2.0
//! docs/config-support.md has a row for every property of config.json, no row for any other, and names tests that
//! are there. The properties are those of the `oci-spec` types, which tell them to a deserializer of our own.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;
use serde::Deserialize;
use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

/// Other platforms: a row for the whole.
const WHOLE: [&str; 5] = ["/windows", "/solaris", "/vm", "/zos", "/freebsd"];

fn document() -> String {
    fs::read_to_string(root().join("docs/config-support.md")).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The cells of the rows that begin with a property.
fn rows(document: &str) -> Vec<Vec<&str>> {
    let rows = document.lines().filter(|line| line.starts_with("| `/"));
    rows.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

#[test]
fn every_property_has_a_row_and_no_other() {
    let document = document();
    let listed: Vec<_> = rows(&document).iter().map(|cells| cells[0].trim_matches('`').to_owned()).collect();
    let rows: BTreeSet<_> = listed.iter().cloned().collect();
    assert_eq!(rows.len(), listed.len(), "a property has two rows");
    let known = properties();
    assert!(known.len() > 150 && known.contains("/linux/resources/memory/swap"), "{known:?}");
    let missing: Vec<_> = known.difference(&rows).collect();
    let unknown: Vec<_> = rows.difference(&known).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "without a row: {missing:#?}\nunknown: {unknown:#?}");
}

#[test]
fn every_test_that_is_named_is_there() {
    let document = document();
    let mut missing = Vec::new();
    for cells in rows(&document) {
        assert_eq!(cells.len(), 4, "{cells:?}");
        let names: Vec<_> = cells[2].split('`').skip(1).step_by(2).collect();
        assert_eq!(names.is_empty(), cells[2] == "-", "{cells:?}");
        missing.extend(
            names.into_iter().filter(|name| !is_there(name)).map(|name| format!("{}: {name}", cells[0])),
        );
        let supported = cells[1].starts_with("yes");
        assert!(supported || cells[1].starts_with("no"), "{cells:?}");
        assert!(!supported || cells[2] != "-", "no test for {}", cells[0]);
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// `file::test` of tests/lifecycle, or the path of a unit test in src.
fn is_there(name: &str) -> bool {
    let (module, test) = name.rsplit_once("::").unwrap_or(("", name));
    let path = module.replace("::", "/");
    let inline = path.strip_suffix("/tests").unwrap_or(&path).to_owned();
    let files: Vec<PathBuf> = [
        format!("tests/lifecycle/{path}.rs"),
        format!("src/{path}.rs"),
        format!("src/{path}/mod.rs"),
        format!("src/{inline}.rs"),
        format!("src/{inline}/mod.rs"),
        format!("tests/{path}.rs"),
    ]
    .iter()
    .map(|file| root().join(file))
    .collect();
    files.iter().any(|file| fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("fn {test}("))))
}

/// All that `Spec` would read, as JSON pointers; `*` is any item of a list or any key of a map.
fn properties() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let walk = Walk { at: String::new(), found: &mut found };
    Spec::deserialize(walk).unwrap();
    found
}

/// Pretends to be a document that has everything, and notes what it is asked for.
struct Walk<'f> {
    at: String,
    found: &'f mut BTreeSet<String>,
}

impl Walk<'_> {
    /// What is no enum to serde, and yet not any word.
    fn word(&self) -> &'static str {
        match self.at.split('/').nth(2) {
            Some("capabilities") => "CAP_KILL",
            Some("execCPUAffinity") => "0-1",
            _ => "x",
        }
    }
}

#[derive(Debug)]
struct Stop(String);

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Stop {}

impl serde::de::Error for Stop {
    fn custom<T: fmt::Display>(message: T) -> Stop {
        Stop(message.to_string())
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            visitor.$visit(0)
        })*
    };
}

impl<'de> Deserializer<'de> for Walk<'_> {
    type Error = Stop;

    numbers!(
        deserialize_i8 visit_i8, deserialize_i16 visit_i16, deserialize_i32 visit_i32, deserialize_i64 visit_i64,
        deserialize_u8 visit_u8, deserialize_u16 visit_u16, deserialize_u32 visit_u32, deserialize_u64 visit_u64
    );

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_bool(false)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_borrowed_str(self.word())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_borrowed_str(self.word())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        if WHOLE.contains(&self.at.as_str()) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_seq(Items { walk: self, left: 1 })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_map(Fields { walk: self, keys: &["*"], next: 0 })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_map(Fields { walk: self, keys: fields, next: 0 })
    }

    /// The first variant stands for all.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_enum(First(variants[0]))
    }

    /// What takes a number or a name: a capability, an architecture.
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        Err(Stop(format!("{}: a type that this walk does not know", self.at)))
    }

    serde::forward_to_deserialize_any! {
        f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct Items<'f> {
    walk: Walk<'f>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Stop> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let at = format!("{}/*", self.walk.at);
        seed.deserialize(Walk { at, found: self.walk.found }).map(Some)
    }
}

struct Fields<'f> {
    walk: Walk<'f>,
    keys: &'static [&'static str],
    next: usize,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Stop> {
        let Some(key) = self.keys.get(self.next) else { return Ok(None) };
        seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some)
    }

    /// A property whose value is no object with properties of its own is one to have a row.
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        let at = format!("{}/{}", self.walk.at, self.keys[self.next]);
        self.next += 1;
        let before = self.walk.found.len();
        let value = seed.deserialize(Walk { at: at.clone(), found: self.walk.found })?;
        if self.walk.found.len() == before && !at.ends_with("/*") {
            self.walk.found.insert(at);
        }
        Ok(value)
    }
}

struct First(&'static str);

impl<'de> EnumAccess<'de> for First {
    type Error = Stop;
    type Variant = Unit;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Unit), Stop> {
        let name: StrDeserializer<'_, Stop> = serde::de::IntoDeserializer::into_deserializer(self.0);
        Ok((seed.deserialize(name)?, Unit))
    }
}

struct Unit;

impl<'de> VariantAccess<'de> for Unit {
    type Error = Stop;

    fn unit_variant(self) -> Result<(), Stop> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Stop> {
        Err(Stop("a variant with a value".into()))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Stop> {
        Err(Stop("a variant with values".into()))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Stop> {
        Err(Stop("a variant with fields".into()))
    }
}

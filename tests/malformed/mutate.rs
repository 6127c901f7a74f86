// SPDX-License-Identifier: Apache-2.0
//! A document with another value at one place, and whether an error tells of that place.

use serde_json::{Value, json};
use tare::spec;

/// Every place of the document, parents first, but for the whole.
pub(crate) fn places(document: &Value) -> Vec<String> {
    let mut all = Vec::new();
    add(document, "", &mut all);
    all.split_off(1)
}

fn add(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| add(value, &format!("{at}/{}", spec::key(key)), all));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, value)| add(value, &format!("{at}/{i}"), all));
        }
        _ => {}
    }
}

/// As text, since some of it is no JSON value.
pub(crate) fn replacements() -> Vec<(&'static str, String)> {
    vec![
        ("text", "\"text\"".into()),
        ("empty text", "\"\"".into()),
        ("a NUL", "\"a\\u0000b\"".into()),
        ("a newline", "\"a\\nb\"".into()),
        ("dots", "\"../../../x\"".into()),
        ("half a character", "\"\\ud800\"".into()),
        ("7", "7".into()),
        ("-1", "-1".into()),
        ("1.5", "1.5".into()),
        ("2^32", "4294967296".into()),
        ("2^64", "18446744073709551616".into()),
        ("1e400", "1e400".into()),
        ("true", "true".into()),
        ("[1]", "[1]".into()),
        ("{x}", "{\"x\": {}}".into()),
        ("200 lists", format!("{}{}", "[".repeat(200), "]".repeat(200))),
        ("nothing", String::new()),
    ]
}

pub(crate) fn with(document: &Value, place: &str, text: &str) -> Vec<u8> {
    // A mark that no document has, for text to be put in its place.
    let mut document = document.clone();
    *document.pointer_mut(place).unwrap() = json!("@@");
    document.to_string().replacen("\"@@\"", text, 1).into_bytes()
}

/// What has to fit together is told of one of the two.
const TOGETHER: [(&str, &str); 3] = [
    ("/linux/gidMappings", "/linux/uidMappings"),
    ("/linux/gidMappings", "/process/user"),
    ("/linux/uidMappings", "/process/user"),
];

/// One line (and a hint, where there is one) with the place: the property, something in it, what it is in, or its neighbour.
pub(crate) fn tells_of(error: &str, place: &str) -> bool {
    let (line, hint) = error.trim_end().split_once('\n').unwrap_or((error.trim_end(), "hint: "));
    let named = line.split("(config.json: ").nth(1).and_then(|rest| rest.split(')').next());
    let one_line = !hint.contains('\n') && hint.starts_with("hint: ");
    one_line && named.is_some_and(|named| related(named, place))
}

fn related(named: &str, place: &str) -> bool {
    let within =
        |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let parent = place.rsplit_once('/').map_or("", |(parent, _)| parent);
    let neighbour = !parent.is_empty() && within(named, parent);
    let fits = TOGETHER.iter().any(|(a, b)| within(place, a) && within(named, b));
    within(named, place) || within(place, named) || neighbour || fits
}

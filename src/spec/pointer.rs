// SPDX-License-Identifier: Apache-2.0
//! Which property of a JSON document a line and column are in, as a JSON pointer.
//!
//! serde_json knows where it stopped but not in what. A deserializer that keeps account of the path
//! (serde_path_to_error) would put a second copy of every type's parser into the binary.

/// Where the scanner is in one object or array.
enum Level<'d> {
    Object { key: &'d [u8] },
    Array { index: usize },
}

/// `line` and `column` count from 1, the column in bytes, as serde_json's do. None for a document that
/// is broken before that place.
pub(super) fn at(document: &[u8], line: usize, column: usize) -> Option<String> {
    let start: usize =
        document.split_inclusive(|b| *b == b'\n').take(line.checked_sub(1)?).map(<[u8]>::len).sum();
    let end = (start + column).min(document.len());
    let mut levels: Vec<Level<'_>> = Vec::new();
    let mut expects_key = false;
    let mut at = 0;
    while at < end {
        match document[at] {
            b'{' => {
                levels.push(Level::Object { key: b"" });
                expects_key = true;
            }
            // The parser stops on the begin of a list that it wants none of.
            b'[' if at + 1 < end => {
                levels.push(Level::Array { index: 0 });
                expects_key = false;
            }
            // The parser stops on the end of what it refuses as a whole.
            b'}' | b']' if at + 1 < end => drop(levels.pop()),
            b',' => match levels.last_mut()? {
                Level::Object { .. } => expects_key = true,
                Level::Array { index } => *index += 1,
            },
            b':' => expects_key = false,
            b'"' => {
                let text = string(&document[at..])?;
                if expects_key && let Some(Level::Object { key }) = levels.last_mut() {
                    *key = &text[1..text.len() - 1];
                }
                at += text.len() - 1;
            }
            _ => {}
        }
        at += 1;
    }
    Some(levels.iter().map(segment).collect())
}

/// The string that the text begins with, its quotes included.
fn string(text: &[u8]) -> Option<&[u8]> {
    let mut escaped = false;
    for (i, byte) in text.iter().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return Some(&text[..=i]),
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

/// RFC 6901.
fn segment(level: &Level<'_>) -> String {
    match level {
        Level::Array { index } => format!("/{index}"),
        Level::Object { key: b"" } => String::new(),
        Level::Object { key } => {
            format!("/{}", String::from_utf8_lossy(key).replace('~', "~0").replace('/', "~1"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::at;

    #[test]
    fn a_place_is_in_its_property() {
        let document = br#"{"a": [1, {"b/c": "x\\\"}", "d": tru
e}], "e": {"f": 5}}"#;
        for (line, column, pointer) in [
            (1, 7, "/a"),
            (1, 8, "/a/0"),
            (1, 26, "/a/1/b~1c"),
            (1, 36, "/a/1/d"),
            (2, 1, "/a/1/d"),
            (2, 17, "/e/f"),
        ] {
            assert_eq!(at(document, line, column).as_deref(), Some(pointer), "{line}:{column}");
        }
        assert_eq!(at(b"{\"a", 1, 4), None);
    }
}

// SPDX-License-Identifier: Apache-2.0
//! WWW-Authenticate headers (RFC 9110, 11.6.1): several challenges may come in one header, parameters may be quoted.

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    Basic,
    Bearer { realm: String, service: String, scope: String },
}

pub fn parse(header: &str) -> Vec<Challenge> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = header.trim();
    while !rest.is_empty() {
        let end = rest.find([' ', ',', '=']).unwrap_or(rest.len());
        let (token, after) = rest.split_at(end);
        let after = after.trim_start();
        if let (Some(value), Some((_, parameters))) = (after.strip_prefix('='), found.last_mut()) {
            let (value, remaining) = parameter(value.trim_start());
            parameters.push((token.to_ascii_lowercase(), value));
            rest = remaining;
        } else if !token.is_empty() {
            found.push((token.to_ascii_lowercase(), Vec::new()));
            rest = after;
        } else {
            rest = after.strip_prefix('=').unwrap_or(after);
        }
        rest = rest.trim_start_matches([',', ' ', '\t']);
    }
    found.into_iter().filter_map(challenge).collect()
}

fn challenge((scheme, parameters): (String, Vec<(String, String)>)) -> Option<Challenge> {
    let get =
        |key: &str| parameters.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone()).unwrap_or_default();
    match scheme.as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => {
            Some(Challenge::Bearer { realm: get("realm"), service: get("service"), scope: get("scope") })
        }
        _ => None,
    }
}

/// A token or a quoted string, and what follows.
fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[i + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_in_one_header() {
        let bearer = |realm: &str, scope: &str| Challenge::Bearer {
            realm: realm.to_owned(),
            service: "s".to_owned(),
            scope: scope.to_owned(),
        };
        for (header, want) in [
            ("Basic realm=\"x, y\"", vec![Challenge::Basic]),
            (
                "Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:a/b:pull,push\"",
                vec![bearer("https://a/t", "repository:a/b:pull,push")],
            ),
            ("Negotiate, Basic realm=x, Bearer realm=r, service=s", vec![Challenge::Basic, bearer("r", "")]),
            ("bearer REALM=\"a\\\"b\", Service=s", vec![bearer("a\"b", "")]),
            ("", vec![]),
            ("=,=\"", vec![]),
            (
                "Bearer realm=\"unclosed",
                vec![Challenge::Bearer {
                    realm: "unclosed".to_owned(),
                    service: String::new(),
                    scope: String::new(),
                }],
            ),
        ] {
            assert_eq!(parse(header), want, "{header}");
        }
    }
}

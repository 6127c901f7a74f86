// SPDX-License-Identifier: Apache-2.0
//! A source file as tokens: no comments, no docs, nothing under `#[cfg(test)]`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

pub(super) struct Source {
    /// Below the root of the package.
    pub(super) file: String,
    /// `plan::mounts` for src/plan/mounts.rs.
    pub(super) module: Vec<String>,
    pub(super) tokens: Vec<String>,
    pub(super) code_lines: usize,
}

impl Source {
    pub(super) fn parse(file: &str, text: &str) -> Self {
        let stream: TokenStream = text.parse().unwrap_or_else(|e| panic!("{file}: {e}"));
        let (mut tokens, mut lines) = (Vec::new(), BTreeSet::new());
        flatten(stream, &mut tokens, &mut lines);
        let path = file.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        let module = path.split('/').map(str::to_owned).collect();
        Self { file: file.to_owned(), module, tokens, code_lines: lines.len() }
    }

    /// Every path that begins with `crate` (main.rs: `tare`), `self`, `super` or `std`; those of the crate as seen from
    /// its root, with a leading `crate`. A `use` of several is one path for each.
    pub(super) fn paths(&self) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            let follows = |at: usize| self.tokens.get(at..at + 2).is_some_and(|t| t == [":", ":"]);
            let begins = follows(at + 1) && (at < 2 || !follows(at - 2));
            if begins && ["crate", "tare", "self", "super", "std"].contains(&token.as_str()) {
                self.tree(at, Vec::new(), &mut paths);
            }
        }
        paths
    }

    /// Reads one tree of a `use` or one path of an expression; gives the place after it.
    fn tree(&self, mut at: usize, mut path: Vec<String>, out: &mut Vec<Vec<String>>) -> usize {
        let token = |at: usize| self.tokens.get(at).map_or("", String::as_str);
        loop {
            match token(at) {
                "{" => {
                    at += 1;
                    while token(at) != "}" {
                        at = match token(at) {
                            "," => at + 1,
                            "as" => at + 2,
                            _ => self.tree(at, path.clone(), out),
                        };
                    }
                    return at + 1;
                }
                word => self.step(word, &mut path),
            }
            if token(at + 1) != ":" || token(at + 2) != ":" || token(at + 3) == "<" {
                out.push(path);
                return at + 1;
            }
            at += 3;
        }
    }

    fn step(&self, word: &str, path: &mut Vec<String>) {
        let here = || ["crate"].into_iter().map(str::to_owned).chain(self.module.iter().cloned()).collect();
        match word {
            "tare" if path.is_empty() && self.file == "src/main.rs" => path.push("crate".into()),
            "self" if path.is_empty() => *path = here(),
            "self" => {}
            "super" => {
                if path.is_empty() {
                    *path = here();
                }
                path.pop();
            }
            word => path.push(word.to_owned()),
        }
    }

    pub(super) fn has(&self, token: &str) -> bool {
        self.tokens.iter().any(|t| t == token)
    }

    /// These tokens in a row.
    pub(super) fn has_all(&self, row: &[&str]) -> bool {
        self.tokens.windows(row.len()).any(|w| w == row)
    }
}

fn flatten(stream: TokenStream, out: &mut Vec<String>, lines: &mut BTreeSet<usize>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        if matches!(&tree, TokenTree::Punct(p) if p.as_char() == '#') {
            while matches!(trees.peek(), Some(TokenTree::Punct(p)) if p.as_char() == '!') {
                trees.next();
            }
            let Some(TokenTree::Group(attribute)) = trees.next() else { continue };
            let text = attribute.stream().to_string();
            if text.starts_with("cfg (test") || text.starts_with("cfg (all (test") {
                skip_item(&mut trees);
            } else if !text.starts_with("doc") {
                flatten(attribute.stream(), out, lines);
            }
            continue;
        }
        lines.extend([tree.span().start().line, tree.span().end().line]);
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    _ => ("(", ")"),
                };
                out.push(open.into());
                flatten(group.stream(), out, lines);
                out.push(close.into());
            }
            TokenTree::Literal(literal) => {
                lines.extend(literal.span().start().line..=literal.span().end().line);
                out.push(literal.to_string());
            }
            other => out.push(other.to_string()),
        }
    }
}

/// To its body or its semicolon.
fn skip_item(trees: &mut impl Iterator<Item = TokenTree>) {
    for tree in trees {
        match tree {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return,
            TokenTree::Punct(punct) if punct.as_char() == ';' => return,
            _ => {}
        }
    }
}

/// Every file below src/ but the tests beside the code, by their names.
pub(super) fn all() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    below(&root.join("src"), &mut |path| {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if path.extension().is_some_and(|e| e == "rs") && stem != "tests" && !stem.ends_with("_tests") {
            let file = path.strip_prefix(root).unwrap().to_str().unwrap();
            sources.push(Source::parse(file, &fs::read_to_string(path).unwrap()));
        }
    });
    assert!(sources.len() > 50, "{} sources", sources.len());
    sources
}

fn below(dir: &Path, visit: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|n| n == "tests") {
            continue;
        }
        if path.is_dir() { below(&path, visit) } else { visit(&path) }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The value of a unit's property, and GVariant's text format, in which annotations give one: `true`, `5`,
//! `uint64 5`, `@t 5`, `'words'`, `['a', 'b']`.

/// The types that unit properties have.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Bool(bool),
    Int32(i32),
    Uint32(u32),
    Int64(i64),
    Uint64(u64),
    Double(f64),
    Text(String),
    Texts(Vec<String>),
    Bytes(Vec<u8>),
    Numbers(Vec<u32>),
    /// `DeviceAllow`: a device and what may be done with it.
    Pairs(Vec<(String, String)>),
}

/// # Errors
/// What is wrong with the text.
pub fn parse(text: &str) -> Result<Value, String> {
    let mut text = Text { rest: text.trim() };
    let value = text.value()?;
    match text.rest.trim_start() {
        "" => Ok(value),
        rest => Err(format!("{rest:?} follows the value")),
    }
}

struct Text<'a> {
    rest: &'a str,
}

/// GVariant's keywords for a type, and the letters that stand for them.
const TYPES: [(&str, &str); 7] = [
    ("boolean", "b"),
    ("int32", "i"),
    ("uint32", "u"),
    ("int64", "x"),
    ("uint64", "t"),
    ("double", "d"),
    ("string", "s"),
];

impl<'a> Text<'a> {
    fn value(&mut self) -> Result<Value, String> {
        self.rest = self.rest.trim_start();
        if let Some(rest) = self.rest.strip_prefix('@') {
            let (kind, rest) = rest.split_once(' ').ok_or("a type without a value")?;
            self.rest = rest.trim_start();
            return self.typed(kind);
        }
        let word = self.rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        if let Some((name, kind)) = TYPES.iter().find(|(name, _)| *name == word) {
            self.rest = self.rest[name.len()..].trim_start();
            return self.typed(kind);
        }
        match self.rest.chars().next() {
            None => Err("the value is empty".into()),
            Some('\'' | '"') => self.string().map(Value::Text),
            Some('[') => self.strings().map(Value::Texts),
            Some(_) if word == "true" || word == "false" => self.typed("b"),
            Some(_) if self.number().contains(['.', 'e', 'E']) && !self.number().starts_with("0x") => {
                self.typed("d")
            }
            Some(_) => self.typed("i"),
        }
    }

    fn typed(&mut self, kind: &str) -> Result<Value, String> {
        match kind {
            "s" => return self.string().map(Value::Text),
            "as" => return self.strings().map(Value::Texts),
            _ => {}
        }
        let word = self.number();
        let refuse = || format!("{word:?} is no value of the type {kind:?}");
        let value = match kind {
            "b" => word.parse().ok().map(Value::Bool),
            "i" => integer(word).and_then(|n| n.try_into().ok()).map(Value::Int32),
            "u" => integer(word).and_then(|n| n.try_into().ok()).map(Value::Uint32),
            "x" => integer(word).and_then(|n| n.try_into().ok()).map(Value::Int64),
            "t" => integer(word).and_then(|n| n.try_into().ok()).map(Value::Uint64),
            "d" => word.parse().ok().filter(|n: &f64| n.is_finite()).map(Value::Double),
            _ => return Err(format!("the type {kind:?} is none that a property may have here")),
        };
        let value = value.ok_or_else(refuse)?;
        self.rest = &self.rest[word.len()..];
        Ok(value)
    }

    /// Up to what cannot be part of a number or a word.
    fn number(&self) -> &'a str {
        let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let end = self.rest.find(|c| !inside(c)).unwrap_or(self.rest.len());
        &self.rest[..end]
    }

    fn string(&mut self) -> Result<String, String> {
        let mut chars = self.rest.char_indices();
        let quote = match chars.next() {
            Some((_, quote @ ('\'' | '"'))) => quote,
            _ => return Err(format!("{:?} is no string: it has no quotes", self.rest)),
        };
        let mut out = String::new();
        while let Some((i, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.rest = &self.rest[i + 1..];
                    return Ok(out);
                }
                '\0' => return Err("a string must not have a NUL".into()),
                '\\' => match chars.next() {
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 't')) => out.push('\t'),
                    Some((_, c @ ('\\' | '\'' | '"'))) => out.push(c),
                    _ => return Err("an escape that is not supported".into()),
                },
                c => out.push(c),
            }
        }
        Err("a string without an end".into())
    }

    fn strings(&mut self) -> Result<Vec<String>, String> {
        self.rest = self.rest.strip_prefix('[').ok_or("an array begins with [")?.trim_start();
        let mut out = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix(']') {
                self.rest = rest;
                return Ok(out);
            }
            if !out.is_empty() {
                self.rest = self.rest.strip_prefix(',').ok_or("an array without an end")?.trim_start();
            }
            out.push(self.string()?);
            self.rest = self.rest.trim_start();
        }
    }
}

/// Decimal, or hexadecimal, or octal, as in C.
fn integer(word: &str) -> Option<i128> {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let (digits, radix) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
        None => (digits, 10),
    };
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let number = i128::from(u64::from_str_radix(digits, radix).ok()?);
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_format() {
        let texts = |list: &[&str]| Value::Texts(list.iter().map(|s| (*s).to_owned()).collect());
        for (text, value) in [
            ("true", Value::Bool(true)),
            ("boolean false", Value::Bool(false)),
            (" 5 ", Value::Int32(5)),
            ("-0x10", Value::Int32(-16)),
            ("010", Value::Int32(8)),
            ("0", Value::Int32(0)),
            ("uint64 18446744073709551615", Value::Uint64(u64::MAX)),
            ("@t 5", Value::Uint64(5)),
            ("uint32 7", Value::Uint32(7)),
            ("int64 -7", Value::Int64(-7)),
            ("1.5", Value::Double(1.5)),
            ("double 2", Value::Double(2.0)),
            ("'it\\'s'", Value::Text("it's".into())),
            ("\"a\\n\"", Value::Text("a\n".into())),
            ("string 'x'", Value::Text("x".into())),
            ("['a', \"b\"]", texts(&["a", "b"])),
            ("@as []", texts(&[])),
            ("[ 'é' ]", texts(&["é"])),
        ] {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in [
            "",
            "x",
            "'a",
            "'a\\",
            "'a' 'b'",
            "[",
            "['a'",
            "['a' 'b']",
            "['a',]",
            "[1]",
            "uint64",
            "uint64 -1",
            "int32 2147483648",
            "5x",
            "--5",
            "+-5",
            "0x",
            "@",
            "@t",
            "@(s) 'a'",
            "double inf",
            "true false",
            "uint64 'a'",
            "'\\u0041'",
        ] {
            assert!(parse(text).is_err(), "{text}: {:?}", parse(text));
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Sizes and durations, in the notations that runc's flags take.

use std::time::Duration;

/// "10m", "1.5 GiB", "512": a number of bytes, of 1024 bytes and so on (go-units' RAMInBytes).
pub(super) fn size(text: &str) -> Option<i64> {
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.').map_or(0, |last| last + 1);
    let (number, suffix) = text.split_at(end);
    let suffix = suffix.strip_prefix(' ').unwrap_or(suffix).to_ascii_lowercase();
    let unit = match suffix.as_str() {
        "" | "b" => Some(""),
        suffix => suffix.strip_suffix("ib").or(suffix.strip_suffix('b')).or(Some(suffix)),
    }?;
    let power = ["", "k", "m", "g", "t", "p"].iter().position(|known| *known == unit)?;
    let number: f64 = number.parse().ok()?;
    let bytes = number * 1024f64.powi(power as i32);
    // A cast would take what is too large for the largest.
    (bytes >= 0.0 && bytes < i64::MAX as f64).then_some(bytes as i64)
}

/// "5s", "1m30.5s", "100ms" (Go's ParseDuration); none that is not above zero.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number * unit;
        rest = &rest[end..];
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_go_units() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("32b", 32),
            ("10k", 10 << 10),
            ("10m", 10 << 20),
            ("50M", 50 << 20),
            ("1.5g", 3 << 29),
            ("2 GiB", 2 << 30),
            ("3KB", 3 << 10),
            ("1t", 1 << 40),
            ("1p", 1 << 50),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for text in ["", "x", "10x", "10mm", "10mib3", "-5m", "10bb", "1e30", "9999999p", "ib", "10ibb"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_those_of_go() {
        for (text, nanoseconds) in [
            ("5s", 5_000_000_000),
            ("100ms", 100_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("+2us", 2_000),
        ] {
            assert_eq!(duration(text), Some(Duration::from_nanos(nanoseconds)), "{text}");
        }
        for text in ["", "0", "0s", "-1s", "5", "s", "5x", "1..5s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}

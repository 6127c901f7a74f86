// SPDX-License-Identifier: Apache-2.0
//! Two notations of time into seconds since 1970: RFC 3339 (image configs) and HTTP dates (Retry-After).

/// `YYYY-MM-DDThh:mm:ss...`, taken as UTC: an hour or two do not matter to a table.
pub fn rfc3339(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    Some(
        days(number(0..4)?, number(5..7)?, number(8..10)?) * 86_400
            + number(11..13)? * 3600
            + number(14..16)? * 60
            + number(17..19)?,
    )
}

/// `Wed, 21 Oct 2015 07:28:00 GMT`
pub fn http_date(text: &str) -> Option<i64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let text = text.split_once(", ")?.1;
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let month = i64::try_from(MONTHS.find(text.get(3..6)?)? / 3).ok()? + 1;
    Some(
        days(number(7..11)?, month, number(0..2)?) * 86_400
            + number(12..14)? * 3600
            + number(15..17)? * 60
            + number(18..20)?,
    )
}

pub fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

/// Days since 1970 of a date, by years that begin in March (H. Hinnant, "chrono-compatible date algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let year_of_era = y.rem_euclid(400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    y.div_euclid(400) * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        assert_eq!(rfc3339("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(rfc3339("2024-02-29T12:34:56.789Z"), Some(1_709_210_096));
        assert_eq!(http_date("Wed, 21 Oct 2015 07:28:00 GMT"), Some(1_445_412_480));
        for bad in ["", "garbage", "2024-02-29", "Wed, 21 Foo 2015 07:28:00 GMT"] {
            assert_eq!(rfc3339(bad).or(http_date(bad)), None, "{bad}");
        }
    }
}

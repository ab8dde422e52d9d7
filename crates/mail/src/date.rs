//! Dates of header fields (RFC 5322 §3.3 and §4.3): civil time to seconds, obsolete zones, and
//! the malformations that mail really has (missing comma, `ctime` order, two-digit years).

use crate::lexical::after_comment;

/// Seconds since 1970-01-01 00:00 UTC of a Date value, and its offset from UTC in minutes.
/// `None` when day, month and year cannot be told or lie outside the calendar; a missing or
/// unknown zone is taken as UTC (RFC 5322 §4.3: "SHOULD be considered equivalent to -0000").
#[must_use]
pub fn date(value: &[u8]) -> Option<(i64, i16)> {
    let mut tokens = Tokens { rest: value }.filter(|t| !is_day_name(t));
    let first = tokens.next()?;
    let (day, month, rest_year) = match month_of(first) {
        // `Nov 23 08:51:00 2026`: the order of ctime(3), with the year at the end.
        Some(month) => (number(tokens.next()?)?, month, None),
        None => {
            let month = month_of(tokens.next()?)?;
            (number(first)?, month, Some(tokens.next()?))
        }
    };
    let mut clock = tokens.next().unwrap_or(b"0:0");
    let mut zone = tokens.next();
    let year = match rest_year {
        Some(year) => year,
        None => {
            // The year comes after the clock, a zone before or after it.
            let mut year = zone.unwrap_or_default();
            zone = tokens.next();
            if let (false, Some(other)) = (year.first().is_some_and(u8::is_ascii_digit), zone) {
                (year, zone) = (other, Some(year));
            }
            year
        }
    };
    if !clock.contains(&b':') && !clock.contains(&b'.') {
        (clock, zone) = (b"0:0", Some(clock));
    }
    let year = full_year(year)?;
    let (hour, minute, second) = clock_of(clock)?;
    if !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    let offset = zone.map_or(0, |zone| zone_minutes(zone, tokens.next()));
    let local = days_since_1970(year, month, day) * 86_400
        + i64::from(hour) * 3_600
        + i64::from(minute) * 60
        + i64::from(second);
    Some((local - i64::from(offset) * 60, offset))
}

/// Words between white space and commas; comments are skipped; a `-` parts `23-Nov-2026`.
struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            match self.rest {
                [] => return None,
                [b'(', ..] => self.rest = after_comment(self.rest),
                [b, rest @ ..] if b.is_ascii_whitespace() || *b == b',' => self.rest = rest,
                [b'-', rest @ ..] if !rest.first().is_some_and(u8::is_ascii_digit) => {
                    self.rest = rest;
                }
                _ => break,
            }
        }
        // Between the parts of a date, or before the zone; never far into a word ("September").
        let parting_dash = |at: usize| {
            let before = self.rest.get(..at).unwrap_or_default();
            let digits = before.iter().all(|b| matches!(b, b'0'..=b'9' | b':'));
            (1..=9).contains(&at) && (digits || month_of(before).is_some())
        };
        let end = self.rest.iter().enumerate().position(|(at, b)| match b {
            b'-' => parting_dash(at),
            b'+' => at > 0,
            b'(' | b',' => true,
            b => b.is_ascii_whitespace(),
        });
        let (token, rest) = self.rest.split_at_checked(end.unwrap_or(self.rest.len()))?;
        // `23-Nov-2026`: the dash is a separator; `08:51:00-0500`: it belongs to the zone.
        self.rest = match rest {
            [b'-', rest @ ..] if !token.contains(&b':') => rest,
            rest => rest,
        };
        Some(token)
    }
}

fn is_day_name(token: &[u8]) -> bool {
    const NAMES: [&[u8]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];
    let head = token.get(..3).unwrap_or_default();
    NAMES.iter().any(|name| head.eq_ignore_ascii_case(name))
}

fn month_of(token: &[u8]) -> Option<u8> {
    const NAMES: [&[u8]; 12] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov",
        b"dec",
    ];
    if !token.iter().all(|b| b.is_ascii_alphabetic() || *b == b'.') {
        return None;
    }
    let head = token.get(..3)?;
    (1..).zip(NAMES).find(|(_, name)| head.eq_ignore_ascii_case(name)).map(|(month, _)| month)
}

fn number(token: &[u8]) -> Option<u8> {
    std::str::from_utf8(token).ok()?.parse().ok()
}

/// RFC 5322 §4.3: two digits 00–49 are of this century, others and three digits count from 1900.
fn full_year(token: &[u8]) -> Option<i64> {
    let year: i64 = std::str::from_utf8(token).ok()?.parse().ok()?;
    match (token.len(), year) {
        (..=2, 0..=49) => Some(year + 2000),
        (..=3, 0..=999) => Some(year + 1900),
        (4, 1900..=9999) => Some(year),
        _ => None,
    }
}

fn clock_of(token: &[u8]) -> Option<(u8, u8, u8)> {
    let mut parts = token.split(|b| matches!(b, b':' | b'.'));
    let hour = number(parts.next()?)?;
    let minute = number(parts.next()?)?;
    let second = parts.next().map_or(Some(0), number)?;
    // A leap second (RFC 5322 §3.3 allows 60) counts as the second before the next minute's.
    (hour < 24 && minute < 60 && second <= 60).then_some((hour, minute, second))
}

/// `+0130`, an obsolete name, or `GMT+01:00`, whose sign may stand in the token after it.
fn zone_minutes(token: &[u8], next: Option<&[u8]>) -> i16 {
    if let [sign @ (b'+' | b'-'), digits @ ..] = token {
        return signed_offset(*sign, digits);
    }
    let named = match token.to_ascii_uppercase().as_slice() {
        b"EDT" => -4,
        b"EST" | b"CDT" => -5,
        b"CST" | b"MDT" => -6,
        b"MST" | b"PDT" => -7,
        b"PST" => -8,
        b"CET" | b"MET" | b"BST" => 1,
        b"CEST" | b"MEST" | b"EET" => 2,
        b"JST" | b"KST" => 9,
        b"UT" | b"GMT" | b"UTC" => {
            return match next {
                Some([sign @ (b'+' | b'-'), digits @ ..]) => signed_offset(*sign, digits),
                _ => 0,
            };
        }
        // Military letters and everything else (RFC 5322 §4.3).
        _ => 0,
    };
    named * 60
}

fn signed_offset(sign: u8, digits: &[u8]) -> i16 {
    let digits: Vec<u8> = digits.iter().copied().filter(|b| *b != b':').collect();
    let Some(value) = std::str::from_utf8(&digits).ok().and_then(|d| d.parse::<i16>().ok()) else {
        return 0;
    };
    let minutes = match digits.len() {
        1 | 2 => value * 60,
        3 | 4 if value % 100 < 60 => value / 100 * 60 + value % 100,
        _ => return 0,
    };
    if sign == b'-' { -minutes } else { minutes }
}

const fn days_of(year: i64, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
const fn days_since_1970(year: i64, month: u8, day: u8) -> i64 {
    // Years counted from March, so that the leap day is a year's last (719,468 days from the
    // first of March of the year 0 to 1970-01-01).
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month as i64 + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day as i64 - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(i64, i16)>) {
        assert_eq!(date(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn rfc5322_examples() {
        check("Fri, 21 Nov 1997 09:55:06 -0600", Some((880_127_706, -360)));
        check("Tue, 1 Jul 2003 10:52:37 +0200", Some((1_057_049_557, 120)));
        check(
            "Thu,\r\n\t13\r\n\t Feb\r\n\t 1969\r\n 23:32\r\n\t -0330 (NFT)",
            Some((-27_723_480, -210)),
        );
        check("21 Nov 97 09:55:06 GMT", Some((880_106_106, 0)));
        // White space inside the clock (obs-hour) is not read: the day is right, the time is not.
        check("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", Some((880_070_400, 0)));
    }

    #[test]
    fn obsolete_zones() {
        let noon = 880_113_600;
        for (zone, minutes) in [
            ("UT", 0),
            ("GMT", 0),
            ("EST", -300),
            ("EDT", -240),
            ("CST", -360),
            ("CDT", -300),
            ("MST", -420),
            ("MDT", -360),
            ("PST", -480),
            ("PDT", -420),
            ("Z", 0),
            ("A", 0),
            ("-0000", 0),
            ("GMT+0100", 60),
            ("GMT +01:00", 60),
            ("+01", 60),
            ("nonsense", 0),
            ("+9999999999", 0),
        ] {
            let expected = noon - i64::from(minutes) * 60;
            check(&format!("Fri, 21 Nov 1997 12:00:00 {zone}"), Some((expected, minutes)));
        }
        check("21 Nov 1997 12:00:00", Some((noon, 0)));
    }

    #[test]
    fn other_orders() {
        check("Fri Nov 21 09:55:06 1997", Some((880_106_106, 0)));
        check("Fri Nov 21 09:55:06 EST 1997", Some((880_124_106, -300)));
        check("Fri Nov 21 09:55:06 1997 -0600", Some((880_127_706, -360)));
        check("Friday, 21-Nov-1997 09:55:06 GMT", Some((880_106_106, 0)));
        check("21 November 1997 09:55:06 GMT", Some((880_106_106, 0)));
        check("21 Nov 1997", Some((880_070_400, 0)));
        check("21 Nov 1997 09.55.06 GMT", Some((880_106_106, 0)));
        check("21 Nov 1997 09:55:06-0600", Some((880_127_706, -360)));
    }

    #[test]
    fn years_and_limits_of_the_calendar() {
        check("1 Jan 00 0:0:0 GMT", Some((946_684_800, 0)));
        check("1 Jan 49 0:0:0 GMT", Some((2_493_072_000, 0)));
        check("1 Jan 50 0:0:0 GMT", Some((-631_152_000, 0)));
        check("1 Jan 100 0:0:0 GMT", Some((946_684_800, 0)));
        check("29 Feb 2024 0:0:0 GMT", Some((1_709_164_800, 0)));
        check("29 Feb 2023 0:0:0 GMT", None);
        check("32 Jan 2023 0:0:0 GMT", None);
        check("0 Jan 2023 0:0:0 GMT", None);
        check("1 Jan 2023 24:00:00 GMT", None);
        check("31 Dec 2016 23:59:60 GMT", Some((1_483_228_800, 0)));
        check("31 Dec 9999 23:59:59 GMT", Some((253_402_300_799, 0)));
        check("31 Dec 10000 23:59:59 GMT", None);
        check("", None);
        check("yesterday", None);
        check("(((((", None);
    }
}

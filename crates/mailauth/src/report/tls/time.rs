//! `date-time` of RFC 3339, as seconds since 1970.

/// 9999-12-31T23:59:59Z, the last that has four digits for its year.
pub const LAST_UNIX_SECONDS: u64 = 253_402_300_799;

/// Seconds as `2016-04-01T00:00:00Z`; later than the year 9999 is its end.
pub fn write(unix_seconds: u64) -> String {
    let seconds = unix_seconds.min(LAST_UNIX_SECONDS);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `full-date "T" full-time` with any offset; fractions are dropped. `None` before 1970.
pub fn read(text: &str) -> Option<u64> {
    let number = |range: core::ops::Range<usize>, least: u64, most: u64| {
        let digits = text.get(range)?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse().ok().filter(|n| plain && (least..=most).contains(n))
    };
    let mark = |at: usize, marks: &[u8]| text.as_bytes().get(at).filter(|b| marks.contains(b));
    let (year, month) = (number(0..4, 1970, 9999)?, number(5..7, 1, 12)?);
    let day = number(8..10, 1, month_days(year, month))?;
    let (hour, minute) = (number(11..13, 0, 23)?, number(14..16, 0, 59)?);
    // 60 is a leap second, which 1970's seconds do not count.
    let second = number(17..19, 0, 60)?.min(59);
    for (at, marks) in [(4, b"-".as_slice()), (7, b"-"), (10, b"Tt "), (13, b":"), (16, b":")] {
        mark(at, marks)?;
    }
    let local = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let rest = text.get(19..)?;
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    if zone.eq_ignore_ascii_case("z") {
        return Some(local);
    }
    let (east, offset) = match zone.split_at_checked(1)? {
        ("+", offset) => (true, offset),
        ("-", offset) => (false, offset),
        _ => return None,
    };
    let (hours, minutes) = offset.split_once(':')?;
    let offset = two_digits(hours, 23)? * 3600 + two_digits(minutes, 59)? * 60;
    let moved = if east { local.checked_sub(offset)? } else { local + offset };
    (moved <= LAST_UNIX_SECONDS).then_some(moved)
}

fn two_digits(text: &str, most: u64) -> Option<u64> {
    let plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| plain && *n <= most)
}

const fn leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn month_days(year: u64, month: u64) -> u64 {
    match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date not before it.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let before = year - 1;
    let leaps = before / 4 - before / 100 + before / 400;
    // 719,162 days lie between year 1 and 1970.
    let to_year = before * 365 + leaps - 719_162;
    to_year + (1..month).map(|month| month_days(year, month)).sum::<u64>() + day - 1
}

/// The date of a day after 1970-01-01.
fn civil(day: u64) -> (u64, u64, u64) {
    // At most a year too early: years of 366 days would be too many.
    let mut year = 1970 + day / 366;
    while days(year + 1, 1, 1) <= day {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days(year, month + 1, 1) <= day {
        month += 1;
    }
    (year, month, day - days(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_both_ways() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_459_468_800, "2016-04-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LAST_UNIX_SECONDS, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(write(seconds), text);
            assert_eq!(read(text), Some(seconds));
        }
        assert_eq!(write(LAST_UNIX_SECONDS + 1), "9999-12-31T23:59:59Z");
        // Every day of 150 years, then one of each month or so.
        let last = LAST_UNIX_SECONDS / 86_400;
        for day in (0..55_000).chain((55_000..=last).step_by(29)) {
            assert_eq!(read(&write(day * 86_400)), Some(day * 86_400));
        }
    }

    #[test]
    fn offsets_fractions_and_nonsense() {
        assert_eq!(read("2016-04-01t02:00:00.123+02:00"), Some(1_459_468_800));
        assert_eq!(read("2016-03-31 19:30:00-04:30"), Some(1_459_468_800));
        assert_eq!(read("2016-12-31T23:59:60Z"), Some(1_483_228_799));
        for wrong in [
            "",
            "2016-04-01",
            "2016-04-01T00:00:00",
            "2016-02-30T00:00:00Z",
            "2016-04-01T24:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "2016-04-01T00:00:00+1:00",
            "2016-04-01T00:00:00Zx",
            "+016-04-01T00:00:00Z",
            "9999-12-31T23:59:59-00:01",
            "2016x04-01T00:00:00Z",
            "2016-04-0é",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}

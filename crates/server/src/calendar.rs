//! Days and dates of the proleptic Gregorian calendar, UTC; for mbox separators and people.

/// Names of months as RFC 5322 and mbox write them.
pub const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Days since 1970-01-01 of a date. Howard Hinnant's `days_from_civil`.
#[must_use]
pub const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month, day of a day since 1970-01-01. Howard Hinnant's `civil_from_days`.
#[must_use]
pub const fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + if month <= 2 { 1 } else { 0 }, month, day)
}

fn name(names: &[&'static str], at: i64) -> &'static str {
    usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or("?")
}

/// `Sat Jan  3 01:05:34 1996`, as asctime(3) and mbox (RFC 4155).
#[must_use]
pub fn asctime(seconds: i64) -> String {
    let (day, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, of_month) = date(day);
    format!(
        "{} {} {of_month:2} {:02}:{:02}:{:02} {year}",
        name(&WEEKDAYS, day.rem_euclid(7)),
        name(&MONTHS, month - 1),
        time / 3600,
        time / 60 % 60,
        time % 60
    )
}

/// `2026-11-23`
#[must_use]
pub fn day(seconds: i64) -> String {
    let (year, month, day) = date(seconds.div_euclid(86_400));
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-11-23 08:30`
#[must_use]
pub fn short(seconds: i64) -> String {
    let time = seconds.rem_euclid(86_400);
    format!("{} {:02}:{:02}", day(seconds), time / 3600, time / 60 % 60)
}

/// `2026-11-23T08:30:00Z` (RFC 3339)
#[must_use]
pub fn rfc3339(seconds: i64) -> String {
    let time = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", day(seconds))
}

/// Reads the date of an mbox separator: `Sat Jan  3 01:05:34 1996`, with or without seconds, and
/// with or without a zone of four digits around the year.
#[must_use]
pub fn parse_asctime(text: &str) -> Option<i64> {
    let mut words = text.split_ascii_whitespace();
    let weekday = words.next()?;
    if !WEEKDAYS.contains(&weekday) {
        return None;
    }
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)?;
    let day: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute) = (clock.next()??, clock.next()??);
    let second = clock.next().unwrap_or(Some(0))?;
    let (mut zone, mut year) = (0, None);
    for word in words {
        match word.strip_prefix(['+', '-']) {
            Some(digits) => {
                let number: i64 = digits.parse().ok()?;
                let minutes = number / 100 * 60 + number % 100;
                zone = if word.starts_with('-') { -minutes } else { minutes };
            }
            None => year = year.or_else(|| word.parse::<i64>().ok()),
        }
    }
    let is_date = (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    let month = i64::try_from(month).ok()? + 1;
    let day = days(year.filter(|year| (1900..10_000).contains(year))?, month, day);
    is_date.then_some(day * 86_400 + hour * 3600 + minute * 60 + second - zone * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_come_back() {
        for day in (-800_000..800_000).step_by(97) {
            let (year, month, of_month) = date(day);
            assert_eq!(days(year, month, of_month), day);
        }
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(days(2000, 2, 29), 11_016);
    }

    #[test]
    fn separators_come_back() {
        for seconds in [0, 820_631_134, 1_700_000_000, 951_782_400] {
            assert_eq!(parse_asctime(&asctime(seconds)), Some(seconds), "{}", asctime(seconds));
        }
        assert_eq!(asctime(820_631_134), "Wed Jan  3 01:05:34 1996");
        assert_eq!(parse_asctime("Wed Jan 3 01:05:34 +0100 1996"), Some(820_627_534));
        assert_eq!(parse_asctime("Wed Jan 3 01:05:34 1996 -0100"), Some(820_634_734));
        for wrong in ["", "here on it is", "Wed Jan 3 1996", "Wed Foo 3 01:05:34 1996"] {
            assert_eq!(parse_asctime(wrong), None);
        }
    }
}

//! Dates of the protocol: `date-time` of INTERNALDATE and `date` of SEARCH (RFC 9051 §9), without
//! a clock.

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Days from 1970-01-01 to a day of the Gregorian calendar (proleptic). `month` is 1 to 12.
///
/// Years are counted from March, so that the leap day ends one.
#[must_use]
pub const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month (1 to 12) and day (1 to 31) of a day since 1970-01-01.
#[must_use]
pub const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + (month <= 2) as i64;
    (year, month, day)
}

/// `date-time` without quotes, in UTC: `01-Jan-1970 00:00:00 +0000`. Years outside 1 to 9999 are
/// brought inside.
#[must_use]
pub fn date_time(seconds: i64) -> [u8; 26] {
    // 0001-01-01 and 9999-12-31 23:59:59.
    let seconds = seconds.clamp(-62_135_596_800, 253_402_300_799);
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let digit = |n: i64| b'0' + (n % 10) as u8;
    let name = MONTHS.get((month - 1) as usize).copied().unwrap_or(b"Jan");
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    [
        digit(day / 10),
        digit(day),
        b'-',
        name[0],
        name[1],
        name[2],
        b'-',
        digit(year / 1000),
        digit(year / 100),
        digit(year / 10),
        digit(year),
        b' ',
        digit(hour / 10),
        digit(hour),
        b':',
        digit(minute / 10),
        digit(minute),
        b':',
        digit(second / 10),
        digit(second),
        b' ',
        b'+',
        b'0',
        b'0',
        b'0',
        b'0',
    ]
}

/// `date-text = date-day "-" date-month "-" date-year` as days since 1970-01-01.
#[must_use]
pub fn parse_date(text: &[u8]) -> Option<i64> {
    let mut fields = text.split(|&b| b == b'-');
    let day = number(fields.next()?, 1, 2)?;
    let month = fields.next()?;
    let year = number(fields.next()?, 4, 4)?;
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? as i64 + 1;
    let days = days_from_civil(year, month, day);
    // The way back differs for days that no month has, such as 31-Jun.
    (fields.next().is_none() && day >= 1 && civil_from_days(days) == (year, month, day))
        .then_some(days)
}

/// `date-time`'s inside as seconds since 1970 UTC: `[ D]D-Mon-YYYY HH:MM:SS ±HHMM`.
#[must_use]
pub fn parse_date_time(text: &[u8]) -> Option<i64> {
    let text = text.strip_prefix(b" ").unwrap_or(text);
    let mut words = text.split(|&b| b == b' ');
    let days = parse_date(words.next()?)?;
    let mut clock = words.next()?.split(|&b| b == b':');
    let hour = number(clock.next()?, 2, 2).filter(|n| *n < 24)?;
    let minute = number(clock.next()?, 2, 2).filter(|n| *n < 60)?;
    // 60: a leap second.
    let second = number(clock.next()?, 2, 2).filter(|n| *n <= 60)?;
    let (sign, zone) = words.next()?.split_first()?;
    let zone = number(zone, 4, 4).filter(|n| n % 100 < 60)?;
    let offset = (zone / 100) * 3600 + (zone % 100) * 60;
    let offset = match sign {
        b'+' => offset,
        b'-' => -offset,
        _ => return None,
    };
    if clock.next().is_some() || words.next().is_some() {
        return None;
    }
    Some(days * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

fn number(digits: &[u8], len_min: usize, len_max: usize) -> Option<i64> {
    let fits = (len_min..=len_max).contains(&digits.len());
    if !fits || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_days() {
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(2000, 2, 29), 11_016);
        assert_eq!(civil_from_days(-1), (1969, 12, 31));
        assert_eq!(parse_date(b"1-Feb-1994"), Some(8797));
        assert_eq!(parse_date(b"30-feb-1994"), None);
        assert_eq!(parse_date(b"0-Feb-1994"), None);
        assert_eq!(parse_date(b"1-Feb-94"), None);
    }

    #[test]
    fn known_times() {
        let text = b"17-Jul-1996 02:44:25 -0700";
        assert_eq!(parse_date_time(text), Some(837_596_665));
        assert_eq!(&date_time(837_596_665), b"17-Jul-1996 09:44:25 +0000");
        assert_eq!(parse_date_time(b" 7-Jul-1996 02:44:25 +0000"), Some(836_707_465));
        assert_eq!(parse_date_time(b"17-Jul-1996 24:44:25 -0700"), None);
        assert_eq!(parse_date_time(b"17-Jul-1996 02:44:25 0700"), None);
    }

    proptest! {
        #[test]
        fn written_times_parse_back(seconds in -62_135_596_800..253_402_300_799_i64) {
            prop_assert_eq!(parse_date_time(&date_time(seconds)), Some(seconds));
        }
        #[test]
        fn anything_is_no_panic(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse_date_time(&text);
        }
    }
}

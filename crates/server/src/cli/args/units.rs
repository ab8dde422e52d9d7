//! Sizes, times and limits as people write them.

use crate::admin::OwnLimit;

/// `5G`, `500M`, `10k`, `1234`: powers of 1024.
pub fn octets(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor: u64 = match text.get(digits.len()..).unwrap_or_default() {
        "" => 1,
        "k" | "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        other => return Err(format!("unknown unit {other}; use k, M, G or T")),
    };
    let number: u64 = digits.parse().map_err(|_| "not a number".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "too large".to_owned())
}

/// `90d`, `12h`, `30m`, `45s`, `1234`.
pub fn seconds(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor: u64 = match text.get(digits.len()..).unwrap_or_default() {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        other => return Err(format!("unknown unit {other}; use s, m, h or d")),
    };
    let number: u64 = digits.parse().map_err(|_| "not a number".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "too long".to_owned())
}

/// `default`, or a number.
pub fn own_limit(text: &str) -> Result<OwnLimit, String> {
    match text {
        "default" => Ok(OwnLimit::Default),
        number => number.parse().map(OwnLimit::Max).map_err(|_| "not a number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_have_units() {
        assert_eq!(octets("1234"), Ok(1234));
        assert_eq!(octets("5G"), Ok(5 << 30));
        assert!(octets("5X").is_err());
        assert!(octets("G").is_err());
        assert!(octets("99999999999T").is_err());
    }

    #[test]
    fn times_have_units() {
        assert_eq!(seconds("90d"), Ok(90 * 86_400));
        assert_eq!((seconds("2h"), seconds("3m"), seconds("4")), (Ok(7_200), Ok(180), Ok(4)));
        assert!(seconds("1y").is_err() && seconds("d").is_err() && seconds("-1").is_err());
        assert!(seconds("99999999999999999999d").is_err());
    }
}

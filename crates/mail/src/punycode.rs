//! Punycode (RFC 3492) with the parameters of IDNA, for one label without `xn--`.
//!
//! Both ways fail with `None` on overflow and on what no encoder writes; labels are at most 63
//! octets, so the quadratic insertion costs nothing.

const BASE: u32 = 36;
const T_MIN: u32 = 1;
const T_MAX: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const INITIAL_BIAS: u32 = 72;
const INITIAL_N: u32 = 128;

/// The Unicode text of a label (RFC 3492 §6.2).
pub fn decode(label: &str) -> Option<String> {
    let (basic, extended) = label.rsplit_once('-').unwrap_or(("", label));
    if !label.is_ascii() {
        return None;
    }
    let mut text: Vec<char> = basic.chars().collect();
    let (mut n, mut i, mut bias) = (INITIAL_N, 0_u32, INITIAL_BIAS);
    let mut digits = extended.bytes().peekable();
    while digits.peek().is_some() {
        let start = i;
        let (mut weight, mut k) = (1_u32, BASE);
        loop {
            let digit = digit_value(digits.next()?)?;
            i = i.checked_add(digit.checked_mul(weight)?)?;
            let threshold = threshold(k, bias);
            if digit < threshold {
                break;
            }
            weight = weight.checked_mul(BASE - threshold)?;
            k += BASE;
        }
        let length = u32::try_from(text.len()).ok()? + 1;
        bias = adapt(i - start, length, start == 0);
        n = n.checked_add(i / length)?;
        i %= length;
        text.insert(i as usize, char::from_u32(n)?);
        i += 1;
    }
    Some(text.into_iter().collect())
}

/// The ASCII form of a label (RFC 3492 §6.3).
pub fn encode(label: &str) -> Option<String> {
    let mut out: String = label.chars().filter(char::is_ascii).collect();
    let basic = u32::try_from(out.len()).ok()?;
    let letters: Vec<u32> = label.chars().map(u32::from).collect();
    if basic > 0 {
        out.push('-');
    }
    let (mut n, mut delta, mut bias, mut done) = (INITIAL_N, 0_u32, INITIAL_BIAS, basic);
    while (done as usize) < letters.len() {
        let next = letters.iter().copied().filter(|letter| *letter >= n).min()?;
        delta = delta.checked_add((next - n).checked_mul(done + 1)?)?;
        n = next;
        for letter in &letters {
            if *letter < n {
                delta = delta.checked_add(1)?;
            } else if *letter == n {
                encode_delta(delta, bias, &mut out)?;
                bias = adapt(delta, done + 1, done == basic);
                delta = 0;
                done += 1;
            }
        }
        delta = delta.checked_add(1)?;
        n += 1;
    }
    Some(out)
}

fn encode_delta(delta: u32, bias: u32, out: &mut String) -> Option<()> {
    let (mut quotient, mut k) = (delta, BASE);
    loop {
        let threshold = threshold(k, bias);
        if quotient < threshold {
            out.push(char::from_digit(quotient, BASE).map(digit_letter)?);
            return Some(());
        }
        let digit = threshold + (quotient - threshold) % (BASE - threshold);
        out.push(char::from_digit(digit, BASE).map(digit_letter)?);
        quotient = (quotient - threshold) / (BASE - threshold);
        k += BASE;
    }
}

/// Punycode counts a to z, then 0 to 9; radix 36 the other way round.
fn digit_letter(radix_36: char) -> char {
    let value = radix_36.to_digit(BASE).unwrap_or(0);
    let octet = if value < 26 { b'a' + value as u8 } else { b'0' + (value - 26) as u8 };
    char::from(octet)
}

fn digit_value(letter: u8) -> Option<u32> {
    match letter {
        b'a'..=b'z' => Some(u32::from(letter - b'a')),
        b'A'..=b'Z' => Some(u32::from(letter - b'A')),
        b'0'..=b'9' => Some(u32::from(letter - b'0') + 26),
        _ => None,
    }
}

fn threshold(k: u32, bias: u32) -> u32 {
    k.saturating_sub(bias).clamp(T_MIN, T_MAX)
}

/// RFC 3492 §6.1.
const fn adapt(delta: u32, length: u32, first: bool) -> u32 {
    let mut delta = if first { delta / DAMP } else { delta / 2 };
    delta += delta / length;
    let mut k = 0;
    while delta > (BASE - T_MIN) * T_MAX / 2 {
        delta /= BASE - T_MIN;
        k += BASE;
    }
    k + (BASE - T_MIN + 1) * delta / (delta + SKEW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_labels() {
        for (unicode, ascii) in [
            ("münchen", "mnchen-3ya"),
            ("bücher", "bcher-kva"),
            ("españa", "espaa-rta"),
            ("例え", "r8jz45g"),
            ("他们为什么不说中文", "ihqwcrb4cv8a8dqg056pqjye"),
            ("3年b組金八先生", "3b-ww4c5e180e575a65lsy2b"),
            ("ñ", "ida"),
        ] {
            assert_eq!(encode(unicode).as_deref(), Some(ascii));
            assert_eq!(decode(ascii).as_deref(), Some(unicode));
        }
    }

    #[test]
    fn nonsense() {
        for label in ["999999999", "é", "a-!", "999999b"] {
            assert_eq!(decode(label), None, "{label}");
        }
    }

    proptest! {
        #[test]
        fn inverse(label in "[a-z0-9áñü中文字-]{0,20}[ñ中]") {
            prop_assert_eq!(decode(&encode(&label).unwrap()), Some(label));
        }

        #[test]
        fn never_panics(label in "\\PC{0,70}") {
            let _ = (decode(&label), encode(&label));
        }
    }
}

//! Letters as a reader sees them: full-width and look-alike letters, accents and case folded, and
//! invisible characters left out, so that disguises do not make a new word.
//!
//! Not the whole of Unicode's confusables (UTS #39): those that disguise Latin words. A Cyrillic
//! or Greek word without Latin letters keeps its own.

/// What a character is to the words of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Letter {
    /// Part of a word; lower case, and `0` for every digit.
    Word(char),
    /// A character of a script that writes no spaces: each two neighbours are a word.
    Ideograph(char),
    /// Not seen by a reader; parts nothing.
    Invisible,
    /// Between words.
    Gap,
}

/// Folds one character.
#[must_use]
pub fn letter(given: char) -> Letter {
    match given {
        'a'..='z' | '$' | '%' | '\'' | '-' | '_' | '!' => return Letter::Word(given),
        'A'..='Z' => return Letter::Word(given.to_ascii_lowercase()),
        // A number's size is learnt, not its value: prices and years do not come back.
        '0'..='9' => return Letter::Word('0'),
        '\0'..='\x7f' => return Letter::Gap,
        _ => {}
    }
    match given {
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180b}'..='\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}'
        | '\u{300}'..='\u{36f}' => Letter::Invisible,
        // Full-width forms of ASCII stand in its order.
        '\u{ff01}'..='\u{ff5e}' => {
            letter(char::from_u32(given as u32 - 0xff01 + 0x21).unwrap_or(' '))
        }
        // Mathematical alphabets: 13 styles of A–Z, a–z.
        '\u{1d400}'..='\u{1d6a3}' => {
            let at = (given as u32 - 0x1d400) % 26;
            Letter::Word(char::from_u32('a' as u32 + at).unwrap_or('a'))
        }
        '\u{1d7ce}'..='\u{1d7ff}' => Letter::Word('0'),
        '\u{24b6}'..='\u{24e9}' => {
            let at = (given as u32 - 0x24b6) % 26;
            Letter::Word(char::from_u32('a' as u32 + at).unwrap_or('a'))
        }
        '€' | '£' | '¥' => Letter::Word('$'),
        '’' | 'ʼ' => Letter::Word('\''),
        '\u{2e80}'..='\u{2fdf}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}'
        | '\u{e00}'..='\u{eff}' => Letter::Ideograph(given),
        _ if given.is_numeric() => Letter::Word('0'),
        _ if given.is_alphabetic() => Letter::Word(lower(given)),
        _ => Letter::Gap,
    }
}

/// Lower case without accent.
fn lower(given: char) -> char {
    let small = given.to_lowercase().next().unwrap_or(given);
    match small {
        'à'..='å' | 'ā' | 'ă' | 'ą' | 'ª' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' => 'e',
        'ì'..='ï' | 'ī' | 'ı' => 'i',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò'..='ö' | 'ø' | 'ō' | 'ő' | 'º' => 'o',
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => 'u',
        'ý' | 'ÿ' => 'y',
        'š' | 'ś' | 'ş' => 's',
        'ž' | 'ź' | 'ż' => 'z',
        other => other,
    }
}

/// The Latin letter that a Cyrillic or Greek one looks like.
#[must_use]
pub fn look_alike(given: char) -> char {
    match given {
        'а' | 'α' => 'a',
        'с' | 'ϲ' => 'c',
        'е' | 'ε' => 'e',
        'һ' => 'h',
        'і' | 'ι' => 'i',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'м' => 'm',
        'о' | 'ο' => 'o',
        'р' | 'ρ' => 'p',
        'ѕ' => 's',
        'т' | 'τ' => 't',
        'υ' => 'u',
        'ν' => 'v',
        'ԝ' | 'ω' => 'w',
        'х' | 'χ' => 'x',
        'у' | 'γ' => 'y',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disguises_fold() {
        for given in ['v', 'V', 'Ｖ', 'ｖ', '𝐕', '𝓿', 'Ⓥ'] {
            assert_eq!(letter(given), Letter::Word('v'), "{given}");
        }
        assert_eq!(letter('É'), Letter::Word('e'));
        assert_eq!(letter('7'), Letter::Word('0'));
        assert_eq!(letter('７'), Letter::Word('0'));
        assert_eq!(letter('\u{200b}'), Letter::Invisible);
        assert_eq!(letter('\u{301}'), Letter::Invisible);
        assert_eq!(letter('文'), Letter::Ideograph('文'));
        assert_eq!(letter('П'), Letter::Word('п'));
        assert_eq!(letter('—'), Letter::Gap);
        assert_eq!(look_alike('а'), 'a');
    }

    #[test]
    fn every_character_has_a_class() {
        for given in '\0'..=char::MAX {
            if let Letter::Word(folded) = letter(given) {
                assert!(!folded.is_ascii_uppercase(), "{given}");
            }
        }
    }
}

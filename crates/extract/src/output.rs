//! The text as it is gathered: never longer than its limit.

/// Text with a limit in characters.
pub(crate) struct Output {
    text: String,
    chars_left: usize,
}

impl Output {
    pub(crate) const fn new(chars_max: usize) -> Self {
        Self { text: String::new(), chars_left: chars_max }
    }

    /// Adds what fits; gives whether there is room for more.
    pub(crate) fn text(&mut self, text: &str) -> bool {
        for letter in text.chars() {
            if self.chars_left == 0 {
                return false;
            }
            self.chars_left -= 1;
            self.text.push(letter);
        }
        self.chars_left > 0
    }

    /// Ends the line, unless it is empty. White space at its end is dropped.
    pub(crate) fn line(&mut self) -> bool {
        while self.text.ends_with([' ', '\t']) {
            self.text.pop();
            self.chars_left += 1;
        }
        self.text.is_empty() || self.text.ends_with('\n') || self.text("\n")
    }

    /// White space, one character of it.
    pub(crate) fn gap(&mut self, gap: &str) -> bool {
        self.text.is_empty() || self.text.ends_with(char::is_whitespace) || self.text(gap)
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.chars_left == 0
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted() {
        let mut output = Output::new(5);
        assert!(output.text("añ"));
        assert!(output.line() && output.line());
        assert!(!output.text("bcd"));
        assert!(output.is_full() && !output.text("e"));
        assert_eq!(output.into_text(), "añ\nbc");
    }

    #[test]
    fn gaps_do_not_add_up() {
        let mut output = Output::new(50);
        output.gap(" ");
        output.text("a");
        output.gap("\t");
        output.gap(" ");
        output.text("b");
        output.gap(" ");
        output.line();
        assert_eq!(output.into_text(), "a\tb\n");
    }
}

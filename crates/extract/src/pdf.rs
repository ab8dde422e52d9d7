//! PDF, by way of pdf-extract.
//!
//! That parser panics on much that is malformed, may loop, and unpacks without a limit. Panics are
//! caught here, page by page, so that one bad page costs that page alone; loops, memory and stack
//! are for the process that may be killed.

use crate::{Error, output::Output};
use pdf_extract::{
    ConvertToFmt, Document, MediaBox, OutputDev, OutputError, PlainTextOutput, Transform,
};
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Pages read one by one behind one that cannot be read: the parser walks the whole tree of pages
/// for each.
const PAGES_SINGLY_MAX: usize = 500;

/// The text of all pages that can be read.
pub(crate) fn read(document: &[u8], output: &mut Output) -> Result<(), Error> {
    let malformed = Error::Malformed("not a PDF");
    let document = survive(|| Document::load_mem(document)).ok_or(malformed)?;
    let mut document = document.map_err(|_| Error::Malformed("a broken PDF"))?;
    if document.is_encrypted() {
        // Many are encrypted under the empty password, to forbid printing.
        survive(|| document.decrypt("")).and_then(Result::ok).ok_or(Error::Encrypted)?;
    }
    let pages = survive(|| document.get_pages()).ok_or(Error::Malformed("pages"))?;
    let mut device = Device { text: PlainTextOutput::new(Sink(output)), page: 0 };
    let all = survive(|| pdf_extract::output_doc(&document, &mut device));
    let mut read = matches!(all, Some(Ok(())));
    let begun = device.page;
    if !read {
        let rest = pages.keys().filter(|number| **number > begun);
        for number in rest.take(PAGES_SINGLY_MAX) {
            if output.is_full() {
                break;
            }
            output.line();
            let mut device = Device { text: PlainTextOutput::new(Sink(output)), page: 0 };
            let one = survive(|| pdf_extract::output_doc_page(&document, &mut device, *number));
            read |= matches!(one, Some(Ok(())));
        }
    }
    if !read && output.is_empty() {
        return Err(Error::Malformed("no page can be read"));
    }
    output.line();
    Ok(())
}

/// Takes what the parser draws, and notes at which page it is.
struct Device<'a> {
    text: PlainTextOutput<Sink<'a>>,
    page: u32,
}

impl OutputDev for Device<'_> {
    fn begin_page(
        &mut self,
        number: u32,
        media_box: &MediaBox,
        art_box: Option<(f64, f64, f64, f64)>,
    ) -> Result<(), OutputError> {
        self.page = number;
        self.text.begin_page(number, media_box, art_box)
    }
    fn end_page(&mut self) -> Result<(), OutputError> {
        self.text.end_page()
    }
    fn output_character(
        &mut self,
        place: &Transform,
        width: f64,
        spacing: f64,
        size: f64,
        text: &str,
    ) -> Result<(), OutputError> {
        self.text.output_character(place, width, spacing, size, text)
    }
    fn begin_word(&mut self) -> Result<(), OutputError> {
        self.text.begin_word()
    }
    fn end_word(&mut self) -> Result<(), OutputError> {
        self.text.end_word()
    }
    fn end_line(&mut self) -> Result<(), OutputError> {
        self.text.end_line()
    }
}

/// Where the text goes; an error once there is no room, which ends the reading.
struct Sink<'a>(&'a mut Output);

impl fmt::Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.text(text) { Ok(()) } else { Err(fmt::Error) }
    }
}

impl ConvertToFmt for Sink<'_> {
    type Writer = Self;
    fn convert(self) -> Self {
        self
    }
}

/// Runs foreign code that may panic.
fn survive<T>(work: impl FnOnce() -> T) -> Option<T> {
    // What it leaves half done is dropped with the page.
    catch_unwind(AssertUnwindSafe(work)).ok()
}

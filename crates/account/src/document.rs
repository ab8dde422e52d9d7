//! What of a message is searched: the one place that turns bytes into the text that needles are
//! looked for in. A search that reads a message and the index that holds it see the same.

use crate::{Account, Error, Extract, Record, sort::source};
use ::search::Document;
use bytes::Bytes;
use mail::{Part, PartKind, Structure, header, mime, text};

/// Kinds of documents that arrive as `application/octet-stream`, by the ends of their names.
const KINDS: [(&str, &str); 7] = [
    (".pdf", "application/pdf"),
    (".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    (".odt", "application/vnd.oasis.opendocument.text"),
    (".ods", "application/vnd.oasis.opendocument.spreadsheet"),
    (".odp", "application/vnd.oasis.opendocument.presentation"),
];

/// A header's fields in order: casemapped name and decoded, casemapped value.
pub(crate) fn fields(head: &[u8]) -> Vec<(String, String)> {
    let each = header::fields(head);
    each.map(|field| (name(&String::from_utf8_lossy(field.name)), value(&field))).collect()
}

/// A field's name as it is compared.
pub(crate) fn name(name: &str) -> String {
    text::casemap(name)
}

/// Whether a field has that casemapped name.
pub(crate) fn name_is(field: &header::Field<'_>, wanted: &str) -> bool {
    field.is(wanted) || name(&String::from_utf8_lossy(field.name)) == wanted
}

/// A field's value as it is compared.
pub(crate) fn value(field: &header::Field<'_>) -> String {
    text::casemap(&text::decode_header(&field.unfolded()))
}

/// A header's fields as SEARCH TEXT sees them.
pub(crate) fn header_text(fields: &[(String, String)]) -> String {
    let mut all = String::with_capacity(fields.iter().map(|(n, v)| n.len() + v.len() + 3).sum());
    for (name, value) in fields {
        all.extend([name, ": ", value, "\n"]);
    }
    all
}

/// The texts of a message's body, casemapped, each followed by a line end: its own, then those of
/// its attachments.
pub(crate) async fn body(
    structure: &Structure,
    message: &Bytes,
    extract: Option<&dyn Extract>,
) -> String {
    let mut all = String::new();
    text::texts(structure, message, &mut |part| {
        all.push_str(&text::casemap(part));
        all.push('\n');
        true
    });
    let Some(extract) = extract else { return all };
    for part in &structure.parts {
        let Some(kind) = kind(part).filter(|kind| extract.reads(kind)) else { continue };
        let (start, end) = (part.body.start as usize, part.body.end as usize);
        let raw = message.get(start..end).unwrap_or_default();
        let decoded = match mime::decode(raw, &part.encoding) {
            Some(std::borrow::Cow::Owned(decoded)) => decoded.into(),
            _ => message.slice_ref(raw),
        };
        if let Some(text) = extract.text(&kind, decoded).await {
            all.push_str(&text::casemap(&text));
            all.push('\n');
        }
    }
    all
}

/// What kind of document an attachment is; `None` of what is text anyway.
fn kind(part: &Part) -> Option<String> {
    let textual = matches!(part.media_type.as_str(), "text" | "message" | "multipart");
    if part.kind != PartKind::Leaf || textual {
        return None;
    }
    let said = format!("{}/{}", part.media_type, part.media_subtype).to_ascii_lowercase();
    if said != "application/octet-stream" {
        return Some(said);
    }
    let file = text::decode_header(part.file_name()?).to_ascii_lowercase();
    let known = KINDS.iter().find(|(end, _)| file.ends_with(end));
    Some(known.map_or(said, |(_, kind)| (*kind).to_owned()))
}

impl Account {
    /// A message's texts as the index takes them.
    pub(crate) async fn document(&self, record: &Record) -> Result<Document, Error> {
        let message = self.body(record, 0..u32::MAX).await?;
        let head = message.get(..record.header_octets() as usize).unwrap_or(&message);
        let read = source::read(self, record, true).await?;
        let extract = self.shared.options.extract.as_deref();
        Ok(Document {
            message: record.message(),
            header: fields(head),
            body: body(&record.structure(), &message, extract).await,
            partial: false,
            sent: record.sent_date(),
            sort: read.texts,
            reply: read.reply,
            message_id: read.message_id,
            references: read.references,
        })
    }
}

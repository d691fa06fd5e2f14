//! Which server named a resource, written into the resource's URI: any process can tell, and none has to remember
//! (docs/inside/decisions.md#names-of-tools, docs/inside/decisions.md#resources). Changes nothing of a message but
//! URIs; decides neither who may read nor who is asked.
//!
//! Why so. Two servers may use one URI, and a link need not stand in any list, so the URI itself has to say whose it
//! is. A memory of origins would have to be shared by all replicas, would grow with every link that a tool returns,
//! and would be empty after a restart, while the client still holds the link. So each URI that a mentor's endpoint
//! shows ends in a mark with the number of its server, always, not only where two servers clash: a name must not
//! change because another server comes. The number and not the prefix, because a renamed prefix must not break links.
//!
//! The mark is a directive at the end of the fragment (`ui://widget/index.html#:~:mentor-gateway=7`), because there
//! * the scheme, the authority and the path stay, so that hosts of MCP Apps see `ui://`, relative parts keep their
//!   base, and a link to the web opens: a fragment is not sent, and browsers take off what follows `:~:`;
//! * it works for URIs without an authority (`urn:`, `mailto:`, `data:`) as for all others;
//! * it is a literal at the end of a template (RFC 6570), which every expansion keeps, whatever the variables are;
//! * clients that normalise URIs do not touch it, and what is left without it is what they would have sent directly.
//!
//! Only the last mark counts, and the gateway writes it: a server that puts a mark into a URI of its own, or that is
//! a gateway itself, gets another one behind it, and its own comes back to it with the rest.

use std::borrow::Cow;
use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;
use serde_json::value::RawValue;

use mcp::{Message, RawObject, message};

/// What comes before the server's number.
const MARK: &str = ":~:mentor-gateway=";
/// Objects within objects that are searched for URIs.
const DEPTH_MAX: u8 = 8;
/// Members in which blocks of content stand, or what holds them.
const HOLDERS: [&str; 5] = ["content", "messages", "params", "result", "inputRequests"];
/// Members of `_meta` that name a resource: MCP Apps, as they were before, and as another host has them.
const UI_KEYS: [&str; 2] = ["ui/resourceUri", "openai/outputTemplate"];

/// The end of `"uri"` and of every other name of a member that holds one.
static URI_NAME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"ri\""));
static TEMPLATE_NAME: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new(b"outputTemplate\""));
static MARKS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MARK));

/// The URI with the mark of a server.
pub fn mark(uri: &str, server: i64) -> String {
    format!("{uri}{}", ending(uri, server))
}

fn ending(uri: &str, server: i64) -> String {
    let has_fragment = uri.contains('#') && !uri.ends_with('#');
    format!("{}{MARK}{server}", if has_fragment { "" } else { "#" })
}

/// The server that a URI says it is of, and the URI as that server has it.
pub(crate) fn unmark(marked: &str) -> Option<(i64, &str)> {
    let at = marked.rfind(MARK)?;
    let number = &marked[at + MARK.len()..];
    if !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let uri = &marked[..at];
    Some((number.parse().ok()?, uri.strip_suffix('#').unwrap_or(uri)))
}

/// JSON without the marks in it: a model that was shown a URI may hand it to a tool, which knows the plain one.
/// `None` if there is none.
pub(crate) fn without_marks(json: &[u8]) -> Option<Vec<u8>> {
    MARKS.find(json)?;
    let mut out = Vec::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = MARKS.find(rest) {
        let after = &rest[at + MARK.len()..];
        let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
        // Of several marks the last is ours.
        let is_ours = digits > 0 && !after[digits..].starts_with(MARK.as_bytes());
        if is_ours {
            let uri = &rest[..at];
            out.extend_from_slice(uri.strip_suffix(b"#").unwrap_or(uri));
            rest = &after[digits..];
        } else {
            out.extend_from_slice(&rest[..at + MARK.len()]);
            rest = after;
        }
    }
    out.extend_from_slice(rest);
    Some(out)
}

/// Names the resources of one server for a client of a union.
#[derive(Debug, Clone)]
pub struct Namer {
    server: i64,
    /// The URI that the client named, as the server has it and as the client has it.
    asked: Option<(String, String)>,
}

impl Namer {
    /// For the resources of this server.
    pub fn of(server: i64) -> Self {
        Self {
            server,
            asked: None,
        }
    }

    /// The client named this URI in its own way, and is answered in the same.
    pub fn asked(self, own: impl Into<String>, shown: impl Into<String>) -> Self {
        Self {
            asked: Some((own.into(), shown.into())),
            ..self
        }
    }

    /// A result, an item of a list or the parameters of a request with the URIs that the client knows. `None` if
    /// nothing changes.
    pub fn name(&self, json: &[u8]) -> Option<Vec<u8>> {
        URI_NAME.find(json)?;
        self.change(json, |places| places.visit(json, 0))
    }

    /// The same for an item of a list, which has its URI, if any, under this key.
    pub fn item(&self, json: &[u8], key: &str) -> Option<Vec<u8>> {
        if key == "name" && URI_NAME.find(json).is_none() {
            TEMPLATE_NAME.find(json)?;
        }
        self.change(json, |places| {
            let object = RawObject::parse(json).unwrap_or_default();
            if key != "name" {
                places.uri(object.get(key));
            }
            places.meta(object.get("_meta"));
        })
    }

    /// An error about the URI that the client named.
    pub fn error(&self, json: &[u8]) -> Option<Vec<u8>> {
        self.asked.as_ref()?;
        self.change(json, |places| {
            let error = RawObject::parse(json).unwrap_or_default();
            let data = error.get("data").unwrap_or_default();
            places.uri(RawObject::parse(data).unwrap_or_default().get("uri"));
        })
    }

    /// A notification or a request of the server.
    pub fn message(&self, message: Message) -> Message {
        let method = message.method.as_deref().unwrap_or_default();
        let params = message.params_or_empty();
        let named = if method == "notifications/resources/updated" {
            self.change(params, |places| {
                places.uri(RawObject::parse(params).unwrap_or_default().get("uri"));
            })
        } else {
            self.name(params)
        };
        let Some(named) = named else {
            return message;
        };
        let text = match &message.id {
            Some(id) => message::request(id, method, &named),
            None => message::notification(method, &named),
        };
        Message::parse(Bytes::from(text)).unwrap_or(message)
    }

    fn change(&self, json: &[u8], search: impl FnOnce(&mut Places<'_>)) -> Option<Vec<u8>> {
        let mut places = Places {
            namer: self,
            start: json.as_ptr() as usize,
            found: Vec::new(),
        };
        search(&mut places);
        let mut found = places.found;
        if found.is_empty() {
            return None;
        }
        found.sort_unstable();
        let mut out = Vec::with_capacity(json.len() + 32 * found.len());
        let mut done = 0;
        for (at, ending) in &found {
            out.extend_from_slice(&json[done..*at]);
            out.extend_from_slice(ending.as_bytes());
            done = *at;
        }
        out.extend_from_slice(&json[done..]);
        Some(out)
    }
}

/// Where endings are to be put into a text. Nothing but they is written, so that the rest stays byte for byte.
struct Places<'a> {
    namer: &'a Namer,
    /// The address of the text: every value looked at is a part of it.
    start: usize,
    found: Vec<(usize, String)>,
}

impl Places<'_> {
    /// Notes the ending of a URI, if this JSON is one.
    fn uri(&mut self, json: Option<&[u8]>) {
        let Some(json) = json else { return };
        let Ok(uri) = serde_json::from_slice::<Cow<'_, str>>(json) else {
            return;
        };
        let is_known =
            matches!(&self.namer.asked, Some((own, shown)) if *own == uri && own == shown);
        if !uri.is_empty() && !is_known {
            let quote = json.as_ptr() as usize - self.start + json.len() - 1;
            self.found.push((quote, ending(&uri, self.namer.server)));
        }
    }

    /// What shows the tool or its result (MCP Apps).
    fn meta(&mut self, json: Option<&[u8]>) {
        let Some(meta) = json.and_then(|json| RawObject::parse(json).ok()) else {
            return;
        };
        for key in UI_KEYS {
            self.uri(meta.get(key));
        }
        let ui = meta.get("ui").and_then(|json| RawObject::parse(json).ok());
        self.uri(ui.unwrap_or_default().get("resourceUri"));
    }

    /// Links and embedded resources, wherever content may stand, and the contents of a read.
    fn visit(&mut self, json: &[u8], depth: u8) {
        if depth > DEPTH_MAX {
            return;
        }
        if json.first() == Some(&b'[') {
            let items: Vec<&RawValue> = serde_json::from_slice(json).unwrap_or_default();
            for item in items {
                self.visit(item.get().as_bytes(), depth + 1);
            }
            return;
        }
        let Ok(object) = RawObject::parse(json) else {
            return;
        };
        match object.get_str("type").as_deref() {
            Some("resource_link") => self.uri(object.get("uri")),
            Some("resource") => self.inside(object.get("resource")),
            _ => {}
        }
        for (name, value) in &object.0 {
            match &**name {
                "_meta" => self.meta(Some(value)),
                "contents" => {
                    let items: Vec<&RawValue> = serde_json::from_slice(value).unwrap_or_default();
                    items
                        .iter()
                        .for_each(|item| self.inside(Some(item.get().as_bytes())));
                }
                "inputRequests" => {
                    let requests = RawObject::parse(value).unwrap_or_default();
                    for (_, request) in &requests.0 {
                        self.visit(request, depth + 1);
                    }
                }
                name if HOLDERS.contains(&name) => self.visit(value, depth + 1),
                _ => {}
            }
        }
    }

    /// The contents of a resource.
    fn inside(&mut self, json: Option<&[u8]>) {
        let Some(contents) = json.and_then(|json| RawObject::parse(json).ok()) else {
            return;
        };
        self.uri(contents.get("uri"));
        self.meta(contents.get("_meta"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_uri_comes_back_as_it_was_and_keeps_its_scheme() {
        for uri in [
            "ui://widget/index.html",
            "https://example.com/a?b=c",
            "https://example.com/a#part",
            "https://example.com/#/route/5",
            "doc://x#",
            "file:///a%20b/%E4%BD%A0?x#y",
            "urn:isbn:0451450523",
            "mailto:a@b.example?subject=x",
            "data:text/plain,hello",
            "item://{id}/data{?q}{&r}{#part}",
            "{+uri}",
            "x:y#:~:text=word",
            "x:y#:~:mentor-gateway=8",
            "x:y#:~:mentor-gateway=",
        ] {
            let marked = mark(uri, 7);
            assert_eq!(unmark(&marked), Some((7, uri)), "{marked}");
            assert!(marked.starts_with(uri));
            let json = format!("{{\"a\":[\"{marked}\"],\"b\":\"see {marked}, please\"}}");
            let plain = format!("{{\"a\":[\"{uri}\"],\"b\":\"see {uri}, please\"}}");
            assert_eq!(without_marks(json.as_bytes()).unwrap(), plain.as_bytes());
        }
        assert_eq!(mark("x:y", 7), "x:y#:~:mentor-gateway=7");
        for plain in [
            "x:y",
            "x:y#:~:mentor-gateway=",
            "x:y#:~:mentor-gateway=+7",
            "x:y#:~:mentor-gateway=7a",
        ] {
            assert_eq!(unmark(plain), None, "{plain}");
        }
    }

    #[test]
    fn an_expanded_template_comes_back_as_it_would_have_been() {
        for (template, from, to, own) in [
            ("item://{id}", "{id}", "a%20b", "item://a%20b"),
            ("file:///{+path}", "{+path}", "a/b#c", "file:///a/b#c"),
            ("doc://x{#part}", "{#part}", "#two", "doc://x#two"),
            ("doc://x{#part}", "{#part}", "", "doc://x"),
            ("db://q{?a}", "{?a}", "?a=1", "db://q?a=1"),
        ] {
            let expanded = mark(template, 7).replace(from, to);
            assert_eq!(unmark(&expanded), Some((7, own)), "{expanded}");
        }
    }

    #[test]
    fn only_the_uris_of_a_result_change() {
        let namer = Namer::of(7);
        let result = r#"{ "content":[ {"type":"resource_link","uri":"a:\/b","n":0.70},
            {"type":"resource","resource":{"uri":"a:b#c","text":"\"uri\":\"a:b\""}},{"type":"text","text":"uri"}],
            "structuredContent":{"type":"resource_link","uri":"a:b"},
            "_meta":{"ui":{"resourceUri":"ui://w"},"ui\/resourceUri":"ui://w","x":"ri"} }"#;
        let expected = result
            .replace(r#""a:\/b""#, r#""a:\/b#:~:mentor-gateway=7""#)
            .replace(r#""a:b#c""#, r#""a:b#c:~:mentor-gateway=7""#)
            .replace(r#""ui://w""#, r#""ui://w#:~:mentor-gateway=7""#);
        let named = namer.name(result.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(named).unwrap(), expected);
        assert_eq!(
            namer.name(br#"{"content":[{"type":"text","text":"ri"}]}"#),
            None
        );
    }

    #[test]
    fn an_answer_names_a_resource_as_it_was_asked_for() {
        let read = br#"{"contents":[{"uri":"a:b"},{"uri":"a:c"}]}"#;
        let plain = Namer::of(7).asked("a:b", "a:b");
        assert_eq!(
            plain.name(read).unwrap(),
            br#"{"contents":[{"uri":"a:b"},{"uri":"a:c#:~:mentor-gateway=7"}]}"#
        );
        let marked = Namer::of(7).asked("a:b", mark("a:b", 7));
        assert_eq!(
            marked.name(read).unwrap(),
            br#"{"contents":[{"uri":"a:b#:~:mentor-gateway=7"},{"uri":"a:c#:~:mentor-gateway=7"}]}"#
        );
        let error = br#"{"code":-32002,"message":"none","data":{"uri":"a:b"}}"#;
        assert_eq!(plain.error(error), None);
        assert_eq!(
            marked.error(error).unwrap(),
            br#"{"code":-32002,"message":"none","data":{"uri":"a:b#:~:mentor-gateway=7"}}"#
        );
    }
}

//! What MCP's schemas say of everything that is parsed on its way to a client, in one table for all revisions: a member
//! that one of them does not have yet is held to what the next ones say of it, because clients parse all with one model.

/// What a value must be.
#[derive(Debug)]
pub(super) enum Kind {
    /// A name or a title, for people.
    Line,
    /// A description, for people and models.
    Text,
    /// Instructions.
    Instructions,
    /// A string that is for programs.
    Word,
    /// The address of a page.
    Link,
    /// A boolean.
    Flag,
    /// An integer that every program can hold.
    Integer,
    /// A number from 0 to 1.
    Share,
    /// A date and a time with its zone.
    Moment,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// An array of these.
    Each(&'static Kind),
    /// An object with these members, and others.
    Record(&'static [Member]),
    /// The same, where something else still says that there is one.
    Capability(&'static [Member]),
    /// An object of these.
    Map(&'static Kind),
    /// `_meta`.
    Metadata,
    /// A picture.
    Icon,
    /// The schema of what a tool takes.
    InputSchema,
    /// The schema of what a tool gives.
    OutputSchema,
}

/// A known member of an object.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_required: bool,
}

pub(super) const fn may(name: &'static str, kind: Kind) -> Member {
    Member {
        name,
        kind,
        is_required: false,
    }
}

const fn must(name: &'static str, kind: Kind) -> Member {
    Member {
        name,
        kind,
        is_required: true,
    }
}

pub(super) const TOOL: &[Member] = &[
    must("name", Kind::Word),
    may("title", Kind::Line),
    may("description", Kind::Text),
    may("icons", ICONS),
    must("inputSchema", Kind::InputSchema),
    may("outputSchema", Kind::OutputSchema),
    may("annotations", Kind::Record(TOOL_ANNOTATIONS)),
    may("execution", Kind::Record(EXECUTION)),
    may("_meta", Kind::Metadata),
];

pub(super) const PROMPT: &[Member] = &[
    must("name", Kind::Word),
    may("title", Kind::Line),
    may("description", Kind::Text),
    may("icons", ICONS),
    may("arguments", Kind::Each(&Kind::Record(ARGUMENT))),
    may("_meta", Kind::Metadata),
];

pub(super) const RESOURCE: &[Member] = &[
    must("uri", Kind::Word),
    must("name", Kind::Line),
    may("title", Kind::Line),
    may("description", Kind::Text),
    may("icons", ICONS),
    may("mimeType", Kind::Word),
    may("size", Kind::Integer),
    may("annotations", Kind::Record(ANNOTATIONS)),
    may("_meta", Kind::Metadata),
];

pub(super) const TEMPLATE: &[Member] = &[
    must("uriTemplate", Kind::Word),
    must("name", Kind::Line),
    may("title", Kind::Line),
    may("description", Kind::Text),
    may("icons", ICONS),
    may("mimeType", Kind::Word),
    may("annotations", Kind::Record(ANNOTATIONS)),
    may("_meta", Kind::Metadata),
];

const ARGUMENT: &[Member] = &[
    must("name", Kind::Word),
    may("title", Kind::Line),
    may("description", Kind::Text),
    may("required", Kind::Flag),
];

const TOOL_ANNOTATIONS: &[Member] = &[
    may("title", Kind::Line),
    may("readOnlyHint", Kind::Flag),
    may("destructiveHint", Kind::Flag),
    may("idempotentHint", Kind::Flag),
    may("openWorldHint", Kind::Flag),
];

const EXECUTION: &[Member] = &[may(
    "taskSupport",
    Kind::OneOf(&["forbidden", "optional", "required"]),
)];

const ANNOTATIONS: &[Member] = &[
    may("audience", Kind::Each(&Kind::OneOf(&["user", "assistant"]))),
    may("priority", Kind::Share),
    may("lastModified", Kind::Moment),
];

const ICONS: Kind = Kind::Each(&Kind::Icon);

pub(super) const ICON: &[Member] = &[
    must("src", Kind::Word),
    may("mimeType", Kind::Word),
    may("sizes", Kind::Each(&Kind::Word)),
    may("theme", Kind::OneOf(&["light", "dark"])),
];

/// The answer to `initialize` and `server/discover`, without what we write ourselves.
pub(super) const HANDSHAKE: &[Member] = &[
    may("capabilities", Kind::Capability(CAPABILITIES)),
    may("serverInfo", Kind::Record(IMPLEMENTATION)),
    may("instructions", Kind::Instructions),
    may("_meta", Kind::Metadata),
];

pub(super) const IMPLEMENTATION: &[Member] = &[
    must("name", Kind::Line),
    may("title", Kind::Line),
    must("version", Kind::Line),
    may("description", Kind::Text),
    may("icons", ICONS),
    may("websiteUrl", Kind::Link),
];

const CAPABILITIES: &[Member] = &[
    may("experimental", Kind::Map(&Kind::Capability(&[]))),
    may("extensions", Kind::Map(&Kind::Capability(&[]))),
    may("logging", Kind::Capability(&[])),
    may("completions", Kind::Capability(&[])),
    may("prompts", Kind::Capability(LISTED)),
    may("resources", Kind::Capability(LISTED)),
    may("tools", Kind::Capability(LISTED)),
    may("tasks", Kind::Capability(TASKS)),
];

const LISTED: &[Member] = &[may("listChanged", Kind::Flag), may("subscribe", Kind::Flag)];

const TASKS: &[Member] = &[
    may("list", Kind::Capability(&[])),
    may("cancel", Kind::Capability(&[])),
    may(
        "requests",
        Kind::Capability(&[may(
            "tools",
            Kind::Capability(&[may("call", Kind::Capability(&[]))]),
        )]),
    ),
];

/// The answer to `completion/complete`.
pub(super) const COMPLETED: &[Member] = &[
    must("completion", Kind::Record(COMPLETION)),
    may("_meta", Kind::Metadata),
];

const COMPLETION: &[Member] = &[
    must("values", Kind::Each(&Kind::Word)),
    may("total", Kind::Integer),
    may("hasMore", Kind::Flag),
];

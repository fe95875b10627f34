//! What a row is, and the lines of the documented differences that rows name.

/// One statement about Falco, and what shows that it holds here.
pub(crate) struct Row {
    /// The statement.
    pub(crate) falco: &'static str,
    pub(crate) text: &'static str,
    pub(crate) options: &'static [&'static str],
    pub(crate) expected: &'static [Expected],
    /// The line of `docs/differences-from-falco.md` that says what is different here.
    pub(crate) differs: Option<&'static str>,
}

/// What must come of a row.
#[derive(Debug)]
pub(crate) enum Expected {
    /// The API is served there.
    Served(&'static str),
    /// The API is not served.
    Off,
    /// With these files: private key, certificates, roots.
    Files([&'static str; 3]),
    /// On so many threads.
    Threads(usize),
    /// With alerts, or without any.
    Alerts(bool),
    /// Nothing is found wrong with it.
    Clean,
    /// A warning with this in it.
    Warning(&'static str),
    /// A note with this in it.
    Note(&'static str),
    /// No configuration, for a reason with this in it.
    Error(&'static str),
}

pub(crate) const fn same(
    falco: &'static str,
    text: &'static str,
    options: &'static [&'static str],
    expected: &'static [Expected],
) -> Row {
    Row { falco, text, options, expected, differs: None }
}

pub(crate) const fn differs(
    readme: &'static str,
    falco: &'static str,
    text: &'static str,
    options: &'static [&'static str],
    expected: &'static [Expected],
) -> Row {
    Row { falco, text, options, expected, differs: Some(readme) }
}

pub(crate) const NO_GRPC: &str = "no `grpc` key: nothing is served";
pub(crate) const NO_FILE: &str = "no `-c`: `/etc/falco/falco.yaml` is read";
pub(crate) const RUNS_ON: &str = "the API cannot start: logged, Falco runs on";
pub(crate) const WRONG_TYPE: &str = "a value of the wrong type: the default, in silence";
pub(crate) const TWICE: &str = "a key that stands twice: the first counts";
pub(crate) const THREADS: &str = "`threadiness`: no limit";
pub(crate) const SCHEMA: &str = "schema validation warns of the TLS keys and of `grpc: {}`";
pub(crate) const DEPRECATED: &str = "`grpc` and `grpc_output` are deprecated";
pub(crate) const ONE_SLASH: &str = "`unix:/path` is mutual TLS on a unix socket";
pub(crate) const NO_PORT: &str = "an address without a port: 443";
pub(crate) const SHARED_PORT: &str = "a TCP port that another server has: shared";
pub(crate) const TAKEN_OVER: &str = "a unix socket that another server has: taken over";
pub(crate) const UMASK: &str = "the socket's mode follows the umask";
pub(crate) const INDEX: &str = "`-o` with an index out of range: the list becomes a map";
pub(crate) const BACKSLASH: &str = r"`-o` keys: `\` is an ordinary character";
pub(crate) const FOREIGN: &str = "`-o` about a key nobody reads: set";
pub(crate) const NOT_THERE: &str = "`config_files` that are not there: skipped in silence";
pub(crate) const UNREADABLE: &str = "an included directory that may not be read: passed over";
pub(crate) const STRATEGY: &str = "a strategy that is not known: `append`, in silence";
pub(crate) const LIMITS: &str = "includes without limit";
pub(crate) const DOLLAR: &str = "a `$` that begins no variable ends the expansion";
pub(crate) const CIRCLE: &str = "variables that refer to each other in a circle: for ever";

/// Differences that rows of the program itself show.
pub(crate) const SHOWN_BY_THE_PROGRAM: [&str; 7] =
    [NO_FILE, RUNS_ON, SHARED_PORT, TAKEN_OVER, UMASK, LIMITS, UNREADABLE];

//! The type of a row, and the lines of the documented differences that rows name.

/// One statement about Falco, and the configuration that tests it here.
pub(crate) struct Row {
    /// The statement.
    pub(crate) falco: &'static str,
    pub(crate) text: &'static str,
    pub(crate) options: &'static [&'static str],
    pub(crate) expected: &'static [Expected],
    /// The line of `docs/differences-from-falco.md` about the difference, if there is one.
    pub(crate) differs: Option<&'static str>,
}

/// An expected result of a row.
#[derive(Debug)]
pub(crate) enum Expected {
    /// The API is served at this address.
    Served(&'static str),
    /// The API is not served.
    Off,
    /// The private key, the certificates and the roots are these files.
    Files([&'static str; 3]),
    /// The number of threads.
    Threads(usize),
    /// Whether the API has alerts.
    Alerts(bool),
    /// There is neither a warning nor a note.
    Clean,
    /// A warning contains this text.
    Warning(&'static str),
    /// A note contains this text.
    Note(&'static str),
    /// Loading fails, and the error contains this text.
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

/// The differences that the tests of the program cover.
pub(crate) const SHOWN_BY_THE_PROGRAM: [&str; 7] =
    [NO_FILE, RUNS_ON, SHARED_PORT, TAKEN_OVER, UMASK, LIMITS, UNREADABLE];
